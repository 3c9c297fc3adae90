"""Traces put together into lines of text, by when they came and went and by how lines look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_scan import Trace

_COLUMN = 4
"""Fewest pieces of letters below each other."""
_TALLEST = 0.22
"""Rows of a line at most, as a share of the picture's."""


@dataclass(frozen=True)
class Line:
    """What looks like a line of text.

    Attributes:
        first: First look that shows it.
        last: Last look that does.
        box: Where, in pixels of the small pictures.
        mask: ``h w`` bool, its stroke pixels.
        told: How much speaks for its being an overlay.
    """

    first: int
    last: int
    box: tuple[int, int, int, int]
    mask: np.ndarray
    told: float = 1.0


def lines(found: Sequence[Trace], size: tuple[int, int]) -> list[Line]:
    """Lines among traces; ``size`` is height and width of the small pictures."""
    result: list[Line] = []
    for group in _together(found):
        canvas = np.zeros(size, np.uint8)
        for trace in group:
            y0, y1, x0, x1 = trace.box
            canvas[y0:y1, x0:x1] |= trace.mask
        first = int(np.median(np.repeat([t.first for t in group], [t.mask.sum() for t in group])))
        last = int(np.median(np.repeat([t.last for t in group], [t.mask.sum() for t in group])))
        result.extend(Line(first, last, box, mask) for box, mask in shaped(canvas))
    return result


def _together(found: Sequence[Trace]) -> Iterator[list[Trace]]:
    """Groups of traces that began and ended within a look of each other, the largest first."""
    by_time: dict[tuple[int, int], list[Trace]] = defaultdict(list)
    for trace in found:
        by_time[trace.first, trace.last].append(trace)
    weight = {key: sum(int(t.mask.sum()) for t in group) for key, group in by_time.items()}
    for key in sorted(weight, key=lambda k: (-weight[k], k)):
        near = [(key[0] + a, key[1] + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        group = [t for k in near for t in by_time.pop(k, [])]
        if sum(int(t.mask.sum()) for t in group) >= 20:
            yield group


def shaped(canvas: np.ndarray, high: int | None = None) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray]]:
    """Pieces of the canvas, which is cleared of them, that are shaped like lines, across or down.

    Args:
        canvas: ``h w`` uint8, 1 where strokes are.
        high: Rows of the picture; by default the canvas's own.
    """
    rows = high or canvas.shape[0]
    gap = max(7, rows // 20)
    across, down = np.ones((3, gap), np.uint8), np.ones((gap, 3), np.uint8)
    # A letter by itself may belong to a column.
    for kernel, longer in ((across, 1.2), (down, 1.5), (across, 0.0)):
        joined = cv2.morphologyEx(canvas, cv2.MORPH_CLOSE, kernel)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        for label in range(1, count):
            x, y, w, h, _area = (int(v) for v in stats[label])
            own = (canvas[y : y + h, x : x + w] > 0) & (labels[y : y + h, x : x + w] == label)
            trimmed = _trim(own)
            if trimmed is None:
                continue
            top, bottom, left, right = trimmed
            box = (y + top, y + bottom, x + left, x + right)
            own = own[top:bottom, left:right]
            long, thick = own.shape[::-1] if kernel is across else own.shape
            if kernel is down and cv2.connectedComponents(own.astype(np.uint8), connectivity=8)[0] - 1 < _COLUMN:
                continue
            if long >= longer * thick and line_like(own, rows):
                canvas[box[0] : box[1], box[2] : box[3]] = 0
                yield box, own


def _trim(own: np.ndarray) -> tuple[int, int, int, int] | None:
    """Rows and columns that hold most of it: specks beside a line are cut off."""
    if own.sum() < 20:
        return None
    bounds: list[int] = []
    for axis, share in ((1, 0.12), (0, 0.02)):
        profile = own.sum(axis).astype(float)
        kept = np.flatnonzero(profile > share * np.percentile(profile, 90))
        bounds += [int(kept[0]), int(kept[-1]) + 1]
    return bounds[0], bounds[1], bounds[2], bounds[3]


def line_like(own: np.ndarray, high: int) -> bool:
    """Whether stroke pixels are as dense, as high and as broken as those of text."""
    rows, cols = own.shape
    thick = min(rows, cols)
    if not 4 <= thick <= _TALLEST * high or own.sum() < 24:
        return False
    return bool(0.08 <= own.mean() <= 0.92)
