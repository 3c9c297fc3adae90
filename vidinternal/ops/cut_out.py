"""Objects cut out by their colours (GrabCut, ``rother2004grabcut``), and whether that can be what a box is around.

A box is drawn around an object: a mask that stays away from one of its sides is hardly that object
(``lempitsky2009image``). That needs no truth, and it tells where GrabCut has given the object to the background.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

LOOSE = 0.15
"""Share of a box's side by which a mask may stay away from it, and still be what the box is around."""
ALIKE = 0.8
"""Overlap from which two cuts from other starts are the same."""
CORE = 0.35
"""Radius of the middle of a box that is its object where colours alone do not tell, as a share of half its sides."""


def cut_out(picture: Tensor, inside: Tensor, outside: Tensor, *, likely: Tensor, rounds: int = 6) -> Tensor | None:
    """GrabCut between what is surely the object and what is surely not.

    Args:
        picture: ``1 3 h w`` RGB in [0, 1].
        inside: ``1 1 h w`` bool, surely the object.
        outside: ``1 1 h w`` bool, surely not; ``inside`` goes before it.
        likely: ``1 1 h w`` bool, what of the rest is taken as the object at first.
        rounds: Times that colours are learned and the cut is made again.

    Returns:
        ``1 1 h w`` bool; None where everything is of one kind, or the colours do not part.
    """
    labels = np.where(likely[0, 0].numpy(), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[outside[0, 0].numpy()], labels[inside[0, 0].numpy()] = cv2.GC_BGD, cv2.GC_FGD
    if (labels % 2 == labels.flat[0] % 2).all():
        return None
    pixels = (picture[0].permute(1, 2, 0) * 255).round().byte().contiguous().numpy()
    cv2.setRNGSeed(0)
    try:
        cv2.grabCut(pixels, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    return torch.from_numpy(labels % 2 == 1)[None, None]


def slack(mask: Tensor, box: Tensor) -> float:
    """How far a mask stays away from the sides of what is open, at most, as a share of them; 1 of an empty one.

    Args:
        mask: ``1 1 h w`` bool.
        box: ``1 1 h w`` bool, not empty.
    """
    if not bool(mask.any()):
        return 1.0
    found = []
    for along in (0, 1):
        open_, taken = (m[0, 0].any(dim=1 - along).nonzero().flatten() for m in (box, mask & box))
        if not len(taken):
            return 1.0
        length = float(open_[-1] - open_[0] + 1)
        found += [float(taken[0] - open_[0]) / length, float(open_[-1] - taken[-1]) / length]
    return max(found)


def boxed(picture: Tensor, box: Tensor, side: int) -> Tensor:
    """The object of a box.

    What GrabCut finds; where that stays away from a side, what it finds with the middle as surely the object. Where
    that does so too, it is taken if it is the same, for then the box is a loose one; else the ellipse within the box.

    Args:
        picture: ``1 3 H W`` RGB in [0, 1].
        box: ``1 1 H W`` bool, all that is open; neither empty nor everything.
        side: Longest side at which it is cut, pixels.

    Returns:
        ``1 1 H W`` bool.
    """
    longest = max(picture.shape[-2:])
    size = tuple(max(1, round(n * min(1.0, side / longest))) for n in picture.shape[-2:])
    small = nn_functional.interpolate(picture, size, mode="area")
    opened = nn_functional.interpolate(box.float(), size, mode="area") > 0.5
    if not bool(opened.any()) or bool(opened.all()):
        return box
    away, nothing = _from_middle(opened), torch.zeros_like(opened)
    found = opened & (away <= 1)
    plain = cut_out(small, nothing, ~opened, likely=opened)
    if plain is not None and slack(plain, opened) <= LOOSE:
        found = plain
    else:
        core = cut_out(small, opened & (away < CORE), ~opened, likely=found)
        if core is not None and (slack(core, opened) <= LOOSE or (plain is not None and _alike(plain, core))):
            found = core
    whole = nn_functional.interpolate(found.float(), picture.shape[-2:], mode="bilinear", align_corners=False) > 0.5
    return whole & box if bool((whole & box).any()) else box


def _alike(one: Tensor, other: Tensor) -> bool:
    return float((one & other).sum()) >= ALIKE * float((one | other).sum())


def _from_middle(box: Tensor) -> Tensor:
    """``1 1 h w``: distance from the middle of what is open, 1 on the ellipse that touches its sides."""
    total = torch.zeros(box.shape)
    for along in (0, 1):
        places = box[0, 0].any(dim=1 - along).nonzero().flatten().float()
        middle, half = (places[0] + places[-1]) / 2, (places[-1] - places[0] + 1) / 2
        away = (torch.arange(box.shape[2 + along]) - middle) / half
        total = total + (away.view(1, 1, -1, 1) if along == 0 else away.view(1, 1, 1, -1)).square()
    return total.sqrt()
