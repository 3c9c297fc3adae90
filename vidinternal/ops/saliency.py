"""What stands out in a picture: context-aware saliency (``goferman2010context``), made small and whole.

A place stands out where even the patches most like its own are unlike it, or far away: background has its like near by.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

SIDES = (56, 32)
"""Longest sides of the pictures that are looked at, pixels; the result is their mean."""
PATCH = 5
"""Side of a patch, pixels of these."""
NEAREST = 48
"""Most similar patches that a place is judged by."""
FAR = 3.0
"""How much less a patch speaks for a place at the other end of the picture."""
_EXACT = "donot_use_mm_for_euclid_dist"
"""By products, patches that are the same would be a little apart."""
_LAB = (100.0, 184.0, 202.0)
"""Ranges of L, a and b."""


def saliency(picture: Tensor, context: Tensor | None = None) -> Tensor:
    """``1 - exp(-mean_k d(p, q_k))`` over the patches q most like p, ``d = d_colour / (1 + 3 d_position)``.

    Args:
        picture: ``3 H W`` RGB in [0, 1].
        context: ``H W`` bool, where patches may be taken from that explain others; None for everywhere. A place within
            it is explained by the others of it.

    Returns:
        ``H W`` float32 in [0, 1], 1 where the picture stands out most; 0 everywhere in a flat picture.
    """
    height, width = picture.shape[-2:]
    total = torch.zeros(height, width)
    for side in SIDES:
        scale = min(1.0, side / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = nn_functional.interpolate(picture.cpu().float().unsqueeze(0), size, mode="area")
        allowed = None
        if context is not None:
            share = nn_functional.interpolate(context.cpu().float()[None, None], size, mode="area").flatten()
            allowed = share > 0.5 if bool((share > 0.5).any()) else share > 0
        found = _at_one_size(small, allowed)
        total += nn_functional.interpolate(found[None, None], (height, width), mode="bilinear", align_corners=False)[
            0, 0
        ]
    low, high = total.min(), total.max()
    return (total - low) / (high - low) if float(high - low) > 1e-4 else torch.zeros(height, width)


def _at_one_size(small: Tensor, allowed: Tensor | None) -> Tensor:
    """``h w`` saliency of ``1 3 h w``."""
    height, width = small.shape[-2:]
    lab = cv2.cvtColor(small[0].permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2LAB)
    colours = torch.from_numpy(np.ascontiguousarray(lab / np.array(_LAB, np.float32))).permute(2, 0, 1).unsqueeze(0)
    padded = nn_functional.pad(colours, (PATCH // 2,) * 4, mode="replicate")
    patches = nn_functional.unfold(padded, PATCH)[0].T.contiguous()
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack((y, x), dim=-1).reshape(-1, 2).float() / max(height, width)
    theirs = torch.arange(height * width) if allowed is None else allowed.nonzero().flatten()
    count = min(NEAREST, max(1, len(theirs) - 1))
    near = []
    for rows in torch.arange(height * width).split(1024):
        unlike = torch.cdist(patches[rows], patches[theirs], compute_mode=_EXACT) / PATCH
        unlike = unlike / (1 + FAR * torch.cdist(places[rows], places[theirs]))
        # not by itself
        unlike = unlike.masked_fill(rows.unsqueeze(1) == theirs.unsqueeze(0), float("inf"))
        least = unlike.topk(count, dim=1, largest=False).values
        near.append(torch.where(least.isfinite(), least, torch.zeros_like(least)).mean(dim=1))
    return (1 - torch.exp(-torch.cat(near))).view(height, width)
