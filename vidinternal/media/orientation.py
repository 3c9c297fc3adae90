"""How a picture must be turned to stand as a person sees it; samples stay stored as they are.

A display matrix (ISO/IEC 14496-12, 8.2.2) takes the point ``(p, q)`` of the stored picture, right and down, to
``(a p + c q, b p + d q)`` of the shown one. Films use its eight right-angled forms: an optional mirror and a turn.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidinternal.core.clip import ClipInfo


@dataclass(frozen=True)
class Orientation:
    """The way from the stored picture to the one that is shown.

    Attributes:
        turns: Quarter turns clockwise, 0 to 3, after the mirror.
        mirrored: Whether left and right of the stored picture are swapped first.
    """

    turns: int = 0
    mirrored: bool = False

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """Turn arrays ``... H W`` from the stored picture into the shown one; a view."""
        return np.rot90(stored[..., ::-1] if self.mirrored else stored, -self.turns, axes=(-2, -1))

    def stored(self, upright: np.ndarray) -> np.ndarray:
        """Turn arrays ``... H W`` from the shown picture into the stored one; a view, inverse of :meth:`upright`."""
        turned = np.rot90(upright, self.turns, axes=(-2, -1))
        return turned[..., ::-1] if self.mirrored else turned

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the shown picture of a stored one; and the other way round."""
        return (height, width) if self.sideways else (width, height)


UPRIGHT = Orientation()
"""Stored as it is shown."""


def orientation(info: ClipInfo) -> Orientation:
    """How a clip's pictures are turned to be shown."""
    return Orientation(info.rotation // 90, info.mirrored)


def shown_size(info: ClipInfo) -> tuple[int, int]:
    """Width and height of a clip's pictures as they are shown, in samples."""
    return orientation(info).size(info.width, info.height)


def display_matrix(frame: Any) -> tuple[int, ...] | None:
    """The nine fixed-point numbers of a decoded frame's display matrix, or None where it has none."""
    found = next((bytes(item) for item in frame.side_data if item.type.name == "DISPLAYMATRIX"), None)
    return struct.unpack("=9i", found[:36]) if found else None


def turn_of(matrix: Sequence[int] | None) -> tuple[int, bool, float]:
    """Read a display matrix.

    Args:
        matrix: Nine fixed-point numbers, row by row; None stands upright.

    Returns:
        Clockwise degrees, a multiple of 90; whether the picture is mirrored before it is turned; and by how many
        degrees the matrix turns further than that, 0 for a right-angled one.
    """
    if matrix is None or not any(matrix[k] for k in (0, 1, 3, 4)):
        return 0, False, 0.0
    a, b, c, d = (matrix[k] for k in (0, 1, 3, 4))
    mirrored = a * d - b * c < 0
    sign = -1 if mirrored else 1
    degrees = math.degrees(math.atan2(sign * b, sign * a))
    nearest = round(degrees / 90) * 90
    return nearest % 360, mirrored, degrees - nearest
