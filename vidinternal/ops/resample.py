"""Destroying what must not be seen, and shrinking frames, masks and flow without letting it leak."""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FlowField, FlowSet


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
    if size == tuple(frames.shape[-2:]):
        return destroy(frames, masks), masks
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
    """Bring an output back to full size."""
    if size == tuple(frames.shape[-2:]):
        return frames
    return nn_functional.interpolate(frames, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
