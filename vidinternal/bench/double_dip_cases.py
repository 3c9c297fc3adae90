"""Cases of bench ``double_dip``: haze, mixtures and marks put on pictures whose truth is known; hazy pairs of files.

What is put on follows the physical model, drawn from the seed; no method sees the truth, or any of what was drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.bench.base import SAMPLE_CLIPS, BenchOptions
from vidinternal.bench.cases import SAMPLES, Sample, read_sample, samples, view
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops.dark_channel import hazy
from vidinternal.ops.measures import psnr

STILLS = (".png", ".jpg", ".jpeg", ".webp")
_COARSE = 4


@dataclass(frozen=True)
class Pair:
    """Pictures and what they are without haze, mark or the like.

    Attributes:
        name: In the table.
        seen: ``T 3 H W`` as a method gets them.
        truth: ``T 3 H W``.
        where: ``T 1 H W`` bool, pixels that count; None for all.
        clip: Whether the pictures follow each other in time.
    """

    name: str
    seen: Tensor
    truth: Tensor
    where: Tensor | None = None
    clip: bool = True


@dataclass(frozen=True)
class Mixture:
    """Two layers seen through each other.

    Attributes:
        name: In the table.
        layers: ``1 3 H W`` each, the truth.
        mixtures: ``1 3 H W`` each, one or two.
    """

    name: str
    layers: tuple[Tensor, Tensor]
    mixtures: tuple[Tensor, ...]


def codes(frames: Tensor) -> Tensor:
    """The frames in 8 bits, as a file would have them."""
    return frames.clamp(0, 1).mul(255).round().div(255)


def depth_field(height: int, width: int, random: torch.Generator) -> Tensor:
    """``1 1 H W`` in [0, 1]: a smooth random field, farther away towards the top, as landscapes are."""
    coarse = torch.rand((1, 1, _COARSE, _COARSE), generator=random)
    smooth = nn_functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    rows = torch.linspace(1, 0, height).view(1, 1, -1, 1)
    field = 0.5 * smooth + rows
    return (field - field.min()) / (field.max() - field.min()).clamp(min=1e-6)


def with_haze(truth: Tensor, name: str, seed: int, depth: Tensor | None = None) -> Pair:
    """Put haze on a clip whose camera stands still, ``I = t J + (1 - t) A`` with ``t = exp(-beta (0.2 + depth))``.

    Args:
        truth: ``T 3 H W``.
        name: Of the case; beta (0.6 to 1.6) and the airlight (0.75 to 0.95, a little coloured) are drawn by it.
        seed: Root of the draws.
        depth: ``1 1 H W`` in [0, 1]; None draws one.
    """
    random = generator(seed, "haze", name)
    beta = 0.6 + float(torch.rand((), generator=random))
    light = 0.75 + 0.2 * torch.rand((), generator=random) + 0.03 * (torch.rand(3, generator=random) - 0.5)
    if depth is None:
        depth = depth_field(truth.shape[-2], truth.shape[-1], random)
    t = torch.exp(-beta * (0.2 + depth)).expand(len(truth), -1, -1, -1)
    return Pair(name, codes(hazy(truth, light.clamp(0, 1), t)), truth)


def haze_cases(options: BenchOptions) -> list[tuple[str, Callable[[], Pair]]]:
    """Clips with haze put on; a picture ``CLIP_depth.png`` beside a clip, white far away, is its depth."""

    def make(sample: Sample) -> Pair:
        truth, drawn = read_sample(sample, options), options.clips / f"{Path(sample.file).stem}_depth.png"
        depth = read_still(drawn, options).mean(dim=1, keepdim=True) if drawn.is_file() else None
        return with_haze(truth, f"haze/{sample.name}", options.seed, depth)

    still = [s for s in samples(options) if not s.pan]
    return [(f"haze/{s.name}", lambda s=s: make(s)) for s in still]


def pair_cases(options: BenchOptions) -> list[tuple[str, Callable[[], Pair]]]:
    """Hazy pictures and their truth from the folder of pairs.

    Raises:
        UsageError: A folder was given and there is no pair in it.
    """
    if options.pairs is None:
        return []
    hazy_ones = [p for p in sorted(options.pairs.glob("*_hazy*")) if p.suffix.lower() in STILLS]
    found = [(p, t) for p in hazy_ones for t in _truths(p)]
    if not found:
        raise UsageError(str(options.pairs), expected="NAME_hazy.png beside NAME_truth.png", got="no such pair")

    def make(seen: Path, truth: Path) -> Pair:
        pair = [read_still(path, options, whole=True) for path in (seen, truth)]
        return Pair(f"pair/{seen.stem}", pair[0], pair[1])

    return [(f"pair/{p.stem}", lambda p=p, t=t: make(p, t)) for p, t in found]


def _truths(seen: Path) -> list[Path]:
    stem = seen.stem.split("_hazy")[0]
    return [t for s in STILLS if (t := seen.with_name(f"{stem}_truth{s}")).is_file()][:1]


def read_still(path: Path, options: BenchOptions, *, whole: bool = False) -> Tensor:
    """``1 3 H W`` RGB of a picture file, shrunk to the bench's size.

    Args:
        path: The file.
        options: For the size.
        whole: Keep the picture's shape within the size, instead of cropping it to the size's.

    Raises:
        UsageError: It cannot be read.
    """
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise UsageError(str(path), expected="a picture", got="what cannot be read")
    frame = torch.from_numpy(np.ascontiguousarray(data[..., ::-1])).permute(2, 0, 1)[None].float() / 255
    height, width = frame.shape[-2:]
    if whole:
        scale = min(1.0, options.width / width, options.height / height)
        size = round(height * scale), round(width * scale)
    else:
        size = options.height, options.width
        rows, columns = view(height, width, size, None)
        frame = frame[..., rows, columns]
    return codes(nn_functional.interpolate(frame, size, mode="area"))


def layer_pictures(options: BenchOptions) -> list[tuple[str, Tensor]]:
    """Pictures to be mixed: those of the folder, or the first frame of every clip.

    Raises:
        UsageError: There are fewer than two.
    """
    if options.stills is not None:
        paths = sorted(p for p in options.stills.glob("*") if p.suffix.lower() in STILLS)
        found = [(p.stem, read_still(p, options)) for p in paths[:6]]
    else:
        one = options.model_copy(update={"frames": 2})
        found = [(s.name, read_sample(s, one)[:1]) for s in samples(options) if not s.pan]
    if len(found) < 2:
        raise UsageError(str(options.stills or options.clips), expected="two pictures or more", got=str(len(found)))
    return found


def mixture_cases(options: BenchOptions) -> list[tuple[str, Callable[[], Mixture]]]:
    """Neighbouring pictures mixed: half and half once, and in two unlike shares, drawn from the seed, twice."""

    def make(kind: str, name: str, first: Tensor, second: Tensor) -> Mixture:
        random = generator(options.seed, "mixture", name)
        a = 0.6 + 0.25 * float(torch.rand((), generator=random))
        b = 0.15 + 0.25 * float(torch.rand((), generator=random))
        shares = (0.5,) if kind == "one" else (a, b)
        return Mixture(name, (first, second), tuple(codes(s * first + (1 - s) * second) for s in shares))

    cases = []
    for kind in ("one", "two"):
        for (left, first), (right, second) in itertools.pairwise(layer_pictures(options)):
            name = f"separate-{kind}/{left}+{right}"
            cases.append((name, lambda k=kind, n=name, f=first, s=second: make(k, n, f, s)))
    return cases


def mark_cases(options: BenchOptions) -> list[tuple[str, Callable[[], Pair]]]:
    """A half-transparent mark on a clip that moves under it, and on unlike pictures."""

    def clip(sample: Sample) -> Pair:
        return with_mark(read_sample(sample, options), f"mark/{sample.name}", options.seed)

    def unlike() -> Pair:
        pictures = [p for _, p in layer_pictures(options)]
        turned = [p.flip(-1) for p in pictures]
        return replace(with_mark(torch.cat((pictures + turned)[:8]), "mark/unlike", options.seed), clip=False)

    own = options.clips.resolve() == SAMPLE_CLIPS.resolve()
    moving = [s for s in SAMPLES if s.pan] if own else list(samples(options))
    return [("mark/unlike", unlike), *((f"mark/{s.name}", lambda s=s: clip(s)) for s in moving)]


def with_mark(truth: Tensor, name: str, seed: int) -> Pair:
    """Lay letters and a ring over pictures; how much they hide, 0.35 to 0.65, and their colour are drawn by name."""
    random = generator(seed, "mark", name)
    height, width = truth.shape[-2:]
    opacity = 0.35 + 0.3 * float(torch.rand((), generator=random))
    bright = float(torch.rand((), generator=random)) < 0.7
    colour = (0.9 if bright else 0.1) + 0.1 * (torch.rand(3, generator=random) - 0.5)
    drawn = np.zeros((height, width), np.uint8)
    scale = width / 220
    stroke = max(1, round(2.5 * scale))
    place = (round(0.24 * width), round(0.6 * height))
    cv2.putText(drawn, "SAMPLE", place, cv2.FONT_HERSHEY_DUPLEX, scale, 255, stroke, cv2.LINE_AA)
    ring = (round(0.14 * width), round(0.55 * height))
    cv2.circle(drawn, ring, max(3, round(0.07 * width)), 255, stroke, cv2.LINE_AA)
    mask = torch.from_numpy(drawn)[None, None].float() / 255 * opacity
    seen = codes((1 - mask) * truth + mask * colour.clamp(0, 1).view(1, 3, 1, 1))
    return Pair(name, seen, truth, (mask > 0.02).expand(len(truth), -1, -1, -1))


def layers_psnr(found: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """PSNR in dB of two layers, the better way round, each at its best brightness and contrast.

    How bright a layer is cannot be told from a mixture, so that every found layer is first fitted to the truth by one
    factor and one offset.

    Args:
        found: Two ``1 3 H W``.
        truth: Two ``1 3 H W``.
    """

    def fitted(x: Tensor, y: Tensor) -> Tensor:
        rows = torch.stack((x.flatten().double(), torch.ones(x.numel(), dtype=torch.float64)), dim=1)
        factors = torch.linalg.lstsq(rows, y.flatten().double().unsqueeze(1)).solution
        return (rows @ factors).view_as(y).clamp(0, 1).to(y)

    ways = [list(zip(order, truth, strict=True)) for order in (found, tuple(found)[::-1])]
    return max(sum(psnr(fitted(x, y), y) for x, y in way) / 2 for way in ways)


def box_hint(truth: Tensor) -> Tensor:
    """``1 1 H W``: 0 outside the box of a mask ``1 1 H W``, a pixel of room around it, and unknown inside."""
    rows, columns = (truth[0, 0].any(dim=d).nonzero().flatten() for d in (1, 0))
    hint = torch.zeros(truth.shape)
    if len(rows):
        hint[..., max(0, int(rows[0]) - 1) : int(rows[-1]) + 2, max(0, int(columns[0]) - 1) : int(columns[-1]) + 2] = (
            float("nan")
        )
    return hint
