"""The piece of a window that methods get to see: cropped to the holes, with what is under them destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import Window
from vidinternal.media.picture import picture_format
from vidinternal.ops.resample import destroy
from vidinternal.stages.artifacts import MaskTrack

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


def blind(masks: Tensor, pix_fmt: str, *, sideways: bool = False) -> Tensor:
    """What methods must not see: the mask and every pixel whose colour is made from a chroma sample under it.

    Chroma of subsampled formats is interpolated, so a hole's chroma bleeds into its neighbours' RGB: by up to one
    chroma sample on each side.

    Args:
        masks: ``T 1 H W`` bool.
        pix_fmt: FFmpeg's name of the source's sample layout.
        sideways: Whether the masks lie over a picture that was turned by a quarter.

    Returns:
        ``T 1 H W`` bool, a superset of ``masks``; equal to it where chroma is not subsampled.
    """
    planes = picture_format(pix_fmt).planes
    x, y = (max(getattr(p, axis) for p in planes) for axis in ("x_shift", "y_shift"))
    if not (x or y):
        return masks
    x, y = (y, x) if sideways else (x, y)
    reach_x, reach_y = (1 << x if x else 0), (1 << y if y else 0)
    element = np.ones((2 * reach_y + 1, 2 * reach_x + 1), dtype=np.uint8)
    grown = [cv2.dilate(m[0].numpy().astype(np.uint8), element) for m in masks.cpu()]
    return torch.from_numpy(np.stack(grown)).bool().unsqueeze(1)


def load_work_area(frames: FrameSource, window: Window, track: MaskTrack) -> tuple[Tensor, Tensor]:
    """What methods get of a window.

    Returns:
        The pictures of the window's frames inside the track's box, ``T 3 h w``, what must not be seen destroyed; and
        where that is, ``T 1 h w`` bool. What was recovered from under an overlay stands in its place and is seen.
    """
    if track.box is None:
        raise ValueError("nothing is masked in this window, so there is no work area to load")
    y0, y1, x0, x1 = track.box
    masks = blind(frames.masks(track.masks), frames.info.pix_fmt, sideways=frames.turn.sideways)[..., y0:y1, x0:x1]
    area = track.with_recovered(frames.rgb(window.start, window.end, track.box))
    if track.where is not None:
        masks = masks & ~track.where
    return destroy(area, masks), masks
