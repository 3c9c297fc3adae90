"""Subtitles as pictures with known opacity: styles, fades, colours that sweep over the words.

An :class:`Overlay` is drawn once, in floating point; a burnt frame is ``(1 - a) x + a c`` with opacity ``a`` and colour
``c`` of every pixel (``porter1984compositing``, "over").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

Color = tuple[float, float, float]
Box = tuple[int, int, int, int]
"""``(y0, y1, x0, x1)`` in pixels, ends excluded."""

WHITE, BLACK = (0.96, 0.96, 0.96), (0.02, 0.02, 0.02)
YELLOW, CYAN = (0.95, 0.86, 0.18), (0.25, 0.80, 0.95)


@dataclass(frozen=True)
class Style:
    """How text is drawn; lengths are shares of the size of its letters.

    Attributes:
        fill: Colour of the letters.
        sung: Colour that sweeps over them; None where nothing sweeps.
        outline: Width of a dark edge.
        shadow: How far down and right a dark, softened shadow falls.
        box: Opacity of the dark box behind the text; 0 = none.
        slant: Columns a row is moved by for each row of height.
        opacity: Of the whole.
    """

    fill: Color = WHITE
    sung: Color | None = None
    outline: float = 0.0
    shadow: float = 0.0
    box: float = 0.0
    slant: float = 0.0
    opacity: float = 1.0


STYLES = {
    "plain": Style(),
    "outlined": Style(outline=0.09),
    "shadowed": Style(outline=0.03, shadow=0.09),
    "boxed": Style(box=0.55),
    "italic": Style(fill=YELLOW, outline=0.06, slant=0.2),
    "karaoke": Style(sung=CYAN, outline=0.08),
}
"""By name; ``italic`` is yellow."""

LOGO = Style(opacity=0.5)
"""A station's mark."""


@dataclass(frozen=True)
class Overlay:
    """What is burnt in.

    Attributes:
        kind: ``text`` or ``logo``.
        text: What it says, lines parted by line feeds.
        start: First frame.
        end: One past the last.
        box: Where ``alpha`` lies.
        alpha: ``h w`` float32 opacity at full strength.
        color: ``h w 3`` float32 RGB.
        sung: Like ``color``, of the part that the sweep has passed; None where nothing sweeps.
        leftwards: Whether the sweep runs from right to left.
        fade: Frames over which it comes and goes.
        boxed: Whether a box of its own is behind the text.
    """

    kind: str
    text: str
    start: int
    end: int
    box: Box
    alpha: np.ndarray
    color: np.ndarray
    sung: np.ndarray | None = None
    leftwards: bool = False
    fade: int = 0
    boxed: bool = False

    def strength(self, frame: int) -> float:
        """Share of its opacity that a frame shows."""
        if not self.start <= frame < self.end:
            return 0.0
        return min(1.0, (frame - self.start + 1) / (self.fade + 1), (self.end - frame) / (self.fade + 1))

    def at(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Opacity ``h w`` and colour ``h w 3`` in a frame."""
        alpha = self.alpha * np.float32(self.strength(frame))
        if self.sung is None:
            return alpha, self.color
        passed = (frame - self.start + 0.5) / max(1, self.end - self.start)
        places = (np.arange(alpha.shape[1]) + 0.5) / alpha.shape[1]
        done = (1 - places if self.leftwards else places) < passed
        return alpha, np.where(done[None, :, None], self.sung, self.color)


def draw_text(text: str, font: FreeTypeFont, style: Style) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Draw text.

    Args:
        text: Lines parted by line feeds, centred below each other.
        font: Its letters.
        style: How.

    Returns:
        Opacity ``h w``, colour ``h w 3`` and the colour after the sweep or None, float32, cut to what is not empty.
    """
    size = font.size
    edge, fall = style.outline * size, style.shadow * size
    letters = _letters(text, font, 0.0, style.slant)
    # what lies below first: box, shadow, edge, letters
    alpha, color = np.zeros_like(letters), np.zeros((*letters.shape, 3), np.float32)
    if style.box:
        rows, cols = (np.flatnonzero((letters > 0).any(axis=a)) for a in (1, 0))
        pad = round(0.25 * size)
        panel = np.zeros_like(letters)
        panel[max(0, rows[0] - pad) : rows[-1] + 1 + pad, max(0, cols[0] - pad) : cols[-1] + 1 + pad] = style.box
        alpha, color = _over(alpha, color, panel, BLACK)
    rim = _letters(text, font, edge, style.slant) if edge else letters
    if fall:
        moved = np.roll(rim, (round(fall), round(fall)), (0, 1))
        alpha, color = _over(alpha, color, 0.7 * cv2.GaussianBlur(moved, (0, 0), max(0.6, 0.4 * fall)), BLACK)
    if edge:
        alpha, color = _over(alpha, color, rim, BLACK)
    below = alpha, color
    alpha, color = _over(*below, letters, style.fill)
    sung = None if style.sung is None else _over(*below, letters, style.sung)[1]
    return _cut(alpha * np.float32(style.opacity), color, sung)


def _letters(text: str, font: FreeTypeFont, edge: float, slant: float) -> np.ndarray:
    """Coverage ``H W`` of text whose letters are ``edge`` pixels thicker on all sides, on a canvas with room around."""
    lines = text.split("\n")
    room = round(font.size)
    ascent, descent = font.getmetrics()
    step = round(1.06 * (ascent + descent))
    width = round(max(font.getlength(line) for line in lines)) + 2 * room
    height = step * len(lines) + 2 * room
    # drawn three times as large, so that edges of any width are smooth
    times = 3
    large = Image.new("L", (times * width, times * height))
    pen, face = ImageDraw.Draw(large), font.font_variant(size=times * font.size)
    for number, line in enumerate(lines):
        place = (times * width / 2, times * (room + step * number + ascent))
        pen.text(place, line, 255, font=face, anchor="ms", stroke_width=round(times * edge))
    array = np.asarray(large, np.float32) / 255
    if slant:
        middle = array.shape[0] / 2
        shear = np.array([[1, -slant, slant * middle], [0, 1, 0]], np.float64)
        array = cv2.warpAffine(array, shear, array.shape[::-1], flags=cv2.INTER_LINEAR)
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)


