"""Levelling copied colours at the hole's border.

Gradient-domain cloning (``perez2003poisson``): pasted colours keep their gradients and are shifted by the smoothest
field that makes them meet the known colours around them. What the source would show just outside the hole is looked up
beside the place each border pixel was copied from; the difference to the known pixel there is the shift at the border.
Inside, the shift ``d`` solves ``sum_q (d(p) - d(q)) + PULL d(p) = 0``: harmonic, and fading out over about
``1/sqrt(PULL)`` = 10 pixels, since a shift seen at the border says little of what lies far inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.ops.chains import Volume
from vidinternal.ops.screened import screened

PULL = 0.01
"""Pull of the shift towards zero."""


@dataclass(frozen=True)
class Arrivals:
    """Where the paths of ``N`` hole pixels ended, for each of the two ways through time.

    Attributes:
        start: ``N`` the hole pixels, as flat indices into ``T H W``, ascending.
        colours: ``2 N 3`` what is to be seen there.
        weights: ``2 N`` what it counts, 0 = the path was lost.
        times: ``2 N`` int64 the frame, -1 = the path was lost.
        xy: ``2 N 2`` the place in it, pixels.
    """

    start: Tensor
    colours: Tensor
    weights: Tensor
    times: Tensor
    xy: Tensor

    def blend(self) -> Tensor:
        """``N 3``, the mean of the two ways by weight."""
        total = self.weights.sum(dim=0).clamp(min=1e-30)
        return (self.colours * self.weights.unsqueeze(2)).sum(dim=0) / total.unsqueeze(1)


@dataclass(frozen=True)
class _Sides:
    """Pairs of a hole pixel and a known pixel beside it.

    Attributes:
        rows: ``P`` the row of the hole pixel.
        known: ``P`` the known pixel as a flat index into ``T H W``.
        step: ``P 2`` from the one to the other, pixels, x then y.
    """

    rows: Tensor
    known: Tensor
    step: Tensor

    @classmethod
    def of(cls, start: Tensor, masks: Tensor) -> _Sides:
        """All sides of the hole pixels ``start``."""
        height, width = masks.shape[-2:]
        hole = masks.flatten()
        row, column = start // width % height, start % width
        parts = []
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            beside_row, beside_column = row + down, column + right
            inside = (beside_row >= 0) & (beside_row < height) & (beside_column >= 0) & (beside_column < width)
            at = start + (down * width + right) * inside
            rows = (inside & ~hole[at]).nonzero()[:, 0]
            parts.append((rows, at[rows], start.new_tensor([right, down]).expand(len(rows), 2)))
        return cls(*(torch.cat(column) for column in zip(*parts, strict=True)))


def seam_offsets(frames: Volume, hidden: Volume, masks: Tensor, ways: Arrivals) -> Tensor:
    """The shift that levels copied colours.

    Args:
        frames: ``T 3 H W``; what is under ``masks`` is never used.
        hidden: ``T 1 H W``, the hole.
        masks: ``T 1 H W`` bool, the hole.
        ways: Where the copies came from.

    Returns:
        ``N 3`` to add to the copies, zero where nothing was copied.
    """
    sides = _Sides.of(ways.start, masks)
    # Neighbouring hole pixels may have the same known pixel beside them: it gets one shift, the mean over all.
    known, at = torch.unique(sides.known, return_inverse=True)
    total = ways.colours.new_zeros((len(known), 4))
    truth = frames.pixels(known)
    for way in range(2):
        reached = (ways.weights[way, sides.rows] > 0).nonzero()[:, 0]
        rows = sides.rows[reached]
        time, xy = ways.times[way, rows], ways.xy[way, rows] + sides.step[reached]
        seen = (hidden.at(time, xy)[:, 0] == 0).nonzero()[:, 0]
        weight = ways.weights[way, rows[seen]].unsqueeze(1)
        border = at[reached[seen]]
        difference = truth[border] - frames.at(time[seen], xy[seen])
        # Adding up in a fixed order: on a CPU index_add_ is sequential.
        total.index_add_(0, border, torch.cat((difference, torch.ones_like(weight)), dim=1) * weight)
    placed = (ways.weights > 0).any(dim=0)
    given = (total[:, 3] > 0)[at] & placed[sides.rows]
    values = (total[:, :3] / total[:, 3:].clamp(min=1e-30))[at[given]]
    sums = values.new_zeros((len(ways.start), 4))
    sums.index_add_(0, sides.rows[given], torch.cat((values, torch.ones_like(values[:, :1])), dim=1))
    shape = (frames.count, frames.height, frames.width)
    offsets = torch.zeros_like(sums[:, :3])
    offsets[placed] = screened(ways.start[placed], shape, sums[placed, 3], sums[placed, :3], PULL)
    return offsets
