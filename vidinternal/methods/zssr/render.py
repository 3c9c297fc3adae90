"""From a trained network to the large picture: median of turned copies, back-projection, tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from vidinternal.methods.zssr.objective import back_projection, interpolated, prepared
from vidinternal.ops.imresize import imresize, output_size

Network = Callable[[Tensor], Tensor]

TILE = 320
"""Pixels of a side of the input that are enlarged at once."""
MARGIN = 28
"""Pixels around them that are seen as well: farther than the network and most of the back-projection reach."""
_SEARCH = 64  # how far a tile's border is moved to lie on whole output pixels


@dataclass(frozen=True)
class Finish:
    """How an output is made.

    Attributes:
        sf: Vertical and horizontal factor.
        kernel: The blur in line with it, or None.
        prepared: Whether the network's input is back-projected first.
        ensemble: 1, 2, 4 or 8 copies.
        back_projection: How often, for each copy and for their median.
        fold: The network's; borders of tiles keep its phase.
        plain: Whether the input is made by Lanczos, for want of a network.
    """

    sf: tuple[float, float]
    kernel: Tensor | None
    prepared: bool
    ensemble: int
    back_projection: int
    fold: int = 1
    plain: bool = False


def network_input(lr: Tensor, size: tuple[int, int], finish: Finish) -> Tensor:
    """``N 3 H W``: what the network gets to see of a small picture."""
    if finish.plain:
        return imresize(lr, finish.sf, size, "lanczos3").clamp(0, 1)
    if finish.prepared:
        return prepared(lr, finish.sf, size, finish.kernel)
    return interpolated(lr, finish.sf, size)


def turns(ensemble: int, sf: tuple[float, float]) -> tuple[int, ...]:
    """Which of the eight symmetries are used, 4 to 7 being mirrored; half turns alone where the sides differ."""
    chosen = {1: (0,), 2: (0, 6), 4: (0, 2, 4, 6), 8: tuple(range(8))}[ensemble]
    return tuple(k for k in chosen if sf[0] == sf[1] or k % 2 == 0)


def final(net: Network, lr: Tensor, finish: Finish) -> Tensor:
    """``1 3 H W`` from ``1 3 h w``: every copy is back-projected, the median again."""
    made = []
    for k in turns(finish.ensemble, finish.sf):
        turned = torch.rot90(lr, k % 4, (2, 3))
        turned = turned.flip(3) if k >= 4 else turned
        size = output_size(turned.shape[-2], turned.shape[-1], finish.sf)
        # a kernel that differs between directions allows no turning, so that it is the same for every copy
        output = net(network_input(turned, size, finish)).clamp(0, 1)
        output = torch.rot90(output.flip(3) if k >= 4 else output, -(k % 4), (2, 3))
        made.append(back_projection(output, lr, finish.sf, finish.kernel, finish.back_projection))
    middle = made[0] if len(made) == 1 else _median(made)
    return back_projection(middle, lr, finish.sf, finish.kernel, finish.back_projection)


def _median(pictures: list[Tensor]) -> Tensor:
    """Of an even number the mean of the two in the middle."""
    ordered = torch.stack(pictures).sort(dim=0).values
    half = len(pictures) // 2
    return (ordered[half - 1] + ordered[half]) / 2 if len(pictures) % 2 == 0 else ordered[half]


def enlarged(net: Network, lr: Tensor, finish: Finish, device: torch.device) -> Tensor:
    """``1 3 H W`` on the CPU, in tiles where the picture is large; memory beside the result does not grow with it.

    Args:
        net: Without gradients.
        lr: ``1 3 h w`` on the CPU.
        finish: How.
        device: Where to compute.
    """
    height, width = lr.shape[-2:]
    if max(height, width) <= TILE + 2 * MARGIN:
        return final(net, lr.to(device), finish).cpu()
    size = output_size(height, width, finish.sf)
    result = torch.empty(1, 3, *size)
    for rows in spans(height, finish.sf[0], finish.fold, size[0]):
        for columns in spans(width, finish.sf[1], finish.fold, size[1]):
            part = lr[..., rows.seen, columns.seen].to(device)
            made = final(net, part, finish)[..., rows.kept, columns.kept]
            result[..., rows.put, columns.put] = made.cpu()
    return result


@dataclass(frozen=True)
class Span:
    """One side of a tile: what is seen of the input, what is kept of what comes of it, where that is put."""

    seen: slice
    kept: slice
    put: slice


def spans(length: int, factor: float, fold: int, total: int) -> Iterator[Span]:
    """The tiles of a side of ``length``, ``total`` after scaling; they cover it without overlap."""
    count = max(1, math.ceil(length / TILE))
    cuts = [0, *(aligned(round(k * length / count), factor, fold) for k in range(1, count)), length]
    for left, right in pairwise(cuts):
        begin = 0 if left == 0 else aligned(max(0, left - MARGIN), factor, fold)
        seen = slice(begin, min(length, right + MARGIN))
        start, stop = round(left * factor), total if right == length else round(right * factor)
        offset = round(begin * factor)
        yield Span(seen, slice(start - offset, stop - offset), slice(start, stop))


def aligned(place: int, factor: float, fold: int) -> int:
    """The place at or below ``place`` that comes nearest to a whole number of folded output pixels."""
    if place <= 0:
        return 0

    def off(k: int) -> float:
        exact = k * factor / fold
        return round(abs(exact - round(exact)), 6)

    return min(range(place, max(-1, place - _SEARCH), -1), key=off)
