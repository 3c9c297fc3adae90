"""What a removal may have left behind, frame by frame: ghost edges, blur, flicker, a trailing shadow.

Nothing here knows the truth. How steep the picture is across the outline of the filled part, and how much fine detail
is inside it, says little by itself: outlines cross the scene's own edges. So the outline is moved to other places of
the same frames, where nothing was filled, and the same is measured there. What counts is how far the filled part lies
from these controls, in their own spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

SUSPICIOUS = 0.3
"""Score from which a frame is listed; one in ten frames of removals without a fault comes that far."""
_WEIGHTS = (1.47, 0.63, 0.48, -1.17)
"""Of edges, blur and flicker, and the constant: a logistic fit to perfect removals on seven clips and to six ways of
spoiling them; AUC for a frame of a clip left out 0.86."""
_MOST = (8.0, 4.0, 4.0)
"""Where the three, flicker as a logarithm, end: one alone is enough for a frame to be listed."""
_NAMED = (1.2, 1.2, 0.7)
"""Value from which an edge, blur, or flicker is named; one that is not named may count all the same."""
_FLOOR = (0.3, 0.2)
"""Spread of the controls that counts at least: lightness for a pixel, logarithm."""
SHADOW = 0.07
"""Logarithm of brightness by which the ring around the mask is off more than what lies further out."""
FLICKER_LEAST = 0.012
"""Mean change, in units of full range, below which nobody sees it."""
_SIDE = 640
"""Longest side at which edges and detail are looked at, pixels."""
_PLACES = 10
"""Places in every frame that an outline is moved to, at most."""
_TRIED = 60
_FREE = 0.5
"""Share of an outline's pixels that must lie on what was not filled."""
_POOL = 3
"""Frames before and after whose controls count, too."""
_FEWEST = 6
"""Controls without which nothing is said."""
_PIXELS = 8
_NEAR, _FAR = (3, 12), (14, 28)
_AROUND = 10
"""Frames before and after that tell what a place usually looks like."""


@dataclass(frozen=True)
class Leftovers:
    """One frame's measures; None where there is nothing to measure it on.

    Attributes:
        edge: How much steeper the picture is across the outline than beside it, against controls, in their spread.
        blur: How much less fine detail is inside than beside the outline, against controls, in their spread.
        flicker: Change from the frame before inside over that in the ring around.
        shadow: How far the ring is off in brightness, more than what lies further out.
    """

    edge: float | None
    blur: float | None
    flicker: float | None
    shadow: float | None

    @property
    def score(self) -> float:
        """Logarithm of the odds that something is wrong, were every other frame spoilt; what is unknown is usual."""
        flicker = np.log(max(self.flicker, 0.1)) if self.flicker is not None else -0.5
        edge, blur = (0.0 if v is None else v for v in (self.edge, self.blur))
        low = (0.0, -1.0, -1.5)
        values = (float(np.clip(v, a, b)) for v, a, b in zip((edge, blur, flicker), low, _MOST, strict=True))
        return sum(w * v for w, v in zip(_WEIGHTS[:3], values, strict=True)) + _WEIGHTS[3]

    def suspicious(self) -> tuple[str, ...]:
        """What is to be looked at; nothing where nothing is."""
        if self.score < SUSPICIOUS:
            return ()
        flicker = float(np.log(max(self.flicker or 0.0, 0.1)))
        values = (self.edge or 0.0, self.blur or 0.0, flicker)
        kinds = ("ghost edges", "blur", "flicker")
        named = [k for k, value, least in zip(kinds, values, _NAMED, strict=True) if value >= least]
        shares = [w * v for w, v in zip(_WEIGHTS[:3], values, strict=True)]
        named = named or [kinds[int(np.argmax(shares))]]
        return (*named, *(("trailing shadow",) if self.shadow is not None and self.shadow > SHADOW else ()))


