"""The contact sheet: one thumbnail for every event with what it covers, when, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from vidinternal.core.errors import one_line
from vidinternal.core.finding import ClipView
from vidinternal.core.srt import clock
from vidinternal.methods.subtitles.events import Overlay, draw

_WIDE, _COLUMNS, _MOST, _GAP = 320, 4, 240, 6
_TINT = np.array([255, 0, 200])
_LINE = 16


def contact_sheet(clip: ClipView, overlays: Sequence[Overlay], covers: Mapping[str, np.ndarray]) -> bytes:
    """A PNG: for every event the middle frame of its time with its mask, and the same place at full size before it.

    Args:
        clip: The clip.
        overlays: The events; of very many, some from all over the clip.
        covers: Their covers.
    """
    count = min(_MOST, len(overlays))
    chosen = [overlays[int(k)] for k in np.linspace(0, len(overlays) - 1, count).round()] if count else []
    cells = [_cell(clip, overlay, covers) for overlay in chosen]
    title = _words(
        _COLUMNS * (_WIDE + _GAP) - _GAP,
        [f"{len(overlays)} events" + (f", {count} shown" if count < len(overlays) else "")],
    )
    rows = [title]
    for first in range(0, len(cells), _COLUMNS):
        mine = cells[first : first + _COLUMNS]
        tall = max(len(c) for c in mine)
        line = np.full((tall, _COLUMNS * (_WIDE + _GAP) - _GAP, 3), 255, np.uint8)
        for k, cell in enumerate(mine):
            line[: len(cell), k * (_WIDE + _GAP) : k * (_WIDE + _GAP) + _WIDE] = cell
        rows += [np.full((_GAP, line.shape[1], 3), 255, np.uint8), line]
    done, data = cv2.imencode(".png", np.ascontiguousarray(np.concatenate(rows)[..., ::-1]))
    if not done:
        raise RuntimeError("OpenCV could not write a PNG")
    return data.tobytes()


def _cell(clip: ClipView, overlay: Overlay, covers: Mapping[str, np.ndarray]) -> np.ndarray:
    middle = (overlay.start + overlay.end - 1) // 2
    frame = clip.rgb(middle, middle + 1)[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    mask = draw([overlay], covers, range(middle, middle + 1), clip.size)[0]
    y0, y1, x0, x1 = overlay.box_at(middle)
    margin = max(4, (y1 - y0) // 4)
    rows = slice(max(0, y0 - margin), max(1, min(clip.size[0], y1 + margin)))
    cols = slice(max(0, x0 - margin), max(1, min(clip.size[1], x1 + margin)))
    tinted = frame.copy()
    tinted[mask] = (0.4 * frame[mask] + 0.6 * _TINT).astype(np.uint8)
    times = f"{clock(clip.seconds(overlay.start), '.')} - {clock(clip.seconds(overlay.end), '.')}"
    told = [f"{overlay.id} {overlay.kind}  {times}", f"frames {overlay.start}-{overlay.end - 1}"]
    told += [one_line(line) for line in (overlay.text or "").splitlines()[:3]]
    parts = [_fitted(tinted)]
    if frame[rows, cols].size:
        parts += [_fitted(frame[rows, cols]), _fitted(tinted[rows, cols])]
    return np.concatenate([*parts, _words(_WIDE, told)])


def _fitted(picture: np.ndarray) -> np.ndarray:
    """As wide as a cell: shrunk, or enlarged up to four times and padded."""
    tall, wide = picture.shape[:2]
    scale = min(_WIDE / wide, 4.0, 2 * _WIDE / tall)
    size = max(1, min(_WIDE, round(wide * scale))), max(1, round(tall * scale))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    padded = np.full((size[1] + 2, _WIDE, 3), 255, np.uint8)
    padded[:-2, : size[0]] = resized
    return padded


def _words(wide: int, lines: Sequence[str]) -> np.ndarray:
    """Lines of text, black on white."""
    ground = np.full((_LINE * len(lines) + 4, wide, 3), 255, np.uint8)
    for k, line in enumerate(lines):
        place = (2, _LINE * (k + 1) - 3)
        cv2.putText(ground, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return ground
