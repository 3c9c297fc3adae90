"""The piece of a window that methods get to see: cropped to the holes, with what is under them destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from vidinternal.core.clip import Window
from vidinternal.ops.bars import without_bars
from vidinternal.ops.resample import destroy
from vidinternal.stages.artifacts import MaskTrack

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


def load_work_area(frames: FrameSource, window: Window, track: MaskTrack) -> tuple[Tensor, Tensor]:
    """What methods get of a window.

    Returns:
        The pictures of the window's frames inside the track's box, ``T 3 h w``, what must not be seen destroyed; and
        where that is, ``T 1 h w`` bool. What was recovered from under an overlay stands in its place and is seen.
        Pixels beside the mask have their own luma; no chroma that lies partly under it is looked at. In place of black
        bars the picture goes on as in a mirror.
    """
    if track.box is None:
        raise ValueError("nothing is masked in this window, so there is no work area to load")
    y0, y1, x0, x1 = track.box
    shown = frames.masks(track.masks)
    masks = shown[..., y0:y1, x0:x1]
    area = track.with_recovered(frames.beside(window.start, window.end, shown, track.box))
    if track.where is not None:
        masks = masks & ~track.where
    area, masks = (without_bars(t, track.bars) for t in (area, masks))
    return destroy(area, masks), masks