def leftovers(frames: Tensor, masks: Tensor) -> Mapping[int, Leftovers]:
    """Measure every frame with a hole.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1], the result.
        masks: ``T 1 H W`` bool, what was filled.

    Returns:
        Measures by row.
    """
    weights = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)
    pictures, holes = frames.detach().cpu().numpy(), masks[:, 0].cpu().numpy()
    light = (pictures * weights).sum(axis=1).astype(np.float32)
    rings = [(_ring(m, *_NEAR), _ring(m, *_FAR)) for m in holes]
    looks = [_look(p, m) for p, m in zip(pictures, holes, strict=True)]
    found = {}
    for row, mask in enumerate(holes):
        if mask.any() and not mask.all():
            near = [look for look in looks[max(0, row - _POOL) : row + _POOL + 1] if look is not None]
            edge, blur = (_against(looks[row], near, kind) for kind in (0, 1))
            found[row] = Leftovers(edge, blur, _flicker(light, holes, rings, row), _shadow(light, holes, rings, row))
    return found


@dataclass(frozen=True)
class _Look:
    """Step across the outline and loss of detail inside, of the filled part and of its controls; NaN where unknown."""

    mine: tuple[float, float]
    controls: np.ndarray


@dataclass(frozen=True)
class _Outline:
    """Pixels of a filled part as rows and columns: on its outline with its normal, beside it, inside, all around."""

    line: np.ndarray
    normal: np.ndarray
    beside: np.ndarray
    across: np.ndarray
    inside: np.ndarray
    whole: np.ndarray


def _against(look: _Look | None, near: Sequence[_Look], kind: int) -> float | None:
    """How far a measure lies from the controls of its own and neighbouring frames, in their spread."""
    if look is None or not np.isfinite(look.mine[kind]):
        return None
    controls = np.concatenate([other.controls[:, kind] for other in near])
    controls = controls[np.isfinite(controls)]
    if len(controls) < _FEWEST:
        return None
    middle = float(np.median(controls))
    spread = max(1.4826 * float(np.median(np.abs(controls - middle))), 0.5 * float(controls.std()))
    return (look.mine[kind] - middle) / (spread + _FLOOR[kind])


def _look(picture: np.ndarray, mask: np.ndarray) -> _Look | None:
    """Measure the filled part where it is, and its outline where nothing was filled."""
    if not mask.any() or mask.all():
        return None
    scale = min(1.0, _SIDE / max(mask.shape))
    rgb = np.ascontiguousarray(picture.transpose(1, 2, 0))
    if scale < 1:
        size = round(mask.shape[1] * scale), round(mask.shape[0] * scale)
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
        if not mask.any() or mask.all():
            return None
    lightness = np.ascontiguousarray(cv2.cvtColor(rgb.clip(0, 1), cv2.COLOR_RGB2LAB)[..., 0])
    slopes = [cv2.Sobel(lightness, cv2.CV_32F, *way, scale=0.125) for way in ((1, 0), (0, 1))]
    maps = np.stack([*slopes, np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), 1.2))])
    outline = _outline(mask)
    taken = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))) > 0
    free = np.ones_like(mask)
    mine = _measured(maps, outline, (0, 0), free)
    controls = [_measured(maps, outline, shift, ~taken) for shift in _places(outline.whole, taken)]
    return _Look(mine, np.array(controls, np.float64).reshape(-1, 2))


def _outline(mask: np.ndarray) -> _Outline:
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    deep = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    down, right = np.gradient(cv2.GaussianBlur(away - deep, (0, 0), 1.5))
    length = np.hypot(down, right) + 1e-6
    normal = np.stack([right / length, down / length])
    line = np.argwhere(away + deep <= 1.5)
    beside = np.argwhere((away >= 3) & (away <= 8))
    return _Outline(
        line,
        normal[:, line[:, 0], line[:, 1]],
        beside,
        normal[:, beside[:, 0], beside[:, 1]],
        np.argwhere(deep >= 2),
        np.argwhere(away <= 8),
    )


