"""Learns the start of ``zssr``: ``python -m vidinternal.bench.zssr_start [FILE [ITERATIONS]]``.

From crops of the sample clips in ``clips/`` and of drawn shapes, made smaller by random factors and blurs, and from
nothing else. A picture's own training then has little left to do.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

import vidinternal
from vidinternal.bench.base import SAMPLE_CLIPS
from vidinternal.bench.meta_start import footage
from vidinternal.core.seeds import branch, generator
from vidinternal.learn.precision import fast_bfloat16
from vidinternal.learn.warm_start.meta import packed
from vidinternal.methods.zssr.augment import Augmentation, Fathers, Source
from vidinternal.methods.zssr.objective import father_to_son, prepared, reconstruction
from vidinternal.methods.zssr.recipe import FAST
from vidinternal.methods.zssr.schedule import CosineRule
from vidinternal.nets.conv_stack import INIT_VARIANCE, ConvStack
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import anisotropic_gaussian, kernel_shift

SIDE = 256


@dataclass(frozen=True)
class Lesson:
    """How it is learned.

    Attributes:
        iterations: Optimiser steps.
        crop: Pixels of a side.
        batch: Crops in a step.
        rate: Largest step size of Adam; it falls to a hundredth along half a cosine.
        drawn: Pictures of shapes.
        blurred: Share of steps with a random blur instead of the cubic.
    """

    iterations: int = 6000
    crop: int = 64
    batch: int = 4
    rate: float = 8e-4
    drawn: int = 16
    blurred: float = 0.35


def shapes(seed: int, side: int = SIDE) -> Tensor:
    """``3 side side``: ellipses, polygons, lines and letters that hide each other, some of them striped."""
    random = np.random.default_rng(seed)
    large = 2 * side
    canvas = np.full((large, large, 3), random.random(3), np.float32)
    for _ in range(int(random.integers(80, 250))):
        radius = int(large * 0.3 * (0.02 + random.random() ** 3))
        middle = tuple(int(v) for v in random.integers(0, large, 2))
        mask = np.zeros((large, large), np.uint8)
        _figure(mask, middle, radius, random)
        where = mask > 0
        colour = random.random(3) * (0.4 + 0.6 * random.random())
        if random.random() < 0.25:
            y, x = np.nonzero(where)
            angle, pitch = random.random() * math.pi, random.uniform(4, 30)
            wave = np.sin((y * math.sin(angle) + x * math.cos(angle)) * 2 * math.pi / pitch)
            other = random.random(3)
            canvas[where] = colour + (other - colour) * (wave[:, None] > 0)
        else:
            canvas[where] = colour
    picture = torch.from_numpy(canvas).permute(2, 0, 1)[None]
    return imresize(picture, 0.5).clamp(0, 1)[0]


def _figure(mask: np.ndarray, middle: tuple[int, ...], radius: int, random: np.random.Generator) -> None:
    kind = random.random()
    if kind < 0.4:
        axes = (radius, max(1, int(radius * random.uniform(0.3, 1))))
        cv2.ellipse(mask, (middle[0], middle[1]), axes, float(random.uniform(0, 180)), 0, 360, 255, -1)
    elif kind < 0.7:
        corners = np.array(middle) + random.normal(size=(int(random.integers(3, 6)), 2)) * radius
        cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
    elif kind < 0.85:
        end = (np.array(middle) + random.normal(size=2) * radius * 2).astype(int)
        cv2.line(mask, (middle[0], middle[1]), (int(end[0]), int(end[1])), 255, int(random.integers(2, 9)))
    else:
        word = "".join(chr(int(c)) for c in random.integers(33, 126, 6))
        size = random.uniform(0.6, 2.5)
        cv2.putText(mask, word, (middle[0], middle[1]), cv2.FONT_HERSHEY_SIMPLEX, size, 255, int(random.integers(1, 5)))


def sources(clips: Path, seed: int, drawn: int) -> list[Source]:
    """What is learned from, all of scale 1; half of the weight is on drawn pictures."""
    found: list[Source] = []
    for name, frames in sorted(footage(clips).items()):
        del name
        for frame in frames[::8]:
            # smaller is sharper: what the camera and the encoder blurred is not to be learned
            for scale, weight in ((1.0, 0.3), (0.7, 1.0), (0.5, 1.0)):
                found.append(Source(imresize(frame[None], scale).clamp(0, 1)[0], weight=weight))
    weight = sum(s.weight for s in found) / max(1, drawn)
    return found + [Source(shapes(branch(seed, "shapes", k)), weight=weight) for k in range(drawn)]


def degradation(seed: int, blurred: float) -> tuple[tuple[float, float], Tensor | None]:
    """A random factor and blur."""
    coins = torch.rand(6, generator=generator(seed, "degradation"), dtype=torch.float64).tolist()
    factor = next(f for share, f in ((0.6, 2.0), (0.75, 3.0), (0.85, 4.0), (1.01, 1.5)) if coins[0] < share)
    if coins[1] >= blurred or factor != int(factor):
        return (factor, factor), None
    first, second = ((0.35 + 0.75 * c) * factor for c in coins[2:4])
    side = int(2 * math.ceil(3 * max(first, second)) + 3)
    kernel = anisotropic_gaussian(side, (first**2, second**2), coins[4] * math.pi)
    return (factor, factor), kernel_shift(kernel, factor)


def learn(pictures: Sequence[Source], seed: int, lesson: Lesson) -> ConvStack:
    """Train a network on crops of the pictures."""
    net = ConvStack(FAST, generator(seed, "weights"))
    with torch.no_grad():
        for weight in list(net.parameters())[:-1]:
            weight.mul_(math.sqrt(2 / INIT_VARIANCE))
        list(net.parameters())[-1].mul_(0.3)
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    half = fast_bfloat16(torch.device("cpu"))
    fathers = Fathers(pictures, lesson.crop, Augmentation(as_is=0.0, exact=0.85), generator(seed, "fathers"))
    optimiser = torch.optim.Adam(net.parameters(), lr=lesson.rate)
    rule = CosineRule(lesson.rate, lesson.iterations, warm_up=50)
    for number in range(lesson.iterations):
        rule.over(number, number / lesson.iterations)
        optimiser.param_groups[0]["lr"] = rule.rate
        father = fathers.draw(lesson.batch)
        sf, kernel = degradation(branch(seed, number), lesson.blurred)
        son = father_to_son(father, sf, kernel)
        start = prepared(son, sf, (lesson.crop, lesson.crop), kernel)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            output = net(start.contiguous(memory_format=torch.channels_last))
        loss = reconstruction(father, output)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimiser.step()
    return net


def main(output: Path, seed: int = 0, lesson: Lesson | None = None) -> None:
    """Learn and write the file, in one step."""
    lesson = lesson or Lesson()
    net = learn(sources(SAMPLE_CLIPS, seed, lesson.drawn), seed, lesson)
    about = {"made": "python -m vidinternal.bench.zssr_start", "seed": str(seed), "how": str(lesson)}
    aside = output.with_name(f".{output.name}.part")
    aside.write_bytes(packed({FAST.signature: net.state_dict()}, about))
    aside.replace(output)


if __name__ == "__main__":
    here = Path(vidinternal.__file__).parent / "methods" / "zssr" / "start.safetensors"
    how = Lesson(iterations=int(sys.argv[2])) if len(sys.argv) > 2 else None
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here, lesson=how)
