"""Parts of an object that have not moved since a hint that showed all of it.

What stands still looks like ground to the rest of the shot. On the frame of an exact mask it is known to be the object:
a place of the mask that looks as it did then, in the object's colours and not in those that were around it, may be the
object yet. No ground is taken from there, and what a track lacks of its object comes back there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import cv2
import numpy as np

from vidinternal.core.clip import Shot
from vidinternal.methods.track.features import Colours, lab
from vidinternal.ops.objects.frames import SmallFrames

Way = Callable[[int, int], np.ndarray | None]
"""The 3x3 motion of the camera from one frame of a shot to another; None where it is not known."""
_LIKE = 0.3
"""Likeness of colours, -1.5 to 1.5, from which a pixel may be the object."""
_BLUR = (1.5, 2.0)
"""Over which likeness of colours, and a picture, are means; standard deviation in small pixels."""
_SWAY = 4
"""Small pixels by which a part may sway without going away."""
_SAME = 8.0
"""Difference from the mask's own frame, CIE Lab, below which a pixel looks as it did."""
_PART = 0.3
"""Least area of a part, as a share of the object's."""
_BELIEF = 0.7
"""Belief in a part that comes back: it has the object's colours in the object's place."""


def standing(
    frames: SmallFrames, beliefs: Sequence[np.ndarray], exact: Collection[int], way: Way, shot: Shot
) -> list[np.ndarray]:
    """Where an object may still be since its exact masks, in every frame of a shot.

    Args:
        frames: The clip, small.
        beliefs: The object in every frame of the shot, ``h w`` each.
        exact: Rows of the shot whose belief is a whole mask.
        way: The camera's motion between two rows.
        shot: The take.

    Returns:
        ``h w`` bool for every row, parts of some size alone.
    """
    found = [np.zeros(frames.size, bool) for _ in beliefs]
    if not exact:
        return found
    for row in exact:
        colours = Colours()
        colours.learn(frames[shot.start + row], beliefs[row], 1.0)
        before = _soft(frames[shot.start + row])
        around = np.ones((2 * _SWAY + 1, 2 * _SWAY + 1), np.uint8)
        mask = cv2.dilate((beliefs[row] > 0.5).astype(np.float32), around)
        for other in range(len(found)):
            there = None if other == row else way(row, other)
            if there is None:
                continue
            inside = cv2.warpPerspective(mask, there, frames.size[::-1]) > 0.5
            if inside.any():
                now = frames[shot.start + other]
                likeness = cv2.GaussianBlur(colours.likeness(now), (0, 0), _BLUR[0])
                seen = cv2.warpPerspective(before, there, frames.size[::-1], borderMode=cv2.BORDER_REPLICATE)
                found[other] |= inside & (likeness > _LIKE) & (_change(_soft(now), seen) < _SAME)
    least = _PART * area_of(beliefs, exact)
    return [_parts(place, least) for place in found]


def restored(belief: np.ndarray, stands: np.ndarray, known: np.ndarray, area: float) -> np.ndarray:
    """A belief with the parts that stand where no ground is known.

    Args:
        belief: ``h w``, of one frame.
        stands: ``h w`` bool, of ``standing``.
        known: ``h w`` bool, where ground is known.
        area: Of the whole object, pixels.
    """
    back = _parts(stands & ~known, _PART * area)
    closed = cv2.morphologyEx(back.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    return np.where(closed, np.maximum(belief, _BELIEF), belief).astype(np.float32)


def _soft(picture: np.ndarray) -> np.ndarray:
    """A frame in Lab, its finest detail taken away."""
    return cv2.GaussianBlur(lab(picture), (0, 0), _BLUR[1])


def _change(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Least difference, CIE Lab, of every pixel from the pictures of before that are a sway away; ``h w``."""
    least = np.full(now.shape[:2], np.inf, np.float32)
    for dy in range(-_SWAY, _SWAY + 1, 2):
        for dx in range(-_SWAY, _SWAY + 1, 2):
            moved = np.roll(before, (dy, dx), axis=(0, 1))
            least = np.minimum(least, np.linalg.norm(now - moved, axis=-1))
    return least


def area_of(beliefs: Sequence[np.ndarray], exact: Collection[int]) -> float:
    """Of the whole object, pixels, the mean of its masks."""
    return float(np.mean([(beliefs[row] > 0.5).sum() for row in exact]))


def _parts(place: np.ndarray, least: float) -> np.ndarray:
    """The connected parts of at least some pixels, ``h w`` bool."""
    opened = cv2.morphologyEx(place.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, names, facts, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    return np.isin(names, [k for k in range(1, count) if facts[k, cv2.CC_STAT_AREA] >= least])
