"""What a search keeps: an overlay with its cover, and text freed from the box behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidinternal.methods.subtitles.box_blend import letters_on
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.detect_frames import FullFrames
from vidinternal.methods.subtitles.detect_refine import Close
from vidinternal.methods.subtitles.events import Box, Overlay
from vidinternal.methods.subtitles.glyphs import Glyphs


@dataclass(frozen=True)
class Seen:
    """An overlay and its cover."""

    overlay: Overlay
    cover: np.ndarray


def seen(close: Close, look: Glyphs, score: float, name: str) -> Seen:
    """The overlay, cropped to its cover."""
    rows, cols = np.flatnonzero(look.cover.any(1)), np.flatnonzero(look.cover.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    y0, _, x0, _ = close.box
    overlay = Overlay(
        id=name,
        kind="text",
        start=close.start,
        end=close.end,
        box=(y0 + top, y0 + bottom, x0 + left, x0 + right),
        fade_in=close.begin.fade,
        fade_out=close.finish.fade,
        fill=look.fill,
        outline=look.outline,
        score=score,
    )
    return Seen(overlay, np.ascontiguousarray(look.cover[top:bottom, left:right]))


def on_box(full: FullFrames, box: Overlay, item: Seen, config: Config) -> Seen:
    """Text without the box behind it, which came and went with it and was taken for its rim."""

    def look(frame: int, piece: Box) -> np.ndarray:
        return full.get([frame], piece)[0] / 255

    own = letters_on(look, box, len(full.clip), config.grow)
    if own is None or not own.any():
        return item
    whole = np.zeros(full.clip.size, bool)
    y0, y1, x0, x1 = box.box
    whole[y0:y1, x0:x1] = own
    y0, y1, x0, x1 = item.overlay.box
    inside = np.zeros_like(whole)
    inside[box.box[0] : box.box[1], box.box[2] : box.box[3]] = True
    kept = np.where(whole, True, ~inside)[y0:y1, x0:x1]
    cover = np.where(kept, np.where(whole[y0:y1, x0:x1], np.maximum(item.cover, 1), item.cover), 0).astype(np.uint8)
    return Seen(item.overlay, cover) if cover.any() else item
