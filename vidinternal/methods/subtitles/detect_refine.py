"""A line seen in small pictures, looked at in full: the frames that show it, to the frame, and what it looks like.

Its template is the median of the frames that show it. How much of a frame is the template is told by a projection of
the frame's edges on the template's: near 1 while it shows, near a floor (what the picture itself has in common with the
template) while it does not, and in proportion to the opacity while it fades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_frames import Frames, FullFrames, template_frames
from vidinternal.methods.subtitles.detect_scan import strokes
from vidinternal.methods.subtitles.events import Box, Overlay

_INWARD = 10
"""Frames inside an overlay from which its bounds are looked for."""
_PATIENCE = 6
"""Pieces of frames read beyond a bound in search of the end of a fade."""
_AT_ONCE = 0.35
"""Share of a template that is lost from one frame to the next where an overlay goes without a fade."""


@dataclass(frozen=True)
class Bound:
    """Where an overlay begins, or, counted backwards, where it ends.

    Attributes:
        frame: First frame that shows it (last one, at its end).
        fade: Frames over which it appears.
        seen: Whether it really appears there; False where the clip ends or begins.
        alone: Whether the picture around stays as it is while it appears: no cut.
        outside: ``h w 3`` float32, the picture without it, the frame next to it; None where there is none.
        change: ``h w`` float32, how much that one differs from the frame that shows all of it; None as there.
    """

    frame: int
    fade: int
    seen: bool
    alone: bool
    outside: np.ndarray | None
    change: np.ndarray | None = None


@dataclass(frozen=True)
class Close:
    """A line looked at in full.

    Attributes:
        box: The piece of the picture that was looked at.
        start: First frame.
        end: First frame without it.
        begin: How it begins.
        finish: How it ends.
        template: ``h w 3`` float32, 0 to 255, median of the frames that show it.
        spread: ``h w`` float32, how far frames stray from the template, in the median.
        region: ``h w`` bool, where its strokes may be.
        strokes: ``h w`` bool, its strokes as the small pictures had them.
        height: Rows of a line of it.
    """

    box: Box
    start: int
    end: int
    begin: Bound
    finish: Bound
    template: np.ndarray
    spread: np.ndarray
    region: np.ndarray
    strokes: np.ndarray
    height: int


def edges(pictures: np.ndarray, height: int) -> np.ndarray:
    """What stands out from its surroundings, ``N h w 3``."""
    side = max(5, height // 2) | 1
    return np.stack([p - cv2.blur(p, (side, side), borderType=cv2.BORDER_REFLECT) for p in pictures])


class Likeness:
    """How much of a template is in a frame.

    Args:
        frames: Where frames come from.
        template: ``h w 3``.
        where: ``h w`` bool, the pixels that count.
        height: Rows of a line.
    """

    def __init__(self, frames: Frames, template: np.ndarray, where: np.ndarray, height: int) -> None:
        # Large letters are told as well by small pictures of them.
        self._shrink = max(1, height // 20)
        self._frames, self._height = frames, max(8, height // self._shrink)
        small = self._smaller(where.astype(np.float32)[None])[0] > 0.5
        self._where = small if small.any() else self._smaller(where.astype(np.float32)[None])[0] > 0
        self._own = edges(self._smaller(template[None]), self._height)[0][self._where]
        self._energy = float((self._own**2).sum()) or 1.0
        self._known: dict[int, float] = {}

    def _smaller(self, pictures: np.ndarray) -> np.ndarray:
        if self._shrink == 1:
            return pictures
        size = max(1, pictures.shape[2] // self._shrink), max(1, pictures.shape[1] // self._shrink)
        return np.stack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures])

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """The share of every frame, ``N`` float."""
        new = [i for i in indices if i not in self._known]
        if new:
            found = edges(self._smaller(self._frames.get(new)), self._height)[:, self._where]
            for index, piece in zip(new, found, strict=True):
                self._known[index] = float((piece * self._own).sum()) / self._energy
        return np.array([self._known[i] for i in indices])


def find_bound(likeness: Likeness, inside: int, step: int, direction: int, count: int) -> tuple[int, int, bool, float]:
    """Look outwards from a frame that shows the overlay for the first that does not.

    Args:
        likeness: How much of the template a frame holds.
        inside: A frame that shows it.
        step: Frames between two looks at small pictures.
        direction: -1 to look for its beginning, 1 for its end.
        count: Frames of the clip.

    Returns:
        The last frame on the way that shows it, frames of its fade, whether one without it was reached, and how much of
        the template that one still holds.
    """
    reach, path, floor = _reach(step), [inside], 1.0
    for patience in range(_PATIENCE):
        path = [f for f in range(inside, inside + direction * reach, direction) if 0 <= f < count]
        share = likeness(path)
        edge = _hard_edge(share)
        if edge is not None:
            return path[edge], 0, True, float(np.median(share[edge + 1 : edge + 4]))
        ended = len(path) < reach
        floor = float(np.median(share[-3:]))
        if floor < 0.75 and (ended or float(np.ptp(share[-4:])) < 0.06 or patience == _PATIENCE - 1):
            return *_ramp(path, share, floor), True, floor
        # What does not fade by now never does; frames beyond these must be read for it alone.
        if ended or (patience >= 2 and floor > 0.9 * float(np.median(share[:_INWARD]))):
            return path[-1], 0, False, floor
        reach += max(step, 8)
    return path[-1], 0, False, floor


def _reach(step: int) -> int:
    """Frames read at first on the way out of an overlay: one step, a fade of usual length, and some without it."""
    return step + 11 + _INWARD


def _hard_edge(share: np.ndarray) -> int | None:
    """The last frame before the overlay is gone at once; None where it is not.

    Even one frame without it tells, at the border of the clip or between two lines at the same place.
    """
    for k in range(1, len(share)):
        after = share[k + 1 : k + 4]
        faint = share[k] - float(np.median(after)) if len(after) else 0.0
        if share[k - 1] > 0.8 and share[k - 1] - share[k] > _AT_ONCE and faint < 0.12:
            return k - 1
    return None


def _ramp(path: list[int], share: np.ndarray, floor: float) -> tuple[int, int]:
    level = (share - floor) / max(1e-6, 1 - floor)
    tail = level[-3:]
    least = max(0.08, min(0.4, 4 * float(np.abs(tail - np.median(tail)).max())))
    shown = int(np.flatnonzero(level > least)[-1]) if (level > least).any() else 0
    full = np.flatnonzero(level[: shown + 1] >= 0.9)
    fade = max(0, shown - int(full[-1])) if full.size else 0
    if fade >= 3:
        # The faint end of a fade drowns in the picture: its line is drawn on to where it meets nothing.
        slope, height = np.polyfit(np.arange(shown - fade + 1, shown + 1), level[shown - fade + 1 : shown + 1], 1)
        zero = -height / slope if slope < 0 else shown + 1.0
        last = int(np.clip(np.ceil(zero - 0.05) - 1, shown, min(shown + 4, len(path) - 1)))
        fade, shown = fade + last - shown, last
    return path[shown], fade


def ends(shown: tuple[int, int], step: int, count: int) -> list[int]:
    """Frames around the first and the last one that show a line, where it may begin and end.

    Args:
        shown: Both, as small pictures have them.
        step: Frames between two looks at those.
        count: Frames of the clip.
    """
    (first, last), reach = shown, _reach(step) + 2 * max(step, 8)
    both = [*range(first - reach, first + _INWARD + 1), *range(last - _INWARD, last + reach + 1)]
    return sorted({*template_frames(first, last + 1), *(i for i in both if 0 <= i < count)})


def look_closely(full: FullFrames, mask: np.ndarray, box: Box, shown: tuple[int, int], step: int) -> Close | None:
    """Look at a line in full size.

    Args:
        full: The clip's pictures.
        mask: ``h w`` bool, its strokes in full size, in the box.
        box: The piece of the picture to look at.
        shown: First and last frame that certainly show it.
        step: Frames between two looks at small pictures.

    Returns:
        What there is; None if it shows nothing there.
    """
    count = len(full.clip)
    frames = Frames(full, box)
    height = line_height(mask)
    first, last = shown
    full.prepare([(box, ends(shown, step, count))])
    pictures = frames.get(template_frames(first, last + 1))
    template = np.median(pictures, 0).astype(np.float32)
    around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    likeness = Likeness(frames, template, around, height)
    if not around.any():
        return None
    # The first look that shows it may lie in its fade: the way out begins some frames farther in.
    inward = min(_INWARD, (last - first) // 2)
    begin, finish = (
        _bound(frames, likeness, (f, direction), step, (count, around))
        for f, direction in ((first + inward, -1), (last - inward, 1))
    )
    return _close(frames, (begin, finish), mask, box)


def _close(frames: Frames, bounds: tuple[Bound, Bound], mask: np.ndarray, box: Box) -> Close:
    begin, finish = bounds
    start, end, height = begin.frame, finish.frame + 1, line_height(mask)
    pictures = frames.get(frames.template(start + begin.fade, max(start + begin.fade + 1, end - finish.fade)))
    template = np.median(pictures, 0).astype(np.float32)
    spread = np.median(np.abs(pictures - template), 0).max(-1)
    return Close(box, start, end, begin, finish, template, spread, region_of(mask, height), mask, height)


def region_of(mask: np.ndarray, height: int) -> np.ndarray:
    """``h w`` bool, where strokes may be, given those that small pictures show and the rows of a line."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * (height // 3) + 1,) * 2, np.uint8)) > 0


