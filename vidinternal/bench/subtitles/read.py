"""Does an OCR engine still read anything? With the extra ``ocr``; its models ship with it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np

from vidinternal.bench.subtitles.cases import BurntCase, grown
from vidinternal.bench.subtitles.draw import Overlay

Reader = Callable[[np.ndarray], str]
"""Gets ``H W 3`` uint8 RGB and gives what it reads, lines parted by line feeds."""

SURE = 0.5
"""Least confidence of a line that counts."""
_LEAST_ROWS = 96
_ENGINE = {
    "Global.log_level": "critical",
    # as it comes it enlarges a strip of text until its short side has 736 pixels, which takes sixty times as long
    "Det.limit_type": "max",
    "Det.limit_side_len": 960,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


@cache
def reader() -> Reader | None:
    """RapidOCR with its own models; None where the extra ``ocr`` is not installed."""
    if importlib.util.find_spec("rapidocr") is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    engine: Any = importlib.import_module("rapidocr").RapidOCR(params=_ENGINE)

    def read(picture: np.ndarray) -> str:
        found = engine(np.ascontiguousarray(picture[..., ::-1]))
        lines = zip(found.txts or (), found.scores or (), strict=True)
        return "\n".join(text for text, score in lines if score >= SURE and _letters(text) >= 2)

    return read


def _letters(text: str) -> int:
    return sum(c.isalnum() for c in text)


def moments(overlay: Overlay) -> list[int]:
    """Frames to read an overlay in: a third, the middle and two thirds of its time."""
    length = overlay.end - overlay.start
    return sorted({overlay.start + round(share * (length - 1)) for share in (1 / 3, 1 / 2, 2 / 3)})


def cutting(frame: np.ndarray, overlay: Overlay, case: BurntCase) -> np.ndarray:
    """An overlay's surroundings in a frame, ``H W 3`` uint8, large enough for an engine to read.

    Args:
        frame: ``3 h w`` in [0, 1], the case's area.
        overlay: What to read.
        case: Where the area is.
    """
    height = overlay.box[1] - overlay.box[0]
    y0, y1, x0, x1 = grown(overlay.box, height // 3, case.size)
    top, bottom, left, right = case.area
    y0, y1, x0, x1 = max(y0, top), min(y1, bottom), max(x0, left), min(x1, right)
    part = frame[:, y0 - top : y1 - top, x0 - left : x1 - left].transpose(1, 2, 0)
    picture = np.ascontiguousarray((part * 255).round().clip(0, 255).astype(np.uint8))
    times = max(1, -(-_LEAST_ROWS // picture.shape[0]))
    return cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)


class Readings:
    """What is read in one case; the input and the clean clip are read once.

    Args:
        case: The case.
        seen: ``T 3 h w`` float32 RGB, the input inside the case's area.
        read: The engine.
    """

    def __init__(self, case: BurntCase, seen: np.ndarray, read: Reader) -> None:
        self._case, self._read = case, read
        y0, y1, x0, x1 = case.area
        wanted = {i for o in case.overlays for i in moments(o)}
        clean = {i: case.clean[i][:, y0:y1, x0:x1].astype(np.float32) / 255 for i in wanted}
        self._asked = [
            (o, [i for i in moments(o) if self._reads(seen[i], o) and not self._reads(clean[i], o)])
            for o in case.overlays
        ]

    def _reads(self, frame: np.ndarray, overlay: Overlay) -> bool:
        return bool(self._read(cutting(frame, overlay, self._case)).strip())

    def left(self, frames: np.ndarray) -> tuple[int, int]:
        """In how many overlays something is read, and how many could be asked for.

        An overlay counts where the engine, which knows few scripts, reads something in the input and nothing at the
        same place and moment of the clean clip; one of its moments is enough.

        Args:
            frames: ``T 3 h w`` float32 inside the case's area.
        """
        asked = [(o, at) for o, at in self._asked if at]
        return sum(any(self._reads(frames[i], o) for i in at) for o, at in asked), len(asked)
