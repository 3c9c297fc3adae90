"""An even, half-transparent box, measured where it comes and goes: the frame beside shows what lies under it.

From one frame to the next the picture is nearly the same, so that under the box ``I = s B + m`` with ``B`` seen in the
neighbouring frame (``porter1984compositing``; ``s`` one number, ``m`` a colour). What the line does not explain is no
box: letters on it, with their edges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vidinternal.methods.subtitles.events import Box, Overlay

_LEAST, _MOST = 0.12, 0.92
"""Share of the picture let through by a box that is worth taking off: less gives noise, more is no box."""
_VARIED = 5.0 / 255
"""Least spread of the picture under it, without which the line has no slope."""
_RIM = 4
"""Pixels inside and outside the border that was found between which the true one lies."""
_ROUNDS = 6
_GROUND = 0.3
"""Least share of a box that its letters leave free."""
_LINE = 6.0 / 255
"""How far from a line pixels may be that lie on it."""
_FAR = 3.0
"""Standard deviations from the line beyond which a pixel is no box."""


@dataclass(frozen=True)
class BoxBlend:
    """What a box does to the picture.

    Attributes:
        left: Share of the picture that it lets through.
        added: RGB that it adds.
        noise: Standard deviation of what the line leaves unexplained.
        strange: ``h w`` bool, what is not explained where it comes or goes: letters, and their edges.
    """

    left: float
    added: tuple[float, float, float]
    noise: float
    strange: np.ndarray


def measure(pairs: Sequence[tuple[np.ndarray, np.ndarray]], inside: np.ndarray) -> BoxBlend | None:
    """Fit the line.

    Args:
        pairs: Pictures without and with the box, ``h w 3`` float32 in [0, 1], next to each other in time.
        inside: ``h w`` bool, where the box surely is; letters on it may be in it.

    Returns:
        None where there is no such box, or the picture under it is too even to tell.
    """
    if not pairs or inside.sum() < 200:
        return None
    bare = np.concatenate([a[inside] for a, _ in pairs])
    seen = np.concatenate([b[inside] for _, b in pairs])
    kept = _most_on_a_line(bare, seen)
    left, added, noise = 1.0, np.zeros(3), 1.0
    for _ in range(_ROUNDS):
        x, y = bare[kept], seen[kept]
        if len(x) < 200 or float(x.std(0).mean()) < _VARIED:
            return None
        x0, y0 = x.mean(0), y.mean(0)
        left = float(((x - x0) * (y - y0)).sum()) / float(((x - x0) ** 2).sum())
        added = y0 - left * x0
        off = np.abs(seen - (left * bare + added)).max(1)
        noise = 1.4826 * float(np.median(off[kept]))
        kept = off < max(_FAR * noise, 4 / 255)
    if not _LEAST < left < _MOST or kept.mean() < _GROUND or (added < -0.03).any():
        return None
    # What moves under the box is off the line at one of its ends; letters are at both.
    strange = np.ones(inside.shape, bool)
    for a, b in pairs:
        strange &= np.abs(b - (left * a + added)).max(-1) > max(_FAR * noise, 8 / 255)
    red, green, blue = (float(c) for c in added)
    return BoxBlend(left, (red, green, blue), noise, strange & inside)


def _most_on_a_line(bare: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The largest share of the pixels, ``N`` bool, that one line explains: letters may be half of what is there."""
    x, y = bare.mean(1), seen.mean(1)
    best = np.zeros(len(x), bool)
    for left in np.arange(0.1, 0.95, 0.025):
        rest = y - left * x
        counts, edges = np.histogram(rest, bins=np.arange(-1.0, 1.02, 4.0 / 255))
        peak = int(counts.argmax())
        near = np.abs(rest - (edges[peak] + edges[peak + 1]) / 2) < _LINE
        if near.sum() > best.sum():
            best = near
    return best


def sides(overlay: Overlay, count: int) -> list[tuple[int, int]]:
    """Frames without an overlay and next to each, or as near as its fade lets them be, the one that shows all of it.

    Args:
        overlay: The overlay.
        count: Frames of the clip.
    """
    full = overlay.start + overlay.fade_in, overlay.end - 1 - overlay.fade_out
    both = [(overlay.start - 1, full[0]), (overlay.end, full[1])]
    return [(bare, seen) for bare, seen in both if 0 <= bare < count and overlay.start <= seen < overlay.end]


def surely(box: Box, around: Box) -> np.ndarray:
    """``h w`` bool in a piece of the picture: what lies well inside a box."""
    y0, y1, x0, x1 = box
    inside = np.zeros((around[1] - around[0], around[3] - around[2]), bool)
    inside[y0 + _RIM - around[0] : y1 - _RIM - around[0], x0 + _RIM - around[2] : x1 - _RIM - around[2]] = True
    return inside


def letters_on(look: Callable[[int, Box], np.ndarray], overlay: Overlay, count: int, grow: int) -> np.ndarray | None:
    """The pixels inside a box that are no box.

    Args:
        look: Gives a piece of a frame, ``h w 3`` float32 in [0, 1].
        overlay: The box.
        count: Frames of the clip.
        grow: Pixels added around them, beside one for their soft edges.

    Returns:
        ``h w`` bool in the overlay's box; None where nothing can be told.
    """
    pairs = [(look(a, overlay.box), look(b, overlay.box)) for a, b in sides(overlay, count)]
    blend = measure(pairs, surely(overlay.box, overlay.box))
    if blend is None:
        return None
    size = 2 * (grow + 1) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    # A speck is the encoder's.
    solid = cv2.morphologyEx(blend.strange.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return cv2.dilate(solid, kernel) > 0


def strength(pairs: Sequence[tuple[np.ndarray, np.ndarray]], blend: BoxBlend, box: Box) -> np.ndarray:
    """How much of the box every pixel of a piece shows, ``h w`` float32: less than 1 on a soft rim, 0 beyond it.

    Args:
        pairs: As :func:`measure` has them.
        blend: The box.
        box: Where it was found, in the piece.
    """
    down, across = (_profile(pairs, blend, box, axis) for axis in (0, 1))
    return np.minimum(down[:, None], across[None, :]).astype(np.float32)


def _profile(pairs: Sequence[tuple[np.ndarray, np.ndarray]], blend: BoxBlend, box: Box, axis: int) -> np.ndarray:
    """How much of the box rows (``axis`` 0) or columns show, between 0 and 1."""
    y0, y1, x0, x1 = box
    keep = (slice(None), slice(x0 + _RIM, x1 - _RIM)) if axis == 0 else (slice(y0 + _RIM, y1 - _RIM), slice(None))
    plain = (~blend.strange)[keep][..., None]
    inner = whole = np.zeros(1)
    for bare, seen in pairs:
        a, b = bare[keep], seen[keep]
        full = (blend.left - 1) * a + np.asarray(blend.added, np.float32)
        other = (1 - axis, 2)
        inner = inner + ((b - a) * full * plain).sum(other)
        whole = whole + (full * full * plain).sum(other)
    share = np.clip(inner / np.maximum(whole, 1e-6), 0, 1)
    low, high = (y0, y1) if axis == 0 else (x0, x1)
    share[low + _RIM : high - _RIM] = 1.0
    share[: max(0, low - _RIM)] = 0.0
    share[high + _RIM :] = 0.0
    return np.where(share > 0.95, 1.0, np.where(share < 0.05, 0.0, share))
