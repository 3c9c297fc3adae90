"""Fills that look at one frame only: harmonic, Telea's fast marching, Navier-Stokes."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.settings import SpatialFill

_CODES: dict[str, int] = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


def spatial_fill(frames: Tensor, masks: Tensor, kind: SpatialFill = "harmonic", radius: float = 3.0) -> Tensor:
    """Fill every frame from itself.

    Telea (``telea2004image``) and Navier-Stokes (``bertalmio2001navier``) run on 8-bit samples inside OpenCV; only
    the hole is taken from their result. A frame without any known pixel is filled as :func:`harmonic_fill` says.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1].
        masks: ``T 1 H W`` bool, True = to fill.
        kind: Which fill.
        radius: Neighbourhood of a filled pixel, pixels; not used by ``harmonic``.

    Returns:
        ``T 3 H W``; known pixels are untouched.
    """
    if kind == "harmonic":
        return harmonic_fill(frames, masks)
    pictures = frames.detach().clamp(0.0, 1.0).mul(255.0).round().nan_to_num().to(torch.uint8)
    filled = []
    for picture, mask in zip(pictures.permute(0, 2, 3, 1).cpu().numpy(), masks[:, 0].cpu().numpy(), strict=True):
        bgr = np.ascontiguousarray(picture[..., ::-1])
        result = bgr
        if mask.any() and not mask.all():
            # At the picture's edge OpenCV's Telea reads what is under the mask; it shall find nothing there.
            bgr[mask] = bgr[~mask].mean(axis=0)
            result = cv2.inpaint(bgr, mask.astype(np.uint8), radius, _CODES[kind])
        filled.append(result[..., ::-1].transpose(2, 0, 1))
    inside = torch.from_numpy(np.stack(filled)).to(frames).div(255.0)
    result = torch.where(masks, inside, frames)
    blank = masks.flatten(1).all(dim=1)
    if not blank.any():
        return result
    # Nothing to march in from: these frames take what time offers, as the harmonic fill defines it.
    whole = blank.view(-1, 1, 1, 1).expand_as(masks)
    return harmonic_fill(result, whole)
