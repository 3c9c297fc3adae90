"""Small frames of the clip, read a few at a time and held for as long as they are near."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from vidinternal.core.finding import ClipView

_PIECE = 16
_HELD = 3


class SmallFrames:
    """Frames at the height at which objects are followed.

    Args:
        clip: The clip.
        height: Rows; never more than the clip's.
    """

    def __init__(self, clip: ClipView, height: int) -> None:
        self._clip, self.height = clip, min(height, clip.size[0])
        self._pieces: OrderedDict[int, np.ndarray] = OrderedDict()
        self.size: tuple[int, int] = self[0].shape[:2]  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the clip for one of these, down and across."""
        return self._clip.size[0] / self.size[0], self._clip.size[1] / self.size[1]

    def __getitem__(self, index: int) -> np.ndarray:
        """``h w 3`` uint8 RGB."""
        number = index // _PIECE
        if number not in self._pieces:
            start = number * _PIECE
            wanted = range(start, min(len(self._clip), start + _PIECE))
            self._pieces[number] = self._clip.small(wanted, self.height)
            while len(self._pieces) > _HELD:
                self._pieces.popitem(last=False)
        self._pieces.move_to_end(number)
        return self._pieces[number][index % _PIECE]
