"""Pieces of full-size pictures: neighbouring lines ask for the same frames, and each is decoded once for them all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from vidinternal.core.finding import ClipView
from vidinternal.methods.subtitles.events import Box

Wanted = tuple[Box, Sequence[int]]
"""A piece of the picture and the frames that are looked at there."""


class FullFrames:
    """Pieces of full-size pictures, the latest ones kept.

    Args:
        clip: The clip.
        most: Bytes to keep.
    """

    def __init__(self, clip: ClipView, most: int = 1 << 28) -> None:
        self.clip, self.most = clip, most
        self._kept: OrderedDict[Box, dict[int, np.ndarray]] = OrderedDict()
        self._bytes = 0
        self._owner: dict[Box, Box] = {}

    def prepare(self, wanted: Iterable[Wanted]) -> None:
        """Read what will be asked for, in one pass through the clip."""
        frames: dict[int, list[Box]] = {}
        used: set[Box] = set()
        for box, indices in wanted:
            holder = self._holder(box, used)
            used.add(holder)
            for i in indices:
                if i not in self._kept[holder] and holder not in frames.setdefault(i, []):
                    frames[i].append(holder)
        for index, parts in self.clip.pieces({i: boxes for i, boxes in frames.items() if boxes}):
            for holder, part in zip(frames[index], parts, strict=True):
                self._kept[holder][index] = part
                self._bytes += part.nbytes
        self._forget(used)

    def _holder(self, box: Box, used: set[Box]) -> Box:
        """The piece that is read for a box: one that is kept already and has all of it, else its own."""
        y0, y1, x0, x1 = box
        if self._owner.get(box) in self._kept:
            self._kept.move_to_end(self._owner[box])
            return self._owner[box]
        for kept in (box, *reversed(self._kept)):
            if kept in self._kept and kept[0] <= y0 and kept[1] >= y1 and kept[2] <= x0 and kept[3] >= x1:
                area = (kept[1] - kept[0]) * (kept[3] - kept[2])
                if kept in used or area <= 4 * (y1 - y0) * (x1 - x0):
                    self._kept.move_to_end(kept)
                    self._owner[box] = kept
                    return kept
        self._kept[box] = {}
        self._owner[box] = box
        return box

    def _forget(self, used: set[Box]) -> None:
        for box in list(self._kept):
            if self._bytes <= self.most:
                return
            if box not in used:
                self._bytes -= sum(part.nbytes for part in self._kept.pop(box).values())

    def known(self, box: Box) -> list[int]:
        """Frames of which a piece is at hand."""
        return sorted(self._kept[self._holder(box, set())])

    def get(self, indices: Sequence[int], box: Box) -> np.ndarray:
        """``N h w 3`` float32, 0 to 255, of a piece."""
        holder = self._holder(box, set())
        missing = [i for i in dict.fromkeys(indices) if i not in self._kept[holder]]
        if missing:
            self.prepare([(holder, missing)])
        top, left = box[0] - holder[0], box[2] - holder[2]
        rows, cols = slice(top, top + box[1] - box[0]), slice(left, left + box[3] - box[2])
        kept = self._kept[holder]
        return np.stack([kept[i][rows, cols] for i in indices]).astype(np.float32)


class Frames:
    """A piece of the full-size pictures.

    Args:
        full: The pictures.
        box: The piece.
    """

    def __init__(self, full: FullFrames, box: Box) -> None:
        self._full, self._box = full, box

    def get(self, indices: Sequence[int]) -> np.ndarray:
        """``N h w 3`` float32, 0 to 255."""
        return self._full.get(indices, self._box)

    def template(self, start: int, end: int) -> list[int]:
        """Frames that make up a template of a span: spread over it, of those at hand where they are enough."""
        known = [i for i in self._full.known(self._box) if start <= i < end]
        if len(known) < min(5, end - start):
            return template_frames(start, end)
        times = np.linspace(start, end - 1, 9)
        return sorted({known[int(k)] for k in np.abs(np.array(known)[None] - times[:, None]).argmin(1)})


def template_frames(start: int, end: int) -> list[int]:
    """Frames that make up a template: spread over its time, but near each other where reading is slow."""
    if end - start <= 60:
        return spread_out(start, end, 9)
    return sorted({start, start + 6, *spread_out(start, end, 5), end - 7, end - 1})


def spread_out(start: int, end: int, most: int) -> list[int]:
    """At most so many frames, evenly spread over a span."""
    return sorted({int(i) for i in np.linspace(start, end - 1, min(most, end - start)).round()})
