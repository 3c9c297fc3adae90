"""How much memory a run may take, and what of the work fits into it: frames in a window, and their scale.

A window's need is linear: so much for every pixel of every picture, more for every pixel of its work area, and most
for every pixel that the method works on (``bytes_per_pixel`` of its card, measured). What fits is decided from these
numbers alone, never from what happens to be free, so that the same allowance cuts the same windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vidinternal.core.errors import ResourceError
from vidinternal.core.finding import EXTENTS
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.orientation import shown_size
from vidinternal.ops.resample import working_size
from vidinternal.stages.masks import draw_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vidinternal.core.clip import ClipInfo
    from vidinternal.stages.artifacts import InClip, MaskTrack
    from vidinternal.stages.base import JobInputs

PROCESS_BYTES = 600 << 20
"""The interpreter with its libraries, what a method needs beside its pixels, and what the allocator keeps."""
CODEC_BYTES = 260
"""For every pixel of a picture: the pictures that the decoder and the encoder hold, on up to 16 cores."""
PICTURE_BYTES = 12
"""For every pixel of every frame of a window: its masks and what they are made from."""
AREA_BYTES = 48
"""For every pixel of a window's work area at full size: frames, the fill, that of the window before."""
FLOW_BYTES = 20
"""For every pixel of a window's work area and stride: flow and validity both ways."""
SCALES = (1.0, 0.75, 0.5, 0.35, 0.25)
"""How far a work area may be shrunk when even a short window of it does not fit."""
LEAST_FRAMES = 5
LEAST_TILE = 64 * 64
"""Pixels of the smallest piece of a picture that is made by itself."""
_CHUNK = 1 << 26  # mask pixels looked at together


