"""A shop sign in the scene, which is no overlay: it moves with the picture, has its light and its grain."""

from __future__ import annotations

import cv2
import numpy as np
from PIL.ImageFont import FreeTypeFont

from vidinternal.bench.subtitles.draw import Style, draw_text

_BOARD, _PAINT = (0.78, 0.72, 0.58), (0.45, 0.07, 0.06)
_GRAIN = 0.5


def with_sign(frame: np.ndarray, text: str, font: FreeTypeFont) -> np.ndarray:
    """Paint a board with a name on it into a frame, in perspective.

    Args:
        frame: ``3 H W`` float32 RGB.
        text: The name.
        font: Its letters; of the size of a tenth of the frame's height, about.

    Returns:
        ``3 H W``, a new array; the board lies right of the middle, in the same place for frames of one size.
    """
    _, height, width = frame.shape
    letters, _, _ = draw_text(text, font, Style())
    pad = int(font.size) // 2
    ink = np.pad(letters, pad)
    board = (1 - ink[..., None]) * np.asarray(_BOARD, np.float32) + ink[..., None] * np.asarray(_PAINT, np.float32)
    rows, columns = ink.shape
    x, y, w = 0.45 * width, 0.30 * height, 0.32 * width
    h = min(w * rows / columns, 0.3 * height)
    corners = np.array([(x, y + 0.06 * h), (x + w, y - 0.06 * h), (x + w, y + 1.06 * h), (x, y + 0.9 * h)], np.float32)
    flat = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    turn = cv2.getPerspectiveTransform(flat, corners)
    laid = cv2.warpPerspective(board, turn, (width, height), flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.ones((rows, columns), np.float32), turn, (width, height), flags=cv2.INTER_AREA)
    laid, cover = (cv2.GaussianBlur(p, (0, 0), 0.7) for p in (laid, cover))
    # what is lit unevenly and what is grainy in the picture is so on the board
    luma = frame.mean(axis=0)
    detail = 1 + _GRAIN * (luma - cv2.GaussianBlur(luma, (0, 0), 0.05 * height))
    return (1 - cover) * frame + (laid * detail[..., None]).transpose(2, 0, 1).clip(0, 1)
