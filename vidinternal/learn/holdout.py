"""Holes shaped like the real ones, hidden on known places, to score a fill without ground truth."""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import Holdout
from vidinternal.core.seeds import generator
from vidinternal.learn.parts import split
from vidinternal.learn.placing import LEAST_VISIBLE, Ground, Pose, find_place
from vidinternal.ops.masks import dilate

_MOST_KNOWN = 0.25  # at most this share of the known pixels is hidden
_SCALES = (1.0, 0.71, 0.5, 0.35)


def make_holdout(frames: Tensor, masks: Tensor, seed: int, copies: int = 2) -> Holdout | None:
    """Hide copies of the hole's own mask track on known pixels.

    Each part of the hole (``learn/parts.py``: a subtitle, a logo) has copies of its own: the part's whole track,
    flipped and in some copies reversed in time, moved by one shift for all frames, so that it moves as the part does.
    Copies are placed on free known pixels, near the part and where the surroundings look like its own
    (``learn/placing.py``); what of one falls outside the picture, on the hole (grown by a margin) or on an earlier copy
    is left out, at most half of it. Where a part is too big for the room there is, its copy is made smaller, down to a
    third of its sides. At most ``copies`` times the hole's area and at most a quarter of the known pixels are hidden.

    Args:
        frames: ``T 3 H W``, known where ``masks`` is False.
        masks: ``T 1 H W`` bool, True = to fill.
        seed: Same seed, same copies.
        copies: How many of each part to try.

    Returns:
        The hold-out, or None where nothing could be hidden: no hole, or no room for even one small copy. Hide it by
        joining its masks to the task's before anything, flow included, sees the frames.
    """
    hole = masks[:, 0].cpu()
    area, known = int(hole.sum()), int((~hole).sum())
    room = min(copies * area, int(_MOST_KNOWN * known))
    if area == 0 or room == 0 or copies < 1:
        return None
    numbers = split(masks)
    work = _Work(frames, masks.cpu(), seed)
    tracks = [hole & (numbers == part) for part in range(int(numbers.max()) + 1)]
    left = [room * int(track.sum()) / area for track in tracks]
    for rest in range(copies, 0, -1):
        for part, track in enumerate(tracks):
            left[part] -= work.place(part, track, left[part] / rest)
    if not work.hidden.any():
        return None
    parts = torch.where(hole, numbers.expand_as(hole), work.parts.long()).to(torch.int8)
    device = masks.device
    return Holdout(work.hidden[:, None].to(device), frames, parts[:, None].to(device), work.copies[:, None].to(device))


class _Work:
    """Places copy after copy.

    Args:
        frames: ``T 3 H W``.
        masks: ``T 1 H W`` bool.
        seed: Of all draws.
    """

    def __init__(self, frames: Tensor, masks: Tensor, seed: int) -> None:
        self.random = generator(seed, "holdout")
        self.margin = max(2, round(0.03 * min(masks.shape[-2:])))
        self.ground = Ground(frames, masks)
        self.taken = dilate(masks, self.margin)[:, 0]
        self.hidden = torch.zeros_like(self.taken)
        self.parts = torch.full(self.taken.shape, -1, dtype=torch.int8)
        self.copies = torch.full(self.taken.shape, -1, dtype=torch.int8)
        self.count = 0

    def place(self, part: int, track: Tensor, allowed: float) -> int:
        """Hide one copy of a part, at most ``allowed`` pixels; return how many it hides: 0 where there is no room."""
        copy = self._copy(track, allowed)
        if copy is None:
            return 0
        self.hidden |= copy
        self.taken |= dilate(copy[:, None], self.margin)[:, 0]
        self.parts[copy], self.copies[copy] = part, self.count
        self.count += 1
        return int(copy.sum())

    def _copy(self, track: Tensor, allowed: float) -> Tensor | None:
        """A copy of ``T H W`` ``track`` that hides at most ``allowed`` pixels, none of them taken; None if no room."""
        for scale in _SCALES:
            reverse = float(torch.rand((), generator=self.random)) < 0.5
            if scale**2 * int(track.sum()) > allowed:
                continue
            flips = [(x, y) for x in (False, True) for y in (False, True)]
            poses = [Pose(x, y, reverse, scale) for x, y in flips]
            turned = {pose: shape for pose in poses if (shape := _turn(track, pose)).any()}
            place = find_place(self.ground, track, turned, self.taken, self.random)
            if place is None:
                continue
            copy = _shifted(turned[place.pose], place.shift) & ~self.taken
            if LEAST_VISIBLE * int(turned[place.pose].sum()) <= int(copy.sum()) <= allowed:
                return copy
        return None


def _turn(track: Tensor, pose: Pose) -> Tensor:
    """Flip, reverse and shrink a ``T H W`` track."""
    turned = track.flip(0) if pose.reverse else track
    axes = [axis for axis, wanted in ((1, pose.flip_y), (2, pose.flip_x)) if wanted]
    turned = turned.flip(axes) if axes else turned
    if pose.scale == 1.0:
        return turned
    height, width = turned.shape[-2:]
    size = max(1, round(height * pose.scale)), max(1, round(width * pose.scale))
    small = nn_functional.interpolate(turned[:, None].float(), size=size, mode="nearest-exact")[:, 0] > 0.5
    return nn_functional.pad(small, (0, width - size[1], 0, height - size[0]))


def _shifted(track: Tensor, shift: tuple[int, int]) -> Tensor:
    """Move a ``T H W`` track; what leaves the picture is lost."""
    moved = torch.zeros_like(track)
    height, width = track.shape[-2:]
    (row, column) = shift
    source_rows = slice(max(0, -row), min(height, height - row))
    source_columns = slice(max(0, -column), min(width, width - column))
    target_rows = slice(max(0, row), min(height, height + row))
    target_columns = slice(max(0, column), min(width, width + column))
    if source_rows.start < source_rows.stop and source_columns.start < source_columns.stop:
        moved[:, target_rows, target_columns] = track[:, source_rows, source_columns]
    return moved
