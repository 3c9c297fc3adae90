"""Median of the known values at the same place."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.temporal_median import CARDS
from vidinternal.methods.temporal_median.config import Config
from vidinternal.ops.spatial_fill import spatial_fill

ROWS = 64
"""Picture rows whose history is sorted at once; bounds memory."""


def median_over_time(frames: Tensor, masks: Tensor) -> Tensor:
    """Return ``3 H W``, the median of the known values over all frames; NaN where no frame shows the place.

    Of an even number of values the lower middle one is taken, so that only colours that were seen come out.
    """
    parts = [
        frames[:, :, top : top + ROWS].float().masked_fill(masks[:, :, top : top + ROWS], torch.nan).nanmedian(dim=0)[0]
        for top in range(0, frames.shape[-2], ROWS)
    ]
    return torch.cat(parts, dim=1)


class TemporalMedian(InpaintMethod):
    """The background of a camera that stands still."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched. Draws nothing and needs no flow."""
        started = time.monotonic()
        median = median_over_time(task.frames, task.masks)
        unseen = median.isnan().any(dim=0, keepdim=True)
        frames = torch.where(task.masks & ~unseen, median.to(task.frames), task.frames)
        left = task.masks & unseen
        frames = spatial_fill(frames, left, config.leftovers, config.radius)
        context.progress(1.0, "filled")
        share = float(left.sum() / task.masks.sum().clamp(min=1))
        note = f"{share:.1%} of the hole is shown by no frame and was filled with {config.leftovers}"
        # index into ORIGINS: copied where some frame showed the place, else continued from the neighbours
        origin = (task.masks.to(torch.uint8) + 3 * left.to(torch.uint8)).cpu()
        return FitResult(frames, seconds=time.monotonic() - started, notes=(note,), origin=origin)


METHODS = (TemporalMedian(),)
