"""A hole's separate parts: a subtitle and a logo are two holes, each with surroundings of its own."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

MOST = 4
"""Parts that are told apart; more are joined with their neighbours until there are no more than these."""
_GAP = 0.05
"""Share of the shorter side by which parts are grown before they are told apart: letters of a line stay together."""


def split(masks: Tensor) -> Tensor:
    """Which part of the hole each place belongs to.

    Parts are what is connected in the union over time, grown by a margin: what shares time and place stays together,
    and so does what moves through.

    Args:
        masks: ``T 1 H W`` bool, True = to fill.

    Returns:
        ``H W`` int64, 0 for the part with most pixels, then 1 and so on; -1 where nothing is ever masked.
    """
    union = masks[:, 0].any(dim=0).cpu()
    if not bool(union.any()):
        return torch.full(union.shape, -1)
    away = cv2.distanceTransform((~union).numpy().astype(np.uint8), cv2.DIST_L2, 5)
    reach = max(3.0, _GAP * min(union.shape))
    found, labels = cv2.connectedComponents((away <= reach).astype(np.uint8))
    while found - 1 > MOST:
        reach *= 1.5
        found, labels = cv2.connectedComponents((away <= reach).astype(np.uint8))
    numbers = torch.from_numpy(labels.astype(np.int64)) - 1
    numbers[~union] = -1
    often = masks[:, 0].cpu().sum(dim=0)
    areas = torch.bincount(numbers[union], weights=often[union].double(), minlength=found - 1)
    place = torch.empty(found - 1, dtype=torch.int64)
    place[areas.argsort(descending=True, stable=True)] = torch.arange(found - 1)
    numbers[union] = place[numbers[union]]
    return numbers
