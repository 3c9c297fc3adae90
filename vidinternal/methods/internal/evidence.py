"""What is known of every candidate at every hidden pixel, as numbers a small network can weigh.

Paths: whether there is one, its residual, its length in frames and in pixels, its speed. A chain that crept out of the
hole at a hundredth of a pixel a frame shows the hole's own border, not what is behind it. Colours: how far each
candidate is from the smooth one and from the median of all, and how far the two ways of time disagree. Surroundings:
texture and change in time of the known pixels near by, distance to the border and how thick the hole is.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.methods.internal.candidates import NAMES, Candidates, Copied, Path

LEAST = 1e-3
"""Colour difference below which nothing is told apart; a quarter of an 8-bit code."""
NEAR = 8.0
"""Standard deviation, pixels, of the window through which a pixel sees its surroundings."""
CALM = 2.5
"""Standard deviation, pixels, over which differences between candidates are averaged."""
_THICK = 31
_PATH, _COPY = 5, 1
COUNT = 3 * (2 * _PATH + _COPY) + 5 + 2 * len(NAMES)
"""Numbers for each pixel."""


class Evidence:
    """The evidence of a window, made frame by frame.

    Args:
        candidates: What was made.
    """

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        frames, masks = candidates.frames, candidates.masks
        self._grey = frames.mean(dim=1)
        self._known = (~masks)[:, 0]

    def of(self, frame: int) -> Tensor:
        """``N_t COUNT`` float32 of the hole pixels of one frame, in row-major order."""
        made = self.candidates
        rows = made.rows_of(frame)
        hole = made.masks[frame, 0]
        columns = [c for copy in made.copies.values() for c in _of_copy(copy, rows)]
        past, future = made.colours["past"][rows], made.colours["future"][rows]
        columns.append(_log((past - future).abs().mean(dim=1)))
        columns += [picture[hole] for picture in self._surroundings(frame)]
        columns += self._differences(rows, hole)
        return torch.stack(columns, dim=1).float()

    @cached_property
    def _change(self) -> tuple[Tensor, Tensor]:
        """``T H W`` difference to the next frame, and where both are known."""
        if len(self._grey) == 1:
            return torch.zeros_like(self._grey), self._known.float()
        both = (self._known[1:] & self._known[:-1]).float()
        change = (self._grey[1:] - self._grey[:-1]).abs()
        return torch.cat((change, change[-1:])), torch.cat((both, both[-1:]))

    def _surroundings(self, frame: int) -> tuple[Tensor, ...]:
        """``H W`` each: distance to the border, thickness, texture, change."""
        hole = self.candidates.masks[frame, 0].numpy().astype(np.uint8)
        depth = cv2.distanceTransform(hole, cv2.DIST_L2, 5)
        distance = torch.from_numpy(depth)
        thick = torch.from_numpy(cv2.dilate(depth, np.ones((_THICK, _THICK), np.uint8)))
        known = self._known[frame].float()
        grey = self._grey[frame]
        spread = _average((grey - _average(grey, known, NEAR)).square(), known, NEAR).clamp(min=0).sqrt()
        change, both = self._change
        moved = _average(change[frame], both[frame], NEAR)
        return distance.log1p(), thick.log1p(), _log(spread), _log(moved)

    def _differences(self, rows: slice, hole: Tensor) -> list[Tensor]:
        """``N_t`` each: of every candidate to the smooth one and to the median, averaged over a few pixels."""
        colours = torch.stack([self.candidates.colours[name][rows] for name in NAMES])
        columns = []
        for centre in (colours[NAMES.index("harmonic")], colours.median(dim=0)[0]):
            away = (colours - centre).abs().mean(dim=2)
            for values in away:
                picture = torch.zeros(hole.shape)
                picture[hole] = values.float()
                columns.append(_log(_average(picture, hole.float(), CALM)[hole]))
        return columns


def _of_copy(copy: Copied, rows: slice) -> list[Tensor]:
    return [*_of_path(copy.past, rows), *_of_path(copy.future, rows), _log(copy.shift[rows])]


def _of_path(path: Path, rows: slice) -> list[Tensor]:
    reached = path.reached[rows].float()
    steps, displacement = path.steps[rows].float(), path.displacement[rows].float()
    speed = displacement / steps.clamp(min=1)
    return [reached, *(reached * x.float().log1p() for x in (path.residual[rows], steps, displacement, speed))]


def _log(values: Tensor) -> Tensor:
    return (values.float() + LEAST).log()


def _average(picture: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """``H W`` Gaussian average of ``picture`` where ``weight`` is; zero where it is nowhere near."""
    size = (0, 0)
    total = cv2.GaussianBlur((picture * weight).numpy(), size, sigma, borderType=cv2.BORDER_CONSTANT)
    share = cv2.GaussianBlur(weight.numpy(), size, sigma, borderType=cv2.BORDER_CONSTANT)
    return torch.from_numpy(total / np.maximum(share, 1e-6))
