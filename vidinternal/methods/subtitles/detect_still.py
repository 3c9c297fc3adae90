"""Text that never leaves, found by reading: a picture in which it stands among the strokes of a still scene.

Where nothing moves, strokes of the scene hold as the overlay's do and join with them. A reader tells which of them are
letters; whether these are an overlay is still decided by their looks.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles import ocr
from vidinternal.methods.subtitles.detect_blocks import Block
from vidinternal.methods.subtitles.detect_frames import spread_out
from vidinternal.methods.subtitles.detect_lines import Line
from vidinternal.methods.subtitles.detect_scan import Scan, strokes

_FRAMES = 9
"""Pictures whose median is read: what moves is not in it."""
_LEAST_STROKES = 12
_LARGEST = 1440
"""Rows of a picture beyond which it is read smaller."""


def by_reading(clip: ClipView, scan: Scan) -> list[Block]:
    """Lines that can be read in the median of the clip's pictures, as closer looks take them.

    Args:
        clip: The clip.
        scan: How it was looked at; boxes and strokes are those of its small pictures.
    """
    if not len(clip):
        return []
    frames = clip.small(spread_out(0, len(clip), _FRAMES), min(clip.size[0], _LARGEST))
    middle = np.median(frames, axis=0).astype(np.uint8)
    rows = scan.height
    columns = max(1, round(clip.size[1] * rows / clip.size[0]))
    small = cv2.resize(middle, (columns, rows), interpolation=cv2.INTER_AREA)
    drawn, scale = strokes(small) > 0, rows / middle.shape[0]
    return [block for r in ocr.read(middle) if (block := _block(r.box, drawn, scale, len(scan.indices))) is not None]


def _block(box: Sequence[int], drawn: np.ndarray, scale: float, looks: int) -> Block | None:
    y0, y1, x0, x1 = (round(v * scale) for v in box)
    y0, y1, x0, x1 = max(0, y0), min(drawn.shape[0], y1), max(0, x0), min(drawn.shape[1], x1)
    mask = drawn[y0:y1, x0:x1]
    if mask.sum() < _LEAST_STROKES:
        return None
    return Block(0, looks - 1, (Line(0, looks - 1, (y0, y1, x0, x1), mask.copy()),))
