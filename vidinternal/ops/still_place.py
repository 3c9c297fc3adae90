"""What is behind something that stands in front of a still place for a while: what was there before, and is after.

No motion has to be known for it, which no flow tells behind a hole anyway. Whether a place stands still is judged by
the known pixels around the hole, while it is there: the frames without the hole must tell nearly all of their
structure, or be wrong by no more than they change from one frame to the next (grain, falling snow) and still tell most
of it (else a pan over fine grain would pass for stillness); and the picture around must not be displaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.ops.medians import median_over_time

FLOOR = (4 / 255) ** 2
"""Squared error, full scale 1, that a lossy file makes of a still place."""
EXPLAINED = 0.03
"""Squared error allowed in any case, as a share of the variance of the picture around: a lossy file loses the more."""
CHANGE = 2.0
"""Squared error allowed, times half the squared change between neighbouring frames."""
STRUCTURE = 0.3
"""The same where the picture changes as much from frame to frame anyway."""
SHIFT = 0.25
"""Pixels by which the picture around may be displaced, root mean square over the frames: copying along the motion is
better beyond."""
LEAST_KNOWN = 0.02
"""Share of known pixels, weighed by a Gaussian around a pixel, below which nothing is said of it."""
_FLAT = (2 / 255) ** 2  # squared gradient, per pixel, below which a displacement cannot be told
_LOOKS = 4  # frames whose variance is taken


@dataclass(frozen=True)
class Looks:
    """Some frames of one place.

    Attributes:
        frames: ``N 3 h w`` float32 RGB.
        masks: ``N 1 h w`` bool, what is not the picture itself; what is under it is never read.
        at: Times of the frames, ascending, in frames.
    """

    frames: Tensor
    masks: Tensor
    at: tuple[int, ...]


@dataclass(frozen=True)
class StillPlace:
    """A place that stands still while it is covered.

    Attributes:
        shown: Mean time and ``3 h w`` median of the frames before and after, of one or of both; NaN where covered.
        good: ``h w`` bool, where that is what is behind the hole.
    """

    shown: tuple[tuple[float, Tensor], ...]
    good: Tensor

    def at(self, times: Sequence[int]) -> Tensor:
        """``T 3 h w``: between before and after, by time; NaN where neither shows anything."""
        if len(self.shown) == 1:
            return self.shown[0][1].expand(len(times), -1, -1, -1)
        (first, before), (last, after) = self.shown
        share = torch.tensor([(t - first) / (last - first) for t in times]).clamp(0, 1).view(-1, 1, 1, 1)
        mixed = torch.lerp(before[None], after[None], share)
        return torch.where(before.isnan(), after, torch.where(after.isnan(), before, mixed))


def still_place(covered: Looks, bare: Sequence[Looks], sigma: float) -> StillPlace | None:
    """Tell where a place stands still behind a hole.

    Args:
        covered: Frames that have the hole, some of them neighbours in time.
        bare: Frames before and after it, of one side or of both in this order, in which at least some of it is bare.
        sigma: Pixels around a pixel by which it is judged (standard deviation).

    Returns:
        None where it does nowhere, or cannot be told.
    """
    shown = tuple((sum(b.at) / len(b.at), median_over_time(b.frames, b.masks)) for b in bare)
    change = _change(covered, sigma)
    if not shown or change is None:
        return None
    unjudged = StillPlace(shown, torch.zeros(covered.frames.shape[-2:], dtype=torch.bool))
    place = unjudged.at(covered.at)
    there = ~place[0].isnan().any(dim=0)
    known = ~covered.masks[:, 0] & there
    error = _around((covered.frames - place.nan_to_num()).square().mean(dim=1), known, sigma)
    variance = _variance(covered, sigma)
    alive = np.minimum(CHANGE * change, STRUCTURE * variance)
    allowed = np.maximum(np.maximum(FLOOR, EXPLAINED * variance), alive)
    good = (error <= allowed) & (_shift(covered, place, known, sigma) <= SHIFT) & there.numpy()
    if len(shown) == 2:
        apart = (shown[0][1] - shown[1][1]).square().mean(dim=0)
        both = ~apart.isnan()
        apart_around = _around(apart.nan_to_num()[None], both[None], sigma / 3)
        good &= ~both.numpy() | (apart_around <= 2 * allowed)  # each of the two is off by as much
    return StillPlace(shown, torch.from_numpy(good)) if good.any() else None


def _around(values: Tensor, known: Tensor, sigma: float) -> np.ndarray:
    """Mean of ``T h w`` values over time and the known pixels around, ``h w``; infinite where too few are known."""
    weights = known.float().mean(dim=0).numpy()
    sums = torch.where(known, values, 0).mean(dim=0).numpy()
    there, total = (cv2.GaussianBlur(a, (0, 0), sigma) for a in (weights, sums))
    return np.where(there >= LEAST_KNOWN, total / np.maximum(there, LEAST_KNOWN), np.inf)


def _shift(looks: Looks, place: Tensor, known: Tensor, sigma: float) -> np.ndarray:
    """How far the picture around each pixel is displaced against the still one, ``h w`` in pixels, RMS over the frames.

    One step of Lucas and Kanade (``lucas1981iterative``) in a Gaussian window of known pixels.
    """
    still = place.mean(dim=0).mean(dim=0)
    by_row, by_column = torch.gradient(still.nan_to_num())
    # beside what is unknown there is no gradient
    firm = known & ~torch.stack(torch.gradient(still)).isnan().any(dim=0)
    squares = (by_row * by_row, by_row * by_column, by_column * by_column)
    rr, rc, cc = (_finite(_around(v.expand_as(firm), firm, sigma)) for v in squares)
    rr, cc = rr + _FLAT, cc + _FLAT
    determinant = rr * cc - rc * rc
    total = np.zeros_like(rr)
    for frame, shown, at in zip(looks.frames, place, firm, strict=True):
        change = (frame - shown).mean(dim=0).nan_to_num()
        row, column = (_finite(_around((g * change)[None], at[None], sigma)) for g in (by_row, by_column))
        down, across = (cc * row - rc * column) / determinant, (rr * column - rc * row) / determinant
        total += down**2 + across**2
    return np.sqrt(total / len(looks.frames))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, 0.0)


def _change(looks: Looks, sigma: float) -> np.ndarray | None:
    """Half the squared change from frame to frame around each pixel, ``h w``; None without neighbours in time."""
    pairs = [k for k in range(len(looks.at) - 1) if looks.at[k + 1] == looks.at[k] + 1]
    if not pairs:
        return None
    steps = torch.stack([(looks.frames[k + 1] - looks.frames[k]).square().mean(dim=0) / 2 for k in pairs])
    known = torch.stack([~(looks.masks[k, 0] | looks.masks[k + 1, 0]) for k in pairs])
    return _around(steps, known, sigma)


def _variance(looks: Looks, sigma: float) -> np.ndarray:
    """Variance of the picture around each pixel, ``h w``, a mean over some frames and the channels."""
    found = []
    for k in range(0, len(looks.at), -(-len(looks.at) // _LOOKS)):
        known = ~looks.masks[k]
        for channel in looks.frames[k]:
            mean, square = (_around(v[None], known, sigma) for v in (channel, channel.square()))
            told = np.isfinite(mean)
            found.append(np.where(told, square, 0.0) - np.where(told, mean, 0.0) ** 2)
    return np.mean(found, axis=0).clip(0)
