"""Cases of bench ``track``: clips with the true mask of what moves in them, from files or pasted together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import SAMPLES, Sample, read_frames, read_sample, samples, view
from vidinternal.bench.holes import figure
from vidinternal.core.clip import Shot
from vidinternal.core.errors import UsageError
from vidinternal.core.finding import BySmall

_PART = 0.08
"""Share of a mask below which a part of it gets no box of its own."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Labelled:
    """A clip and what is to be followed in it.

    Attributes:
        name: In the table.
        frames: ``T H W 3`` uint8 RGB.
        truth: ``T H W`` bool.
    """

    name: str
    frames: np.ndarray
    truth: np.ndarray

    def boxes(self) -> list[Box]:
        """``x, y, width, height`` around every large part of the first frame's mask."""
        count, _, facts, _ = cv2.connectedComponentsWithStats(self.truth[0].astype(np.uint8), connectivity=8)
        least = _PART * self.truth[0].sum()
        found = [facts[k] for k in range(1, count) if facts[k, cv2.CC_STAT_AREA] >= least]
        return [(int(f[0]), int(f[1]), int(f[2]), int(f[3])) for f in found]


class ArrayView(BySmall):
    """Frames in memory as a clip; ``core.finding.ClipView``.

    Args:
        frames: ``T H W 3`` uint8 RGB.
    """

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.size = (int(frames.shape[1]), int(frames.shape[2]))

    def shots(self) -> tuple[Shot, ...]:
        """One take."""
        return (Shot(0, 0, len(self._frames)),)

    def __len__(self) -> int:
        return len(self._frames)

    def seconds(self, index: int) -> Fraction:
        """25 frames a second."""
        return Fraction(index, 25)

    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        """``N h w 3`` uint8 RGB."""
        chosen = self._frames[list(indices)]
        if height is None or height == self.size[0]:
            return chosen
        size = (max(1, round(self.size[1] * height / self.size[0])), height)
        return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in chosen])

    def rgb(self, start: int, end: int, box: tuple[int, int, int, int] | None = None) -> Tensor:
        """``T 3 h w`` float32 RGB."""
        y0, y1, x0, x1 = box or (None, None, None, None)
        part = np.ascontiguousarray(self._frames[start:end, y0:y1, x0:x1].transpose(0, 3, 1, 2))
        return torch.from_numpy(part).float() / 255


def labelled(options: BenchOptions) -> list[tuple[str, Callable[[], Labelled]]]:
    """The cases that the options ask for, by name, each read when it is called.

    Raises:
        UsageError: No clip has a mask, or none the wanted name.
    """
    found = list(_pasted(options) if options.masks is None else _filed(options, options.masks))
    wanted = [(n, make) for n, make in found if not options.cases or any(word in n for word in options.cases)]
    if not wanted:
        known = ", ".join(name for name, _ in found) or "no clip with a mask <clip>_mask.mkv"
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases) or "none")
    return wanted


def _filed(options: BenchOptions, folder: Path) -> Iterator[tuple[str, Callable[[], Labelled]]]:
    masks = sorted(p for p in folder.glob("*_mask.mkv"))
    for sample in samples(options):
        own = [p for p in masks if p.stem == f"{sample.name}_mask"]
        own = own or [p for p in masks if p.stem.startswith(f"{sample.name}_")]
        if own:
            yield sample.name, lambda s=sample, p=own[0]: _read(s, p, options)


def _read(sample: Sample, mask: Path, options: BenchOptions) -> Labelled:
    """A clip and its mask, both cropped and shrunk alike; a mask of another size is stretched first."""
    native = read_frames(options.clips / sample.file, 0, None)[: options.frames]
    drawn = read_frames(mask, 0, None)[: len(native)].mean(dim=1, keepdim=True)
    drawn = nn_functional.interpolate(drawn, native.shape[-2:], mode="bilinear", align_corners=False)
    shape = (options.height, options.width)
    rows, columns = view(native.shape[-2], native.shape[-1], shape, None)
    small, truth = (nn_functional.interpolate(t[..., rows, columns], shape, mode="area") for t in (native, drawn))
    return Labelled(sample.name, _codes(small), (truth[:, 0] > 0.5).numpy())


def _pasted(options: BenchOptions) -> Iterator[tuple[str, Callable[[], Labelled]]]:
    """A walking figure with the texture of one sample clip on each of the others."""
    still = [s for s in SAMPLES if not s.pan]
    for k, sample in enumerate(still):
        other = still[(k + 1) % len(still)]
        yield f"{sample.name}+figure", lambda s=sample, o=other: _paste(s, o, options)


def _paste(sample: Sample, other: Sample, options: BenchOptions) -> Labelled:
    ground, texture = read_sample(sample, options), read_sample(other, options)
    masks = figure(len(ground), options.height, options.width)
    columns = [float(m.nonzero()[:, 2].float().mean()) for m in masks]
    # the texture walks with the figure
    worn = torch.stack(
        [t.roll(round(columns[k] - columns[0]), dims=2) for k, t in enumerate(texture[:1].expand_as(texture))]
    )
    soft = nn_functional.avg_pool2d(masks.float(), 3, stride=1, padding=1)
    return Labelled(f"{sample.name}+figure", _codes(ground * (1 - soft) + worn * soft), masks[:, 0].numpy())


def _codes(frames: Tensor) -> np.ndarray:
    return np.ascontiguousarray((frames * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