def _places(whole: np.ndarray, taken: np.ndarray) -> list[tuple[int, int]]:
    """Shifts that bring most of an outline onto what was not filled, spread evenly over the picture."""
    height, width = taken.shape
    (top, left), (bottom, right) = whole.min(axis=0), whole.max(axis=0)
    few = whole[:: max(1, len(whole) // 400)]
    found = []
    for k in range(1, _TRIED + 1):
        # the two-dimensional golden ratio: places as far from each other as can be, the same in every run
        share = (0.5 + 0.7548776662466927 * k) % 1, (0.5 + 0.5698402909980532 * k) % 1
        shift = (
            round(-bottom + share[0] * (height - 1 - top + bottom)),
            round(-right + share[1] * (width - 1 - left + right)),
        )
        if (_kept(few, shift, ~taken)).mean() >= _FREE:
            found.append(shift)
        if len(found) == _PLACES:
            break
    return found


def _kept(pixels: np.ndarray, shift: tuple[int, int], free: np.ndarray) -> np.ndarray:
    """Which pixels lie, once they are moved, in the picture and where it is free."""
    rows, columns = pixels[:, 0] + shift[0], pixels[:, 1] + shift[1]
    inside = (rows >= 0) & (rows < free.shape[0]) & (columns >= 0) & (columns < free.shape[1])
    return inside & free[rows.clip(0, free.shape[0] - 1), columns.clip(0, free.shape[1] - 1)]


def _measured(maps: np.ndarray, outline: _Outline, shift: tuple[int, int], free: np.ndarray) -> tuple[float, float]:
    """How much steeper the picture is across the outline than beside it; how much less detail there is inside."""

    def at(pixels: np.ndarray, kept: np.ndarray) -> np.ndarray:
        return maps[:, pixels[kept, 0] + shift[0], pixels[kept, 1] + shift[1]]

    line, beside, inside = (_kept(p, shift, free) for p in (outline.line, outline.beside, outline.inside))
    edge = blur = float("nan")
    if line.sum() >= _PIXELS and beside.sum() >= _PIXELS:
        along, next_to = at(outline.line, line), at(outline.beside, beside)
        steps = [
            float(np.abs((values[:2] * normal).sum(axis=0)).mean())
            for values, normal in ((along, outline.normal[:, line]), (next_to, outline.across[:, beside]))
        ]
        edge = steps[0] - steps[1]
        if inside.sum() >= _PIXELS:
            within = at(outline.inside, inside)
            blur = -float(np.log((within[2].mean() + 0.1) / (next_to[2].mean() + 0.1)))
    return edge, blur


def _ring(mask: np.ndarray, inner: int, outer: int) -> np.ndarray:
    """Pixels whose distance from the mask lies between two numbers."""
    if not mask.any():
        return np.zeros_like(mask)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return (away >= inner) & (away < outer)


def _shadow(light: np.ndarray, holes: np.ndarray, rings: list[tuple[np.ndarray, np.ndarray]], row: int) -> float | None:
    span = slice(max(0, row - _AROUND), row + _AROUND + 1)
    found = []
    for part in rings[row]:
        if part.sum() < _PIXELS:
            return None
        values = np.where(holes[span][:, part], np.nan, light[span][:, part])
        # what the ring of the mask covers now but did not then
        free = np.stack([~(r[0] | h)[part] for r, h in zip(rings[span], holes[span], strict=True)])
        usual = np.where(free, values, np.nan)
        known = np.isfinite(usual).sum(axis=0) >= 2
        if known.sum() < _PIXELS:
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
    if inside.sum() < _PIXELS or ring.sum() < _PIXELS:
        return None
    mine = float(change[inside].mean())
    return 0.0 if mine < FLICKER_LEAST else mine / (float(change[ring].mean()) + 0.25 * FLICKER_LEAST)
