"""How much of each layer two mixtures show, found without a network.

Given the two shares, two mixtures can be solved for their layers exactly; only the right shares give layers without a
ghost of the other. So two numbers are searched: those whose layers have the fewest edges in common
(:func:`objective.shared_edges`) and stay between black and white.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.methods.double_dip.objective import shared_edges, unclipped_layers

LEAST_APART = 0.08
"""Difference of the shares below which the two mixtures are too alike to be solved."""
_COARSE_SIDE = 128
_FINE_SIDE = 256
_GRID = 0.05
_FINEST = 0.002
_OUTSIDE = 20.0


def judge(one: Tensor, other: Tensor, shares: tuple[float, float]) -> float:
    """How badly the layers that two shares give are parted: edges in common, and what lies beyond black and white."""
    first, second = unclipped_layers(one, other, torch.tensor([shares]))
    beyond = torch.stack([(t - t.clamp(0, 1)).abs().mean() for t in (first, second)]).sum()
    return float(shared_edges(first, second) + _OUTSIDE * beyond)


def search_shares(one: Tensor, other: Tensor, start: tuple[float, float] | None = None) -> tuple[float, float]:
    """The shares ``a_1 > a_2`` of the first layer in two mixtures, one pair for all pictures.

    Args:
        one: ``N 3 H W`` the first mixture of each picture.
        other: ``N 3 H W`` the second.
        start: Shares of the pictures before; they are mended instead of sought anew.

    Returns:
        ``a_1`` and ``a_2``, at least :data:`LEAST_APART` apart.
    """
    coarse = [_shrunk(t, _COARSE_SIDE) for t in (one, other)]
    fine = [_shrunk(t, _FINE_SIDE) for t in (one, other)]
    steps = [_GRID * k for k in range(1, round(1 / _GRID))]
    best = start
    if best is None:
        pairs = [(a, b) for a in steps for b in steps if a - b >= LEAST_APART]
        best = min(pairs, key=lambda pair: judge(coarse[0], coarse[1], pair))
    step = _GRID / 2 if start is None else _GRID / 8
    score = judge(fine[0], fine[1], best)
    while step > _FINEST:
        around = [(best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        tried = [(judge(fine[0], fine[1], pair), pair) for pair in around if _allowed(pair)]
        found = min(tried, default=(score, best))
        if found[0] < score:
            score, best = found
        else:
            step /= 2
    return best


def _allowed(pair: tuple[float, float]) -> bool:
    return 0.01 < pair[1] <= pair[0] - LEAST_APART and pair[0] < 0.99


def _shrunk(frames: Tensor, side: int) -> Tensor:
    height, width = frames.shape[-2:]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return frames if size == (height, width) else nn_functional.interpolate(frames, size, mode="area")
