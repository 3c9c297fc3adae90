"""Text that travels, in full: its strip, put together from frames moved back by its own motion, and its lines in it.

In the strip the text stands still, and everything of :mod:`glyphs` and :mod:`detect_judge` applies to it. A camera that
pans makes strips, too; there the picture around the strokes stands still with them and is not even.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_frames import FullFrames, spread_out
from vidinternal.methods.subtitles.detect_judge import letters, shape
from vidinternal.methods.subtitles.detect_lines import shaped
from vidinternal.methods.subtitles.detect_refine import Bound, Close, line_height, region_of
from vidinternal.methods.subtitles.detect_scan import light_and_dark
from vidinternal.methods.subtitles.detect_travel import Travel
from vidinternal.methods.subtitles.events import Box, Overlay
from vidinternal.methods.subtitles.glyphs import Glyphs, glyphs

_SAMPLES = 18
"""Views of every place of a strip that lies in the picture from one border to the other."""
_FEWEST = 3
_FARTHER = 24
"""Steps that are gone beyond either end of what the small pictures saw, at most."""
_STAYS = 12.0
"""Change of a pixel, 0 to 255, below which it does not travel."""
_WHOLE = 0.02
"""How far from a whole number a speed may be whose every step is that number."""
_TICKER = 0.6
"""Most of the picture's rows that a band takes along which text moves, with the room around it."""
_LETTERS = 3
_SHOWN = 0.8
"""Share of its edges that most frames have at least of a line that moves as was found."""
_NOWHERE = Bound(0, 0, False, False, None)


@dataclass(frozen=True)
class Found:
    """A line that travels.

    Attributes:
        overlay: When and where, without a name.
        look: Its pixels.
        close: It, standing still.
    """

    overlay: Overlay
    look: Glyphs
    close: Close


@dataclass(frozen=True)
class _Strip:
    """The pictures of a band, moved back.

    Attributes:
        template: ``h w 3`` float32, their median.
        spread: ``h w`` float32, how far they stray from it; large where too few show the place.
        origin: Row and column, in frame ``zero``, of the strip's first pixel.
        zero: The frame at which it lies there.
    """

    template: np.ndarray
    spread: np.ndarray
    origin: tuple[int, int]
    zero: int