@dataclass(frozen=True)
class MemoryPlan:
    """What a run may take, and what its stages need.

    Attributes:
        limit: Bytes for the whole process.
        picture: Pixels of a picture.
        bytes_per_pixel: What the method needs for a pixel of a frame at the size it works at.
        bytes_at_once: What it needs beside that for a pixel of one picture, however many there are.
        work_side: Longest side that the method works at, pixels; 0 = the work area's own.
        strides: Number of distances of reference flow.
        margin: Pixels of known picture around the holes of a work area.
        hull: Frames over which masks are united.
        written: Pixels of a picture that is written; 0 where it has the source's size.
        group: Pictures that are made together where every one is made anew, a group after the other; 0 where a window
            is held whole.
        cuts: Whether such pictures are cut into tiles; else the method keeps its memory bounded itself.
    """

    limit: int
    picture: int
    bytes_per_pixel: int
    bytes_at_once: int = 0
    work_side: int = 0
    strides: int = 0
    margin: int = 64
    hull: int = 0
    written: int = 0
    group: int = 0
    cuts: bool = True

    def fixed(self) -> int:
        """Bytes that do not depend on the window."""
        return PROCESS_BYTES + max(self.picture, self.written) * CODEC_BYTES

    def _lifted(self) -> int:
        """Bytes where every picture is made anew, before any is: a group of them and of what becomes of them."""
        return self.fixed() + (self.group + 1) * (self.picture + max(self.picture, self.written)) * AREA_BYTES

    def tile_pixels(self) -> int | None:
        """Most pixels, of all pictures of a group together, that a method may be given at once; None = any number."""
        if not self.group or not self.cuts:
            return None
        left = self.limit - self._lifted()
        return max(LEAST_TILE, left // max(1, self.bytes_per_pixel + self.bytes_at_once))

    def needed(self, frames: int, height: int, width: int, scale: float = 1.0) -> int:
        """Bytes that the process takes at its peak for a window.

        Args:
            frames: Of the window.
            height: Rows of the work area.
            width: Columns of the work area.
            scale: What the work area is shrunk by before flow and fill are made.
        """
        if self.group:
            tile = min(self.tile_pixels() or 0, self.group * self.picture)
            return self._lifted() + tile * (self.bytes_per_pixel + self.bytes_at_once)
        seen = working_size(height, width, side_at(height, width, scale)) if scale < 1 else (height, width)
        worked = working_size(*seen, self.work_side)
        pixels = self.picture * PICTURE_BYTES + height * width * AREA_BYTES
        pixels += seen[0] * seen[1] * FLOW_BYTES * self.strides + worked[0] * worked[1] * self.bytes_per_pixel
        return self.fixed() + frames * pixels + worked[0] * worked[1] * self.bytes_at_once

    def fits(self, frames: int, height: int, width: int, scale: float = 1.0) -> bool:
        """Whether a window is within the allowance."""
        return self.needed(frames, height, width, scale) <= self.limit

    def scale(self, track: MaskTrack) -> float:
        """The largest scale at which a window's work area fits; the smallest there is where none does."""
        if track.box is None:
            return 1.0
        y0, y1, x0, x1 = track.box
        size = (track.per_frame * (y1 - y0), x1 - x0)
        return next((s for s in SCALES if self.fits(len(track.masks), *size, s)), SCALES[-1])

    def matters(self, window: int, info: ClipInfo) -> bool:
        """Whether the allowance changes anything; not where ``window`` frames fit with the whole picture masked."""
        if self.group and self.cuts and (self.tile_pixels() or 0) < self.group * self.picture:
            return True
        return not self.fits(window, info.height, info.width)


def side_at(height: int, width: int, scale: float) -> int:
    """Longest side after shrinking by ``scale``; 0, for unchanged, at 1."""
    return 0 if scale >= 1 else max(16, round(max(height, width) * scale))


class Extents:
    """The boxes around each frame's holes, known before any window is cut.

    Args:
        boxes: ``T 4`` int: first and last row, first and last column, ends excluded; an empty box where no hole is.
        height: Rows of the picture.
        width: Columns of the picture.
    """

    def __init__(self, boxes: np.ndarray, height: int, width: int) -> None:
        self.boxes, self.height, self.width = boxes, height, width

    @classmethod
    def unknown(cls, frames: int, info: ClipInfo) -> Extents:
        """Everything may be masked."""
        width, height = shown_size(info)
        return cls(np.tile(np.array([0, height, 0, width]), (frames, 1)), height, width)

    @classmethod
    def of(cls, job: JobInputs, info: ClipInfo, pts: Sequence[int], found: InClip | None = None) -> Extents:
        """Read the job's masks once, in small pieces, or take what was found; unknown where neither tells.

        Raises:
            MaskError: The mask cannot be read or does not fit.
        """
        if found is not None:
            boxes = found.found.arrays.get(EXTENTS)
            width, height = shown_size(info)
            if boxes is None or info.policy.damage == "repair":
                return cls.unknown(len(pts), info)
            return cls(boxes.numpy().astype(np.int64), height, width)
        if (job.mask is None and not job.regions) or info.policy.damage == "repair":
            return cls.unknown(len(pts), info)
        width, height = shown_size(info)
        source = None if job.mask is None else open_masks(job.mask)
        fit = None if source is None else check_fits(source, info, len(pts), job.mask_fit)
        step = max(1, _CHUNK // (height * width))
        rows = []
        for start in range(0, len(pts), step):
            end = min(len(pts), start + step)
            drawn = draw_regions(job.regions, info, pts, range(start, end))
            if source is not None and fit is not None:
                drawn |= source.read(start, end, fit)
            rows += [_box(mask) for mask in drawn]
        return cls(np.array(rows), height, width)

    def sizes(self, length: int, margin: int, hull: int) -> Iterator[tuple[int, int]]:
        """Rows and columns of the work areas of all windows of ``length`` frames, without doubles."""
        span = min(len(self.boxes), length + 2 * hull)
        views = sliding_window_view(self.boxes, span, axis=0)
        low, high = views.min(axis=-1), views.max(axis=-1)
        limit = np.array([self.height, self.width])
        starts = np.maximum(low[:, [0, 2]] - margin, 0)
        ends = np.minimum(high[:, [1, 3]] + margin, limit)
        sides = np.minimum(-(-(ends - starts) // 8) * 8, limit)
        masked = high[:, 1] > 0
        for rows, columns in np.unique(sides[masked], axis=0):
            yield int(rows), int(columns)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        # neutral for the least of starts and the most of ends
        return mask.shape[0], 0, mask.shape[1], 0
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def window_length(plan: MemoryPlan, extents: Extents, most: int, overlap: int) -> int:
    """Frames per window: the most whose work areas fit at full size.

    Where even a short window does not fit at full size it stays short, and :meth:`MemoryPlan.scale` shrinks the areas.

    Args:
        plan: The allowance.
        extents: Where the holes are.
        most: The longest window wanted.
        overlap: Frames that windows share.

    Raises:
        ResourceError: The shortest window at the smallest scale is too much.
    """
    least = min(most, overlap + LEAST_FRAMES)

    def fits(length: int, scale: float) -> bool:
        if plan.needed(length, 0, 0) > plan.limit:
            return False
        return all(plan.fits(length, *size, scale) for size in extents.sizes(length, plan.margin, plan.hull))

    for scale in SCALES:
        low, high = least, most
        if not fits(least, scale):
            continue
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle, scale) else (low, middle - 1)
        # shrunk areas buy the shortest window and no more: size is worth more than length
        return low if scale == 1.0 else least
    needed = max(
        (plan.needed(least, *size, SCALES[-1]) for size in extents.sizes(least, plan.margin, plan.hull)),
        default=plan.needed(least, 0, 0),
    )
    megabytes = -(-needed // (1 << 20))
    raise ResourceError(
        f"memory for windows of {least} frames",
        expected=f"at least {megabytes} MiB for this clip and its masks",
        got=f"{plan.limit >> 20} MiB allowed",
        hint=f"--memory {megabytes}M, or a smaller --set shots.overlap",
    )
