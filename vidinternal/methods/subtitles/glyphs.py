"""Which pixels an overlay touches: strokes, outline, shadow, glow, anti-aliasing, and the halo compression leaves.

Strokes are what has the colour of the fill, keeps still, and comes and goes with the overlay. From them the cover is
grown in shells, each way by itself (a shadow falls to one side), while a shell still differs from the picture farther
out: in its mean colour, in how still it keeps, in how much it changes when the overlay comes or goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_refine import Close
from vidinternal.methods.subtitles.events import Color

_SEEN = 24.0
"""Least change, 0 to 255, of most of an overlay's strokes as it comes or goes."""
_NEAR = 48.0
"""How far, 0 to 255 in the largest channel, a pixel may be from the colour of the fill."""


@dataclass(frozen=True)
class Glyphs:
    """What an overlay looks like.

    Attributes:
        cover: ``h w`` uint8 as :func:`vidinternal.methods.subtitles.events.cover_name` has it.
        strokes: ``h w`` bool, its inside.
        fill: Colour of its inside.
        outline: Colour next to it, None where it is the picture's.
        reach: Pixels that it was grown by, up, down, left and right.
        contrast: How much the inside differs from the picture around, 0 to 255.
        change: Mean change of its inside as it comes or goes; 0 where that was not seen.
    """

    cover: np.ndarray
    strokes: np.ndarray
    fill: Color
    outline: Color | None
    reach: tuple[int, int, int, int]
    contrast: float
    change: float


def changed(close: Close) -> np.ndarray | None:
    """How much every pixel changes when the overlay comes and when it goes, the lesser; None if neither was seen."""
    changes = [bound.change for bound in (close.begin, close.finish) if bound.alone and bound.change is not None]
    return np.min(changes, 0) if changes else None


def glyphs(close: Close, grow: int, *, thin: bool = False) -> Glyphs | None:
    """The pixels of an overlay; None where there are no strokes.

    Args:
        close: The overlay.
        grow: Pixels added around.
        thin: Whether it has a rim as fine as that of a mark that never leaves; what covers such a place in every frame
            must be filled from beside it, and no pixel more than it needs.
    """
    change = changed(close)
    far = ~(cv2.dilate(close.region.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    if far.sum() < 20:
        far = ~close.strokes
    color = stroke_color(close, far, _coming(close, change, far))
    if color is None:
        return None
    strokes = _strokes(close, color, change, far)
    if strokes.sum() < 8:
        return None
    reach = _reach(close, strokes, change)
    touched = _grown(strokes, reach)
    if change is not None:
        touched |= _also_changed(change, touched, far, close)
    touched |= _also_still(close, strokes, far)
    own = touched if change is None else touched & _comes(change, far)
    fill, outline = _colors(close, touched if own.sum() < 40 else own, far)
    if fill is not None and np.abs(color - np.array(fill)).max() > 60:
        # The commonest colour was that of the outline, which dark places of the picture hide. Letters are told by
        # their inside, and the outline reaches as far from it there as elsewhere.
        inside = _strokes(close, np.array(fill, np.float32), change, far)
        if inside.sum() >= 8:
            strokes, reach = inside, _reach(close, inside, change)
            touched |= _grown(strokes, reach)
    if change is not None and float(np.percentile(change[strokes], 25)) < _SEEN:
        # In letters so thin no pixel has the fill's own colour: what comes and goes is all that tells them.
        comes = close.region & _comes(change, far)
        if comes.sum() >= 40:
            strokes = comes
            touched |= comes
    if outline is not None or change is not None:
        # Where the picture has the outline's colour it cannot be seen: it is as wide there as elsewhere.
        usual = max(3, round(0.16 * close.height))
        least = max(2, round(0.16 * close.height), min(max(reach), usual))
        if thin:
            least = max(1, round(0.08 * close.height))
        up, down, left, right = (max(r, least) for r in reach)
        touched |= _grown(strokes, (up, down, left, right))
    base = np.median(close.template[far], 0) if far.any() else np.zeros(3)
    cover = _soft(close, strokes, touched, change)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1,) * 2)
    cover = np.maximum(cover, cv2.dilate((cover > 0).astype(np.uint8), kernel))
    return Glyphs(
        cover=cover,
        strokes=strokes,
        fill=fill or as_color(color),
        outline=outline,
        reach=reach,
        contrast=float(np.abs(color - base).max()),
        change=0.0 if change is None else float(change[strokes].mean()),
    )


def _noise(change: np.ndarray, far: np.ndarray, percent: float) -> float:
    """How much the picture itself changes there."""
    return float(np.percentile(change[far], percent)) if far.any() else 0.0


def _comes(change: np.ndarray, far: np.ndarray) -> np.ndarray:
    """What changes far more than the picture itself as the overlay comes and goes, ``h w`` bool."""
    return change > max(24.0, 1.5 * _noise(change, far, 90))