def around_it(full: FullFrames, close: Close, pad: int) -> Close | None:
    """The same overlay in a larger piece of the picture; None where there is no more of it."""
    (high, wide), (y0, y1, x0, x1), count = full.clip.size, close.box, len(full.clip)
    box = (max(0, y0 - pad), min(high, y1 + pad), max(0, x0 - pad), min(wide, x1 + pad))
    if box == close.box:
        return None
    mask = np.zeros((box[1] - box[0], box[3] - box[2]), bool)
    mask[y0 - box[0] : y1 - box[0], x0 - box[2] : x1 - box[2]] = close.strokes
    frames = Frames(full, box)
    around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    bounds = [
        _bounded(frames, old.frame, way, old.fade, (count, around))
        if old.seen
        else replace(old, outside=None, change=None)
        for old, way in ((close.begin, -1), (close.finish, 1))
    ]
    return _close(frames, (bounds[0], bounds[1]), mask, box)


def told(full: FullFrames, overlay: Overlay) -> Close | None:
    """Look at an overlay whose time and box are known; None where its box holds no strokes."""
    y0, y1, x0, x1 = overlay.box
    pad = 12
    (high, wide), count = full.clip.size, len(full.clip)
    box = (max(0, y0 - pad), min(high, y1 + pad), max(0, x0 - pad), min(wide, x1 + pad))
    frames = Frames(full, box)
    pictures = frames.get(template_frames(overlay.start, overlay.end))
    found = strokes(np.median(pictures, 0).astype(np.uint8), max(7, (y1 - y0) // 2 | 1)) > 0
    mask = np.zeros_like(found)
    inside = (slice(y0 - box[0], y1 - box[0]), slice(x0 - box[2], x1 - box[2]))
    mask[inside] = found[inside]
    if mask.sum() < 8:
        return None
    around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    bounds = (
        _bounded(frames, overlay.start, -1, overlay.fade_in, (count, around)),
        _bounded(frames, overlay.end - 1, 1, overlay.fade_out, (count, around)),
    )
    return _close(frames, bounds, mask, box)


def line_height(mask: np.ndarray) -> int:
    """Rows (columns, where it runs down) of a typical line in a mask."""
    profile = mask.sum(1)
    if not profile.any():
        return 8
    rows = np.flatnonzero(profile > 0.1 * profile.max())
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    heaviest = max(runs, key=lambda run: int(profile[run].sum()))
    return max(8, min(len(heaviest), int(np.ptp(np.nonzero(mask)[1])) + 1))


def _bound(
    frames: Frames, likeness: Likeness, begun: tuple[int, int], step: int, where: tuple[int, np.ndarray]
) -> Bound:
    inside, direction = begun
    count, _around = where
    frame, fade, seen, _floor = find_bound(likeness, inside, step, direction, count)
    if not seen:
        return Bound(frame, 0, False, False, None)
    return _bounded(frames, frame, direction, fade, where)


def _bounded(frames: Frames, frame: int, direction: int, fade: int, where: tuple[int, np.ndarray]) -> Bound:
    count, around = where
    beyond = frame + direction
    if not 0 <= beyond < count:
        return Bound(frame, 0, False, False, None)
    outside, within = frames.get([beyond, frame - direction * fade])
    # A box behind text changes with it: only what lies well away tells whether the picture stays.
    away = max(4, round(0.6 * line_height(around)))
    grown = cv2.dilate(around.astype(np.uint8), np.ones((2 * away + 1,) * 2, np.uint8)) > 0
    change = np.abs(outside - within).max(-1)
    ring, core = change[~grown], change[around]
    alone = bool(ring.size) and float(np.median(ring)) < 0.35 * float(np.median(core)) and float(np.median(core)) > 15
    return Bound(frame, fade, True, alone, outside, change)
