"""The picture behind what is masked, put together from frames in which it is seen.

Frames are brought over by the camera's own motion, a homography from frame to frame, estimated on what is not masked.
What no other frame shows stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vidinternal.ops.dis import dis_flow

STRIDES = (3, 6, 9, 13, 18, 24, 32, 44)
"""How far from a frame those lie that its background is taken from, both ways."""
LEAST = 3
"""Frames that must show a piece of it."""

Pictures = Callable[[int], np.ndarray]
"""``h w 3`` uint8 RGB of a frame, by its row."""


@dataclass
class Cameras:
    """3x3 motion of the camera from each frame of a take to the next; None where it is not known."""

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


def cameras(pictures: Pictures, clear: Sequence[np.ndarray]) -> Cameras:
    """The camera's motion through a take.

    Args:
        pictures: Its frames.
        clear: ``h w`` bool of every frame, what surely belongs to the background.
    """
    steps: list[np.ndarray | None] = []
    for row in range(len(clear) - 1):
        way = _flow(pictures(row), pictures(row + 1))
        ys, xs = (v[::5] for v in np.nonzero(clear[row]))
        step = None
        if len(ys) >= 32:
            here = np.stack([xs, ys], axis=1).astype(np.float32)
            cv2.setRNGSeed(0)
            step, _ = cv2.findHomography(here, here + way[ys, xs], method=cv2.RANSAC, ransacReprojThreshold=0.7)
        steps.append(step)
    return Cameras(steps)


def behind(pictures: Pictures, covered: Sequence[np.ndarray], camera: Cameras, row: int) -> np.ndarray | None:
    """What lies behind, as the median of the frames that show it.

    Args:
        pictures: The frames of a take.
        covered: ``h w`` bool of every frame, what does not belong to the background.
        camera: The camera's motion.
        row: The frame to see behind.

    Returns:
        ``h w 3`` float32 CIE Lab, NaN where too few frames show it; None where none of it is known.
    """
    height, width = covered[row].shape
    seen = []
    for stride in STRIDES:
        for other in (row - stride, row + stride):
            way = camera.way(other, row) if 0 <= other < len(covered) else None
            if way is None:
                continue
            picture = lab(pictures(other))
            picture[covered[other]] = np.nan
            seen.append(brought(picture, way, (height, width)))
    if len(seen) < LEAST:
        return None
    stacked = np.stack(seen)
    known = np.isfinite(stacked[..., 0]).sum(axis=0) >= LEAST
    if not known.any():
        return None
    found = np.full((height, width, 3), np.nan, np.float32)
    found[known] = np.nanmedian(stacked[:, known], axis=0)
    return found


def brought(picture: np.ndarray, way: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A float picture taken along by a homography; NaN where nothing comes from."""
    nothing = (float("nan"),) * 4
    return cv2.warpPerspective(
        picture, way, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=nothing
    )


def apart(now: np.ndarray, then: np.ndarray) -> np.ndarray:
    """``h w`` least distance of each pixel to the nine around its place in another picture; NaN where that is unknown.

    Half a pixel of parallax, or of a camera's motion not quite known, makes no difference so.
    """
    least = np.full(now.shape[:2], np.inf, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            moved = np.roll(then, (dy, dx), axis=(0, 1))
            least = np.fmin(least, np.linalg.norm(now - moved, axis=-1))
    return np.where(np.isfinite(then[..., 0]), least, np.float32(np.nan))


def lab(picture: np.ndarray) -> np.ndarray:
    """CIE Lab, ``h w 3`` float32, of ``h w 3`` uint8 RGB."""
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    pair = [torch.from_numpy(np.ascontiguousarray(p)).permute(2, 0, 1)[None].float() / 255 for p in (source, target)]
    return dis_flow(pair[0], pair[1])[0].permute(1, 2, 0).numpy()
