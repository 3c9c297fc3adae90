"""The piece of a window that methods get to see: cropped to the holes, with what is under them destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import Window
from vidinternal.media.color import color_model
from vidinternal.media.picture import picture_format
from vidinternal.ops.bars import without_bars
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


def luma_of_edge(area: Tensor, luma: Tensor, masks: Tensor, wide: Tensor, weights: tuple[float, float]) -> Tensor:
    """Pictures whose pixels beside the mask keep their luma, which is known, and get the chroma of what is near.

    Args:
        area: ``T 3 h w`` float32 RGB.
        luma: ``T 1 h w`` float32, as the file has it.
        masks: ``T 1 h w`` bool.
        wide: ``T 1 h w`` bool, as :func:`blind` gives it; no chroma of what is under it goes into the result.
        weights: Shares of red and of blue in luma, ``K_r`` and ``K_b``.

    Returns:
        ``T 3 h w``; what lies outside ``wide`` or under ``masks`` is as it was. Frames of which nothing lies outside
        ``wide`` have no chroma there.
    """
    kr, kb = weights
    luma = luma[:, 0]
    made = []
    for index, hidden in enumerate(wide[:, 0].numpy()):
        chroma = (area[index, ::2] - luma[index]).permute(1, 2, 0).contiguous().numpy()
        made.append(cv2.GaussianBlur(_nearest(chroma, hidden), (0, 0), _CHROMA_BLUR))
    found = torch.from_numpy(np.stack(made))
    new_red, new_blue = luma + found[..., 0], luma + found[..., 1]
    new_green = (luma - kr * new_red - kb * new_blue) / (1 - kr - kb)
    return torch.where(wide & ~masks, torch.stack((new_red, new_green, new_blue), dim=1).clamp(0, 1), area)


_CHROMA_BLUR = 1.5  # pixels: about as smooth as chroma at half the size is


def _nearest(values: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """``h w C`` with the nearest value that is not hidden in place of each that is; zeros where all are."""
    if hidden.all():
        return np.zeros_like(values)
    if not hidden.any():
        return values
    found = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels, shown = np.asarray(found[1], np.int64), ~hidden
    places = np.zeros(int(labels.max()) + 1, np.int64)
    places[labels[shown]] = np.flatnonzero(shown)
    return values.reshape(-1, values.shape[-1])[places[labels]]


def load_work_area(frames: FrameSource, window: Window, track: MaskTrack) -> tuple[Tensor, Tensor]:
    """What methods get of a window.

    Returns:
        The pictures of the window's frames inside the track's box, ``T 3 h w``, what must not be seen destroyed; and
        where that is, ``T 1 h w`` bool. What was recovered from under an overlay stands in its place and is seen.
        Pixels beside the mask have their own luma, and where their chroma is made with a sample under the mask, that
        of what is near. In place of black bars the picture goes on as in a mirror.
    """
    if track.box is None:
        raise ValueError("nothing is masked in this window, so there is no work area to load")
    y0, y1, x0, x1 = track.box
    shown = frames.masks(track.masks)
    wide = blind(shown, frames.info.pix_fmt, sideways=frames.turn.sideways)[..., y0:y1, x0:x1]
    area, masks = frames.rgb(window.start, window.end, track.box), shown[..., y0:y1, x0:x1]
    weights = color_model(frames.info).weights
    if weights is None:
        masks = wide
    elif wide.any():
        area = luma_of_edge(area, frames.luma(window.start, window.end, track.box), masks, wide, weights)
    area = track.with_recovered(area)
    if track.where is not None:
        masks = masks & ~track.where
    area, masks = (without_bars(t, track.bars) for t in (area, masks))
    return destroy(area, masks), masks
