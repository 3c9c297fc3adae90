"""Whether a line that was looked at in full is an overlay, or a part of the picture that happens to look like one.

An overlay is drawn in flat colours with strokes of one width; it comes at once, out of nothing: before and after, its
shape is nowhere near, while a sign that the camera turned to was a few pixels beside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_refine import Bound, Close, edges
from vidinternal.methods.subtitles.glyphs import Glyphs

_FLAT = 12.0
"""How far, 0 to 255, the inside of strokes may stray from its own colour, in the median."""


_FAINT = 30
"""How much strokes differ at least, 0 to 255, from the picture around."""
_SLOW = 12
"""Frames of a fade that only outlined text may take."""
_MANY = 120
"""Pixels of strokes that come or go at once in an overlay that needs no more proof."""


@dataclass(frozen=True)
class Verdict:
    """What was decided of a line.

    Attributes:
        score: How sure, 0 to 1; 0 is no overlay.
        why: In a word or two, for those who look into it.
    """

    score: float
    why: str


def judge(close: Close, look: Glyphs, crossed: bool, size: tuple[int, int]) -> Verdict:
    """Decide.

    Args:
        close: The line.
        look: Its pixels.
        crossed: Whether it outlived a cut.
        size: Height and width of the picture.
    """
    at_once = all(bound.alone and bound.fade == 0 for bound in (close.begin, close.finish))
    moved = beside(close)
    if proven(close, look) and not moved:
        return Verdict(1.0, "came or went at once, and stood still")
    refused = shape(close, look) or ("cut off by the border" if _at_border(close, look, size) and not at_once else "")
    slow = max(close.begin.fade, close.finish.fade) > _SLOW
    refused = refused or ("comes or goes too slowly" if slow and not _outlined(look) else "")
    if refused or moved:
        return Verdict(0.0, refused or "moved there")
    held = crossed or _held(close, look)
    by_itself = sum(bound.alone for bound in (close.begin, close.finish))
    excused = sum(not bound.seen or _cut(close, bound) for bound in (close.begin, close.finish))
    if by_itself == 2:
        return Verdict(1.0, "came and went by itself")
    if not _drawn(look):
        return Verdict(0.0, "neither outlined nor many letters, and did not come and go by itself")
    if by_itself == 1 and (excused or held):
        return Verdict(0.9 if held else 0.7, "came or went by itself")
    return Verdict(0.8, "held while the picture moved") if held else Verdict(0.0, "nothing tells it from the picture")


def proven(close: Close, look: Glyphs) -> bool:
    """Whether hundreds of pixels of strokes came or went at once while the picture around stayed, and stood still.

    Nothing in a scene does so: what moves there was beside before, or goes on moving; a cut changes the rest as well.
    """
    bounds = (close.begin, close.finish)
    if not all(bound.alone or not bound.seen for bound in bounds) or look.strokes.sum() < _MANY:
        return False
    both = all(bound.alone for bound in bounds)
    # What moves fast hides a still part of the scene at once, too, but hardly its strokes alone, and not twice.
    clear = 1.0 if both else 2.5
    hard = [bound for bound in bounds if bound.alone and bound.fade <= 1 and _at_once(close, bound, look, clear)]
    return len(hard) == (2 if both else 1) and _text_like(close, look)


def _at_once(close: Close, bound: Bound, look: Glyphs, clear: float) -> bool:
    """Whether most strokes change there, more than the picture around by a factor."""
    change = bound.change
    if change is None:
        return False
    far = ~(cv2.dilate(close.region.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    noise = float(np.percentile(change[far], 90)) if far.any() else 0.0
    return float(np.percentile(change[look.strokes], 25)) > max(24.0, clear * noise)


def _text_like(close: Close, look: Glyphs) -> bool:
    """Whether strokes are thin for the height of the line, and several."""
    return stroke_width(look.strokes) <= max(6.0, 0.45 * close.height) and not _layout(close, look)


def letters(look: Glyphs) -> int:
    """Connected pieces of its strokes."""
    return cv2.connectedComponents(look.strokes.astype(np.uint8), connectivity=8)[0] - 1


def _drawn(look: Glyphs) -> bool:
    """Whether it has an outline of the opposite brightness, or at least as many letters as a word."""
    return _outlined(look) or letters(look) >= 6


def _outlined(look: Glyphs) -> bool:
    return look.outline is not None and abs(sum(look.fill) - sum(look.outline)) > 3 * 80


def judge_still(close: Close, look: Glyphs, size: tuple[int, int], read: bool | None) -> Verdict:
    """Decide on a line that is there from the first frame to the last, over a picture that does not move.

    Only its looks are left: letters of one flat colour with an outline of the opposite brightness, in a corner or in
    the middle of the lower part.

    Args:
        close: The line.
        look: Its pixels.
        size: Height and width of the picture.
        read: Whether there is text to be read; None where nobody can read.
    """
    refused = shape(close, look) or ("cut off by the border" if _at_border(close, look, size) else "")
    if refused or close.begin.seen or close.finish.seen:
        return Verdict(0.0, refused or "comes or goes")
    if read is False or _unevenness(close, look) > 0.5 * _FLAT:
        return Verdict(0.0, "nothing to read" if read is False else "uneven")
    rows, cols = np.nonzero(look.strokes)
    down = (close.box[0] + float(rows.mean())) / size[0]
    across = (close.box[2] + (int(cols.min()) + int(cols.max())) / 2) / size[1]
    outlined = look.outline is not None and abs(sum(look.fill) - sum(look.outline)) > 3 * 110
    corner = min(across, 1 - across) < 0.3 and min(down, 1 - down) < 0.2
    middle = abs(across - 0.5) < 0.04 and min(down, 1 - down) < 0.25
    if (corner and (outlined or read)) or (middle and outlined):
        return Verdict(0.6, "looks like it")
    return Verdict(0.0, "looks like a part of the picture")


def shape(close: Close, look: Glyphs) -> str:
    """Why it does not look like text; empty if it does."""
    if look.contrast < _FAINT:
        return "too faint"
    share = float((look.cover[close.strokes] > 0).mean())
    if share < 0.6:
        return f"only {share:.0%} of its strokes are of its colour"
    width = stroke_width(look.strokes)
    if width > max(6.0, 0.45 * close.height):
        return f"strokes {width:.0f} wide in lines {close.height} high"
    if _unevenness(close, look) > _FLAT:
        return f"uneven by {_unevenness(close, look):.0f}"
    return _layout(close, look)


def scenic(close: Close, look: Glyphs) -> bool:
    """Whether its strokes have shades and hardly stand out, as those of a scene."""
    return look.contrast < _FAINT and _unevenness(close, look) > _FLAT


def _layout(close: Close, look: Glyphs) -> str:
    rows, cols = np.nonzero(look.strokes)
    long, thick = sorted((int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1), reverse=True)
    if thick > 1.8 * close.height:  # several rows
        thick = close.height
    pieces = letters(look)
    stays = not (close.begin.seen or close.finish.seen)  # a mark that never leaves may be a single letter
    if not stays and (long < 1.2 * thick or (pieces < 3 and long < 2.5 * thick)):
        return "no line of letters"
    return "no letters below each other" if np.ptp(rows) > np.ptp(cols) and pieces < 4 else ""


def _at_border(close: Close, look: Glyphs, size: tuple[int, int]) -> bool:
    """Whether the border cuts it: text is set to be read, while what the camera turns to comes in from the border."""
    rows, cols = np.nonzero(look.strokes)
    top, left = close.box[0] + rows.min(), close.box[2] + cols.min()
    bottom, right = close.box[0] + rows.max(), close.box[2] + cols.max()
    return bool(min(top, left) <= 1 or bottom >= size[0] - 2 or right >= size[1] - 2)


def stroke_width(strokes: np.ndarray) -> float:
    """Pixels across a typical stroke, ``strokes`` being ``h w`` bool."""
    inside, ridge = _ridge(strokes)
    return 2.0 * float(np.median(inside[ridge])) if ridge.any() else 0.0


def _ridge(strokes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How deep in a stroke pixels lie, and which lie on its middle."""
    inside = cv2.distanceTransform(strokes.astype(np.uint8), cv2.DIST_L2, 5)
    return inside, (inside >= cv2.dilate(inside, np.ones((3, 3), np.uint8))) & strokes


