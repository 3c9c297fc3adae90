"""Where a copy of a hole is hidden: near it, on free known pixels, in surroundings that look like its own.

A score taken on other content says nothing: a logo on a blurred background is easy, its copy over leaves is not. What
is under the hole nobody knows, but what is around it is known, and around every place a copy could go to: how much
texture, how much contrast, how much it changes in time, what colour. Correlation finds all of that for all places at
once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

COARSE = 128
"""Longest side, cells, of the grid on which places are searched."""
INSTANTS = 8
"""Frames, spread over the window, that the search looks at."""
LEAST_VISIBLE = 0.5
"""A copy of which less than this share lies on free known pixels is not placed."""
HIDDEN_COST = 1.0
"""What it costs when the whole copy is invisible, in units of :data:`UNLIKE` ..."""
UNLIKE = 1.0
"""... what a factor e in the energies of the surroundings costs ..."""
COLOUR_COST = 2.0
"""... what a difference of 1 in colour costs ..."""
FAR_COST = 0.3
"""... and what a distance as long as the picture's diagonal costs."""
_RING = 0.06  # width of the surroundings looked at, as a share of the shorter side
_LEAST_RING = 6
_FLOOR = 1e-4  # energies below (0.01)^2, two or three 8-bit codes, are all the same: noise
_CHANNELS = 9


@dataclass(frozen=True)
class Pose:
    """One way to turn the hole's track before it is shifted."""

    flip_x: bool
    flip_y: bool
    reverse: bool
    scale: float


@dataclass(frozen=True)
class Place:
    """A place for a copy.

    Attributes:
        pose: How the track is turned.
        shift: Rows and columns it is moved by.
        unlike: How far the surroundings are from those of the hole, in the mean natural logarithm of their energies.
    """

    pose: Pose
    shift: tuple[int, int]
    unlike: float


class Ground:
    """The known part of a window on a coarse grid.

    Args:
        frames: ``T 3 H W``.
        masks: ``T 1 H W`` bool, what is not known.
    """

    def __init__(self, frames: Tensor, masks: Tensor) -> None:
        self.size = (masks.shape[-2], masks.shape[-1])
        self.step = max(1, math.ceil(max(self.size) / COARSE))
        self.cells = max(1, math.ceil(max(_LEAST_RING, _RING * min(self.size)) / self.step))
        total, before = torch.zeros((_CHANNELS, *self.coarse(masks[:1, 0]).shape[-2:])), None
        for frame, mask in zip(frames, masks, strict=True):
            now = frame.cpu().float(), (~mask.cpu()).float()
            total += self._sums(now, before)
            before = now
        self.sums = total
        self.spectrum = torch.fft.rfft2(total, s=self.shifts)

    @property
    def shifts(self) -> tuple[int, int]:
        """How many shifts there are to try, rows and columns of cells."""
        height, width = (math.ceil(side / self.step) for side in self.size)
        return 2 * height, 2 * width

    def coarse(self, track: Tensor) -> Tensor:
        """``T H W`` bool as float at 1/step; 1 where any pixel of the cell is set; at most some frames of many."""
        track = track[:: math.ceil(len(track) / INSTANTS)]
        return nn_functional.max_pool2d(track[:, None].float(), self.step, ceil_mode=True)[:, 0]

    def _sums(self, now: tuple[Tensor, Tensor], before: tuple[Tensor, Tensor] | None) -> Tensor:
        """``9 h w`` sums over cells: weight, colour (3), its square; gradient and its weight; change and its weight."""
        picture, known = now
        grey = picture.mean(dim=0, keepdim=True)
        across, down = known[:, :, 1:] * known[:, :, :-1], known[:, 1:] * known[:, :-1]
        gradient = nn_functional.pad(across * grey.diff(dim=2).square(), (0, 1))
        gradient = gradient + nn_functional.pad(down * grey.diff(dim=1).square(), (0, 0, 0, 1))
        pairs = nn_functional.pad(across, (0, 1)) + nn_functional.pad(down, (0, 0, 0, 1))
        both = torch.zeros_like(known) if before is None else known * before[1]
        change = torch.zeros_like(known) if before is None else both * (grey - before[0].mean(0, keepdim=True)).square()
        square = known * picture.square().sum(dim=0, keepdim=True)
        maps = torch.cat((known, known * picture, square, gradient, pairs, change, both))
        pad = (0, -self.size[1] % self.step, 0, -self.size[0] % self.step)
        return self.step**2 * nn_functional.avg_pool2d(nn_functional.pad(maps, pad), self.step)

    def ring(self, shape: Tensor) -> Tensor:
        """``h w``: how often each cell lies around the hole, of its coarse ``T h w`` track."""
        size = 2 * self.cells + 1
        grown = nn_functional.max_pool2d(shape[:, None], size, 1, self.cells)[:, 0]
        return (grown - shape).sum(dim=0)


