"""Holes shaped like the real ones, hidden on known places, to score a fill without ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import Holdout
from vidinternal.core.seeds import generator
from vidinternal.ops.masks import dilate

_COARSE = 128  # the search for places runs on masks of at most this side
_LEAST_VISIBLE = 0.5  # a copy of which less than this share lies on free known pixels is not placed
_MOST_KNOWN = 0.25  # at most this share of the known pixels is hidden
_SCALES = (1.0, 0.71, 0.5, 0.35)


@dataclass(frozen=True)
class _Pose:
    """One way to turn the hole's track before it is shifted."""

    flip_x: bool
    flip_y: bool
    reverse: bool
    scale: float


def make_holdout(frames: Tensor, masks: Tensor, seed: int, copies: int = 2) -> Holdout | None:
    """Hide copies of the hole's own mask track on known pixels.

    Each copy is the whole track, flipped and in some copies reversed in time, moved by one shift for all frames, so
    that it moves as the hole does. It is placed on free known pixels as near to the hole as there is room; what of it
    falls outside the picture, on the hole (grown by a margin) or on an earlier copy is left out, at most half of it.
    Where the hole is too big for the room there is, its copy is made smaller, down to a third of its sides. At most
    ``copies`` times the hole's area and at most a quarter of the known pixels are hidden.

    Args:
        frames: ``T 3 H W``, known where ``masks`` is False.
        masks: ``T 1 H W`` bool, True = to fill.
        seed: Same seed, same copies.
        copies: How many to try.

    Returns:
        The hold-out, or None where nothing could be hidden: no hole, or no room for even one small copy. Hide it by
        joining its masks to the task's before anything, flow included, sees the frames.
    """
    track = masks[:, 0].cpu()
    area, known = int(track.sum()), int((~track).sum())
    room = min(copies * area, int(_MOST_KNOWN * known))
    if area == 0 or room == 0 or copies < 1:
        return None
    random = generator(seed, "holdout")
    margin = max(2, round(0.03 * min(track.shape[-2:])))
    taken, hidden = dilate(masks.cpu(), margin)[:, 0], torch.zeros_like(track)
    for left in range(copies, 0, -1):
        allowed = (room - int(hidden.sum())) / left
        copy = _place_copy(track, taken, allowed, random)
        if copy is None:
            break
        hidden |= copy
        taken |= dilate(copy[:, None], margin)[:, 0]
    if not hidden.any():
        return None
    return Holdout(hidden[:, None].to(masks.device), frames)


def _place_copy(track: Tensor, taken: Tensor, allowed: float, random: torch.Generator) -> Tensor | None:
    """A copy of ``T H W`` ``track`` that hides at most ``allowed`` pixels, none of them ``taken``; None if no room."""
    for scale in _SCALES:
        if scale**2 * int(track.sum()) > allowed:
            continue
        coins = torch.rand(3, generator=random).tolist()
        poses = [
            _Pose(flip_x=(coins[0] < 0.5) ^ x, flip_y=(coins[1] < 0.5) ^ y, reverse=coins[2] < 0.5, scale=scale)
            for x in (False, True)
            for y in (False, True)
        ]
        for pose in poses:
            turned = _turn(track, pose)
            shift = _find_shift(track, turned, taken, random)
            if shift is None:
                continue
            copy = _shifted(turned, shift) & ~taken
            if _LEAST_VISIBLE * int(turned.sum()) <= int(copy.sum()) <= allowed:
                return copy
    return None


def _turn(track: Tensor, pose: _Pose) -> Tensor:
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


def _find_shift(track: Tensor, turned: Tensor, taken: Tensor, random: torch.Generator) -> tuple[int, int] | None:
    """Rows and columns to move ``turned`` by: one of the places nearest to the hole among those with most room."""
    step = max(1, math.ceil(max(track.shape[-2:]) / _COARSE))
    free, shape = 1.0 - _coarse(taken, step), _coarse(turned, step)
    height, width = free.shape[-2:]
    size = (2 * height, 2 * width)
    # correlation over all shifts at once: free pixels under the moved shape, summed over the frames
    spectrum = torch.fft.rfft2(free, s=size) * torch.fft.rfft2(shape, s=size).conj()
    visible = torch.fft.irfft2(spectrum.sum(dim=0), s=size) / shape.sum().clamp(min=1.0)
    best = float(visible.max())
    if best < _LEAST_VISIBLE:
        return None
    candidates = (visible >= max(_LEAST_VISIBLE, best - 1e-3)).nonzero()
    rows = torch.where(candidates[:, 0] < height, candidates[:, 0], candidates[:, 0] - 2 * height) * step
    columns = torch.where(candidates[:, 1] < width, candidates[:, 1], candidates[:, 1] - 2 * width) * step
    target, own = _centre(track), _centre(turned)
    distance = torch.hypot(rows + own[0] - target[0], columns + own[1] - target[1])
    nearest = distance.argsort(stable=True)[: max(1, len(distance) // 20)]
    pick = int(nearest[int(torch.randint(len(nearest), (), generator=random))])
    return int(rows[pick]), int(columns[pick])


def _coarse(track: Tensor, step: int) -> Tensor:
    """``T H W`` float at 1/step; 1 where any pixel of the cell is set."""
    return nn_functional.max_pool2d(track[:, None].float(), step, ceil_mode=True)[:, 0]


def _centre(track: Tensor) -> tuple[float, float]:
    """Mean row and column of the set pixels of a ``T H W`` track."""
    where = track.nonzero().double().mean(dim=0)
    return float(where[1]), float(where[2])


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
