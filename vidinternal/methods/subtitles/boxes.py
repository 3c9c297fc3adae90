"""Even shapes behind text: the rectangle that changes, or keeps still, together with the text on it."""

from __future__ import annotations

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_refine import Close
from vidinternal.methods.subtitles.glyphs import Glyphs, changed

_FULL = 0.85
"""Share of a rectangle that must be part of the shape."""


def box_behind(close: Close, look: Glyphs) -> tuple[int, int, int, int] | None:
    """The rectangle behind text, ``(y0, y1, x0, x1)`` in the piece that was looked at; None where there is none."""
    touched = look.cover > 0
    shape = _shape(close, touched)
    if shape is None:
        return None
    joined = cv2.morphologyEx((shape | touched).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((max(3, close.height // 3),) * 2, np.uint8))
    _count, labels = cv2.connectedComponents(joined, connectivity=4)
    own = labels[touched & (labels > 0)]
    if not own.size:
        return None
    piece = labels == np.bincount(own).argmax()
    y0, y1, x0, x1 = _inner(piece)
    rows, cols = np.nonzero(look.strokes)
    around = (y0 <= rows.min() and rows.max() < y1 and x0 <= cols.min() and cols.max() < x1) if rows.size else False
    beyond = (y1 - y0) * (x1 - x0) > 1.15 * (np.ptp(rows) + 1) * (np.ptp(cols) + 1)
    size = shape.shape
    if y0 < 3 or x0 < 3 or y1 > size[0] - 3 or x1 > size[1] - 3:
        return None
    if not around or not beyond or float(shape[y0:y1, x0:x1][~touched[y0:y1, x0:x1]].mean()) < _FULL:
        return None
    outside = np.ones_like(touched)
    outside[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = False
    if not outside.any() or float(shape[outside].mean()) > 0.25:
        return None
    return y0, y1, x0, x1


def _shape(close: Close, touched: np.ndarray) -> np.ndarray | None:
    """What changes, or keeps still, beyond the text, ``h w`` bool; None where neither can be told."""
    rim = max(2, round(0.15 * close.height))
    edge = np.ones_like(touched)
    edge[rim:-rim, rim:-rim] = False
    change = changed(close)
    if change is None:
        moves = float(np.median(close.spread[edge]))
        still = cv2.GaussianBlur(close.spread.astype(np.float32), (5, 5), 0) < 0.75 * moves
        return still if moves > 5 else None
    noise = float(np.percentile(change[edge], 80))
    return cv2.GaussianBlur(change.astype(np.float32), (5, 5), 0) > max(5.0, 2.0 * noise)


def _inner(piece: np.ndarray) -> tuple[int, int, int, int]:
    """The rectangle of rows and columns that the piece mostly fills."""
    rows, cols = piece.sum(1), piece.sum(0)
    down = np.flatnonzero(rows > 0.6 * np.percentile(rows[rows > 0], 75))
    across = np.flatnonzero(cols > 0.6 * np.percentile(cols[cols > 0], 75))
    return int(down[0]), int(down[-1]) + 1, int(across[0]), int(across[-1]) + 1
