"""Large pictures cut into overlapping tiles, and what was made of the tiles put together again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

Size = Callable[[int, int], tuple[int, int]]
"""Rows and columns of what becomes of a picture of so many rows and columns."""
SMALLEST = 32
"""Least side of a tile, pixels; less would be all border."""
OVERLAP = 8
"""A tile shares this part of its side with its neighbour."""
_PROBE = 1 << 20


@dataclass(frozen=True)
class Tile:
    """A piece of a picture and where what is made of it goes.

    Attributes:
        index: Its place among the tiles of a picture.
        y: First row in the picture.
        x: First column.
        height: Rows.
        width: Columns.
        top: First row in the result.
        left: First column in the result.
        whole: Whether it is the picture itself.
    """

    index: int
    y: int
    x: int
    height: int
    width: int
    top: int = 0
    left: int = 0
    whole: bool = False

    @property
    def place(self) -> tuple[int, int, int, int] | None:
        """``(y, x, height, width)`` of a piece; None of a whole picture."""
        return None if self.whole else (self.y, self.x, self.height, self.width)

    def cut(self, pictures: Tensor) -> Tensor:
        """The piece of ``... h w``, of the source's size."""
        return pictures if self.whole else pictures[..., self.y : self.y + self.height, self.x : self.x + self.width]

    def cut_result(self, pictures: Tensor, size: tuple[int, int]) -> Tensor:
        """The piece of ``... H W``, of the result's size; ``size`` is what becomes of the tile."""
        if self.whole:
            return pictures
        return pictures[..., self.top : self.top + size[0], self.left : self.left + size[1]]


def plan(height: int, width: int, size: Size, most: int) -> tuple[Tile, ...]:
    """Cut a picture into tiles of at most ``most`` pixels; one that is small enough stays whole.

    Tiles begin where the result has a whole pixel, so that they lie in line whatever the scale.

    Args:
        height: Rows of the picture.
        width: Columns.
        size: What becomes of a size.
        most: Pixels of a tile; 0 = never cut.
    """
    if not most or height * width <= most:
        return (Tile(0, 0, 0, height, width, whole=True),)
    side = max(SMALLEST, math.isqrt(most))
    grown = size(_PROBE, _PROBE)
    down, across = grown[0] / _PROBE, grown[1] / _PROBE
    # a long picture has room for tiles that are longer than they are wide
    tall = min(height, max(side, most // max(1, min(width, side))))
    wide = min(width, max(SMALLEST, most // max(1, tall)))
    rows, columns = _spans(height, tall, down), _spans(width, wide, across)
    tiles = [(y, x, end - y, stop - x) for y, end in rows for x, stop in columns]
    return tuple(Tile(k, y, x, h, w, round(y * down), round(x * across)) for k, (y, x, h, w) in enumerate(tiles))


def _spans(length: int, side: int, scale: float) -> list[tuple[int, int]]:
    """Overlapping pieces of at most about ``side``, each beginning where the result has a whole pixel, or nearly."""
    if length <= side:
        return [(0, length)]
    overlap = max(OVERLAP, side // OVERLAP)
    reach = max(1, side // OVERLAP)
    count = -(-(length - overlap) // max(1, side - overlap - reach))
    wanted = [int(k * (length - overlap) / count) for k in range(count)]
    starts = sorted({_whole(at, max(0, at - reach), scale) for at in wanted})
    ends = [min(length, start + overlap) for start in starts[1:]] + [length]
    return list(zip(starts, ends, strict=True))


def _whole(at: int, least: int, scale: float) -> int:
    """The pixel at or a little before ``at`` that comes nearest to a whole pixel of the result."""
    return min(range(least, at + 1), key=lambda y: (round(abs(y * scale - round(y * scale)), 3), at - y))


def together(
    pieces: Sequence[tuple[Tile, Tensor]], size: tuple[int, int], own_size: Callable[[Tile], tuple[int, int]]
) -> Tensor:
    """Lay results of tiles over each other, faded into each other where they overlap.

    Args:
        pieces: Tiles with what was made of them, ``N C h' w'``.
        size: Rows and columns of the whole.
        own_size: What becomes of a tile's size.

    Returns:
        ``N C H W``.
    """
    if pieces[0][0].whole:
        return pieces[0][1]
    first = pieces[0][1]
    total = first.new_zeros((*first.shape[:2], *size))
    weight = first.new_zeros(size)
    for tile, made in pieces:
        fitted = _fitted(made, own_size(tile), (size[0] - tile.top, size[1] - tile.left))
        rows, columns = fitted.shape[-2:]
        ramps = [
            _ramp(n, start > 0, start + n < whole, max(2, n // OVERLAP))
            for n, start, whole in ((rows, tile.top, size[0]), (columns, tile.left, size[1]))
        ]
        share = ramps[0][:, None] * ramps[1][None]
        inside = (..., slice(tile.top, tile.top + rows), slice(tile.left, tile.left + columns))
        total[inside] += fitted * share
        weight[inside] += share
    return total / weight.clamp(min=1e-6)


def _fitted(made: Tensor, size: tuple[int, int], room: tuple[int, int]) -> Tensor:
    """What a tile became, no larger than there is room for, nor smaller where it was rounded down."""
    rows, columns = min(made.shape[-2], room[0]), min(made.shape[-1], room[1])
    short = (min(size[0], room[0]) - rows, min(size[1], room[1]) - columns)
    made = made[..., :rows, :columns]
    return nn_functional.pad(made, (0, short[1], 0, short[0]), mode="replicate") if any(short) else made


def _ramp(length: int, before: bool, after: bool, reach: int) -> Tensor:
    """Weights that fall towards the sides that have a neighbour."""
    places = torch.arange(length, dtype=torch.float32)
    weights = torch.ones(length)
    if before:
        weights = torch.minimum(weights, (places + 1) / (reach + 1))
    if after:
        weights = torch.minimum(weights, (length - places) / (reach + 1))
    return weights
