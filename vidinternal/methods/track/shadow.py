"""A shadow or a reflection: the region beside an object whose brightness moves with it.

The ground is estimated from frames in which the object is elsewhere, brought over by the camera's own affine motion.
Where the picture, divided by that, is off in the same place beside the object for a while, something of it lies there.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidinternal.core.clip import Shot
from vidinternal.methods.track.features import flow
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import Path, Writer

_LOOKS = 12
"""Frames of a shot that the ground is taken from."""
_STEADY = 7
"""Frames over which a shadow must stay beside its object."""
_DARK = 0.12
"""Least change of brightness, as a logarithm."""
_REACH = 1.2
"""How far from the object a shadow may lie, in its sizes."""


def shadows(frames: SmallFrames, path: Path, shots: Sequence[Shot]) -> Path:
    """The shadow of one object, a row for every frame.

    Args:
        frames: The clip, small.
        path: The object, a row for every frame of the clip.
        shots: Its takes.
    """
    written = Writer()
    for shot in shots:
        for belief in _of_shot(frames, path, shot):
            written.add(belief, 1.0, (0.0, 0.0))
    return written.path(0)


def _of_shot(frames: SmallFrames, path: Path, shot: Shot) -> list[np.ndarray]:
    size = frames.size
    boxes = path.boxes[shot.start : shot.end].numpy()
    empty = np.zeros(size, np.float32)
    if not (boxes[:, 1] > 0).any() or len(shot) < 3:
        return [empty] * len(shot)
    cameras = _cameras(frames, path, shot)
    looks = sorted({round(k) for k in np.linspace(0, len(shot) - 1, min(_LOOKS, len(shot)))})
    changes = [_change(frames, path, shot, row, looks, cameras) if boxes[row, 1] else None for row in range(len(shot))]
    return [
        empty if changes[row] is None else _steady(row, changes, boxes, path, shot, size) for row in range(len(shot))
    ]


def _cameras(frames: SmallFrames, path: Path, shot: Shot) -> list[np.ndarray]:
    """3x3 affine motion from the shot's first frame to each of its frames."""
    found = [np.eye(3)]
    for index in range(shot.start + 1, shot.end):
        way = flow(frames[index - 1], frames[index])
        ground = path.belief(index - 1, frames.size) < 0.1
        ground = cv2.erode(ground.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        ys, xs = (v[::7] for v in np.nonzero(ground))
        step = None
        if len(ys) >= 12:
            here = np.stack([xs, ys], axis=1).astype(np.float32)
            cv2.setRNGSeed(0)
            step, _ = cv2.estimateAffine2D(here, here + way[ys, xs], method=cv2.RANSAC, ransacReprojThreshold=1.0)
        found.append((np.eye(3) if step is None else np.vstack([step, [0, 0, 1]])) @ found[-1])
    return found


def _change(
    frames: SmallFrames, path: Path, shot: Shot, row: int, looks: Sequence[int], cameras: Sequence[np.ndarray]
) -> np.ndarray:
    """Logarithm of the picture's brightness over the ground's, ``h w``; NaN where no frame shows the ground."""
    height, width = frames.size
    seen = []
    for look in looks:
        way = (cameras[row] @ np.linalg.inv(cameras[look]))[:2].astype(np.float32)
        light = _light(frames[shot.start + look])
        # an object's own shadow would pass for ground: what is near it is no ground
        belief = path.belief(shot.start + look, frames.size)
        side = max(3, round(0.5 * float(np.sqrt((belief > 0.5).sum()))))
        near = cv2.dilate((belief > 0.2).astype(np.uint8), np.ones((2 * side + 1, 2 * side + 1), np.uint8))
        light[near > 0] = np.nan
        border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": float("nan")}
        seen.append(cv2.warpAffine(light, way, (width, height), flags=cv2.INTER_LINEAR, **border))
    stacked = np.stack(seen)
    known = np.isfinite(stacked).any(axis=0)
    ground = np.zeros((height, width), np.float32)
    ground[known] = np.nanmedian(stacked[:, known], axis=0)
    change = np.full((height, width), np.nan, np.float32)
    now = _light(frames[shot.start + row])
    change[known] = np.log((now[known] + 0.03) / (ground[known] + 0.03))
    return change


def _light(picture: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return cv2.GaussianBlur(grey.astype(np.float32) / 255, (0, 0), 1.0)


def _steady(
    row: int,
    changes: Sequence[np.ndarray | None],
    boxes: np.ndarray,
    path: Path,
    shot: Shot,
    size: tuple[int, int],
) -> np.ndarray:
    """The part beside the object that is off in the same way in the frames around, seen from the object."""
    height, width = size
    centre = _centre(boxes[row])
    aligned = []
    for other in range(max(0, row - _STEADY // 2), min(len(changes), row + _STEADY // 2 + 1)):
        change = changes[other]
        if change is None:
            continue
        dx, dy = centre - _centre(boxes[other])
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": float("nan")}
        aligned.append(cv2.warpAffine(change, shift, (width, height), flags=cv2.INTER_NEAREST, **border))
    stacked = np.stack(aligned)
    often = np.isfinite(stacked).sum(axis=0) * 2 > len(aligned)
    typical = np.zeros(size, np.float32)
    typical[often] = np.nanmedian(stacked[:, often], axis=0)
    own = np.nan_to_num(np.zeros(size, np.float32) if changes[row] is None else np.asarray(changes[row]))
    both = (np.abs(typical) > _DARK) & (own * typical > 0) & (np.abs(own) > 0.5 * _DARK)
    mask = path.belief(shot.start + row, size) > 0.4
    y0, y1, x0, x1 = boxes[row]
    reach = int(_REACH * max(y1 - y0, x1 - x0))
    window = np.zeros(size, bool)
    window[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = True
    found = cv2.morphologyEx((both & window & ~mask).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _touching(found, mask).astype(np.float32)


def _touching(found: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The parts of some size; specks are grain."""
    count, names, facts, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    least = max(6, 0.03 * float(mask.sum()))
    keep = [k for k in range(1, count) if facts[k, cv2.CC_STAT_AREA] >= least]
    return cv2.morphologyEx(np.isin(names, keep).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0


def _centre(box: np.ndarray) -> np.ndarray:
    return np.array([(box[2] + box[3]) / 2, (box[0] + box[1]) / 2], np.float64)
