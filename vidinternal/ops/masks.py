"""Mask morphology on ``T 1 H W`` bool tensors, True = to fill."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def dilate(masks: Tensor, radius: int) -> Tensor:
    """Grow every mask by ``radius`` pixels with a round element; 0 changes nothing.

    Args:
        masks: ``T 1 H W`` bool.
        radius: Pixels, not negative.

    Returns:
        ``T 1 H W`` bool, a superset of ``masks``.
    """
    if radius == 0:
        return masks
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    grown = [cv2.dilate(m[0].numpy().astype(np.uint8), element) for m in masks.cpu()]
    return torch.from_numpy(np.stack(grown)).bool().unsqueeze(1).to(masks.device)


def feather(masks: Tensor, radius: int) -> Tensor:
    """Return blend weights that fall from 1 at ``radius`` px inside the hole to 0 at its border.

    The weights never leave the mask, so that no sample outside it changes.

    Args:
        masks: ``T 1 H W`` bool.
        radius: Width of the ramp in pixels; 0 gives the mask itself.

    Returns:
        ``T 1 H W`` float32 in [0, 1], zero outside ``masks``.
    """
    if radius == 0:
        return masks.float()
    inside = [cv2.distanceTransform(m[0].numpy().astype(np.uint8), cv2.DIST_L2, 5) for m in masks.cpu()]
    weights = torch.from_numpy(np.stack(inside)).unsqueeze(1) / (radius + 1.0)
    return weights.clamp(max=1.0).to(masks.device)


def temporal_hull(masks: Tensor, radius: int) -> Tensor:
    """Union of every mask with those up to ``radius`` frames before and after it."""
    hull = masks.clone()
    for shift in range(1, min(radius, len(masks) - 1) + 1):
        hull[shift:] |= masks[:-shift]
        hull[:-shift] |= masks[shift:]
    return hull


def cut_to(inside: Tensor, old: tuple[int, int, int, int], new: tuple[int, int, int, int]) -> Tensor:
    """What lies in one box of a picture, cut to another; zero where the first has nothing.

    Args:
        inside: ``T C h w`` inside ``old``.
        old: ``(y0, y1, x0, x1)``, ends excluded.
        new: The same.
    """
    cut = inside.new_zeros((*inside.shape[:2], new[1] - new[0], new[3] - new[2]))
    top, bottom, left, right = max(old[0], new[0]), min(old[1], new[1]), max(old[2], new[2]), min(old[3], new[3])
    if top < bottom and left < right:
        piece = inside[..., top - old[0] : bottom - old[0], left - old[2] : right - old[2]]
        cut[..., top - new[0] : bottom - new[0], left - new[2] : right - new[2]] = piece
    return cut


def bounding_box(masks: Tensor, margin: int = 0, multiple: int = 1) -> tuple[int, int, int, int] | None:
    """Smallest box ``(y0, y1, x0, x1)``, ends excluded, around all holes of all frames.

    Args:
        masks: ``T 1 H W`` bool.
        margin: Pixels added on every side, cut at the picture's border.
        multiple: The box's sides are grown to a multiple of this where the picture allows it.

    Returns:
        The box, or None when nothing is masked.
    """
    flat = masks.flatten(0, 1).any(dim=0)
    rows, columns = flat.any(dim=1).nonzero(), flat.any(dim=0).nonzero()
    if not len(rows):
        return None
    spans = []
    for hits, size in ((rows, flat.shape[0]), (columns, flat.shape[1])):
        start, end = max(0, int(hits[0]) - margin), min(size, int(hits[-1]) + 1 + margin)
        missing = -(end - start) % multiple
        end = min(size, end + missing)
        start = max(0, start - (-(end - start) % multiple))
        spans += [start, end]
    return spans[0], spans[1], spans[2], spans[3]
