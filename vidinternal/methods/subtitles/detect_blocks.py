"""Lines that belong together, as closer looks take them: rows of one subtitle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vidinternal.methods.subtitles.detect_lines import Line
from vidinternal.methods.subtitles.detect_scan import Scan
from vidinternal.methods.subtitles.events import Box, placed

ABOUT, _FOREMOST = 16, 5
"""Looks that are about one time, and how many blocks of it are looked at closely."""


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
    def told(self) -> float:
        """How much speaks for it."""
        return sum(line.told * float(line.mask.sum()) for line in self.lines)

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


def foremost(found: Sequence[Block]) -> list[Block]:
    """Of blocks of about one time those for which most speaks: a scene full of texture has hundreds."""
    by_time: dict[int, list[Block]] = {}
    for block in sorted(found, key=lambda b: (-b.told, b.first, b.box)):
        by_time.setdefault(block.first // ABOUT, []).append(block)
    return [block for group in by_time.values() for block in group[:_FOREMOST]]


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