def _over(alpha: np.ndarray, color: np.ndarray, top: np.ndarray, shade: Color) -> tuple[np.ndarray, np.ndarray]:
    """Lay one even colour with opacity ``top`` over what is there."""
    whole = top + alpha * (1 - top)
    mixed = np.asarray(shade, np.float32) * top[..., None] + color * (alpha * (1 - top))[..., None]
    return whole, np.where(whole[..., None] > 0, mixed / np.maximum(whole, 1e-6)[..., None], 0).astype(np.float32)


def _cut(
    alpha: np.ndarray, color: np.ndarray, sung: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    seen = alpha > 1 / 512
    rows, cols = (np.flatnonzero(seen.any(axis=a)) for a in (1, 0))
    inside = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    alpha = np.where(seen, alpha, 0)
    return alpha[inside].astype(np.float32), color[inside], None if sung is None else sung[inside]


def placed(overlay: Overlay, size: tuple[int, int], where: str) -> Overlay:
    """Put an overlay into the picture: ``bottom`` and ``top`` centred, ``corner`` at the upper right.

    Args:
        overlay: What is drawn at (0, 0).
        size: Height and width of the picture; what does not fit is cut off.
        where: Which place.
    """
    height, width = size
    h, w = min(overlay.alpha.shape[0], height), min(overlay.alpha.shape[1], width)
    margin = round(0.05 * height)
    y = max(0, height - margin - h) if where == "bottom" else min(margin, height - h)
    x = max(0, width - margin - w) if where == "corner" else (width - w) // 2
    cut = slice(0, h), slice(0, w)
    return replace(
        overlay,
        box=(y, y + h, x, x + w),
        alpha=overlay.alpha[cut],
        color=overlay.color[cut],
        sung=None if overlay.sung is None else overlay.sung[cut],
    )


def burn(frame: np.ndarray, overlays: tuple[Overlay, ...], index: int) -> np.ndarray:
    """Lay overlays over a frame.

    Args:
        frame: ``3 H W`` float32 RGB.
        overlays: In the order they are laid.
        index: Which frame.

    Returns:
        ``3 H W``, a new array.
    """
    out = frame.copy()
    for overlay in overlays:
        if overlay.strength(index) > 0:
            y0, y1, x0, x1 = overlay.box
            alpha, color = overlay.at(index)
            out[:, y0:y1, x0:x1] = (1 - alpha) * out[:, y0:y1, x0:x1] + alpha * color.transpose(2, 0, 1)
    return out


def opacity(overlays: tuple[Overlay, ...], index: int, size: tuple[int, int]) -> np.ndarray:
    """``H W`` float32: how much of the picture overlays hide in a frame."""
    clear = np.ones(size, np.float32)
    for overlay in overlays:
        if overlay.strength(index) > 0:
            y0, y1, x0, x1 = overlay.box
            clear[y0:y1, x0:x1] *= 1 - overlay.at(index)[0]
    return 1 - clear
