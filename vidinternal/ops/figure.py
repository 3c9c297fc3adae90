"""What is surely the object of a picture and surely not: from hints, from the mask before, or from what stands out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.errors import MaskError
from vidinternal.ops.saliency import saliency

SURE, SURE_NOT = 0.06, 0.3
"""Shares of the picture that stand out most and least: surely the object and surely not. Double-DIP's own hints take
0.06 of either; most of a picture is not its object."""
IN_BOX, NOT_IN_BOX = 0.12, 0.4
"""Shares of a box that are most and least unlike all around it: surely the object and surely not."""
AWAY = 0.25
"""Share of the picture that is least like what was pointed at and is taken as surely not the object."""
INNER, OUTER = 0.06, 0.25
"""Width of the band within and around the outline of the mask before that is open, as a share of the root of its area:
wider around, so that what one frame has lost of a limb the next can find again ..."""
LEAST_MARGIN = 2
"""... and pixels that it has at least."""


@dataclass(frozen=True)
class Figure:
    """What is known of one picture.

    Attributes:
        inside: ``1 1 H W`` bool, surely the object.
        outside: ``1 1 H W`` bool, surely not.
        origin: Where that is from, for a person: ``hints``, ``the mask before`` or ``what stands out``.
        lost: Whether there is nothing to look for: no hint, and a flat picture or an empty mask before.
    """

    inside: Tensor
    outside: Tensor
    origin: str
    lost: bool = False


def figure(picture: Tensor, hints: Tensor | None, before: Tensor | None = None, valid: Tensor | None = None) -> Figure:
    """What is surely the object and surely not.

    Args:
        picture: ``1 3 H W`` RGB in [0, 1].
        hints: ``1 1 H W`` float32, 1 inside, 0 outside, NaN unknown; None, or NaN everywhere, without.
        before: ``1 1 H W`` in [0, 1], the mask of the frame before, carried along the flow; None without. Hints go
            before it where both say something.
        valid: ``1 1 H W`` bool, where the flow can be trusted.

    Raises:
        MaskError: The hints leave nothing open: everything is inside, or everything outside.
    """
    told = hints if hints is not None and bool((~hints.isnan()).any()) else None
    if told is not None:
        inside, outside = told == 1, told == 0
        for everything, kind, other in (
            (outside, "outside", "a hint on the object"),
            (inside, "inside", "a tighter hint"),
        ):
            if bool(everything.all()):
                raise MaskError("hints", expected="an object and what is not it", got=f"all is {kind}", hint=other)
        if before is None:
            return _completed(picture[0], inside, outside)
        carried = _from_mask(before, valid)
        return Figure(inside | (carried.inside & ~outside), outside | (carried.outside & ~inside), "hints")
    if before is not None:
        return _from_mask(before, valid)
    return _standing_out(picture[0])


def _completed(picture: Tensor, inside: Tensor, outside: Tensor) -> Figure:
    """The hints, with a guess of the side that they say nothing of."""
    opened = ~(inside | outside)
    if not bool(inside.any()):
        rows, columns = opened[0, 0].nonzero(as_tuple=True)
        around = max(8, round(0.5 * float(max(rows.max() - rows.min(), columns.max() - columns.min()))))
        part = tuple(slice(max(0, int(x.min()) - around), int(x.max()) + around + 1) for x in (rows, columns))
        near, here = opened[0, 0][part], torch.zeros_like(opened[0, 0], dtype=torch.float32)
        here[part] = saliency(picture[(slice(None), *part)], ~near) * (0.3 + _middle(near))
        inside = _highest(here, opened[0, 0], IN_BOX)[None, None]
        # a small box has no room for both
        outside = outside | (_highest(-here, opened[0, 0], NOT_IN_BOX)[None, None] & ~inside)
    elif not bool(outside.any()):
        near = _grown(inside, LEAST_MARGIN + round(0.02 * max(picture.shape[-2:])))
        found = saliency(picture, inside[0, 0]) + 0.5 * (1 - _middle(torch.ones_like(inside[0, 0])))
        outside = _highest(found, (opened & ~near)[0, 0], AWAY)[None, None]
    return Figure(inside, outside, "hints")


def _standing_out(picture: Tensor) -> Figure:
    found = saliency(picture)
    everywhere = torch.ones_like(found, dtype=torch.bool)
    if float(found.max()) == 0.0:
        nothing = torch.zeros_like(found, dtype=torch.bool)[None, None]
        return Figure(nothing, ~nothing, "what stands out", lost=True)
    inside, outside = _highest(found, everywhere, SURE), _highest(-found, everywhere, SURE_NOT)
    return Figure((inside & ~outside)[None, None], outside[None, None], "what stands out")


def _highest(values: Tensor, where: Tensor, share: float) -> Tensor:
    """``H W`` bool: the places with the highest values among some of them, at least one."""
    places = where.flatten().nonzero().flatten()
    chosen = torch.zeros(where.numel(), dtype=torch.bool)
    if len(places):
        count = max(1, round(share * len(places)))
        chosen[places[values.flatten()[places].topk(count).indices]] = True
    return chosen.view(where.shape)


def _middle(region: Tensor) -> Tensor:
    """``H W`` from nothing at a region's border to 1 in its middle."""
    padded = np.pad(region.numpy().astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return torch.from_numpy(depth / max(1e-6, float(depth.max()))).float()


def _from_mask(before: Tensor, valid: Tensor | None) -> Figure:
    """The mask before without a band along its outline; where the flow cannot be trusted it says less."""
    mask = before > 0.5
    nothing = torch.zeros_like(mask)
    if not bool(mask.any()):
        return Figure(nothing, ~nothing, "the mask before", lost=True)
    inside, outside = within(mask, INNER), without(mask, OUTER)
    if valid is not None:
        inside, outside = inside & valid if bool((inside & valid).any()) else inside, outside & valid
    return Figure(inside, outside, "the mask before")


def within(mask: Tensor, share: float) -> Tensor:
    """``1 1 H W`` bool: a mask without a band along its outline, thinner where nothing would be left of it.

    Args:
        mask: ``1 1 H W`` bool, not empty.
        share: Width of the band as a share of the root of the mask's area.
    """
    band = _band(mask, share)
    while band:
        inside = ~_grown(~mask, band)
        if bool(inside.any()):
            return inside
        band //= 2
    return mask


def without(mask: Tensor, share: float) -> Tensor:
    """``1 1 H W`` bool: all that is farther from a mask than so large a share of the root of its area."""
    return ~_grown(mask, _band(mask, share))


def _band(mask: Tensor, share: float) -> int:
    return max(LEAST_MARGIN, round(share * float(mask.sum()) ** 0.5))


def _grown(mask: Tensor, radius: int) -> Tensor:
    """``1 1 H W`` bool, what is within so many pixels of the mask."""
    found = mask[0, 0].numpy().astype(np.uint8)
    away = cv2.distanceTransform(1 - found, cv2.DIST_L2, 5) if found.any() else np.full(found.shape, np.inf)
    return torch.from_numpy(np.asarray(away <= radius))[None, None]


def shrunk(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """``1 1 h w`` float32 share of each small pixel that is masked, 0 or 1; what is thinner than a pixel stays."""
    share = nn_functional.interpolate(mask.float(), size, mode="area")
    kept = share > 0.5
    return (kept if bool(kept.any()) else share > 0).float()
