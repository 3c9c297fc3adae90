"""Pictures for people: before, mask, flow and after, side by side, as PNG.

A picture is ``H W 3`` uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from vidinternal.core.errors import UsageError

Picture = np.ndarray
"""``H W 3`` uint8 RGB."""

_MASK_COLOUR = (255, 0, 200)
_GAP = 4


def to_picture(frame: Tensor | np.ndarray) -> Picture:
    """Round a ``3 H W`` RGB frame in [0, 1] to 8 bits."""
    array = frame.detach().cpu().numpy() if isinstance(frame, Tensor) else frame
    return np.ascontiguousarray((array.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))


def overlay(picture: Picture, mask: np.ndarray) -> Picture:
    """Tint what is under an ``H W`` bool mask, and draw its edge."""
    tinted = picture.copy()
    tinted[mask] = (0.45 * picture[mask] + 0.55 * np.array(_MASK_COLOUR)).astype(np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    tinted[mask & ~inner] = _MASK_COLOUR
    return tinted


def flow_picture(flow: Tensor, largest: float | None = None) -> Picture:
    """Show ``2 H W`` flow: direction as hue, length as saturation; no motion is white.

    Args:
        flow: Pixels, x then y.
        largest: Length at which a colour is pure; None = the longest vector here.
    """
    x, y = flow.detach().cpu().numpy().astype(np.float32)
    length = np.hypot(x, y)
    full = max(float(length.max()) if largest is None else largest, 1e-6)
    hsv = np.empty((*length.shape, 3), dtype=np.uint8)
    hsv[..., 0] = ((np.degrees(np.arctan2(y, x)) % 360.0) / 2.0).astype(np.uint8) % 180
    hsv[..., 1] = (255 * (length / full).clip(0, 1)).round()
    hsv[..., 2] = 255
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def label(picture: Picture, text: str) -> Picture:
    """Write a few words in the upper left corner, on a dark ground."""
    labelled = picture.copy()
    scale = max(0.35, picture.shape[1] / 900)
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    cv2.rectangle(labelled, (0, 0), (width + 6, height + base + 4), (0, 0, 0), -1)
    place = (3, height + 3)
    cv2.putText(labelled, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return labelled


def fitted(picture: Picture, width: int) -> Picture:
    """Shrink to at most ``width`` pixels across; smaller pictures stay as they are."""
    rows, columns = picture.shape[:2]
    if columns <= width:
        return picture
    return cv2.resize(picture, (width, max(1, round(rows * width / columns))), interpolation=cv2.INTER_AREA)


def grid(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Lay pictures out in rows on white, a thin gap between them; short rows are padded.

    Raises:
        UsageError: There is no picture.
    """
    cells = [picture for row in rows for picture in row]
    if not cells:
        raise UsageError("picture strip", expected="at least one picture", got="none")
    height, width = max(p.shape[0] for p in cells), max(p.shape[1] for p in cells)
    across = max(len(row) for row in rows)
    sheet = np.full(
        (len(rows) * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3), fill_value=255, dtype=np.uint8
    )
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            y, x = r * (height + _GAP), c * (width + _GAP)
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def png(picture: Picture) -> bytes:
    """Encode as PNG."""
    fine, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not fine:
        raise UsageError("picture", expected="H W 3 uint8", got=f"{picture.shape} {picture.dtype}")
    return data.tobytes()
