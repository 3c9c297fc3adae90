"""What only looks like an overlay because one hid it: parts of the scene that come to light where a text goes.

They come and go to the frame with texts at their place, and stand still in between, as the next line would. Before the
first of these texts, and behind the last, they are there too, unless the scene has moved on; they have no flat colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_frames import FullFrames
from vidinternal.methods.subtitles.detect_refine import Close, edges
from vidinternal.methods.subtitles.events import Overlay
from vidinternal.methods.subtitles.glyphs import Glyphs

_NEAR = 2
"""Frames between the end of one and the begin of the other that are none."""
_INSIDE = 0.8
"""Share of strokes that lie in the other's box."""
_THERE = 0.55
"""Share of its edges that a frame has in which it is there."""


def revealed(full: FullFrames, close: Close, look: Glyphs, others: Sequence[Overlay]) -> bool | None:
    """Whether it was hidden by another overlay that goes as it comes, or comes as it goes.

    Args:
        full: The clip's pictures.
        close: It.
        look: Its pixels.
        others: All other overlays.

    Returns:
        True where it is seen beyond such a neighbour, None where it has one and is not: the scene may have moved on.
    """
    rows, cols = np.nonzero(look.strokes)
    rows, cols = rows + close.box[0], cols + close.box[2]
    here = [o for o in others if not o.moves and _share_in(o, rows, cols) > _INSIDE]
    asked = [_beyond(here, o.start - 1, -1) for o in here if abs(o.end - close.start) <= _NEAR]
    asked += [_beyond(here, o.end, 1) for o in here if abs(o.start - close.end) <= _NEAR]
    if not asked:
        return False
    frames = [f for f in asked if 0 <= f < len(full.clip)]
    return True if any(_there(full, close, look, f) for f in frames) else None


def _share_in(overlay: Overlay, rows: np.ndarray, cols: np.ndarray) -> float:
    y0, y1, x0, x1 = overlay.box
    inside = (rows >= y0) & (rows < y1) & (cols >= x0) & (cols < x1)
    return float(inside.mean()) if inside.size else 0.0


def _beyond(others: Sequence[Overlay], frame: int, way: int) -> int:
    """The next frame that shows none of them."""
    for _ in others:
        on = next((o for o in others if o.start <= frame < o.end), None)
        if on is None:
            return frame
        frame = on.start - 1 if way < 0 else on.end
    return frame


def _there(full: FullFrames, close: Close, look: Glyphs, frame: int) -> bool:
    picture = full.get([frame], close.box)
    around = cv2.dilate(look.strokes.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    own, seen = (edges(p, close.height)[0][around] for p in (close.template[None], picture))
    return float((own * seen).sum()) > _THERE * float((own**2).sum())
