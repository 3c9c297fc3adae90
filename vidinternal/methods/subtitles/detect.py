"""The search: small pictures first, then every line that is worth it in full size; what it is, when, and its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles import detect_temporal, ocr
from vidinternal.methods.subtitles.boxes import box_behind
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.detect_judge import beside, judge, judge_still, letters, proven
from vidinternal.methods.subtitles.detect_lines import Line
from vidinternal.methods.subtitles.detect_refine import Close, FullFrames, around_it, look_closely, told
from vidinternal.methods.subtitles.detect_scan import Scan, Speed, plan
from vidinternal.methods.subtitles.detect_steady import steady_cover
from vidinternal.methods.subtitles.events import Box, Kind, Overlay, placed
from vidinternal.methods.subtitles.glyphs import Glyphs, as_color, glyphs
from vidinternal.methods.subtitles.narrow import Allowed

_STILL = 16
"""Places of a still picture that are looked at for text that never leaves; they have the most strokes."""


@dataclass(frozen=True)
class Seen:
    """An overlay and its cover."""

    overlay: Overlay
    cover: np.ndarray


@dataclass(frozen=True)
class Block:
    """Lines that belong together: rows of one subtitle.

    Attributes:
        first: First look that shows them.
        last: Last look that does.
        lines: The lines.
    """

    first: int
    last: int
    lines: tuple[Line, ...]

    @property
    def box(self) -> Box:
        """Around all of them, in pixels of the small pictures."""
        boxes = np.array([line.box for line in self.lines])
        low, high = boxes.min(0), boxes.max(0)
        return int(low[0]), int(high[1]), int(low[2]), int(high[3])

    @property
    def height(self) -> int:
        """Rows of a typical line."""
        return round(float(np.median([min(m.box[1] - m.box[0], m.box[3] - m.box[2]) for m in self.lines])))

    @property
    def weight(self) -> int:
        """Pixels of strokes."""
        return sum(int(line.mask.sum()) for line in self.lines)


def blocks(found: Sequence[Line]) -> list[Block]:
    """Lines joined that came and went within a look of each other, side by side or below each other."""
    owner = list(range(len(found)))

    def root(i: int) -> int:
        while owner[i] != i:
            i = owner[i]
        return i

    order = sorted(range(len(found)), key=lambda i: found[i].first)
    for at, i in enumerate(order):
        for j in order[at + 1 :]:
            if found[j].first - found[i].first > 1:
                break
            if abs(found[j].last - found[i].last) <= 1 and _neighbours(found[i].box, found[j].box):
                owner[root(j)] = root(i)
    groups: dict[int, list[Line]] = {}
    for i, line in enumerate(found):
        groups.setdefault(root(i), []).append(line)
    return [_block(group) for group in groups.values()]


def _block(group: list[Line]) -> Block:
    heaviest = max(group, key=lambda line: int(line.mask.sum()))
    return Block(heaviest.first, heaviest.last, tuple(group))


def _neighbours(a: Box, b: Box) -> bool:
    high = min(a[1] - a[0], b[1] - b[0])
    gap_y, gap_x = max(a[0], b[0]) - min(a[1], b[1]), max(a[2], b[2]) - min(a[3], b[3])
    below = gap_x < 0 and gap_y < 1.2 * high
    beside = gap_y < -0.4 * high and gap_x < 2.5 * high
    return below or beside


def full_size(block: Block, scan: Scan, size: tuple[int, int]) -> tuple[np.ndarray, Box]:
    """The strokes of a block in the full picture, ``h w`` bool, and the piece of the picture to look at."""
    y0, y1, x0, x1 = (round(v * scan.scale) for v in block.box)
    pad = max(10, round(1.3 * block.height * scan.scale))
    box = (max(0, y0 - pad), min(size[0], y1 + pad), max(0, x0 - pad), min(size[1], x1 + pad))
    canvas = np.zeros((box[1] - box[0], box[3] - box[2]), bool)
    for line in block.lines:
        a0, a1, b0, b1 = (round(v * scan.scale) for v in line.box)
        up = cv2.resize(line.mask.astype(np.uint8) * 255, (b1 - b0, a1 - a0), interpolation=cv2.INTER_LINEAR) > 110
        place = placed((a0 - box[0], a1 - box[0], b0 - box[2], b1 - box[2]), canvas.shape)
        if place is not None:
            canvas[place[0]] |= up[place[1]]
    return canvas, box


@dataclass(frozen=True)
class Way:
    """How a search goes about it.

    Attributes:
        reads: Whether text is read.
        allowed: Where overlays may be.
        speed: Where the time it takes is told.
        progress: Tells how far it is.
    """

    reads: bool
    allowed: Allowed
    speed: Speed
    progress: Progress = no_progress


def search(clip: ClipView, config: Config, way: Way) -> list[Seen]:
    """Everything in the clip that is an overlay."""
    scan = plan(clip, config)
    held, steady, still = detect_temporal.search(clip, scan, way.speed, way.progress)
    finder = Finder(clip, scan, config, way)
    # By time, so that pictures are read once; of those at about one time the heaviest first.
    for block in sorted(blocks(held), key=lambda b: (b.first // 16, -b.weight, b.first, b.box)):
        finder.text(block)
    for line in sorted(steady, key=lambda m: -int(m.mask.sum())):
        finder.mark(line)
    for block in sorted(blocks(still), key=lambda b: (-b.weight, b.box))[:_STILL]:
        finder.still(block)
    return finder.kept


class Finder:
    """Looks at blocks in full size and keeps those that are overlays.

    Args:
        clip: The clip.
        scan: How it was looked at before.
        config: Settings.
        way: How it is searched.
    """

    def __init__(self, clip: ClipView, scan: Scan, config: Config, way: Way) -> None:
        self._clip, self._scan, self._config, self._way = clip, scan, config, way
        self._full = FullFrames(clip)
        self._step = scan.indices[1] - scan.indices[0] if len(scan.indices) > 1 else 1
        self._cuts = [shot.start for shot in clip.shots()][1:]
        self._number = 0
        self.kept: list[Seen] = []

    def _closely(self, block: Block) -> tuple[Close | None, Glyphs | None]:
        """The block at full size, and its glyphs; None where there is nothing to see."""
        piece = self._piece(block)
        if piece is None:
            return None, None
        shown, mask, box = piece
        close = look_closely(self._full, mask, box, shown, self._step)
        return close, None if close is None else glyphs(close, self._config.grow)

    def text(self, block: Block) -> None:
        """Look at lines that hold their colour."""
        close, look = self._closely(block)
        if close is None or look is None:
            return
        verdict = judge(close, look, any(close.start < cut < close.end for cut in self._cuts), self._clip.size)
        if verdict.score == 0:
            return
        said = self._read(close, look)
        unread = self._config.detector == "ocr" or verdict.score < 1 or (letters(look) < 6 and not proven(close, look))
        # What is in doubt needs someone who reads.
        if (said == "" and unread) or (said is None and verdict.score < 0.75):
            return
        name = self._keep(close, look, verdict.score, said=said)
        self._box(close, look, verdict.score, name)

    def _box(self, close: Close, look: Glyphs, score: float, name: str) -> None:
        """Look for an even shape behind text, in ever larger pieces of the picture."""
        for pad in (0, 2, 5):
            wider = close if pad == 0 else around_it(self._full, close, pad * close.height)
            if wider is None:
                return
            inside = np.zeros(wider.strokes.shape, np.uint8)
            top, left = close.box[0] - wider.box[0], close.box[2] - wider.box[2]
            inside[top : top + look.cover.shape[0], left : left + look.cover.shape[1]] = look.cover
            own = np.zeros_like(wider.strokes)
            own[top : top + look.cover.shape[0], left : left + look.cover.shape[1]] = look.strokes
            behind = box_behind(wider, replace(look, cover=inside, strokes=own))
            if behind is not None:
                cover = np.zeros_like(inside)
                cover[behind[0] : behind[1], behind[2] : behind[3]] = 128
                color = np.median(wider.template[(cover > 0) & (inside == 0)], 0)
                plain = replace(look, cover=cover, fill=as_color(color), outline=None)
                self._keep(wider, plain, score, "box", behind=(name,))
                return

    def still(self, block: Block) -> None:
        """Look at lines that are always there, over a picture that does not move."""
        close, look = self._closely(block)
        if close is None or look is None:
            return
        said = self._read(close, look)
        verdict = judge_still(close, look, self._clip.size, None if said is None else bool(said))
        if verdict.score > 0:
            self._keep(close, look, verdict.score, said=said)

    def _read(self, close: Close, look: Glyphs) -> str | None:
        """What it says; empty where there is nothing to read, None where nobody reads."""
        if not self._way.reads:
            return None
        lines = ocr.read(np.clip(close.template, 0, 255).astype(np.uint8), close.height)
        own = [r for r in lines if (look.cover[r.box[0] : r.box[1], r.box[2] : r.box[3]] > 0).any()]
        return "\n".join(r.text for r in own)

    def mark(self, line: Line) -> None:
        """Look at a shape whose edges alone hold."""
        piece = self._piece(Block(line.first, line.last, (line,)))
        if piece is None:
            return
        shown, mask, box = piece
        close = look_closely(self._full, mask, box, shown, self._step)
        cover = None if close is None else steady_cover(self._full, close, self._config.grow)
        if close is None or cover is None or beside(close):
            return
        inside = cover > 1
        color = as_color(np.percentile(close.template[inside], 75, axis=0))
        look = Glyphs(cover, inside, color, None, (0, 0, 0, 0), 0.0, 0.0)
        said = self._read(close, look)
        # A shape that cannot be read is only a mark where marks are: in a corner, from the first frame to the last.
        if said or (
            close.end - close.start == len(self._clip) and _is_logo(seen(close, look, 0.7, "").overlay, self._clip)
        ):
            self._keep(close, look, 0.7, said=said)

    def _piece(self, block: Block) -> tuple[tuple[int, int], np.ndarray, Box] | None:
        indices = self._scan.indices
        shown = indices[block.first], indices[min(block.last, len(indices) - 1)]
        mask, box = full_size(block, self._scan, self._clip.size)
        own = tuple(round(v * self._scan.scale) for v in block.box)
        if not self._way.allowed((own[0], own[1], own[2], own[3]), shown[0], shown[1] + 1):
            return None
        return None if _known(self.kept, shown, box, mask) else (shown, mask, box)

    def _keep(
        self,
        close: Close,
        look: Glyphs,
        score: float,
        kind: Kind | None = None,
        *,
        behind: tuple[str, ...] = (),
        said: str | None = None,
    ) -> str:
        self._number += 1
        item = seen(close, look, score, f"t{self._number}")
        kind = kind or ("logo" if _is_logo(item.overlay, self._clip) else "text")
        spoken = {"text": said, "language": ocr.language(said)} if said else {}
        told_more = replace(item.overlay, kind=kind, behind=behind, **spoken)
        self.kept.append(Seen(told_more, item.cover))
        return item.overlay.id


def _is_logo(overlay: Overlay, clip: ClipView) -> bool:
    """Whether it stays in a corner for most of the clip."""
    (height, width), (y0, y1, x0, x1) = clip.size, overlay.box
    across, down = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height
    corner = min(across, 1 - across) < 0.3 and min(down, 1 - down) < 0.3 and x1 - x0 < 0.4 * width
    return corner and overlay.end - overlay.start >= 0.8 * len(clip)


def as_told(clip: ClipView, overlays: Sequence[Overlay], config: Config) -> list[Seen]:
    """Overlays whose time and box a person has told: only their pixels are looked for."""
    full = FullFrames(clip)
    return [Seen(o, told_cover(full, o, config)) for o in overlays]


def told_cover(full: FullFrames, overlay: Overlay, config: Config) -> np.ndarray:
    """The cover of an overlay whose time and box are known; all of its box where no strokes are found in it."""
    y0, y1, x0, x1 = overlay.box
    whole = np.full((y1 - y0, x1 - x0), 255, np.uint8)
    if overlay.kind == "box" or overlay.moves:
        return whole
    close = told(full, overlay)
    look = None if close is None else glyphs(close, config.grow)
    if close is None or look is None:
        return whole
    top, left = y0 - close.box[0], x0 - close.box[2]
    cover = look.cover[top : top + y1 - y0, left : left + x1 - x0]
    return np.ascontiguousarray(cover) if cover.any() else whole


def seen(close: Close, look: Glyphs, score: float, name: str) -> Seen:
    """The overlay, cropped to its cover."""
    rows, cols = np.flatnonzero(look.cover.any(1)), np.flatnonzero(look.cover.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    y0, _, x0, _ = close.box
    overlay = Overlay(
        id=name,
        kind="text",
        start=close.start,
        end=close.end,
        box=(y0 + top, y0 + bottom, x0 + left, x0 + right),
        fade_in=close.begin.fade,
        fade_out=close.finish.fade,
        fill=look.fill,
        outline=look.outline,
        score=score,
    )
    return Seen(overlay, np.ascontiguousarray(look.cover[top:bottom, left:right]))


def _known(kept: Sequence[Seen], shown: tuple[int, int], box: Box, mask: np.ndarray) -> bool:
    """Whether most of a block lies on an overlay that is known already."""
    total = int(mask.sum())
    for item in kept:
        o = item.overlay
        together = min(o.end, shown[1] + 1) - max(o.start, shown[0])
        if together < 0.6 * min(o.end - o.start, shown[1] + 1 - shown[0]):
            continue
        y0, y1, x0, x1 = o.box
        inside = mask[max(0, y0 - box[0]) : max(0, y1 - box[0]), max(0, x0 - box[2]) : max(0, x1 - box[2])]
        if total and inside.sum() > 0.5 * total:
            return True
    return False
