"""Reading: whether there is text in a picture, and what it says. Needs the extra ``ocr``; its models come with it.

RapidOCR runs the PP-OCR models (cui2025paddleocr) that lie inside its wheel; nothing is fetched.
"""

from __future__ import annotations

import importlib
import importlib.util
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from vidinternal.methods.subtitles.events import Box

_SURE = 0.5
"""Least score of a line that counts as read."""
_ROWS = 48
"""Rows of a line that reads well."""


@dataclass(frozen=True)
class Reading:
    """A line that was read.

    Attributes:
        box: Where, in pixels of the picture.
        text: What it says.
        score: How sure, 0 to 1.
    """

    box: Box
    text: str
    score: float


def installed() -> bool:
    """Whether the extra ``ocr`` is there."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


@cache
def _engine() -> Any:
    settings = {
        "Global.log_level": "critical",
        "Global.use_cls": False,
        "Det.limit_type": "max",
        "Det.limit_side_len": 960,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    reader: Any = importlib.import_module("rapidocr")  # an extra, and slow to load
    return reader.RapidOCR(params=settings)


def read(picture: np.ndarray, line: int | None = None) -> list[Reading]:
    """Read a picture.

    Args:
        picture: ``h w 3`` uint8 RGB.
        line: Rows of a line in it, where known: larger ones are read smaller.

    Returns:
        The lines, from the top down and from left to right.
    """
    scale = 1.0 if line is None else min(1.0, _ROWS / max(1, line))
    shown = picture if scale == 1.0 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    result = _engine()(np.ascontiguousarray(shown[..., ::-1]), use_cls=False)
    if result.boxes is None or result.txts is None:
        return []
    found = []
    for corners, text, score in zip(result.boxes, result.txts, result.scores, strict=True):
        x0, y0 = np.floor(np.min(corners, 0) / scale).astype(int).tolist()
        x1, y1 = np.ceil(np.max(corners, 0) / scale).astype(int).tolist()
        if score >= _SURE and any(c.isalnum() for c in text):
            found.append(Reading((max(0, y0), y1, max(0, x0), x1), text.strip(), float(score)))
    return [_joined(row) for row in _rows(found)]


def _rows(found: list[Reading]) -> list[list[Reading]]:
    """Readings side by side put together, rows from the top down."""
    rows: list[list[Reading]] = []
    for reading in sorted(found, key=lambda r: r.box[0] + r.box[1]):
        middle = (reading.box[0] + reading.box[1]) / 2
        if rows and rows[-1][-1].box[0] < middle < rows[-1][-1].box[1]:
            rows[-1].append(reading)
        else:
            rows.append([reading])
    return rows


def _joined(row: list[Reading]) -> Reading:
    row = sorted(row, key=lambda r: r.box[2])
    boxes = np.array([r.box for r in row])
    box = (int(boxes[:, 0].min()), int(boxes[:, 1].max()), int(boxes[:, 2].min()), int(boxes[:, 3].max()))
    return Reading(box, " ".join(r.text for r in row), min(r.score for r in row))


def language(text: str) -> str | None:
    """The language of a text where its letters alone tell it; None for letters that many languages share."""
    scripts = {unicodedata.name(c, "").split(" ")[0] for c in text if c.isalpha()}
    if scripts & {"HIRAGANA", "KATAKANA"}:
        return "ja"
    for script, tag in (("HANGUL", "ko"), ("CJK", "zh"), ("THAI", "th"), ("GREEK", "el"), ("HEBREW", "he")):
        if script in scripts:
            return tag
    return None
