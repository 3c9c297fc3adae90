"""What a removal may have left behind, frame by frame: ghost edges, a trailing shadow, flicker.

Nothing here knows the truth. Each measure holds the filled part against its own surroundings in the same frame, so a
lively clip does not count as a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

GHOST = 2.0
"""How much stronger the edges along the mask's outline are than those around them."""
GHOST_LEAST = 0.02
"""Mean gradient, in units of full range for a pixel, below which nobody sees an edge."""
SHADOW = 0.07
"""Logarithm of brightness by which the ring around the mask is off more than what lies further out."""
FLICKER = 2.5
"""How much more the filled part changes from frame to frame than the ring around it."""
FLICKER_LEAST = 0.012
"""Mean change below which nobody sees it."""
_NEAR, _FAR = (3, 12), (14, 28)
_AROUND = 10
"""Frames before and after that tell what a place usually looks like."""


@dataclass(frozen=True)
class Leftovers:
    """One frame's measures; None where there is nothing to measure it on.

    Attributes:
        ghost: Edges along the outline over those around them.
        shadow: How far the ring is off in brightness, more than what lies further out.
        flicker: Change from the frame before inside over that in the ring.
    """

    ghost: float | None
    shadow: float | None
    flicker: float | None

    def suspicious(self) -> tuple[str, ...]:
        """What is to be looked at."""
        found = {
            "ghost edges": self.ghost is not None and self.ghost > GHOST,
            "trailing shadow": self.shadow is not None and self.shadow > SHADOW,
            "flicker": self.flicker is not None and self.flicker > FLICKER,
        }
        return tuple(name for name, there in found.items() if there)


def leftovers(frames: Tensor, masks: Tensor) -> Mapping[int, Leftovers]:
    """Measure every frame with a hole.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1], the result.
        masks: ``T 1 H W`` bool, what was filled.

    Returns:
        Measures by row.
    """
    weights = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)
    light = (frames.detach().cpu().numpy() * weights).sum(axis=1).astype(np.float32)
    holes = masks[:, 0].cpu().numpy()
    rings = [(_ring(m, *_NEAR), _ring(m, *_FAR)) for m in holes]
    return {
        row: Leftovers(_ghost(light[row], mask), _shadow(light, holes, rings, row), _flicker(light, holes, rings, row))
        for row, mask in enumerate(holes)
        if mask.any() and not mask.all()
    }


def _ring(mask: np.ndarray, inner: int, outer: int) -> np.ndarray:
    """Pixels whose distance from the mask lies between two numbers."""
    if not mask.any():
        return np.zeros_like(mask)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return (away >= inner) & (away < outer)


def _ghost(light: np.ndarray, mask: np.ndarray) -> float | None:
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    deep = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    border, beside = (away + deep) <= 1.5, ((away + deep) >= 4) & ((away + deep) <= 10)
    if border.sum() < 8 or beside.sum() < 8:
        return None
    edges = np.hypot(*(cv2.Sobel(light, cv2.CV_32F, *way, scale=0.125) for way in ((1, 0), (0, 1))))
    strength = float(edges[border].mean())
    return 0.0 if strength < GHOST_LEAST else strength / (float(edges[beside].mean()) + 0.25 * GHOST_LEAST)


def _shadow(light: np.ndarray, holes: np.ndarray, rings: list[tuple[np.ndarray, np.ndarray]], row: int) -> float | None:
    span = slice(max(0, row - _AROUND), row + _AROUND + 1)
    found = []
    for part in rings[row]:
        if part.sum() < 8:
            return None
        values = np.where(holes[span][:, part], np.nan, light[span][:, part])
        # what the ring of the mask covers now but did not then
        free = np.stack([~(r[0] | h)[part] for r, h in zip(rings[span], holes[span], strict=True)])
        usual = np.where(free, values, np.nan)
        known = np.isfinite(usual).sum(axis=0) >= 2
        if known.sum() < 8:
            return None
        median = np.nanmedian(usual[:, known], axis=0)
        found.append(abs(float(np.log((light[row][part][known] + 0.03) / (median + 0.03)).mean())))
    return found[0] - found[1]


def _flicker(
    light: np.ndarray, holes: np.ndarray, rings: list[tuple[np.ndarray, np.ndarray]], row: int
) -> float | None:
    if row == 0 or not holes[row - 1].any():
        return None
    change = np.abs(light[row] - light[row - 1])
    inside, ring = holes[row] & holes[row - 1], rings[row][0] & ~holes[row - 1]
    if inside.sum() < 8 or ring.sum() < 8:
        return None
    mine = float(change[inside].mean())
    return 0.0 if mine < FLICKER_LEAST else mine / (float(change[ring].mean()) + 0.25 * FLICKER_LEAST)
