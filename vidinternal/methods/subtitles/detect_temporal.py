"""Lines that came and went by themselves, or held while the picture behind them did not: no language needed."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles.detect_lines import Line, lines
from vidinternal.methods.subtitles.detect_scan import Cuts, Runs, Scan, Speed, Trace, largest, looks, strokes
from vidinternal.methods.subtitles.detect_steady import Steady
from vidinternal.methods.subtitles.detect_travel import Travel, Travels

_KEPT = 288
"""Small pictures kept, to look back at how a line began."""
_AT_ONCE = 64
"""Looks after which runs that ended are put together; a fourth of what is kept."""
_EVIDENCE = 20.0
"""How much strokes change, 0 to 255, when a line comes or goes."""


@dataclass(frozen=True)
class Evidence:
    """Why a line is taken for an overlay.

    Attributes:
        came: It appeared while the picture around stayed.
        went: It disappeared while the picture around stayed.
        held: The picture around moved, or was cut, and it stayed; only asked where the others do not tell.
    """

    came: bool
    went: bool
    held: bool

    @property
    def enough(self) -> bool:
        """Whether it is worth a closer look."""
        return self.came or self.went or self.held

    @property
    def told(self) -> float:
        """How much that is."""
        return 2.0 * (self.came + self.went) + self.held


class Past:
    """The latest small pictures, by the number of their look."""

    def __init__(self) -> None:
        self._pictures: deque[np.ndarray] = deque(maxlen=_KEPT)
        self._next = 0

    def add(self, picture: np.ndarray) -> None:
        """Keep another one."""
        self._pictures.append(picture)
        self._next += 1

    def get(self, look: int) -> np.ndarray | None:
        """The picture of a look; None where there is none, or none any more."""
        at = look - (self._next - len(self._pictures))
        return self._pictures[at] if 0 <= at < len(self._pictures) else None

    def piece(self, look: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """A crop of it, ``h w 3`` uint8."""
        y0, y1, x0, x1 = box
        picture = self.get(look)
        return None if picture is None else picture[y0:y1, x0:x1]


@dataclass(frozen=True)
class Candidates:
    """Lines that are worth a closer look.

    Attributes:
        held: Those that hold their colour.
        steady: Shapes whose edges alone hold.
        still: Lines that never leave a still picture.
        cuts: Looks at which the whole picture changed.
        travels: Bands in which strokes travel.
    """

    held: Sequence[Line] = ()
    steady: Sequence[Line] = ()
    still: Sequence[Line] = ()
    cuts: Sequence[int] = ()
    travels: Sequence[Travel] = ()


def search(clip: ClipView, scan: Scan, speed: Speed, progress: Progress = no_progress) -> Candidates:
    """Look through the clip for lines that are worth a closer look."""
    found: list[tuple[Line, Evidence]] = []
    past, cuts, runs, steady, travels, waiting = Past(), Cuts(), None, None, None, []
    for picture in looks(clip, scan, speed):
        began = time.perf_counter()
        runs = runs or Runs(picture.shape[:2], scan.least)
        steady = steady or Steady(runs.size)
        travels = travels or Travels(runs.size)
        drawn = strokes(picture)
        runs.look(picture, drawn)
        travels.look(drawn, runs.stays(), scan.indices[-1])
        steady.look(picture)
        cuts.look(picture)
        past.add(picture)
        if runs.looks % _AT_ONCE == 0:
            ready = [t for t in waiting + runs.traces if t.last < runs.looks - 4]
            waiting = [t for t in waiting + runs.traces if t.last >= runs.looks - 4]
            runs.traces.clear()
            found += worth_it(ready, past, runs.size)
            progress(scan.indices[-1] / len(clip), f"looking for overlays, frame {scan.indices[-1]}")
        speed.looking += time.perf_counter() - began
    if runs is None or steady is None or travels is None:
        return Candidates()
    began = time.perf_counter()
    runs.close()
    steady.close()
    found += worth_it(waiting + runs.traces, past, runs.size)
    never = [t for t in runs.traces if t.first <= 1 and t.last >= runs.looks - 3]
    held = [line for line, _ in found]
    still = [line for line in lines(never, runs.size) if not any(line.box == other.box for other in held)]
    speed.looking += time.perf_counter() - began
    return Candidates(held, list(steady.lines()), still, cuts.looks, travels.close())


def worth_it(found: Sequence[Trace], past: Past, size: tuple[int, int]) -> list[tuple[Line, Evidence]]:
    """The lines among traces for which something speaks."""
    told: list[tuple[Line, Evidence]] = []
    by_time: dict[tuple[int, int], list[Trace]] = defaultdict(list)
    for trace in found:
        by_time[trace.first, trace.last].append(trace)
    texts: dict[tuple[int, int], np.ndarray] = {}
    for line in lines(found, size):
        when = line.first, line.last
        if when not in texts:
            # Other lines of the same time are no picture around.
            text = texts[when] = np.zeros(size, np.uint8)
            for trace in (t for a in (-1, 0, 1) for b in (-1, 0, 1) for t in by_time[when[0] + a, when[1] + b]):
                y0, y1, x0, x1 = trace.box
                text[y0:y1, x0:x1] |= trace.mask
        told.append((line, evidence(line, past, size, texts[when])))
    return [(replace(line, told=why.told), why) for line, why in told if why.enough]


def evidence(line: Line, past: Past, size: tuple[int, int], text: np.ndarray) -> Evidence:
    """What speaks for a line; ``text`` is ``H W`` uint8, not 0 where there are strokes of the same time."""
    y0, y1, x0, x1 = line.box
    pad = 20
    box = (max(0, y0 - pad), min(size[0], y1 + pad), max(0, x0 - pad), min(size[1], x1 + pad))
    mask = np.zeros((box[1] - box[0], box[3] - box[2]), np.uint8)
    mask[y0 - box[0] : y1 - box[0], x0 - box[2] : x1 - box[2]] = line.mask
    ring = (cv2.dilate(mask, np.ones((19, 19), np.uint8)) == 0) & (cv2.dilate(mask, np.ones((39, 39), np.uint8)) > 0)
    own = mask > 0
    ring &= cv2.dilate(text[box[0] : box[1], box[2] : box[3]], np.ones((7, 7), np.uint8)) == 0
    if ring.sum() < 20:
        return Evidence(False, False, False)

    def by_itself(without: int, with_it: int) -> bool:
        a, b = past.piece(without, box), past.piece(with_it, box)
        if a is None or b is None:
            return False
        change = largest(cv2.absdiff(a, b))
        inside = float(np.percentile(change[own], 25))
        return inside > _EVIDENCE and float(np.median(change[ring])) < 0.3 * inside

    came = any(by_itself(line.first - j, line.first + 1) for j in (1, 3))
    went = any(by_itself(line.last + j, line.last - 1) for j in (1, 3))
    return Evidence(came, went, not (came or went) and _held(line, past, box, own, ring))


def _held(line: Line, past: Past, box: tuple[int, int, int, int], own: np.ndarray, ring: np.ndarray) -> bool:
    """Whether the picture around changed while the strokes did not."""
    looks = {int(v) for v in np.linspace(line.first, line.last, 12).round()}
    pieces = [p for p in (past.piece(look, box) for look in sorted(looks)) if p is not None]
    if len(pieces) < 3:
        return False
    stack = np.stack(pieces)
    middle = np.sort(stack, axis=0)[len(stack) // 2]
    stray = np.mean([largest(cv2.absdiff(p, middle)) for p in pieces], 0)
    inside, around = stray[own], stray[ring]
    return float(np.median(around)) > 6 and float(np.percentile(inside, 75)) < 0.5 * float(np.median(around))
