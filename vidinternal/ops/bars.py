"""Black bars around a picture: known to be one colour, and no continuation of the picture beside them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.errors import UsageError

DARK = 0.12
"""Brightest value of a bar's colour, full scale 1."""
EVEN = 4 / 255
"""How far nearly all of a bar's values lie from its colour, at most."""
RINGING, REACH = 16 / 255, 12
"""The same, and for how many pixels, where a bar meets the picture: there a lossy file has ringing and other chroma."""
NEARLY_ALL = 0.93
"""Share of a row's or column's values that must do so: burnt-in text has ringing of its own."""
LEAST_PICTURE = 16
"""Pixels of picture that must be left between bars."""

Bars = tuple[int, int, int, int]
"""Rows at the top and at the bottom, columns at the left and at the right."""
NO_BARS: Bars = (0, 0, 0, 0)


def find_bars(frames: Tensor, masks: Tensor) -> tuple[Bars, Tensor]:
    """Find bars at the sides of some pictures.

    Args:
        frames: ``T 3 h w`` float32 RGB; what is under ``masks`` is never read.
        masks: ``T 1 h w`` bool.

    Returns:
        How broad they are, and their colour, ``3``. No bars where what they would leave is less than 16 pixels.
    """
    known = (~masks[:, 0]).numpy()
    colour = _dark_side(frames.permute(0, 2, 3, 1).numpy(), known)
    if colour is None:
        return NO_BARS, torch.zeros(3)
    off = (frames - colour.view(1, 3, 1, 1)).abs().amax(dim=1).numpy()
    (top, bottom), (left, right) = (_both_ends(off, known, axes) for axes in ((0, 2), (0, 1)))
    bars = top, bottom, left, right
    height, width = frames.shape[-2:]
    if height - bars[0] - bars[1] < LEAST_PICTURE or width - bars[2] - bars[3] < LEAST_PICTURE:
        return NO_BARS, colour
    return bars, colour


def _dark_side(pictures: np.ndarray, known: np.ndarray) -> Tensor | None:
    """``3``, the median colour of the first side that is dark; None where none is."""
    for side in ((slice(None), 0), (slice(None), -1), (slice(None), slice(None), 0), (slice(None), slice(None), -1)):
        if known[side].any():
            colour = np.median(pictures[side][known[side]], axis=0)
            if colour.max() <= DARK:
                return torch.from_numpy(colour.astype(np.float32))
    return None


def _both_ends(off: np.ndarray, known: np.ndarray, axes: tuple[int, int]) -> tuple[int, int]:
    """How many rows or columns at each end are bar; those of which nothing is known may be."""

    def lines(most: float) -> np.ndarray:
        return ((off <= most) & known).sum(axis=axes) >= NEARLY_ALL * known.sum(axis=axes)

    even, nearly = lines(EVEN), lines(RINGING)
    return _run(even, nearly), _run(even[::-1], nearly[::-1])


def _run(even: np.ndarray, nearly: np.ndarray) -> int:
    """How many there are in a row from the start, those that are nearly even at the end among them."""
    sure = len(even) if even.all() else int(np.argmin(even))
    more = nearly[sure : sure + REACH]
    return sure + (len(more) if more.all() else int(np.argmin(more))) if sure else 0


def inside(bars: Bars, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the picture between bars."""
    return slice(bars[0], height - bars[1]), slice(bars[2], width - bars[3])


def without_bars(values: Tensor, bars: Bars) -> Tensor:
    """Pictures or masks that go on beyond their edge as in a mirror, in place of bars.

    Args:
        values: ``T C h w``.
        bars: What to replace.

    Raises:
        UsageError: Nothing is left between the bars.
    """
    height, width = values.shape[-2:]
    if height <= bars[0] + bars[1] or width <= bars[2] + bars[3]:
        raise UsageError("bars", expected=f"less than the whole of {width}x{height}", got=str(bars))
    rows, columns = (
        _mirror(size, low, high) for size, low, high in ((height, bars[0], bars[1]), (width, bars[2], bars[3]))
    )
    return values[..., rows, :][..., columns]


def _mirror(size: int, low: int, high: int) -> Tensor:
    """Where every row comes from when the first and last of them are a mirror of those between, edge included."""
    count = size - low - high
    place = (torch.arange(size) - low) % (2 * count)
    return low + torch.where(place < count, place, 2 * count - 1 - place)
