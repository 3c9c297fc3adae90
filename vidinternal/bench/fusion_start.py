"""How the start of ``internal``'s fusion was learned: ``python -m vidinternal.bench.fusion_start [OUTPUT]``.

The sample clips, seen through a camera that stands, pans, zooms or shakes, get holes of every kind; the candidates are
made as the method makes them, and the fusion learns which was right. Nothing but the clips in ``clips/`` goes in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.camera import MOTIONS, filmed
from vidinternal.bench.cases import SAMPLES, Sample, read_frames
from vidinternal.bench.holes import HOLES
from vidinternal.core.seeds import branch, generator
from vidinternal.methods.internal.candidates import Candidates
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fusion import START, Examples, FusionFit, FusionNet, examples, fit_fusion
from vidinternal.ops.flow_copy import never
from vidinternal.ops.resample import destroy

SIZE = (136, 240)
FRAMES = 16
TURNS = 3
"""Times that every clip goes through every motion with every hole."""
MEMBERS = 3
"""Networks learned, each from another seed."""
PIXELS = 6_000
"""Pixels learned from, of each clip, motion and hole."""
LESSON = FusionFit(steps=3000, rate=3e-3, anchor=0.0, batch=8192)


@dataclass(frozen=True)
class Lesson:
    """One clip with one hole.

    Attributes:
        name: ``clip/motion/hole/turn``.
        truth: ``T 3 H W``.
        masks: ``T 1 H W`` bool.
    """

    name: str
    truth: Tensor
    masks: Tensor


def lessons(clips: Path, seed: int, samples: tuple[Sample, ...] = SAMPLES) -> Iterator[Lesson]:
    """Every still sample through every motion with every hole, several times, mirrored by chance."""
    for sample in samples:
        if sample.pan:
            continue
        footage = read_frames(clips / sample.file, 0, None)
        for turn, motion, hole in product(range(TURNS), MOTIONS, HOLES):
            name = f"{sample.name}/{motion}/{hole}/{turn}"
            coins = torch.rand(4, generator=generator(branch(seed, name), "camera")).tolist()
            start = int(coins[0] * (len(footage) - FRAMES + 1))
            frames = footage[start : start + FRAMES]
            frames = frames.flip(3) if coins[3] < 0.5 else frames
            signs = (1.0 if coins[1] < 0.5 else -1.0, 1.0 if coins[2] < 0.5 else -1.0)
            yield Lesson(name, filmed(frames, motion, SIZE, signs), HOLES[hole](FRAMES, *SIZE))


def learned_from(lesson: Lesson, seed: int) -> Examples:
    """The pixels of a lesson; errors count relative to those of the lesson's best candidate."""
    candidates = Candidates.of(destroy(lesson.truth, lesson.masks), lesson.masks, Config().propagation(), never)
    known = examples(candidates, lesson.masks, lesson.truth, branch(seed, lesson.name), PIXELS)
    error = (known.colours - known.truth.unsqueeze(1)).square().mean(dim=(0, 2)).min()
    scale = float(error.clamp(min=1e-5)) ** -0.5
    return Examples(known.evidence, known.colours * scale, known.truth * scale)


def learn(parts: list[Examples], seed: int) -> FusionNet:
    """Learn the start from all lessons."""
    known = Examples(*(torch.cat([getattr(p, n) for p in parts]) for n in ("evidence", "colours", "truth")))
    net = FusionNet()
    random = generator(seed, "start")
    with torch.no_grad():
        net.mean.copy_(known.evidence.mean(dim=0))
        net.deviation.copy_(known.evidence.std(dim=0).clamp(min=0.05))
        for layer in (net.first, net.second, net.last):
            layer.bias.zero_()
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=random) / layer.in_features**0.5)
        net.last.weight.zero_()  # from equal weights
    return fit_fusion(net, known, seed, LESSON)


def main(output: Path, seed: int = 0) -> None:
    """Learn and write the file."""
    parts: list[Examples] = []
    names: list[str] = []
    for lesson in lessons(BenchOptions().clips, seed):
        parts.append(learned_from(lesson, seed))
        names.append(lesson.name)
        print(lesson.name, flush=True)  # noqa: T201 - a script
    write(output, [learn(parts, seed + k) for k in range(MEMBERS)], names, seed)


def write(output: Path, nets: Sequence[FusionNet], names: Sequence[str], seed: int) -> None:
    """Write the networks as one file, in one step."""
    tensors = {f"{k}.{name}": t.contiguous() for k, net in enumerate(nets) for name, t in net.state_dict().items()}
    about = {"lessons": json.dumps(names), "seed": str(seed), "made": "python -m vidinternal.bench.fusion_start"}
    aside = output.with_name(f".{output.name}.part")
    aside.write_bytes(save(tensors, metadata=about))
    aside.replace(output)


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1] / "methods" / "internal" / START
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