def _coming(close: Close, change: np.ndarray | None, far: np.ndarray) -> np.ndarray:
    """Of the strokes that small pictures saw, those that come and go with it; all where that was not seen."""
    if change is None:
        return close.strokes
    near = cv2.dilate(close.strokes.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    comes = near & _comes(change, far)
    return comes if comes.sum() >= max(20, 0.1 * close.strokes.sum()) else close.strokes


def stroke_color(close: Close, far: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """The commonest colour of its strokes, inside or outline, that is not the picture's own, RGB 0 to 255."""
    still = own & (close.spread <= max(8.0, float(np.percentile(close.spread[own], 60)))) if own.any() else own
    colors = close.template[still]
    if len(colors) < 8:
        return None
    base = np.median(close.template[far], 0) if far.any() else np.zeros(3)
    bins = (colors // 32).astype(int)
    _keys, inverse, counts = np.unique(bins @ np.array([64, 8, 1]), return_inverse=True, return_counts=True)
    best, most = None, -1.0
    for number in np.argsort(-counts)[:8]:
        mean = colors[inverse.ravel() == number].mean(0)
        # A flat colour far from that of the picture: counts times how far it stands out.
        score = float(counts[number]) * min(1.0, float(np.abs(mean - base).max()) / 96)
        score *= 1.5 if mean.max() > 170 else 1.0
        if score > most:
            best, most = mean, score
    if best is None:
        return None
    close_by = colors[np.abs(colors - best).max(-1) < _NEAR]
    return np.median(close_by, 0) if len(close_by) else best


def _strokes(close: Close, color: np.ndarray, change: np.ndarray | None, far: np.ndarray) -> np.ndarray:
    near = np.abs(close.template - color).max(-1) < _NEAR
    still = close.spread <= max(8.0, 2.5 * float(np.median(close.spread[close.strokes])))
    found = near & still & close.region
    if change is None:
        return _own_pieces(found, close)
    # Where the picture has the fill's colour, the rim of a stroke still changes: far from all change is picture.
    close_by = cv2.dilate(_comes(change, far).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    found &= close_by
    count, found_labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    labels = np.asarray(found_labels, np.int64)
    total = np.bincount(labels.ravel(), minlength=count).astype(float)
    mean = np.bincount(labels.ravel(), weights=change.ravel(), minlength=count) / np.maximum(1, total)
    kept = mean > max(12.0, 1.5 * _noise(change, far, 75))
    kept[0] = False
    return kept[labels]


def _own_pieces(found: np.ndarray, close: Close) -> np.ndarray:
    """Those connected pieces that overlap with what the small pictures saw, and are no larger than letters joined."""
    count, found_labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    labels = np.asarray(found_labels, np.int64)
    total = np.bincount(labels.ravel(), minlength=count).astype(float)
    seen = np.bincount(labels.ravel(), weights=close.strokes.ravel().astype(float), minlength=count)
    kept = seen > 0.3 * total
    kept[0] = False
    return kept[labels]


def _shells(strokes: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest stroke, and the way it lies: 0 above it, 1 below, 2 left, 3 right."""
    distance, nearest = cv2.distanceTransformWithLabels(
        (~strokes).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = np.asarray(nearest, np.int64)
    ys, xs = np.nonzero(strokes)
    order = np.zeros(int(labels.max()) + 1, int)
    order[labels[ys, xs]] = np.arange(len(ys))
    grid_y, grid_x = np.mgrid[: strokes.shape[0], : strokes.shape[1]]
    dy, dx = grid_y - ys[order[labels]], grid_x - xs[order[labels]]
    way = np.where(np.abs(dy) >= np.abs(dx), np.where(dy < 0, 0, 1), np.where(dx < 0, 2, 3))
    return np.minimum(distance, most + 8.0), way


def _reach(close: Close, strokes: np.ndarray, change: np.ndarray | None) -> tuple[int, int, int, int]:
    """How far, in pixels, the overlay reaches beyond its strokes, each way."""
    most = limit = max(6, round(0.35 * close.height))
    distance, way = _shells(strokes, most)
    # What changes with the overlay tells its rim best; the picture itself is uneven: only where nothing else does.
    moving = float(np.median(close.spread[~close.region])) > 5 if (~close.region).any() else False
    signals = ([] if change is None else [change]) + ([close.spread] if moving else [])
    if not signals:
        # Shades of the picture look like a rim: no farther than outlines usually reach.
        signals, limit = [*np.moveaxis(close.template, -1, 0)], max(2, round(0.16 * close.height))
    # A twentieth of what the strokes change by is the faintest halo that counts.
    floors = [3.0 if signal is not change else max(3.0, 0.05 * float(signal[strokes].mean())) for signal in signals]
    reach = []
    for direction in range(4):
        mine = way == direction
        out = (distance > most + 0.5) & (distance <= most + 6.5) & mine
        touched = 0
        for shell in range(1, most + 1):
            ring = (distance > shell - 0.5) & (distance <= shell + 0.5) & mine
            if ring.sum() < 8 or out.sum() < 8:
                break
            if any(_differs(signal[ring], signal[out], least) for signal, least in zip(signals, floors, strict=True)):
                touched = shell
            elif shell - touched >= 2:
                break
        reach.append(min(touched, limit))
    return reach[0], reach[1], reach[2], reach[3]


def _differs(ring: np.ndarray, out: np.ndarray, least: float) -> bool:
    """Whether the means differ by more than what is seen and than chance, pixels being alike over some distance."""
    error = float(np.sqrt(ring.var() / max(1, len(ring) / 12) + out.var() / max(1, len(out) / 12)))
    return abs(float(ring.mean()) - float(out.mean())) > max(least, 3.0 * error)


def _grown(strokes: np.ndarray, reach: tuple[int, int, int, int]) -> np.ndarray:
    """Strokes and what lies within reach of them: an ellipse with a radius of its own each way."""
    up, down, left, right = (r + 0.5 for r in reach)
    side = int(max(reach)) + 1
    dy, dx = np.mgrid[-side : side + 1, -side : side + 1].astype(float)
    # A pixel above a stroke is reached by a kernel that reaches down from it: cv2.dilate mirrors nothing.
    vertical = np.where(dy > 0, dy / up, dy / -down)
    across = np.where(dx > 0, dx / left, dx / -right)
    kernel = (vertical**2 + across**2 <= 1.0).astype(np.uint8)
    kernel[side, side] = 1
    return cv2.dilate(strokes.astype(np.uint8), kernel) > 0


def _also_changed(change: np.ndarray, touched: np.ndarray, far: np.ndarray, close: Close) -> np.ndarray:
    """What comes and goes with the strokes, near them: dots, parts of another colour, shadow and halo.

    Faint change counts where it is joined to what is there already, or to strong change.
    """
    sure = touched | _comes(change, far)
    faint = (change > max(10.0, 2.5 * _noise(change, far, 90))) & close.region
    faint = cv2.morphologyEx((faint | touched).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    _count, found = cv2.connectedComponents(faint, connectivity=8)
    labels = np.asarray(found, np.int64)
    own = np.zeros(int(labels.max()) + 1, bool)
    own[labels[sure & close.region]] = True
    own[0] = False
    return own[labels]


def _also_still(close: Close, strokes: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Pieces joined to strokes that keep as still as these, while the picture moves: the inside of outlined letters."""
    moves = float(np.median(close.spread[far])) if far.any() else 0.0
    if moves <= 5:
        return strokes
    joined = (strokes | (close.spread < 0.3 * moves)) & close.region
    _count, labels = cv2.connectedComponents(joined.astype(np.uint8), connectivity=4)
    labels = np.asarray(labels, np.int64)
    own = np.zeros(int(labels.max()) + 1, bool)
    own[labels[strokes]] = True
    own[0] = False
    return own[labels]


def _colors(close: Close, touched: np.ndarray, far: np.ndarray) -> tuple[Color | None, Color | None]:
    """Of the two commonest colours of what is touched: the inner one, and the outer one if it is not the picture's."""
    depth = cv2.distanceTransform(touched.astype(np.uint8), cv2.DIST_L2, 5)
    inner = touched & (depth > 1.5)
    colors = close.template[inner]
    if len(colors) < 8:
        return None, None
    _keys, inverse, counts = np.unique((colors // 48).astype(int) @ [64, 8, 1], return_inverse=True, return_counts=True)
    modes: list[tuple[float, np.ndarray]] = []
    for number in np.argsort(-counts):
        own = inverse.ravel() == number
        mean = colors[own].mean(0)
        if counts[number] < 0.06 * len(colors) or len(modes) == 2:
            break
        if all(np.abs(mean - other).max() > 80 for _, other in modes):
            modes.append((float(depth[inner][own].mean()), mean))
    # Where depth does not tell, the lighter one: outlines and shadows are dark far more often than letters are.
    modes.sort(key=lambda m: (-m[0], -m[1].sum()))
    if len(modes) == 2 and modes[0][0] - modes[1][0] < 1.0:
        modes.sort(key=lambda m: -m[1].sum())
    base = np.median(close.template[far], 0) if far.any() else np.zeros(3)
    outline = modes[1][1] if len(modes) == 2 and np.abs(modes[1][1] - base).max() > 24 else None
    return (as_color(modes[0][1]) if modes else None), (None if outline is None else as_color(outline))


def _soft(close: Close, strokes: np.ndarray, touched: np.ndarray, change: np.ndarray | None) -> np.ndarray:
    """Cover: whole on strokes and within the outline, falling off to 1 at the rim."""
    inner = cv2.distanceTransform(touched.astype(np.uint8), cv2.DIST_L2, 5)
    cover = np.where(touched, np.clip(inner / 3.0, 1 / 255, 1.0) * 255, 0)
    cover[strokes] = 255
    return cover.astype(np.uint8)


def as_color(color: np.ndarray) -> Color:
    """Three numbers as a colour."""
    red, green, blue = (int(np.clip(round(float(c)), 0, 255)) for c in color)
    return red, green, blue
