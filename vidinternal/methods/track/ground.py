"""An object's track held against the ground, the picture of what lies behind it.

The ground of a frame is put together from frames of the shot in which the object is elsewhere, brought over by the
camera's own motion, a homography from frame to frame. Where the frame looks like its ground there is no object; where
it does not, beside the object, there is a piece that the track had lost. Ground that no frame shows says nothing, and
neither does one that does not even fit where nothing moves. No ground is taken from where the object may stand still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vidinternal.core.clip import Shot
from vidinternal.methods.track.features import flow, lab
from vidinternal.methods.track.standing import area_of, restored, standing
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import Track, Writer

_STRIDES = (3, 6, 9, 13, 18, 24, 32, 44)
"""How far from a frame those lie that its ground is taken from, both ways."""
_LEAST = 3
"""Frames that must show a piece of ground."""
_CLEAR = 0.12
"""Belief above which a pixel is no ground."""
_STANDS = 0.2
"""Belief in the object where it may stand still: enough for no ground to be taken from there."""
_NOISE = (3.0, 12.0)
"""Least difference that means anything, and most that a ground may be off where nothing moves; CIE Lab."""
_TIMES = 3.0
"""How many times the usual difference of the ground is none any more."""
_REACH = 0.6
"""How far from the track a lost piece may lie, in sizes of the object."""
_GAP = 0.3
"""How far a detached piece may lie from what is known of the object, in its sizes: a racket at the end of an arm."""
_DETACHED = 0.002
"""Least area of a detached piece, as a share of the object's."""
_PERHAPS = 0.4
"""Belief in a detached piece: no part of the likeliest outline, but of what is masked for a removal."""
_SHADE = (0.6, 0.98)
"""Lightness of ground in shadow, as a share of its own."""
_TINT = 6.0
"""Most that a shadow changes the colour, CIE Lab."""


@dataclass
class Cameras:
    """3x3 motion of the camera from the first frame of a shot to each of its frames; None where it is not known."""

    steps: list[np.ndarray | None]

    def way(self, source: int, target: int) -> np.ndarray | None:
        """The homography that takes pixels of frame ``source`` to ``target``; None where a step between is unknown."""
        low, high = min(source, target), max(source, target)
        found = np.eye(3)
        for step in self.steps[low:high]:
            if step is None:
                return None
            found = step @ found
        return found if source <= target else np.linalg.inv(found)


