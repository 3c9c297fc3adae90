"""A mark that several pictures share: found by its steady edges, measured by what makes them vanish.

What all pictures have at the same place is an edge of the mark: the median over the pictures of the gradients is the
mark's (``dekel2017watermarks``). How much it hides, and what it adds, is one map for all pictures: the one that leaves
the fewest edges in them when the mark is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.methods.double_dip.objective import mark_edges, unmarked
from vidinternal.ops.harmonic import harmonic_fill

FITS = 3
"""Fits that measure a mark: a bright and a dark one on small pictures, the better on the pictures themselves."""
OPAQUE = 0.9
"""Mask from which too little of the picture is left to be given back."""

LARGEST = 0.4
"""Share of the picture from which what stands still is the scene and not a mark."""
_EDGE = 3.0 / 255
_AGREE = 0.75
_LEAST_AREA = 12
_CLOSE = 5
_CLIPPED = 0.6 / 255
_SEEN = 0.05
_GAINS = (0.0, 0.25, 0.5, 0.75, 1.0)
_CLEARLY = 0.97
_FOUND_AT = 960
_UNLIKE = 4 / 255
_COARSE = 96
_FINE = 640
_RATE = 0.1
_MOST = 0.97
_WEIGHTS = {"beyond": 2.0, "mask": 2e-3, "rim": 0.1, "mask_edges": 2e-3, "mark_edges": 0.02}
_RIM = 5


@dataclass(frozen=True)
class Mark:
    """A mark ``I = m w + (1 - m) c`` that pictures share.

    Attributes:
        mask: ``1 1 H W``, m; 1 where nothing of the picture is left, or nothing that could be used.
        mark: ``1 3 H W``, w.
    """

    mask: Tensor
    mark: Tensor

    def strength(self) -> Tensor:
        """``1 1 H W``: how much it may change a picture; dark marks count like bright ones."""
        return self.mask * torch.maximum(self.mark, 1 - self.mark).amax(dim=1, keepdim=True)

    def shown(self, frames: Tensor) -> Tensor:
        """How much of the mark each frame shows, ``N``: all of it, unless less of it clearly leaves fewer edges.

        A frame before a mark appears shows none, one in which it fades shows some.

        Args:
            frames: ``N 3 H W``.
        """
        found = torch.ones(len(frames))
        ever = self.mask[0, 0] > _SEEN
        if not bool(ever.any()):
            return found
        rows, columns = around(ever, 0.1)
        mask, marked = self.mask[..., rows, columns].clamp(max=_MOST), self.mark[..., rows, columns]
        for k, frame in enumerate(frames[..., rows, columns].split(1)):
            left = {}
            for gain in _GAINS:
                own = gain * mask
                left[gain] = float(mark_edges((frame - own * marked) / (1 - own), own))
            best = min(left, key=lambda g: left[g])
            found[k] = best if left[best] < _CLEARLY * left[1.0] else 1.0
        return found

    def off(self, frames: Tensor, least: float, where: Tensor | None = None) -> Tensor:
        """``N 3 H W`` without the mark; what lets nothing through is filled from around it.

        Frames that show less of it are given back by as much as they show.

        Args:
            frames: ``N 3 H W``.
            least: Strength below which a pixel stays as it is.
            where: ``N 1 H W`` bool, pixels that may be changed; None for all.
        """
        shown = self.shown(frames).to(frames).view(-1, 1, 1, 1)
        mask = shown * self.mask
        changed = (shown * self.strength() >= least) & (shown > 0)
        changed = changed if where is None else changed & where
        clipped = ((frames < _CLIPPED) | (frames > 1 - _CLIPPED)).any(dim=1, keepdim=True) & (mask > _SEEN)
        gone = changed & ((mask >= OPAQUE) | clipped)
        clean = unmarked(frames, mask, mask * self.mark, 1 - OPAQUE)
        taken = torch.where(changed, clean, frames)
        return harmonic_fill(taken, gone) if bool(gone.any()) else taken


def steady_region(frames: Tensor) -> Tensor | None:
    """Where the same edges are in all pictures, their insides included: ``1 1 H W`` bool.

    Args:
        frames: ``K 3 H W``, two or more.

    Returns:
        None where there is nothing of the kind, or where so much stands still that a mark cannot be told from it.
    """
    full = frames.shape[-2], frames.shape[-1]
    frames = _scaled(frames, _FOUND_AT)
    gradients = [nn_functional.pad(frames.diff(dim=d), (0, int(d == -1), 0, int(d == -2))) for d in (-1, -2)]
    steady = torch.zeros(frames.shape[-2:], dtype=torch.bool)
    for gradient in gradients:
        # by how many agree, not by how much: on a bright picture a bright mark hardly shows
        way = gradient.median(dim=0).values.sign()
        agree = (gradient * way > _EDGE).float().mean(dim=0) >= _AGREE
        steady |= agree.sum(dim=0).cpu() >= 2
    side = max(_CLOSE, max(steady.shape) // 60) | 1  # strokes grow with the picture
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(steady.numpy().astype(np.uint8), cv2.MORPH_CLOSE, brush)
    filled = _without_specks(_filled(closed))
    share = float(filled.mean())
    if not 0 < share <= LARGEST:
        return None
    grown = torch.from_numpy(cv2.dilate(filled.astype(np.uint8), np.ones((5, 5), np.uint8)))[None, None]
    return nn_functional.interpolate(grown.float(), full, mode="nearest") > 0.5


def unlike(frames: Tensor, region: Tensor) -> bool:
    """Whether pictures differ enough around a region, ``N 1 H W`` bool, to tell a mark in it from the picture."""
    ever = region.any(dim=0)[0]
    if len(frames) < 2 or not bool(ever.any()):
        return False
    rows, columns = around(ever, 0.25)
    part = _scaled(frames[..., rows, columns], _FINE)
    near = (part - part.median(dim=0).values).abs()
    return float(near.mean()) > _UNLIKE


def measured(frames: Tensor, region: Tensor, context: FitContext, steps: int) -> tuple[Mark, int]:
    """Mask and mark within a region: those that leave the fewest edges in all pictures.

    A bright and a dark mark are tried on small pictures; the better is worked out on the pictures themselves.

    Args:
        frames: ``K 3 H W``, two or more.
        region: ``1 1 H W`` bool.
        context: Its device, time and progress.
        steps: Of each of its :data:`FITS`.

    Returns:
        The mark, nothing outside the region, and the steps taken.
    """
    rows, columns = around(region[0, 0], 0.25)
    seen, layer = frames[..., rows, columns].to(context.device), region[..., rows, columns].to(context.device)
    small = [_scaled(t, _COARSE) for t in (seen, layer.float())]
    tries: list[tuple[float, _Fitted]] = []
    for number, colour in enumerate((0.95, 0.05)):
        start = _Fitted.even(small[0], colour)
        tries.append(start.fit(small[0], small[1], context, (steps, number / 3)))
    fine = [_scaled(t, _FINE) for t in (seen, layer.float())]
    size = fine[0].shape[-2], fine[0].shape[-1]
    _, best = min(tries, key=lambda t: t[0])[1].scaled(size).fit(fine[0], fine[1], context, (steps, 2 / 3))
    full = best.scaled((seen.shape[-2], seen.shape[-1]))
    mask, mark = full.maps(layer.float())
    whole = Mark(frames.new_zeros((1, 1, *frames.shape[-2:])), frames.new_zeros((1, 3, *frames.shape[-2:])))
    whole.mask[..., rows, columns], whole.mark[..., rows, columns] = mask.to(frames), mark.to(frames)
    return whole, sum(t.steps for _, t in tries) + best.steps


@dataclass(frozen=True)
class _Fitted:
    """Mask ``1 1 h w`` and mark ``1 3 h w`` before the sigmoid, and the steps they took."""

    mask: Tensor
    mark: Tensor
    steps: int = 0

    @classmethod
    def even(cls, frames: Tensor, colour: float) -> _Fitted:
        """A faint mark of one grey everywhere."""
        size = frames.shape[-2:]
        grey = torch.logit(torch.tensor(colour)).item()
        return cls(frames.new_full((1, 1, *size), -1.0), frames.new_full((1, 3, *size), grey))

    def scaled(self, size: tuple[int, int]) -> _Fitted:
        """The same for pictures of another size."""
        if size == tuple(self.mask.shape[-2:]):
            return self
        mask, mark = (
            nn_functional.interpolate(t, size, mode="bilinear", align_corners=False) for t in (self.mask, self.mark)
        )
        return _Fitted(mask, mark)

    def maps(self, region: Tensor) -> tuple[Tensor, Tensor]:
        """Mask and mark in [0, 1]."""
        return _MOST * torch.sigmoid(self.mask) * region, torch.sigmoid(self.mark)

    def fit(
        self, frames: Tensor, region: Tensor, context: FitContext, plan: tuple[int, float]
    ) -> tuple[float, _Fitted]:
        """Train both maps; the loss and what came of it."""
        steps, begun = plan
        own = _Fitted(self.mask.clone().requires_grad_(), self.mark.clone().requires_grad_())
        optimiser = torch.optim.Adam((own.mask, own.mark), lr=_RATE)
        # a mark ends inside its region; without that, all but the letters would be as good a mark as the letters
        rim = region * (nn_functional.max_pool2d(1 - region, _RIM, stride=1, padding=_RIM // 2) > 0)
        done, loss = 0, frames.new_zeros(())
        while done < steps and not (done and context.budget.expired()):
            loss = _loss(frames, *own.maps(region), rim)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if context.checkpoint is not None:
                # nothing is kept of so short a fit; somebody who asked to stop is heard
                context.checkpoint.offer("mark", "mark", dict)
            if done % 10 == 0:
                context.progress(begun + done / steps / 3, f"mark, step {done}")
        return float(loss.detach()), _Fitted(own.mask.detach(), own.mark.detach(), done)


def _loss(frames: Tensor, mask: Tensor, mark: Tensor, rim: Tensor) -> Tensor:
    clean = (frames - mask * mark) / (1 - mask)
    edges = [sum((t.diff(dim=d).abs().mean() for d in (-1, -2)), t.new_zeros(())) for t in (mask, mark)]
    terms = {
        "beyond": (clean - clean.clamp(0, 1)).abs().mean(),
        "mask": mask.mean(),
        "rim": (mask * rim).sum() / rim.sum().clamp(min=1),
        "mask_edges": edges[0],
        "mark_edges": edges[1],
    }
    return mark_edges(clean, mask) + sum((_WEIGHTS[k] * v for k, v in terms.items()), mask.new_zeros(()))


def _scaled(t: Tensor, side: int) -> Tensor:
    height, width = t.shape[-2:]
    scale = min(1.0, side / max(height, width))
    size = max(2, round(height * scale)), max(2, round(width * scale))
    return t if scale >= 1 else nn_functional.interpolate(t, size, mode="area")


def around(region: Tensor, margin: float, least: int = 16) -> tuple[slice, slice]:
    """Rows and columns of a region's box and of what lies around it.

    Args:
        region: ``H W`` bool with at least one pixel.
        margin: What is added on either side, as a share of the box's sides.
        least: Pixels added at least.
    """
    found = []
    for axis in (1, 0):
        hit = region.any(dim=axis).nonzero().flatten()
        low, high = int(hit[0]), int(hit[-1]) + 1
        more = max(least, round(margin * (high - low)))
        found.append(slice(max(0, low - more), min(region.shape[1 - axis], high + more)))
    return found[0], found[1]


def _filled(edges: np.ndarray) -> np.ndarray:
    """``H W`` bool: the edges and what they enclose."""
    padded = np.pad(edges, 1)
    cv2.floodFill(padded, None, (0, 0), 2)
    return padded[1:-1, 1:-1] != 2


def _without_specks(region: np.ndarray) -> np.ndarray:
    count, labels, facts, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    large = [k for k in range(1, count) if facts[k, cv2.CC_STAT_AREA] >= _LEAST_AREA]
    return np.isin(labels, large)