def correlate(field: Tensor, shape: Tensor, shifts: tuple[int, int]) -> Tensor:
    """``... 2h 2w``: sum of ``field * shape moved by (r, c)`` for all shifts, negative ones from the end.

    Args:
        field: Spectrum of ``... h w`` over all shifts.
        shape: ``... h w``.
        shifts: How many there are.
    """
    return torch.fft.irfft2(field * torch.fft.rfft2(shape, s=shifts).conj(), s=shifts)


def looks(sums: Tensor) -> Tensor:
    """``6 ...`` from the nine sums: logarithms of gradient, contrast and change; mean colour (3)."""
    weight = sums[0].clamp(min=1e-3)
    mean = sums[1:4] / weight
    contrast = sums[4] / weight - mean.square().sum(dim=0)
    energies = (sums[5] / sums[6].clamp(min=1e-3), contrast, sums[7] / sums[8].clamp(min=1e-3))
    return torch.cat((torch.stack([(e.clamp(min=0) + _FLOOR).log() for e in energies]), mean))


def find_place(
    ground: Ground, track: Tensor, turned: dict[Pose, Tensor], taken: Tensor, random: torch.Generator
) -> Place | None:
    """The cheapest place among those with room.

    Args:
        ground: The window.
        track: ``T H W`` bool of the hole, or of a part of it.
        turned: ``T H W`` bool for every pose allowed.
        taken: ``T H W`` bool, where no copy may be.
        random: Breaks ties, so that each seed has copies of its own.
    """
    free = torch.fft.rfft2(1.0 - ground.coarse(taken), s=ground.shifts)
    own_ring = ground.ring(ground.coarse(track))
    own = looks((ground.sums * own_ring).sum(dim=(-2, -1)))
    best: tuple[float, Place] | None = None
    for pose, shape in turned.items():
        found = _cheapest(ground, (track, shape), free, own, random)
        if found is not None and (best is None or found[0] < best[0]):
            best = found[0], Place(pose, found[1], found[2])
    return None if best is None else best[1]


def _cheapest(
    ground: Ground, tracks: tuple[Tensor, Tensor], free: Tensor, own: Tensor, random: torch.Generator
) -> tuple[float, tuple[int, int], float] | None:
    """Cost, shift and unlikeness of the best place for the second of two tracks, a turned copy of the first."""
    coarse = ground.coarse(tracks[1])
    spectrum = (free * torch.fft.rfft2(coarse, s=ground.shifts).conj()).sum(dim=0)
    visible = torch.fft.irfft2(spectrum, s=ground.shifts) / coarse.sum().clamp(min=1.0)
    height, width = (side // 2 for side in ground.shifts)
    allowed = visible >= max(LEAST_VISIBLE, float(visible.max()) - 0.1)
    if not bool((visible >= LEAST_VISIBLE).any()):
        return None
    there = looks(correlate(ground.spectrum, ground.ring(coarse), ground.shifts))
    unlike = (there[:3] - own[:3].view(3, 1, 1)).abs().mean(dim=0)
    tint = (there[3:] - own[3:].view(3, 1, 1)).abs().mean(dim=0)
    rows = torch.arange(2 * height)
    rows = torch.where(rows < height, rows, rows - 2 * height) * ground.step
    columns = torch.arange(2 * width)
    columns = torch.where(columns < width, columns, columns - 2 * width) * ground.step
    target, start = centre(tracks[0]), centre(tracks[1])
    far = torch.hypot(rows[:, None] + start[0] - target[0], columns + start[1] - target[1]) / math.hypot(*ground.size)
    cost = UNLIKE * unlike + COLOUR_COST * tint + FAR_COST * far + HIDDEN_COST * (1 - visible)
    cost = cost + 0.1 * torch.rand(cost.shape, generator=random)
    cost[~allowed] = math.inf
    pick = int(cost.argmin())
    row, column = divmod(pick, 2 * width)
    return float(cost[row, column]), (int(rows[row]), int(columns[column])), float(unlike[row, column])


def centre(track: Tensor) -> tuple[float, float]:
    """Mean row and column of the set pixels of a ``T H W`` track."""
    where = track.nonzero().double().mean(dim=0)
    return float(where[1]), float(where[2])
