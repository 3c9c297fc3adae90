"""Marks that let the picture through: their colours change with it, their edges do not.

Where the picture moves, an edge of its own points everywhere in turn and its mean vanishes; the edge of an overlay
stays. Edges are averaged over short windows of looks, and windows in which they hold are joined (dekel2017watermarks).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_frames import FullFrames, spread_out
from vidinternal.methods.subtitles.detect_lines import Line
from vidinternal.methods.subtitles.detect_refine import line_height, region_of
from vidinternal.methods.subtitles.events import Box

_WINDOW = 8
"""Views of a window: looks that differ from the view before."""
_VIEW = 5.0
"""Mean difference, 0 to 255, that makes a look another view: a picture that stands says nothing twice."""
_EDGE = 4.0
"""Least mean gradient of an overlay's edge, in levels of 255 a pixel."""
_MOVES = 2.5
"""Least mean change of the picture around from one look to the next that tells a steady edge from a still picture."""


@dataclass
class Steady:
    """Edges that hold while the picture moves.

    Attributes:
        size: Height and width of the small pictures.
        looks: Small pictures taken.
        windows: Per window: its first and last look; what holds and where nothing can be said, packed bits.
    """

    size: tuple[int, int]
    looks: int = 0
    windows: list[tuple[int, int, np.ndarray, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._last: np.ndarray | None = None
        self._began = 0
        self._views = 0
        self._all = np.zeros((4, *self.size), np.float32)
        self._clear()

    def _clear(self) -> None:
        self._count = 0
        self._sums = np.zeros((2, *self.size), np.float32)
        self._sizes = np.zeros(self.size, np.float32)
        self._moved = np.zeros(self.size, np.float32)

    def look(self, picture: np.ndarray) -> None:
        """Take the next small picture, ``h w 3`` uint8."""
        self.looks += 1
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if self._last is not None and float(cv2.absdiff(gray, self._last).mean()) < _VIEW:
            return
        across, down = (cv2.Sobel(gray, cv2.CV_32F, *d, ksize=3, scale=0.25) for d in ((1, 0), (0, 1)))
        self._sums[0] += across
        self._sums[1] += down
        self._sizes += cv2.magnitude(across, down)
        if self._last is not None:
            self._moved += cv2.absdiff(gray, self._last)
        self._last = gray
        self._count += 1
        if self._count == _WINDOW:
            self.close()

    def close(self) -> None:
        """End a window."""
        if self._count < 3:
            return
        self._views += self._count
        self._all += np.stack([*self._sums, self._sizes, self._moved])
        mean = cv2.magnitude(self._sums[0], self._sums[1]) / self._count
        side = max(9, self.size[0] // 18) | 1
        moves = cv2.blur(self._moved, (side, side)) / max(1, self._count - 1) > _MOVES
        holds = (mean > _EDGE) & (mean * self._count > 0.75 * self._sizes) & moves
        last = self.looks - 1
        self.windows.append((self._began, last, np.packbits(holds), np.packbits(~moves)))
        self._began = self.looks
        self._clear()

    def lines(self) -> Iterator[Line]:
        """Shapes of edges that held for two windows at least, or for all of the clip; those of all of it first."""
        yield from self._always()
        pixels = self.size[0] * self.size[1]
        held = np.zeros(self.size, np.int32)
        best = np.zeros((3, *self.size), np.int32)
        begun = np.zeros(self.size, np.int32)
        for number, (_, _, holds, unknown) in enumerate(self.windows):
            yes, maybe = (np.unpackbits(b, count=pixels).reshape(self.size) > 0 for b in (holds, unknown))
            begun = np.where(yes & (held == 0), number, begun)
            held = np.where(yes, held + 1, np.where(maybe, held, 0))
            longer = yes & (held > best[0])
            best[:, longer] = np.stack([held, begun, np.full(self.size, number, np.int32)])[:, longer]
        enough = best[0] >= min(2, len(self.windows))
        joined = cv2.morphologyEx(enough.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 15), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        for label in range(1, count):
            x, y, w, h, _area = (int(v) for v in stats[label])
            own = enough[y : y + h, x : x + w] & (labels[y : y + h, x : x + w] == label)
            if own.sum() >= 30 and 6 <= h <= self.size[0] * 0.35 and w >= 6:
                spans = best[:, y : y + h, x : x + w][:, own]
                first, last = int(np.median(spans[1])), int(np.median(spans[2]))
                yield Line(self.windows[first][0], self.windows[last][1], (y, y + h, x, x + w), own)

    def _always(self) -> Iterator[Line]:
        """Shapes of edges that held from the first look to the last, while the picture moved."""
        if len(self.windows) < 2:
            return
        across, down, sizes, moved = self._all
        mean = cv2.magnitude(across, down)
        side = max(9, self.size[0] // 18) | 1
        moves = cv2.blur(moved, (side, side)) / max(1, self._views - 1) > _MOVES
        holds = (mean > _EDGE * self._views) & (mean > 0.75 * sizes) & moves
        joined = cv2.morphologyEx(holds.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 15), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        for label in range(1, count):
            x, y, w, h, _area = (int(v) for v in stats[label])
            own = holds[y : y + h, x : x + w] & (labels[y : y + h, x : x + w] == label)
            if own.sum() >= 60 and 6 <= h <= self.size[0] * 0.35 and w >= 6:
                yield Line(0, self.looks - 1, (y, y + h, x, x + w), own)


def mark_views(shown: tuple[int, int]) -> list[int]:
    """Frames that a mark is made of, given the first and the last one that show it."""
    return spread_out(shown[0], shown[1] + 1, 24)


def steady_cover(full: FullFrames, place: tuple[Box, np.ndarray], views: Sequence[int], grow: int) -> np.ndarray | None:
    """The pixels of a mark that lets the picture through, ``h w`` uint8 as covers are; None if its edges do not hold.

    Its edges are the mean gradients of many frames; what lies between two of them, a stroke's width apart, is inside.

    Args:
        full: The clip's pictures.
        place: The piece of the picture to look at, and ``h w`` bool, the edges as small pictures had them.
        views: Frames that show it.
        grow: Pixels added around.
    """
    box, mask = place
    height = line_height(mask)
    region = region_of(mask, height)
    pictures = full.get(views, box).mean(-1)
    steps = np.stack([[cv2.Sobel(p, cv2.CV_32F, *d, ksize=3, scale=0.25) for d in ((1, 0), (0, 1))] for p in pictures])
    mean = np.linalg.norm(steps.mean(0), axis=0)
    sizes = np.linalg.norm(steps, axis=1).mean(0)
    steady = (mean > 0.6 * _EDGE) & (mean > 0.5 * sizes)
    holds = steady & region
    away = ~(cv2.dilate(region.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    textured = away & (sizes > 0.6 * _EDGE)
    # In a still picture all edges hold, and nothing tells the mark's from the others.
    if holds.sum() < 20 or textured.sum() < 0.05 * away.sum() or steady[textured].mean() > 0.1:
        return None
    side = max(3, round(0.12 * height)) | 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    body = cv2.morphologyEx(holds.astype(np.uint8), cv2.MORPH_CLOSE, ellipse)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (grow + 1) + 1,) * 2)
    rim = cv2.dilate(body, kernel)
    strength = np.clip(mean / max(1.0, float(np.percentile(mean[holds], 90))), 0.25, 1.0) * 127
    return np.where(body > 0, strength, rim).astype(np.uint8)
