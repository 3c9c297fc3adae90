"""Text that travels, first look: rows of strokes that move on by the same distance from look to look.

In bands of rows (tickers) and of columns (rolling credits) the profile of strokes is compared with that of the look
before. A band whose best match lies away from zero, at one speed for a while, is worth a closer look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

_BANDS = (15, 8)
"""Bands of rows, and of columns; every other one lies over two halves of its neighbours."""
_LIKE = 0.6
"""Least correlation of two profiles that are one on its way."""
_LEAST_SHIFT = 1.0
"""Pixels of a small picture from look to look below which nothing travels."""
_LEAST_LOOKS = 5
_OFF = 1.6
"""Pixels that a step may be off the mean speed."""


@dataclass(frozen=True)
class Travel:
    """A band in which strokes travel.

    Attributes:
        first: First look that shows it.
        last: Last look that does.
        box: Where, in pixels of the small pictures; whole rows, or whole columns.
        speed: Pixels of the small pictures that it moves in a frame; right or down is positive.
        across: Whether it moves along rows.
    """

    first: int
    last: int
    box: tuple[int, int, int, int]
    speed: float
    across: bool


@dataclass
class _Track:
    """A band's steps at one speed so far."""

    first: int
    last: int
    frames: int
    way: float

    @property
    def speed(self) -> float:
        return self.way / self.frames


class Travels:
    """Looks for bands in which strokes travel.

    Args:
        size: Height and width of the small pictures.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._spans = [_spans(size[0], _BANDS[0]), _spans(size[1], _BANDS[1])]
        self._last: np.ndarray | None = None
        self._tracks: list[dict[int, _Track]] = [{}, {}]
        self._found: list[Travel] = []
        self._looks = 0
        self._frame = 0

    def look(self, drawn: np.ndarray, stays: np.ndarray, frame: int) -> None:
        """Take strokes of the next look, ``h w`` uint8 0 or 1; where the picture stays as it is, bool; its frame."""
        if self._last is not None:
            before, after = (np.where(stays, 0, d) for d in (self._last, drawn))
            for axis, spans in enumerate(self._spans):
                shifts = _shifts(_profiles(before, spans, axis), _profiles(after, spans, axis))
                self._step(axis, shifts, frame - self._frame)
        self._last, self._frame = drawn, frame
        self._looks += 1

    def _step(self, axis: int, shifts: np.ndarray, frames: int) -> None:
        tracks = self._tracks[axis]
        for band, shift in enumerate(shifts.tolist()):
            track = tracks.get(band)
            if track is not None and not (np.isfinite(shift) and abs(shift - track.speed * frames) <= _OFF):
                self._end(axis, band)
                track = None
            if np.isfinite(shift) and abs(shift) >= _LEAST_SHIFT:
                if track is None:
                    tracks[band] = _Track(self._looks - 1, self._looks, frames, shift)
                else:
                    track.last, track.frames, track.way = self._looks, track.frames + frames, track.way + shift

    def _end(self, axis: int, band: int) -> None:
        track = self._tracks[axis].pop(band)
        if track.last - track.first >= _LEAST_LOOKS:
            a, b = self._spans[axis][band]
            box = (a, b, 0, self._size[1]) if axis == 0 else (0, self._size[0], a, b)
            self._found.append(Travel(track.first, track.last, box, track.speed, axis == 0))

    def close(self) -> list[Travel]:
        """The clip is over: what was found, neighbouring bands of one speed and time as one."""
        for axis in (0, 1):
            for band in list(self._tracks[axis]):
                self._end(axis, band)
        return _merged(self._found)


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    """Bands that overlap by half."""
    edges = np.linspace(0, length, 2 * count + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in zip(edges[:-2], edges[2:], strict=True)]


def _profiles(drawn: np.ndarray, spans: Sequence[tuple[int, int]], axis: int) -> np.ndarray:
    """How many strokes a band has at every place along it, ``bands n`` float32, without their mean."""
    sums = np.cumsum(drawn, axis=axis, dtype=np.float32)
    sums = np.pad(sums, ((1, 0), (0, 0)) if axis == 0 else ((0, 0), (1, 0)))
    low, high = (np.array(ends) for ends in zip(*spans, strict=True))
    rows = sums[high] - sums[low] if axis == 0 else (sums[:, high] - sums[:, low]).T
    return cv2.blur(np.ascontiguousarray(rows - rows.mean(1, keepdims=True)), (3, 1))


def _shifts(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By how many pixels every band moved on, to a part of one; NaN where it cannot be told or does not."""
    count, length = before.shape
    size = cv2.getOptimalDFTSize(2 * length)
    spectrum = np.conj(np.fft.rfft(before, size)) * np.fft.rfft(after, size)
    product = np.fft.irfft(spectrum, size)
    reach = length // 2
    product = np.concatenate([product[:, -reach:], product[:, : reach + 1]], axis=1)
    energy = np.sqrt((before**2).sum(1) * (after**2).sum(1))
    peak = product.argmax(1)
    rows = np.arange(count)
    best = product[rows, peak] / np.maximum(energy, 1e-6)
    left, right = (product[rows, np.clip(peak + d, 0, 2 * reach)] for d in (-1, 1))
    bend = left - 2 * product[rows, peak] + right
    part = np.where(bend < 0, 0.5 * (left - right) / np.minimum(bend, -1e-6), 0.0)
    sure = (best > _LIKE) & (energy > 30.0) & (peak > 0) & (peak < 2 * reach)
    return np.where(sure, peak - reach + np.clip(part, -0.5, 0.5), np.nan)


def _merged(found: Sequence[Travel]) -> list[Travel]:
    groups: list[list[Travel]] = []
    for travel in sorted(found, key=lambda t: (t.across, t.box, t.first)):
        for group in groups:
            if any(_together(travel, other) for other in group):
                group.append(travel)
                break
        else:
            groups.append([travel])
    return [_whole(group) for group in groups]


def _together(one: Travel, other: Travel) -> bool:
    near = max(one.box[0], other.box[0]) <= min(one.box[1], other.box[1])
    near = near and max(one.box[2], other.box[2]) <= min(one.box[3], other.box[3])
    times = min(one.last, other.last) - max(one.first, other.first)
    alike = abs(one.speed - other.speed) <= 0.1 * abs(one.speed) + 0.05
    return one.across == other.across and near and times >= -2 and alike


def _whole(group: Sequence[Travel]) -> Travel:
    boxes = np.array([t.box for t in group])
    (y0, _, x0, _), (_, y1, _, x1) = boxes.min(0).tolist(), boxes.max(0).tolist()
    weights = [t.last - t.first for t in group]
    speed = float(np.average([t.speed for t in group], weights=weights))
    return Travel(min(t.first for t in group), max(t.last for t in group), (y0, y1, x0, x1), speed, group[0].across)


def foremost(found: Sequence[Travel], most: int) -> Iterator[Travel]:
    """Those that were seen longest."""
    return iter(sorted(found, key=lambda t: (t.first - t.last, t.first, t.box))[:most])
