"""First look at small pictures: strokes that keep their place and colour for a while, then go together.

Every pixel carries a run: since when its colour has held, and how often it was part of a stroke. Where runs of strokes
break, pixels that began together are one :class:`Trace`. Text over a moving picture stands out because nothing else
holds; over a still picture because it began or ended by itself, without a cut.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles.config import Config

TOLERANCE = 30
"""How far a colour may stray, 0 to 255, before its run breaks."""
STROKE = 48
"""How much a stroke stands out from what is around it, 0 to 255."""
_FEWEST = 6
"""Pixels of a trace at least."""
_AT_ONCE = 96 * 640 * 360
"""Pixels of small pictures read by one call."""


@dataclass(frozen=True)
class Scan:
    """Which pictures are looked at, and how large.

    Attributes:
        indices: The frames looked at.
        height: Rows of the small pictures.
        scale: Rows of the picture for a row of a small one.
        least: Fewest looks that an overlay stays.
    """

    indices: tuple[int, ...]
    height: int
    scale: float
    least: int


@dataclass(frozen=True)
class Trace:
    """Stroke pixels that came and went together.

    Attributes:
        first: First look that shows them, counted in looks.
        last: Last look that does.
        box: Where, in pixels of the small pictures.
        mask: ``h w`` bool in the box.
        color: Their mean RGB.
    """

    first: int
    last: int
    box: tuple[int, int, int, int]
    mask: np.ndarray
    color: tuple[float, float, float]


@dataclass
class Speed:
    """What the looking cost.

    Attributes:
        reading: Seconds spent on reading pictures.
        looking: Seconds spent on them.
    """

    reading: float = 0.0
    looking: float = 0.0


@dataclass
class Runs:
    """Since when every pixel has held its colour.

    Attributes:
        size: Height and width of the small pictures.
        least: Fewest looks that are told.
    """

    size: tuple[int, int]
    least: int
    looks: int = 0
    traces: list[Trace] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = False
        self._color = np.zeros((*self.size, 3), np.uint8)
        self._began = np.zeros(self.size, np.int32)
        self._hits = np.zeros(self.size, np.int32)
        self._ended: list[tuple[int, np.ndarray]] = []
        # 0 where nothing ended lately, else the look its run began with, plus one.
        self._gone = np.zeros(self.size, np.int32)

    def look(self, picture: np.ndarray) -> None:
        """Take the next small picture, ``h w 3`` uint8."""
        held = _largest(cv2.absdiff(picture, self._color)) <= TOLERANCE
        if self.looks == 0:
            held[:] = False
        broken = ~held
        self._tell(broken)
        # Colours follow slowly, so that noise does not break runs.
        self._color = cv2.addWeighted(self._color, 0.75, picture, 0.25, 0.0)
        cv2.copyTo(picture, broken.view(np.uint8), self._color)
        self._began[broken] = self.looks
        self._hits[broken] = 0
        self._hits += strokes(picture)
        self.looks += 1

    def close(self) -> None:
        """The clip is over: what still holds ends here."""
        self._over = True
        self._tell(np.ones(self.size, bool))
        self._tell(np.zeros(self.size, bool))

    def _tell(self, broken: np.ndarray) -> None:
        length = self.looks - self._began
        # What the border of the clip cuts off may have stayed longer.
        cut = (self._began == 0) | self._over
        enough = length >= np.where(cut, max(2, (self.least + 1) // 2), self.least)
        ended = broken & enough & (self._hits * 10 >= length * 7) & (self._hits > 0)
        # One look of patience: compression lets strokes that go together break in two neighbouring looks.
        fresh = ended & (self._gone == 0)
        joined = self._gone > 0
        if joined.any():
            self._group(joined | fresh, np.where(joined, self._gone - 1, self._began), self.looks - 2)
            self._gone[:] = 0
        elif fresh.any():
            self._gone[fresh] = self._began[fresh] + 1

    def _group(self, pixels: np.ndarray, began: np.ndarray, last: int) -> None:
        ys, xs = np.nonzero(pixels)
        starts = began[ys, xs]
        order = np.argsort(starts, kind="stable")
        ys, xs, starts = ys[order], xs[order], starts[order]
        for group in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(starts) > 1) + 1):
            if len(group) >= _FEWEST:
                self.traces.extend(self._split(ys[group], xs[group], starts[group], last))

    def _split(self, ys: np.ndarray, xs: np.ndarray, starts: np.ndarray, last: int) -> Iterator[Trace]:
        top, left = int(ys.min()), int(xs.min())
        mine = np.zeros((int(ys.max()) + 1 - top, int(xs.max()) + 1 - left), np.uint8)
        mine[ys - top, xs - left] = 1
        joined = cv2.morphologyEx(cv2.copyMakeBorder(mine, 3, 3, 5, 5, 0), cv2.MORPH_CLOSE, np.ones((5, 9), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined[3:-3, 5:-5], connectivity=8)
        owner = labels[ys - top, xs - left]
        totals = np.bincount(owner, minlength=count)
        for label in np.flatnonzero(totals[1:] >= _FEWEST) + 1:
            x, y, w, h, _area = (int(v) for v in stats[label])
            own = (mine[y : y + h, x : x + w] > 0) & (labels[y : y + h, x : x + w] == label)
            box = (top + y, top + y + h, left + x, left + x + w)
            color = self._color[box[0] : box[1], box[2] : box[3]][own].mean(0)
            yield Trace(int(np.median(starts[owner == label])), last, box, own, tuple(color.tolist()))


def strokes(picture: np.ndarray, width: int | None = None) -> np.ndarray:
    """Where thin lines stand out from what is around them, lighter or darker, ``h w`` uint8 0 or 1.

    ``width`` is the widest that counts; by the picture's height where not given.
    """
    side = width or max(7, round(picture.shape[0] / 32) | 1)
    kernel = np.ones((side, side), np.uint8)
    light = _largest(cv2.subtract(picture, cv2.morphologyEx(picture, cv2.MORPH_OPEN, kernel)))
    dark = _largest(cv2.subtract(cv2.morphologyEx(picture, cv2.MORPH_CLOSE, kernel), picture))
    return (np.maximum(light, dark) > STROKE).astype(np.uint8)


def _largest(picture: np.ndarray) -> np.ndarray:
    return cv2.max(cv2.max(picture[..., 0], picture[..., 1]), picture[..., 2])


def plan(clip: ClipView, config: Config) -> Scan:
    """Which frames to look at: at the rate asked for, more often in clips that are short for it."""
    count, height = len(clip), clip.size[0]
    seconds = float(clip.seconds(count)) or count / 25
    rate = count / seconds
    step = max(1, min(round(rate / config.scan_rate), count // 32))
    small = min(config.scan_height, height)
    least = max(2, min(int(np.ceil(config.least_seconds * rate / step)), max(2, count // (2 * step))))
    indices = range(0, count, step)
    return Scan(tuple(indices), small, height / small, least)


def chunks(clip: ClipView, scan: Scan, speed: Speed) -> Iterator[np.ndarray]:
    """The small pictures, ``N h w 3`` uint8, some at a time."""
    wide = max(1, round(clip.size[1] * scan.height / clip.size[0]))
    at_once = max(8, _AT_ONCE // (wide * scan.height))
    for start in range(0, len(scan.indices), at_once):
        began = time.perf_counter()
        pictures = clip.small(scan.indices[start : start + at_once], scan.height)
        speed.reading += time.perf_counter() - began
        yield pictures
