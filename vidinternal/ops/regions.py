"""How well one mask meets another: overlap and outline (``perazzi2016davis``), on ``H W`` bool arrays."""

from __future__ import annotations

import cv2
import numpy as np

_TOLERANCE = 0.008
"""Of the picture's diagonal: how far an outline may lie beside the true one."""


def jaccard(found: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union, J; 1 where both are empty."""
    union = (found | truth).sum()
    return float((found & truth).sum() / union) if union else 1.0


def boundary_f(found: np.ndarray, truth: np.ndarray) -> float:
    """F, the harmonic mean of the shares of both outlines that lie near the other; 1 where both are empty."""
    first, second = outline(found), outline(truth)
    if not first.any() and not second.any():
        return 1.0
    if not first.any() or not second.any():
        return 0.0
    radius = int(np.ceil(_TOLERANCE * np.hypot(*truth.shape)))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    precision, recall = (
        float((mine & (cv2.dilate(other.astype(np.uint8), element) > 0)).sum() / mine.sum())
        for mine, other in ((first, second), (second, first))
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that touch what is outside it; the picture's border is no outline."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_REPLICATE)
    return mask & ~(inner > 0)