def _unevenness(close: Close, look: Glyphs) -> float:
    """How much the brightness along the middle of strokes strays; colour is blurred by the encoder in thin ones."""
    _, ridge = _ridge(look.strokes)
    if not ridge.any():
        return 255.0
    gray = close.template[ridge] @ np.array([0.299, 0.587, 0.114], np.float32)
    return float(np.median(np.abs(gray - np.median(gray))))


def _held(close: Close, look: Glyphs) -> bool:
    touched = look.cover > 0
    around = ~(cv2.dilate(touched.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    if around.sum() < 50:
        return False
    ring = float(np.percentile(close.spread[around], 60))
    return ring > 5 and float(np.percentile(close.spread[look.strokes], 75)) < 0.4 * ring


def _cut(close: Close, bound: Bound) -> bool:
    """Whether the whole picture changes where it begins or ends."""
    if bound.outside is None:
        return False
    around = ~(cv2.dilate(close.region.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    change = np.abs(close.template - bound.outside).max(-1)
    return bool(around.any()) and float(np.median(change[around])) > 25


def beside(close: Close) -> bool:
    """Whether it was, or will be, somewhere near: a part of the scene on its way."""
    return any(_beside(close, bound) for bound in (close.begin, close.finish))


def _beside(close: Close, bound: Bound) -> bool:
    """Whether its shape is somewhere near in the frame just before (after) it, where it should be gone."""
    if bound.outside is None:
        return False
    rows, cols = np.nonzero(close.strokes)
    top, bottom, left, right = rows.min(), rows.max() + 1, cols.min(), cols.max() + 1
    own, there = (edges(p[None], close.height)[0].mean(-1).astype(np.float32) for p in (close.template, bound.outside))
    piece = own[top:bottom, left:right]
    if float(piece.std()) < 1e-3 or float(there.std()) < 1e-3:
        return False
    likeness = cv2.matchTemplate(there, piece, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(likeness)
    # What is left of a fade lies where the overlay was, and is faint.
    shifted = max(abs(x - left), abs(y - top)) >= 2
    strength = float(there[y : y + piece.shape[0], x : x + piece.shape[1]].std()) / float(piece.std())
    return best > 0.6 and shifted and strength > 0.5
