"""The search: small pictures first, then every line that is worth it in full size; what it is, when, and its pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles import detect_temporal, ocr
from vidinternal.methods.subtitles.boxes import box_behind
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.detect_blocks import ABOUT, Block, blocks, foremost, full_size
from vidinternal.methods.subtitles.detect_frames import FullFrames, Wanted
from vidinternal.methods.subtitles.detect_judge import beside, judge, judge_still, letters, proven, scenic
from vidinternal.methods.subtitles.detect_refine import Close, around_it, ends, look_closely, told
from vidinternal.methods.subtitles.detect_revealed import revealed
from vidinternal.methods.subtitles.detect_scan import Scan, Speed, plan
from vidinternal.methods.subtitles.detect_seen import Seen, on_box, seen
from vidinternal.methods.subtitles.detect_steady import mark_views, steady_cover
from vidinternal.methods.subtitles.detect_still import by_reading
from vidinternal.methods.subtitles.detect_travel import Travel
from vidinternal.methods.subtitles.detect_travel import foremost as foremost_travels
from vidinternal.methods.subtitles.events import Box, Kind, Overlay
from vidinternal.methods.subtitles.glyphs import Glyphs, as_color, glyphs
from vidinternal.methods.subtitles.narrow import Allowed
from vidinternal.methods.subtitles.travel import Traveller

_TOGETHER = 240
"""Looks over which closer looks share one pass through the clip, at most."""
_TRAVELS = 6
"""Bands in which strokes travel that are looked at closely."""
_WORD = 6
"""Letters that a line has at least which nobody reads."""
_DENSE = 0.25
"""Share of a line that edges of letters take."""
_STILL = 16
"""Places of a still picture that are looked at for text that never leaves; they have the most strokes."""


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
    seen = detect_temporal.search(clip, scan, way.speed, way.progress)
    finder = Finder(clip, scan, config, way, seen.cuts)
    began = time.perf_counter()
    # By time, so that pictures are read once; of those at about one time the heaviest first.
    text = sorted(foremost(blocks(seen.held)), key=lambda b: (b.first // ABOUT, -b.weight, b.first, b.box))
    marks = sorted((Block(m.first, m.last, (m,)) for m in seen.steady), key=lambda b: -b.weight)
    still = sorted(blocks(seen.still), key=lambda b: (-b.weight, b.box))[:_STILL]
    still = [*by_reading(clip, scan), *still] if way.reads else still
    for some, look in ((text, finder.text), (marks, finder.mark), (still, finder.still)):
        for batch in finder.batches(some, mark_views if some is marks else None):
            for block in batch:
                look(block)
            way.progress(batch[-1].first / max(1, len(scan.indices)), "looking closely")
    for travel in foremost_travels(seen.travels, _TRAVELS):
        finder.travelling(travel)
    finder.drop_revealed()
    way.speed.closely += time.perf_counter() - began
    return finder.kept


class Finder:
    """Looks at blocks in full size and keeps those that are overlays.

    Args:
        clip: The clip.
        scan: How it was looked at before.
        config: Settings.
        way: How it is searched.
        cuts: Looks at which the whole picture changed.
    """

    def __init__(self, clip: ClipView, scan: Scan, config: Config, way: Way, cuts: Sequence[int] = ()) -> None:
        self._clip, self._scan, self._config, self._way = clip, scan, config, way
        self._full = FullFrames(clip)
        self._step = scan.gap
        self._cuts = [(scan.indices[look - 1], scan.indices[look]) for look in cuts]
        self._number = 0
        self._traveller = Traveller(self._full, scan.scale, scan.indices, config.grow)
        self._looks: dict[str, tuple[Close, Glyphs]] = {}
        self.kept: list[Seen] = []

    def batches(
        self, found: Sequence[Block], extra: Callable[[tuple[int, int]], list[int]] | None = None
    ) -> Iterator[list[Block]]:
        """The blocks, some at a time, for which all pictures have been read in one pass.

        Args:
            found: The blocks.
            extra: Tells the frames that are looked at of a block, given the first and the last one that show it; by
                default those that tell its bounds.
        """
        batch: list[Block] = []
        wanted: list[Wanted] = []
        size = 0
        for block in found:
            piece = self._piece(block)
            if piece is None:
                continue
            shown, _, box = piece
            frames = extra(shown) if extra else ends(shown, self._step, len(self._clip))
            more = 3 * len(frames) * (box[1] - box[0]) * (box[3] - box[2])
            if batch and (size + more > self._full.most // 2 or block.first - batch[0].first > _TOGETHER):
                self._full.prepare(wanted)
                yield batch
                batch, wanted, size = [], [], 0
            batch.append(block)
            wanted.append((box, frames))
            size += more
        if batch:
            self._full.prepare(wanted)
            yield batch

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
        verdict = judge(close, look, any(close.start <= a and b < close.end for a, b in self._cuts), self._clip.size)
        if verdict.score == 0:
            return
        said = self._read(close, look)
        unread = self._config.detector == "ocr" or verdict.score < 1 or (letters(look) < 6 and not proven(close, look))
        # What is in doubt needs someone who reads.
        if (said == "" and unread) or (said is None and verdict.score < 0.75):
            return
        name = self._keep(close, look, verdict.score, said=said)
        self._looks[name] = (close, look)
        self._box(close, look, verdict.score, name)

    def drop_revealed(self) -> None:
        """Drop parts of the scene that came to light between texts; what is read is a text."""
        for item in list(self.kept):
            own = item.overlay
            if own.id not in self._looks or own.text:
                continue
            close, look = self._looks[own.id]
            others = [k.overlay for k in self.kept if k.overlay.id != own.id and own.id not in k.overlay.behind]
            hidden = revealed(self._full, close, look, others)
            # Where no frame without any text tells, looks must.
            if hidden or (hidden is None and scenic(close, look)):
                self.kept = [k for k in self.kept if k is not item and own.id not in k.overlay.behind]

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
                self.kept[-2] = on_box(self._full, self.kept[-1].overlay, self.kept[-2], self._config)
                return

    def still(self, block: Block) -> None:
        """Look at lines that are always there, over a picture that does not move."""
        close, look = self._closely(block)
        if close is None or look is None:
            return
        said = self._read(close, look)
        verdict = judge_still(close, look, self._clip.size, None if said is None else bool(said))
        if verdict.score > 0:
            if _is_logo(seen(close, look, verdict.score, "").overlay, self._clip):
                look = glyphs(close, self._config.grow, thin=True) or look
            self._keep(close, look, verdict.score, said=said)

    def _read(self, close: Close, look: Glyphs) -> str | None:
        """What it says; empty where there is nothing to read, None where nobody reads."""
        if not self._way.reads:
            return None
        lines = ocr.read(np.clip(close.template, 0, 255).astype(np.uint8), close.height)
        own = [r for r in lines if (look.cover[r.box[0] : r.box[1], r.box[2] : r.box[3]] > 0).any()]
        return "\n".join(r.text for r in own)

    def mark(self, block: Block) -> None:
        """Look at a shape whose edges alone hold."""
        piece = self._piece(block)
        if piece is None:
            return
        shown, mask, box = piece
        cover = steady_cover(self._full, (box, mask), mark_views(shown), self._config.grow)
        if cover is None:
            return
        close = look_closely(self._full, mask, box, shown, self._step)
        if close is None or beside(close):
            return
        inside = cover > 1
        color = as_color(np.percentile(close.template[inside], 75, axis=0))
        look = Glyphs(cover, inside, color, None, (0, 0, 0, 0), 0.0, 0.0)
        said = self._read(close, look)
        item = seen(close, look, 0.7, "").overlay
        # A shape that cannot be read is only one where they are: in a corner, or in the middle of the lower or upper
        # part as captions are, from the first frame to the last.
        dense = block.weight > _DENSE * (block.box[1] - block.box[0]) * (block.box[3] - block.box[2])
        placed = _is_logo(item, self._clip) or (said is None and dense and _is_caption(item, self._clip))
        if said or (close.end - close.start == len(self._clip) and placed):
            self._keep(close, look, 0.7, said=said)

    def travelling(self, travel: Travel) -> None:
        """Look at a band in which strokes travel."""
        indices = self._scan.indices
        own = tuple(round(v * self._scan.scale) for v in travel.box)
        shown = indices[travel.first], indices[travel.last]
        if not self._way.allowed((own[0], own[1], own[2], own[3]), shown[0], shown[1] + 1):
            return
        lines = [(f, self._read(f.close, f.look)) for f in self._traveller.lines(travel)]
        # Of lines that travel together one is enough to tell: short ones, and scripts that cannot be read, go with it.
        if not any(said if said is not None else letters(f.look) >= _WORD for f, said in lines):
            return
        for found, said in lines:
            if not _travels(self.kept, found.overlay):
                self._keep(found.close, found.look, 0.8, said=said, travels=found.overlay)

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
        travels: Overlay | None = None,
    ) -> str:
        self._number += 1
        item = seen(close, look, score, f"t{self._number}")
        if travels is not None:
            item = Seen(replace(travels, id=item.overlay.id), item.cover)
            kind = "text"
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


def _is_caption(overlay: Overlay, clip: ClipView) -> bool:
    """Whether it lies where captions do, and is as long for its height."""
    (height, width), (y0, y1, x0, x1) = clip.size, overlay.box
    across, down = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height
    return abs(across - 0.5) < 0.1 and min(down, 1 - down) < 0.3 and x1 - x0 > 3 * (y1 - y0)


def as_told(clip: ClipView, overlays: Sequence[Overlay], config: Config) -> list[Seen]:
    """Overlays whose time and box a person has told: only their pixels are looked for."""
    full = FullFrames(clip)
    seen = [Seen(o, told_cover(full, o, config)) for o in overlays]
    boxes = [o for o in overlays if o.kind == "box"]

    def alone(item: Seen) -> Seen:
        behind = next((b for b in boxes if item.overlay.id in b.behind), None)
        return item if behind is None else on_box(full, behind, item, config)

    return [alone(item) for item in seen]


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


def _travels(kept: Sequence[Seen], overlay: Overlay) -> bool:
    """Whether a line that travels is known already: strips of one band overlap, and so do bands."""
    for item in kept:
        o = item.overlay
        first, last = max(o.start, overlay.start), min(o.end, overlay.end) - 1
        if first > last:
            continue
        (y0, y1, x0, x1), (a0, a1, b0, b1) = o.box_at((first + last) // 2), overlay.box_at((first + last) // 2)
        shared = max(0, min(y1, a1) - max(y0, a0)) * max(0, min(x1, b1) - max(x0, b0))
        if shared > 0.5 * min((y1 - y0) * (x1 - x0), (a1 - a0) * (b1 - b0)):
            return True
    return False


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
