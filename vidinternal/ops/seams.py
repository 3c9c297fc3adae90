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
from vidinternal.ops.harmonic import screened_fill

PULL = 0.01
"""Pull of the shift towards zero."""


@dataclass(frozen=True)
class Arrivals:
    """Where the paths of ``N`` hole pixels ended, for each of the two ways through time.

    Attributes:
        start: ``N`` the hole pixels, as flat indices into ``T H W``.
        colours: ``2 N 3`` what is to be seen there.
        weights: ``2 N`` what it counts, 0 = the path was lost.
        times: ``2 N`` the frame.
        xy: ``2 N 2`` the place in it, pixels.
    """

    start: Tensor
    colours: Tensor
    weights: Tensor
    times: Tensor
    xy: Tensor

    @classmethod
    def none(cls, start: Tensor) -> Arrivals:
        """Nobody has arrived yet."""
        weights = torch.zeros((2, len(start)), device=start.device)
        return cls(
            start,
            weights.new_zeros((*weights.shape, 3)),
            weights,
            torch.full_like(weights, -1).long(),
            weights.new_zeros((*weights.shape, 2)),
        )

    @classmethod
    def joined(cls, parts: list[Arrivals]) -> Arrivals:
        """Put the arrivals of several groups of pixels together."""
        names = ("colours", "weights", "times", "xy")
        return cls(
            torch.cat([p.start for p in parts]), *(torch.cat([getattr(p, n) for p in parts], dim=1) for n in names)
        )

    def blend(self) -> Tensor:
        """``N 3``, the mean of the two ways by weight."""
        total = self.weights.sum(dim=0).clamp(min=1e-30)
        return (self.colours * self.weights.unsqueeze(2)).sum(dim=0) / total.unsqueeze(1)


def seam_offsets(frames: Tensor, masks: Tensor, scene: Volume, ways: Arrivals, placed: Tensor) -> Tensor:
    """The shift that levels copied colours.

    Args:
        frames: ``T 3 H W``; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool, the hole.
        scene: ``T 4 H W``, frames without what is under the mask, and the mask.
        ways: Where the copies came from.
        placed: ``T 1 H W`` bool, where something was copied.

    Returns:
        ``T 3 H W`` to add to the copies, zero outside ``placed``.
    """
    count, _, height, width = frames.shape
    area = height * width
    total = frames.new_zeros((count * area, 4))
    time, row, column = ways.start // area, ways.start % area // width, ways.start % width
    hole = masks.flatten()
    known = frames.permute(0, 2, 3, 1).reshape(-1, 3)
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside_row, beside_column = row + down, column + right
        inside = (beside_row >= 0) & (beside_row < height) & (beside_column >= 0) & (beside_column < width)
        at = time * area + beside_row.clamp(0, height - 1) * width + beside_column.clamp(0, width - 1)
        border = inside & ~hole[at]
        step = frames.new_tensor([right, down])
        for way in range(2):
            rows = (border & (ways.weights[way] > 0)).nonzero()[:, 0]
            seen = scene.at(ways.times[way, rows], ways.xy[way, rows] + step)
            rows, seen = rows[seen[:, 3] == 0], seen[seen[:, 3] == 0]
            weight = ways.weights[way, rows].unsqueeze(1)
            difference = known[at[rows]] - seen[:, :3]
            # Adding up in a fixed order: on a CPU index_add_ is sequential.
            total.index_add_(0, at[rows], torch.cat((difference, torch.ones_like(weight)), dim=1) * weight)
    total = total.view(count, height, width, 4).permute(0, 3, 1, 2)
    weight = total[:, 3:]
    given = weight > 0
    offsets = screened_fill(total[:, :3] / weight.clamp(min=1e-30), given, placed, PULL)
    return offsets.masked_fill(~placed, 0.0)
