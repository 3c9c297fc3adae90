"""What a window shows, in 44 numbers: enough to tell which earlier window is most like it.

Colour (3 histograms of 8 bins over luma and the two opponent colours), gradients (8 bins of orientation weighed by
strength, 4 of strength), frequency (4 octaves' share of the detail), change in time (4 bins). Known pixels alone are
looked at, on pictures shrunk to at most 128 pixels, so it costs milliseconds and does not depend on the size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.errors import UsageError

SIDE = 128
"""Longest side, pixels, of what is looked at."""
MOST_FRAMES = 8
"""Frames looked at, spread evenly."""
_COLOUR_BINS, _ANGLE_BINS, _STEPS = 8, 8, (0.02, 0.05, 0.12)
_OCTAVES, _CHANGES = 4, (0.01, 0.03, 0.1)
GROUPS = (3 * _COLOUR_BINS, _ANGLE_BINS, len(_STEPS) + 1, _OCTAVES, len(_CHANGES) + 1)
"""Lengths of the groups; each sums to 1 (colour: each of its three histograms)."""
LENGTH = sum(GROUPS)


def describe(frames: Tensor, masks: Tensor | None = None) -> tuple[float, ...]:
    """Describe a window.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1].
        masks: ``T 1 H W`` bool, True = not to be looked at; None looks at everything.

    Returns:
        :data:`LENGTH` numbers between 0 and 1, rounded to six digits so that they survive JSON.

    Raises:
        UsageError: The shapes do not fit together, or there is no frame.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or not frames.numel():
        raise UsageError("description", expected="frames T 3 H W", got=str(tuple(frames.shape)))
    if masks is not None and tuple(masks.shape) != (len(frames), 1, *frames.shape[2:]):
        raise UsageError("description", expected="masks T 1 H W of the frames", got=str(tuple(masks.shape)))
    rows = torch.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().long().tolist()
    picture, known = _shrunk(frames[rows].cpu().float(), None if masks is None else masks[rows].cpu())
    luma = picture @ torch.tensor([0.299, 0.587, 0.114])
    red, blue = (picture[..., 0] - luma), (picture[..., 2] - luma)
    parts = [_histogram(channel, known, -r, r) for channel, r in ((red, 0.5), (blue, 0.5))]
    parts.insert(0, _histogram(luma, known, 0.0, 1.0))
    parts += [*_gradients(luma, known), _octaves(luma, known), _change(luma, known)]
    return tuple(round(float(v), 6) for v in torch.cat(parts))


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """How unlike two windows are: 0 = the same description, 1 = nothing in common.

    Half the L1 distance of each histogram, averaged over the histograms with colour counting for three.

    Raises:
        UsageError: One of them is no description.
    """
    if len(one) != LENGTH or len(other) != LENGTH:
        raise UsageError("description", expected=f"{LENGTH} numbers", got=f"{len(one)} and {len(other)}")
    total = sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 2
    return total / (len(GROUPS) + 2)


def size_distance(one: Sequence[int], other: Sequence[int]) -> float:
    """How far two working sizes are apart: 0.1 for each doubling of the area; a net may fit both all the same."""
    return 0.1 * abs(math.log2((one[0] * one[1]) / (other[0] * other[1])))


def _shrunk(frames: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor]:
    """``T h w 3`` mean colour of the known pixels of each cell, and ``T h w`` whether it has any."""
    height, width = frames.shape[-2:]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    known = torch.ones_like(frames[:, :1]) if masks is None else (~masks).float()
    share = nn_functional.interpolate(known, size, mode="area")
    # not a product: what lies under the mask may be anything, even NaN
    seen = frames if masks is None else frames.masked_fill(masks, 0.0)
    mean = nn_functional.interpolate(seen, size, mode="area") / share.clamp(min=1e-6)
    return mean.clamp(0, 1).permute(0, 2, 3, 1), share[:, 0] > 0.5


def _shares(counts: Tensor) -> Tensor:
    total = counts.sum()
    return counts / total if float(total) > 0 else torch.full_like(counts, 1.0 / len(counts))


def _histogram(values: Tensor, known: Tensor, low: float, high: float) -> Tensor:
    inside = values[known].clamp(low, high)
    return _shares(torch.histc(inside, _COLOUR_BINS, low, high)) if len(inside) else _shares(torch.zeros(_COLOUR_BINS))


def _gradients(luma: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Orientation, weighed by strength, and strength."""
    right, down = luma[:, :-1, 1:] - luma[:, :-1, :-1], luma[:, 1:, :-1] - luma[:, :-1, :-1]
    sure = known[:, :-1, 1:] & known[:, :-1, :-1] & known[:, 1:, :-1]
    right, down = right[sure], down[sure]
    strength = (right.square() + down.square()).sqrt()
    turned = torch.atan2(down, right) % math.pi / math.pi * _ANGLE_BINS
    angles = torch.zeros(_ANGLE_BINS).index_add_(0, turned.long().clamp(0, _ANGLE_BINS - 1), strength)
    return _shares(angles), _steps(strength, _STEPS)


def _steps(values: Tensor, edges: tuple[float, ...]) -> Tensor:
    places = torch.bucketize(values, torch.tensor(edges))
    return _shares(torch.bincount(places, minlength=len(edges) + 1).float())


def _octaves(luma: Tensor, known: Tensor) -> Tensor:
    """Share of the detail in each octave, finest first: what is lost by halving."""
    picture = torch.where(known, luma, luma[known].mean() if bool(known.any()) else luma.new_zeros(()))[:, None]
    energies = []
    for _ in range(_OCTAVES):
        height, width = picture.shape[-2:]
        half = nn_functional.interpolate(picture, (max(1, height // 2), max(1, width // 2)), mode="area")
        back = nn_functional.interpolate(half, (height, width), mode="bilinear", align_corners=False)
        energies.append((picture - back).square().mean().sqrt())
        picture = half
    return _shares(torch.stack(energies))


def _change(luma: Tensor, known: Tensor) -> Tensor:
    if len(luma) == 1:
        return torch.tensor([1.0] + [0.0] * len(_CHANGES))
    both = known[1:] & known[:-1]
    return _steps((luma[1:] - luma[:-1]).abs()[both], _CHANGES)
