"""Text that never leaves, found by reading: a picture in which it stands among the strokes of a still scene.

Where nothing moves, strokes of the scene hold as the overlay's do and join with them. A reader tells which of them are
letters; whether these are an overlay is still decided by their looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles import ocr
from vidinternal.methods.subtitles.detect_blocks import Block
from vidinternal.methods.subtitles.detect_frames import FullFrames, spread_out
from vidinternal.methods.subtitles.detect_lines import Line
from vidinternal.methods.subtitles.detect_refine import Close, region_of
from vidinternal.methods.subtitles.detect_scan import Scan, strokes

_FRAMES = 9
"""Pictures whose median is read: what moves is not in it."""
_LEAST_STROKES = 12
_ENDS = 3
"""Frames at each end whose median tells a colour."""
_TURNED, _STANDS, _MANY = 40.0, 12.0, 60
"""Change of letters that are sung, most change of the picture around, both 0 to 255; fewest pixels that change."""
_LARGEST = 1440
"""Rows of a picture beyond which it is read smaller."""


def by_reading(clip: ClipView, scan: Scan) -> tuple[list[Block], list[Block]]:
    """Lines in the median of the clip's pictures, as closer looks take them: read ones, and those nobody can read.

    Args:
        clip: The clip.
        scan: How it was looked at; boxes and strokes are those of its small pictures.
    """
    if not len(clip):
        return [], []
    frames = clip.small(spread_out(0, len(clip), _FRAMES), min(clip.size[0], _LARGEST))
    middle = np.median(frames, axis=0).astype(np.uint8)
    rows = scan.height
    columns = max(1, round(clip.size[1] * rows / clip.size[0]))
    small = cv2.resize(middle, (columns, rows), interpolation=cv2.INTER_AREA)
    drawn, scale = strokes(small) > 0, rows / middle.shape[0]
    read = [r.box for r in ocr.read(middle)]
    other = [box for box in ocr.boxes(middle) if not any(_overlap(box, r) for r in read)]
    some, rest = ([_block(b, drawn, scale, len(scan.indices)) for b in found] for found in (read, other))
    return [b for b in some if b is not None], [b for b in rest if b is not None]


def _overlap(one: Sequence[int], other: Sequence[int]) -> bool:
    down, across = min(one[1], other[1]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[2], other[2])
    return down > 0 and across > 0 and down * across > 0.3 * (one[1] - one[0]) * (one[3] - one[2])


def sung(full: FullFrames, close: Close) -> Close | None:
    """A line of a still picture by the letters that change their colour, as they were before; None where none do.

    Nothing in a scene that does not move changes between two flat colours within letters, and nowhere else.

    Args:
        full: The clip's pictures.
        close: Where something is written, looked at in full.
    """
    if close.begin.seen or close.finish.seen or close.end - close.start < 2 * _ENDS:
        return None
    first, last = range(close.start, close.start + _ENDS), range(close.end - _ENDS, close.end)
    early, late = (np.median(full.get(list(t), close.box), 0).astype(np.float32) for t in (first, last))
    change = np.abs(late - early).max(-1)
    turned = (change > _TURNED) & close.region
    away = ~(cv2.dilate(close.region.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    if turned.sum() < _MANY or (away.any() and float(np.percentile(change[away], 90)) > _STANDS):
        return None
    region = region_of(turned, close.height)
    return replace(close, template=early, spread=np.zeros_like(close.spread), strokes=turned, region=region)


def _block(box: Sequence[int], drawn: np.ndarray, scale: float, looks: int) -> Block | None:
    y0, y1, x0, x1 = (round(v * scale) for v in box)
    y0, y1, x0, x1 = max(0, y0), min(drawn.shape[0], y1), max(0, x0), min(drawn.shape[1], x1)
    mask = drawn[y0:y1, x0:x1]
    if mask.sum() < _LEAST_STROKES:
        return None
    return Block(0, looks - 1, (Line(0, looks - 1, (y0, y1, x0, x1), mask.copy()),))
