"""First look at small pictures: strokes that keep their place and colour for a while, then go together.

Every pixel carries a run: since when its colour has held, and how often it was part of a stroke. Where runs of strokes
break, pixels that began together are one :class:`Trace`. Text over a moving picture stands out because nothing else
holds; over a still picture because it began or ended by itself, without a cut.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

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
_STAYS = 4
"""Looks after which a colour that holds is taken to stay."""
_CUT = 15.0
"""Least mean change of a picture, 0 to 255, that is taken for a cut."""


@dataclass(frozen=True)
class Scan:
    """Which pictures are looked at, and how large.

    Attributes:
        step: Frames between two looks, about.
        height: Rows of the small pictures.
        scale: Rows of the picture for a row of a small one.
        least: Fewest looks that an overlay stays.
        indices: The frames that were looked at.
    """

    step: int
    height: int
    scale: float
    least: int
    indices: list[int] = field(default_factory=list)

    @property
    def gap(self) -> int:
        """Most frames between two looks."""
        return max((b - a for a, b in pairwise(self.indices)), default=self.step)


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
        closely: Seconds spent on closer looks, reading included.
    """

    reading: float = 0.0
    looking: float = 0.0
    closely: float = 0.0


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
        self._waiting = False

    def look(self, picture: np.ndarray, drawn: np.ndarray | None = None) -> None:
        """Take the next small picture, ``h w 3`` uint8, and its strokes if they are known."""
        held = largest(cv2.absdiff(picture, self._color)) <= TOLERANCE
        if self.looks == 0:
            held[:] = False
        broken = ~held
        self._tell(broken)
        # Colours follow slowly, so that noise does not break runs.
        self._color = cv2.addWeighted(self._color, 0.75, picture, 0.25, 0.0)
        cv2.copyTo(picture, broken.view(np.uint8), self._color)
        self._began[broken] = self.looks
        self._hits[broken] = 0
        self._hits += strokes(picture) if drawn is None else drawn
        self.looks += 1

    def stays(self) -> np.ndarray:
        """``h w`` bool, where the colour has held for some looks."""
        return self.looks - self._began > _STAYS

    def close(self) -> None:
        """The clip is over: what still holds ends here."""
        self._over = True
        self._tell(np.ones(self.size, bool))
        self._tell(np.zeros(self.size, bool))

    def _tell(self, broken: np.ndarray) -> None:
        # Few pixels break that were a stroke: all else is worked out for these alone.
        where = np.flatnonzero(broken & (self._hits > 0))
        hits, began = self._hits.ravel()[where], self._began.ravel()[where]
        length = self.looks - began
        # What the border of the clip cuts off may have stayed longer.
        least = np.where((began == 0) | self._over, max(2, (self.least + 1) // 2), self.least)
        where = where[(length >= least) & (hits * 10 >= length * 7)]
        # One look of patience: compression lets strokes that go together break in two neighbouring looks.
        gone, began = self._gone.ravel(), self._began.ravel()
        fresh = where[gone[where] == 0]
        if self._waiting:
            joined = np.flatnonzero(gone)
            starts = np.concatenate([gone[joined] - 1, began[fresh]])
            self._group(np.concatenate([joined, fresh]), starts, self.looks - 2)
            gone[:] = 0
        else:
            gone[fresh] = began[fresh] + 1
        self._waiting = not self._waiting and fresh.size > 0

    def _group(self, pixels: np.ndarray, starts: np.ndarray, last: int) -> None:
        ys, xs = np.divmod(pixels, self.size[1])
        order = np.lexsort((pixels, starts))
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
    light, dark = light_and_dark(picture, width or max(7, round(picture.shape[0] / 32) | 1))
    return light | dark


def light_and_dark(picture: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`strokes`, those that are lighter than what is around them and those that are darker."""
    kernel = np.ones((width, width), np.uint8)
    light = largest(cv2.subtract(picture, cv2.morphologyEx(picture, cv2.MORPH_OPEN, kernel)))
    dark = largest(cv2.subtract(cv2.morphologyEx(picture, cv2.MORPH_CLOSE, kernel), picture))
    return (light > STROKE).astype(np.uint8), (dark > STROKE).astype(np.uint8)


def largest(picture: np.ndarray) -> np.ndarray:
    """The largest of three channels, ``h w``."""
    return cv2.max(cv2.max(picture[..., 0], picture[..., 1]), picture[..., 2])


def plan(clip: ClipView, config: Config) -> Scan:
    """Which frames to look at: at the rate asked for, more often in clips that are short for it."""
    count, height = len(clip), clip.size[0]
    seconds = float(clip.seconds(count)) or count / 25
    rate = count / seconds
    step = max(1, min(round(rate / config.scan_rate), count // 32))
    small = min(config.scan_height, height)
    apart = step + (step > 2)  # where pictures are left out by the decoder, looks may come later
    least = max(2, min(int(np.ceil(config.least_seconds * rate / apart)), max(2, count // (2 * step))))
    return Scan(step, small, height / small, least)


def looks(clip: ClipView, scan: Scan, speed: Speed) -> Iterator[np.ndarray]:
    """The small pictures, ``h w 3`` uint8; their frames are added to ``scan.indices``."""
    began = time.perf_counter()
    for index, picture in clip.looks(scan.step, scan.height):
        speed.reading += time.perf_counter() - began
        scan.indices.append(index)
        yield picture
        began = time.perf_counter()


class Cuts:
    """Where the whole picture changed from one look to the next, and not by a camera on its way."""

    def __init__(self) -> None:
        self.looks: list[int] = []
        self._last: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=8)
        self._count = 0

    def look(self, picture: np.ndarray) -> None:
        """Take the next small picture, ``h w 3`` uint8."""
        thumb = cv2.resize(picture, (48, 27), interpolation=cv2.INTER_AREA)
        if self._last is not None:
            change = float(cv2.absdiff(thumb, self._last).mean())
            if change > _CUT and change > 3.0 * float(np.median(self._changes or [0.0])):
                self.looks.append(self._count)
            self._changes.append(change)
        self._last = thumb
        self._count += 1
