"""How much harder a hole is than its hidden copies, seen without the truth.

Copies lie on other content than the hole. Two smooth continuations that extrapolate in different ways differ the more,
the less the surroundings say of the inside: what they differ by in the hole and in its copies tells how these compare.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.core.contracts import Holdout
from vidinternal.ops.spatial_fill import spatial_fill

POWER = 0.75
"""What of that ratio carries over to squared errors of fills; measured."""
_FLOOR = 1e-6  # a quarter of a code, squared: what two fills differ by where there is nothing to tell


def harder(frames: Tensor, masks: Tensor, holdout: Holdout) -> tuple[float, ...]:
    """Factors that mean squared errors on the copies take on in the hole.

    ``(d_hole / d_copies) ** 0.75`` with ``d`` the mean squared difference of the harmonic fill and Telea's.

    Args:
        frames: ``T 3 H W``, hole and copies destroyed.
        masks: ``T 1 H W`` bool, hole and copies.
        holdout: The copies.

    Returns:
        One factor a part of the hole, as :meth:`~vidinternal.core.contracts.Holdout.errors` orders them; 1 for a part
        that has no copy.
    """
    apart = (spatial_fill(frames, masks) - spatial_fill(frames, masks, "telea")).square().mean(dim=1, keepdim=True)
    hole = masks & ~holdout.masks
    if holdout.parts is None or holdout.copies is None:
        return (_ratio(apart[hole], apart[holdout.masks]),)
    mine = [holdout.parts == number for number in range(int(holdout.parts.max()) + 1)]
    return tuple(_ratio(apart[hole & m], apart[holdout.masks & m]) for m in mine)


def _ratio(hole: Tensor, copies: Tensor) -> float:
    if not hole.numel() or not copies.numel():
        return 1.0
    means = [float(x.mean(dtype=torch.float64)) + _FLOOR for x in (hole, copies)]
    return (means[0] / means[1]) ** POWER