class Traveller:
    """Looks closely at bands in which strokes travel.

    Args:
        full: The clip's pictures.
        scale: Rows of the picture for a row of a small one.
        indices: Frames of the looks.
        grow: Pixels added around what an overlay touches.
    """

    def __init__(self, full: FullFrames, scale: float, indices: Sequence[int], grow: int) -> None:
        self._full, self._scale, self._indices, self._grow = full, scale, indices, grow
        self._size = full.clip.size

    def lines(self, travel: Travel) -> Iterator[Found]:
        """The lines of text that travel in a band."""
        box = self._box(travel)
        if travel.across and box[1] - box[0] > _TICKER * self._size[0]:
            return  # a camera that pans
        first, last = self._indices[travel.first], self._indices[travel.last]
        speed = self._speed(box, (first, last), travel)
        length = self._size[1] if travel.across else self._size[0]
        first, last = self._longer(box, (first, last), speed, across=travel.across)
        if abs(speed) * (last - first) < 0.1 * length and abs(speed) * (last - first) < 40:
            return
        # One strip for every two pictures' length of text: a film's credits are long.
        most = max(2, round(2 * length / abs(speed)))
        for start in range(first, last + 1, most):
            strip = self._strip(box, (start, min(last, start + most)), speed, across=travel.across)
            if strip is not None:
                for found in self._in_strip(strip, speed, across=travel.across):
                    bounded = self._bounded(found, (first, last))
                    if bounded is not None:
                        yield bounded

    def _box(self, travel: Travel) -> Box:
        """The band in full size, with room for letters that reach beyond it."""
        y0, y1, x0, x1 = (round(v * self._scale) for v in travel.box)
        high, wide = self._size
        if travel.across:
            pad = (y1 - y0) // 2
            return max(0, y0 - pad), min(high, y1 + pad), 0, wide
        pad = (x1 - x0) // 2
        return 0, high, max(0, x0 - pad), min(wide, x1 + pad)

    def _speed(self, box: Box, shown: tuple[int, int], travel: Travel) -> float:
        """Pixels a frame, from pairs of frames as far apart as the same text can be seen in both."""
        first, last = shown
        rough = travel.speed * self._scale
        length = self._size[1] if travel.across else self._size[0]
        apart = max(1, min(last - first, round(0.5 * length / abs(rough))))
        starts = sorted({int(v) for v in np.linspace(first, last - apart, 5).round()})
        gaps = sorted({max(1, apart // 8), max(1, apart // 3), apart})
        off = 0.3 * abs(rough)
        for gap in gaps:
            self._full.prepare([(box, sorted({*starts, *(t + gap for t in starts)}))])
            found = [self._pair(box, (t, t + gap), (rough, off), across=travel.across) for t in starts]
            speeds = [s for s in found if s is not None]
            if speeds:
                rough, off = float(np.median(speeds)), 1.0 / gap
        return rough

    def _longer(self, box: Box, shown: tuple[int, int], speed: float, *, across: bool) -> tuple[int, int]:
        """First and last frame, farther out where the band travels on: what has just come in is hardly a profile."""
        first, last = shown
        gap = max(2, min(12, round(16 / abs(speed))))

        def goes_on(frames: tuple[int, int]) -> bool:
            found = self._pair(box, frames, (speed, 1.0 / gap), across=across)
            return found is not None and abs(found - speed) <= 0.5 / gap

        for _ in range(_FARTHER):
            if first - gap < 0 or not goes_on((first - gap, first)):
                break
            first -= gap
        for _ in range(_FARTHER):
            if last + gap >= len(self._full.clip) or not goes_on((last, last + gap)):
                break
            last += gap
        return first, last

    def _pair(self, box: Box, frames: tuple[int, int], about: tuple[float, float], *, across: bool) -> float | None:
        """The speed between two frames, given about what it is and by how much that may be off."""
        pictures = self._full.get(list(frames), box)
        stays = np.abs(pictures[0] - pictures[1]).max(-1) < _STAYS
        before, after = (_edges(p, stays, across=across) for p in pictures)
        gap = frames[1] - frames[0]
        guess, reach = about[0] * gap, 2.0 + about[1] * gap
        best, most = None, 0.35
        shifts = range(int(np.floor(guess - reach)), int(np.ceil(guess + reach)) + 1)
        scores = {shift: _likeness(before, after, shift) for shift in shifts}
        for shift in shifts:
            if scores[shift] > most:
                best, most = shift, scores[shift]
        if best is None or best - 1 not in scores or best + 1 not in scores:
            return None
        left, right = scores[best - 1], scores[best + 1]
        bend = left - 2 * most + right
        return (best + (0.5 * (left - right) / bend if bend < 0 else 0.0)) / gap

    def _strip(self, box: Box, shown: tuple[int, int], speed: float, *, across: bool) -> _Strip | None:
        """The band's pictures from ``shown[0]`` to ``shown[1]``, moved back to where they were in the first."""
        first, last = shown
        y0, y1, x0, x1 = box
        length = x1 - x0 if across else y1 - y0
        every = max(1, min(round(length / abs(speed) / _SAMPLES), (last - first) // _FEWEST))
        # What comes in or goes out at the ends is seen by few frames.
        ends = {*range(first, min(last, first + _FEWEST)), *range(max(first, last - _FEWEST), last + 1)}
        frames = sorted({*range(first, last + 1, every), *ends})
        if len(frames) < _FEWEST:
            return None
        moved = [int(np.floor(speed * (t - first) + 0.5)) for t in frames]
        low, high = -max(moved), -min(moved)
        pictures = self._full.get(frames, box)
        if not across:
            pictures = pictures.transpose(0, 2, 1, 3)
        template = np.zeros((pictures.shape[1], length + high - low, 3), np.float32)
        spread = np.full(template.shape[:2], 255.0, np.float32)
        # Where the same frames show a place, the median is theirs.
        edges = sorted({edge for shift in moved for edge in (-shift - low, -shift - low + length)})
        for a, b in pairwise(edges):
            shows = [k for k, shift in enumerate(moved) if -shift - low <= a and b <= -shift - low + length]
            if len(shows) < _FEWEST:
                continue
            views = np.stack([pictures[k][:, a + moved[k] + low : b + moved[k] + low] for k in shows])
            template[:, a:b] = np.median(views, 0)
            spread[:, a:b] = np.median(np.abs(views - template[:, a:b]), 0).max(-1)
        if not across:
            template, spread = (np.ascontiguousarray(np.swapaxes(a, 0, 1)) for a in (template, spread))
        origin = (y0, x0 + low) if across else (y0 + low, x0)
        return _Strip(template, spread, origin, first)

    def _in_strip(self, strip: _Strip, speed: float, *, across: bool) -> Iterator[Found]:
        """What looks like lines of text in a strip, and neither like a scene that a camera passes by."""
        steady = (strip.spread <= 10.0).astype(np.uint8)
        # Light letters or dark ones: with the gaps between them they were bars.
        both = light_and_dark(np.clip(strip.template, 0, 255).astype(np.uint8), _widest(self._size[0]))
        drawn = max((steady & d for d in both), key=lambda d: int(d.sum()))
        for box, own in shaped(drawn.copy(), self._size[0]):
            height = line_height(own)
            pad = max(8, round(1.3 * height))
            y0, x0 = max(0, box[0] - pad), max(0, box[2] - pad)
            y1, x1 = min(drawn.shape[0], box[1] + pad), min(drawn.shape[1], box[3] + pad)
            mask = np.zeros((y1 - y0, x1 - x0), bool)
            mask[box[0] - y0 : box[1] - y0, box[2] - x0 : box[3] - x0] = own
            close = Close(
                box=(strip.origin[0] + y0, strip.origin[0] + y1, strip.origin[1] + x0, strip.origin[1] + x1),
                start=strip.zero,
                end=strip.zero + 1,
                begin=_NOWHERE,
                finish=_NOWHERE,
                template=strip.template[y0:y1, x0:x1],
                spread=strip.spread[y0:y1, x0:x1],
                region=region_of(mask, height),
                strokes=mask,
                height=height,
            )
            look = glyphs(close, self._grow)
            if look is None or letters(look) < _LETTERS or shape(close, look):
                continue
            if not _apart(close, region_of(drawn[y0:y1, x0:x1] > 0, height)):
                continue
            if abs(speed - round(speed)) > _WHOLE:
                side = np.ones((1, 3) if across else (3, 1), np.uint8)
                look = replace(look, cover=np.maximum(look.cover, cv2.dilate(look.cover, side) // 2))
            rows, cols = np.flatnonzero(look.cover.any(1)), np.flatnonzero(look.cover.any(0))
            top, left = close.box[0], close.box[2]
            motion = (0.0, speed) if across else (speed, 0.0)
            overlay = Overlay(
                id="",
                kind="text",
                start=strip.zero,
                end=strip.zero + 1,
                box=(top + int(rows[0]), top + int(rows[-1]) + 1, left + int(cols[0]), left + int(cols[-1]) + 1),
                motion=motion,
                fill=look.fill,
                outline=look.outline,
                score=0.8,
            )
            yield Found(overlay, look, close)

    def _bounded(self, found: Found, shown: tuple[int, int]) -> Found | None:
        """The frames that show a line: while it is in the picture, as far as it is really there."""
        overlay, count = found.overlay, len(self._full.clip)
        axis = 0 if overlay.motion[0] else 1
        speed, length = overlay.motion[axis], self._size[axis]
        low, high = overlay.box[2 * axis], overlay.box[2 * axis + 1]
        enters, leaves = sorted((-high / speed, (length - low) / speed))
        begin = max(0, overlay.start + int(np.ceil(enters)))
        end = min(count, overlay.start + int(np.floor(leaves)) + 1)
        inside = range(max(begin, shown[0]), min(end, shown[1] + 1))
        if not inside:
            return None
        # At another speed than its own a strip has letters, too: where they happen to repeat.
        views = [v for v in (self._share(found, t) for t in spread_out(inside.start, inside.stop, 9)) if v is not None]
        if len(views) < 3 or float(np.percentile(views, 30)) < _SHOWN:
            return None
        start, stop = inside[0], inside[-1] + 1
        while start > begin and (self._share(found, start - 1) or 1.0) > 0.5:
            start -= 1
        while stop < end and (self._share(found, stop) or 1.0) > 0.5:
            stop += 1
        if stop - start < 2:
            return None
        dy, dx = overlay.offset(start)
        y0, y1, x0, x1 = overlay.box
        placed = replace(overlay, start=start, end=stop, box=(y0 + dy, y1 + dy, x0 + dx, x1 + dx))
        return replace(found, overlay=placed)

    def _share(self, found: Found, frame: int) -> float | None:
        """How much of the edges of the part of a line that lies in the picture a frame has; None where that is tiny."""
        dy, dx = found.overlay.offset(frame)
        y0, y1, x0, x1 = found.close.box
        top, bottom, left, right = y0 + dy, y1 + dy, x0 + dx, x1 + dx
        inside = max(0, top), min(self._size[0], bottom), max(0, left), min(self._size[1], right)
        if inside[1] - inside[0] < 4 or inside[3] - inside[2] < 4:
            return None
        part = (slice(inside[0] - top, inside[1] - top), slice(inside[2] - left, inside[3] - left))
        own = found.look.cover[part] > 0
        if own.sum() < 24:
            return None
        seen = self._full.get([frame], inside)[0]
        side = max(5, found.close.height // 2) | 1
        ours, theirs = (p - cv2.blur(p, (side, side)) for p in (found.close.template[part], seen))
        energy = float((ours[own] ** 2).sum()) or 1.0
        # Of a speed that is no whole number the player, too, has to round.
        axis = 0 if found.overlay.motion[0] else 1
        moved = (np.roll(ours, by, axis)[own] for by in (-1, 0, 1))
        return max(1e-3, max(float((m * theirs[own]).sum()) for m in moved) / energy)


def _widest(height: int) -> int:
    return max(7, round(height / 32) | 1)


def _edges(picture: np.ndarray, stays: np.ndarray, *, across: bool) -> np.ndarray:
    """What stands out along the way of travel and does not stay where it is, that way along the rows."""
    gray = picture.mean(-1)
    gray, still = (gray, stays) if across else (gray.T, stays.T)
    return np.where(still, 0.0, gray - cv2.blur(np.ascontiguousarray(gray), (25, 1))).astype(np.float32)


def _likeness(before: np.ndarray, after: np.ndarray, shift: int) -> float:
    """Correlation of what two pictures share when the first is moved on by ``shift`` columns."""
    wide = before.shape[1]
    if abs(shift) > wide - 16:
        return 0.0
    back, on = max(0, -shift), max(0, shift)
    a, b = before[:, back : wide - on], after[:, on : wide - back]
    energy = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    return float((a * b).sum()) / energy if energy > 1e-3 else 0.0


def _apart(close: Close, text: np.ndarray) -> bool:
    """Whether the ground of a line does not travel with it as a picture: it moves otherwise, or is even.

    Other lines, ``text`` being where theirs and its own strokes may be, ``h w`` bool, are no ground.
    """
    touched = cv2.dilate((close.region | text).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ground = ~touched & (close.spread < 255.0)
    if ground.sum() < 40:
        return False
    own = float(np.median(close.spread[close.strokes]))
    if float(np.percentile(close.spread[ground], 40)) > max(5.0, 3.0 * own):
        return True
    colors = close.template[ground]
    return float(np.abs(colors - np.median(colors, 0)).max(-1).mean()) < 6.0
