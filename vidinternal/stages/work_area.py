"""The piece of a window that methods get to see: cropped to the holes, with what is under them destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.clip import Window
from vidinternal.core.contracts import FlowField, FlowSet
from vidinternal.media.picture import picture_format
from vidinternal.stages.artifacts import MaskTrack

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


def destroy(frames: Tensor, masks: Tensor) -> Tensor:
    """Replace what is under the mask by the mean known colour of the window.

    Nothing a method computes can then depend on it.

    Args:
        frames: ``T 3 H W``.
        masks: ``T 1 H W`` bool, True = to fill.
    """
    known = ~masks
    count = known.sum().clamp(min=1)
    mean = (frames * known).sum(dim=(0, 2, 3)) / count
    if not known.any():
        mean = torch.full_like(mean, 0.5)
    return torch.where(masks, mean.view(1, 3, 1, 1), frames)


def blind(masks: Tensor, pix_fmt: str) -> Tensor:
    """What methods must not see: the mask and every pixel whose colour is made from a chroma sample under it.

    Chroma of subsampled formats is interpolated, so a hole's chroma bleeds into its neighbours' RGB: by up to one
    chroma sample on each side.

    Args:
        masks: ``T 1 H W`` bool.
        pix_fmt: FFmpeg's name of the source's sample layout.

    Returns:
        ``T 1 H W`` bool, a superset of ``masks``; equal to it where chroma is not subsampled.
    """
    planes = picture_format(pix_fmt).planes
    x, y = (max(getattr(p, axis) for p in planes) for axis in ("x_shift", "y_shift"))
    if not (x or y):
        return masks
    reach_x, reach_y = (1 << x if x else 0), (1 << y if y else 0)
    element = np.ones((2 * reach_y + 1, 2 * reach_x + 1), dtype=np.uint8)
    grown = [cv2.dilate(m[0].numpy().astype(np.uint8), element) for m in masks.cpu()]
    return torch.from_numpy(np.stack(grown)).bool().unsqueeze(1)


def load_work_area(frames: FrameSource, window: Window, track: MaskTrack) -> tuple[Tensor, Tensor]:
    """What methods get of a window.

    Returns:
        Frames inside the track's box, ``T 3 h w``, what must not be seen destroyed; and where that is,
        ``T 1 h w`` bool.
    """
    if track.box is None:
        raise ValueError("nothing is masked in this window, so there is no work area to load")
    y0, y1, x0, x1 = track.box
    masks = blind(track.masks, frames.info.pix_fmt)[..., y0:y1, x0:x1]
    return destroy(frames.rgb(window.start, window.end, track.box), masks), masks


def working_size(height: int, width: int, max_side: int) -> tuple[int, int]:
    """Size after shrinking the longer side to ``max_side``; unchanged where it fits or ``max_side`` is 0."""
    if not max_side or max(height, width) <= max_side:
        return height, width
    scale = max_side / max(height, width)
    return max(16, round(height * scale)), max(16, round(width * scale))


def shrink(frames: Tensor, masks: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Shrink frames and masks to ``size``; known pixels that touch a hole become hole, so that nothing leaks.

    Args:
        frames: ``T 3 H W``.
        masks: ``T 1 H W`` bool.
        size: ``(height, width)``.
    """
    small_masks = nn_functional.interpolate(masks.float(), size, mode="area") > 0
    small = nn_functional.interpolate(frames, size, mode="area")
    return destroy(small, small_masks), small_masks


def shrink_flow(flow: FlowSet, size: tuple[int, int]) -> FlowSet:
    """Shrink flows to ``size`` and scale their vectors; a shrunk pixel is valid where all it covers was."""
    shrunk = {}
    for stride, entry in flow.items():
        height, width = entry.flow.shape[-2:]
        scale = entry.flow.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
        vectors = nn_functional.interpolate(entry.flow, size, mode="area") * scale
        valid = nn_functional.interpolate(entry.valid.float(), size, mode="area") > 0.999
        shrunk[stride] = FlowField(vectors, valid, stride)
    return shrunk


def enlarge(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring a method's output back to the size of the work area."""
    return nn_functional.interpolate(frames, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
