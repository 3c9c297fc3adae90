"""What a person looks at before anything is removed: a contact sheet and a moving overlay."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image

from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import Track

_COLOURS = ((255, 0, 200), (0, 200, 255), (255, 200, 0), (120, 255, 60), (255, 90, 60), (150, 120, 255))
_ACROSS = 5
_CELLS = 20
_MOST = 240
"""Frames of the overlay; of longer clips every second, third and so on."""
_WIDTH = 320


def looks(frames: SmallFrames, tracks: Sequence[Track], length: int, worklist: Sequence[int]) -> Mapping[str, bytes]:
    """``sheet.png`` and ``overlay.webp``.

    Args:
        frames: The clip, small.
        tracks: Its objects.
        length: Its frames.
        worklist: Frames that want a further hint; they come first into the sheet.
    """
    anchors = [a for track in tracks for a in track.anchors]
    even = [round(k) for k in np.linspace(0, length - 1, min(_CELLS, length))]
    first = sorted({*anchors[:4], *worklist[: _CELLS // 2]})
    chosen = sorted({*first, *even[:: max(1, len(even) // max(1, _CELLS - len(first)))]})[:_CELLS]
    cells = [_cell(frames, tracks, index, index in set(worklist)) for index in chosen]
    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // _ACROSS)
    sheet = np.full((rows * (height + 4) - 4, min(len(cells), _ACROSS) * (width + 4) - 4, 3), 255, np.uint8)
    for k, cell in enumerate(cells):
        y, x = (k // _ACROSS) * (height + 4), (k % _ACROSS) * (width + 4)
        sheet[y : y + height, x : x + width] = cell
    _, data = cv2.imencode(".png", sheet[..., ::-1])
    step = -(-length // _MOST)
    moving = [Image.fromarray(_cell(frames, tracks, k, k in set(worklist))) for k in range(0, length, step)]
    written = io.BytesIO()
    moving[0].save(written, "WEBP", save_all=True, append_images=moving[1:], duration=80, loop=0, quality=60, method=2)
    return {"sheet.png": data.tobytes(), "overlay.webp": written.getvalue()}


def _cell(frames: SmallFrames, tracks: Sequence[Track], index: int, doubtful: bool) -> np.ndarray:
    picture = frames[index].copy()
    for k, track in enumerate(tracks):
        mask = track.path.belief(index, track.size) > 0.5
        colour = np.array(_COLOURS[k % len(_COLOURS)])
        picture[mask] = (0.6 * picture[mask] + 0.4 * colour).astype(np.uint8)
        edge = mask & ~(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        picture[edge] = colour
    height, width = picture.shape[:2]
    if width > _WIDTH:
        picture = cv2.resize(picture, (_WIDTH, round(height * _WIDTH / width)), interpolation=cv2.INTER_AREA)
    sure = min((float(t.path.confidence[index]) for t in tracks), default=0.0)
    text = f"{index}  {sure:.2f}" + ("  look" if doubtful else "")
    cv2.rectangle(picture, (0, 0), (12 + 8 * len(text), 15), (150, 0, 0) if doubtful else (0, 0, 0), -1)
    cv2.putText(picture, text, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1, cv2.LINE_AA)
    return np.ascontiguousarray(picture)