def cameras(frames: SmallFrames, beliefs: Sequence[np.ndarray], shot: Shot) -> Cameras:
    """The camera's motion, from what is no object.

    Args:
        frames: The clip, small.
        beliefs: All objects in every frame of the shot, ``h w`` each.
        shot: The take.
    """
    steps: list[np.ndarray | None] = []
    for row in range(len(shot) - 1):
        way = flow(frames[shot.start + row], frames[shot.start + row + 1])
        ground = cv2.erode((beliefs[row] < _CLEAR).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        ys, xs = (v[::5] for v in np.nonzero(ground))
        step = None
        if len(ys) >= 32:
            here = np.stack([xs, ys], axis=1).astype(np.float32)
            cv2.setRNGSeed(0)
            step, _ = cv2.findHomography(here, here + way[ys, xs], method=cv2.RANSAC, ransacReprojThreshold=0.7)
        steps.append(step)
    return Cameras(steps)


def against_ground(frames: SmallFrames, tracks: Sequence[Track], shots: Sequence[Shot]) -> list[Track]:
    """The tracks, with pieces they had lost and without what is ground.

    Args:
        frames: The clip, small.
        tracks: Of all objects; what is one of them is no ground for another.
        shots: The clip's takes.
    """
    written = [Writer() for _ in tracks]
    for shot in shots:
        own = [[t.path.belief(shot.start + row, t.size) for row in range(len(shot))] for t in tracks]
        anchored = [_Hinted.of(t, shot) for t in tracks]
        if any(h.rows for h in anchored) and len(shot) > _LEAST:
            own = _held(frames, own, anchored, shot)
        for writer, track, rows in zip(written, tracks, own, strict=True):
            for row, belief in enumerate(rows):
                index = shot.start + row
                x, y = track.path.motion[index].tolist()
                writer.add(belief, float(track.path.confidence[index]), (x, y))
    return [replace(t, path=w.path(t.path.left)) for t, w in zip(tracks, written, strict=True)]


@dataclass(frozen=True)
class _Hinted:
    """Rows of a shot with a hint to one object.

    Attributes:
        rows: All of them.
        exact: Those on which a mask showed all of it.
        opened: Where a box or a polygon leaves room for it, ``h w`` bool, by row.
    """

    rows: frozenset[int]
    exact: frozenset[int]
    opened: Mapping[int, np.ndarray]

    @classmethod
    def of(cls, track: Track, shot: Shot) -> _Hinted:
        mine, exact = (
            frozenset(a - shot.start for a in places if shot.start <= a < shot.end)
            for places in (track.anchors, track.exact)
        )
        return cls(mine, exact, {a - shot.start: room for a, room in track.opened.items()})


def _held(
    frames: SmallFrames, own: Sequence[Sequence[np.ndarray]], hinted: Sequence[_Hinted], shot: Shot
) -> list[list[np.ndarray]]:
    """The beliefs of every object in every frame of a shot, held against the ground."""
    together = [np.max([rows[k] for rows in own], axis=0) for k in range(len(shot))]
    camera = cameras(frames, together, shot)
    stands = [standing(frames, b, h.exact, camera.way, shot) for b, h in zip(own, hinted, strict=True)]
    taken = [np.maximum(b, _STANDS * np.max([s[k] for s in stands], axis=0)) for k, b in enumerate(together)]
    found: list[list[np.ndarray]] = [[] for _ in own]
    for row, seen in enumerate(together):
        differs = None
        if (seen > 0.5).any():
            differs = difference(frames, [*taken[:row], seen, *taken[row + 1 :]], camera, shot, row)
        for k, beliefs in enumerate(own):
            belief = beliefs[row]
            others = [b[row] for j, b in enumerate(own) if j != k]
            if row in hinted[k].rows:
                belief = _completed(belief, differs, hinted[k].opened.get(row), others)
            elif (belief > 0.5).any():
                if hinted[k].exact:
                    known = np.zeros(frames.size, bool) if differs is None else np.isfinite(differs)
                    belief = restored(belief, stands[k][row], known, area_of(beliefs, hinted[k].exact))
                belief = belief if differs is None else _corrected(belief, differs, others)
            found[k].append(belief)
    return found


def difference(
    frames: SmallFrames, together: Sequence[np.ndarray], camera: Cameras, shot: Shot, row: int
) -> np.ndarray | None:
    """How surely each pixel of a frame is not its ground, 0 to 1; NaN where that is not known, None for nowhere."""
    height, width = frames.size
    seen = []
    for stride in _STRIDES:
        for other in (row - stride, row + stride):
            way = camera.way(other, row) if 0 <= other < len(shot) else None
            if way is None:
                continue
            picture = lab(frames[shot.start + other])
            near = cv2.dilate((together[other] > _CLEAR).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
            picture[near] = np.nan
            border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (float("nan"),) * 3}
            seen.append(cv2.warpPerspective(picture, way, (width, height), flags=cv2.INTER_LINEAR, **border))
    if len(seen) < _LEAST:
        return None
    stacked = np.stack(seen)
    known = np.isfinite(stacked[..., 0]).sum(axis=0) >= _LEAST
    if not known.any():
        return None
    ground = np.full((height, width, 3), np.nan, np.float32)
    ground[known] = np.nanmedian(stacked[:, known], axis=0)
    return _judged(lab(frames[shot.start + row]), ground, known, together[row])


def _judged(now: np.ndarray, ground: np.ndarray, known: np.ndarray, belief: np.ndarray) -> np.ndarray | None:
    """How surely each pixel is not ground, from the difference that ground has where nothing moves."""
    filled = np.where(known[..., None], ground, now)
    least = np.full(belief.shape, np.inf, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            shifted = np.roll(filled, (dy, dx), axis=(0, 1))
            least = np.minimum(least, np.linalg.norm(now - shifted, axis=-1))
    least = cv2.medianBlur(least, 3)
    size = max(8, int(2 * _REACH * np.sqrt((belief > 0.5).sum())))
    around = cv2.dilate((belief > _CLEAR).astype(np.uint8), np.ones((2 * size + 1, 2 * size + 1), np.uint8)) > 0
    still = known & around & (belief < 0.02)
    if still.sum() < 64:
        return None
    usual = float(np.percentile(least[still], 70))
    if usual > _NOISE[1]:
        return None
    limit = max(_NOISE[0], _TIMES * usual)
    sure = 1 / (1 + np.exp(-(least - limit) / (0.25 * limit)))
    sure[_shaded(now, filled)] *= 0.2
    return np.where(known, sure, np.nan).astype(np.float32)


def _shaded(now: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Where the frame is its ground in shadow: darker, of the same colour."""
    # with the light, L + 16, a and b shrink by one factor
    share = (now[..., 0] + 16) / (ground[..., 0] + 16)
    tint = np.linalg.norm(now[..., 1:] - share[..., None] * ground[..., 1:], axis=-1)
    return (share > _SHADE[0]) & (share < _SHADE[1]) & (tint < _TINT)


def _corrected(belief: np.ndarray, differs: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """One object's belief with what differs beside it and without what is ground."""
    known = np.isfinite(differs)
    sure = np.nan_to_num(differs, nan=0.5)
    core = (belief > 0.5) & (~known | (sure > 0.3))
    if not core.any():
        return belief
    reach = max(3, round(_REACH * float(np.sqrt((belief > 0.5).sum()))))
    open_part = core | (known & (sure > 0.5) & (belief <= 0.5))
    for other in others:
        open_part &= (other < 0.5) | core
    grown = core
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for _ in range(reach):  # along what differs alone, so that nothing behind a piece of ground is reached
        grown = (cv2.dilate(grown.astype(np.uint8), cross) > 0) & open_part
    grown = (cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_OPEN, cross) > 0) | core
    found = np.where(grown, np.maximum(belief, 0.25 + 0.65 * sure), belief)
    free = known & (sure > 0.6) & (belief <= 0.5) & ~grown
    for other in others:
        free &= other < 0.5
    found[_detached(free, grown, reach)] = _PERHAPS
    bare = known & (sure < 0.3)
    # a hole the size of a speck is a piece of the object in the ground's colour
    bare = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return np.where(bare, found * (0.25 + sure), found).astype(np.float32)


def _completed(
    belief: np.ndarray, differs: np.ndarray | None, opened: np.ndarray | None, others: Sequence[np.ndarray]
) -> np.ndarray:
    """What was cut out of a hint's own frame with what is no ground beside it; all that stays in the hint's room."""
    if differs is None or opened is None or not (belief > 0.5).any():
        return belief
    return np.maximum(belief, _corrected(belief, np.where(opened, differs, np.nan), others))


def _detached(free: np.ndarray, grown: np.ndarray, reach: int) -> np.ndarray:
    """Pieces that are no ground near an object, or near such a piece: what a thin part of it connects, unseen."""
    area = float(grown.sum())
    gap, least = max(3.0, _GAP * float(np.sqrt(area))), max(6.0, _DETACHED * area)
    count, names, facts, _ = cv2.connectedComponentsWithStats(free.astype(np.uint8), connectivity=8)
    left = [k for k in range(1, count) if facts[k, cv2.CC_STAT_AREA] >= least]
    far, found = _away(grown), np.zeros_like(grown)
    left = [k for k in left if far[names == k].max() <= 1.5 * reach]
    while left:
        near = _away(grown | found)
        reached = [k for k in left if near[names == k].min() <= gap]
        if not reached:
            break
        found |= np.isin(names, reached)
        left = [k for k in left if k not in reached]
    return found


def _away(mask: np.ndarray) -> np.ndarray:
    """Distance of every pixel from a mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
