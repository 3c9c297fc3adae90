"""Median of the known values at the same place."""

from __future__ import annotations

import time

import torch

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.temporal_median import CARDS
from vidinternal.methods.temporal_median.config import Config
from vidinternal.ops.medians import fill_over_time


class TemporalMedian(InpaintMethod):
    """The background of a camera that stands still."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched. Draws nothing and needs no flow."""
        started = time.monotonic()
        frames, left = fill_over_time(task.frames, task.masks, config.leftovers, config.radius)
        context.progress(1.0, "filled")
        share = float(left.sum() / task.masks.sum().clamp(min=1))
        note = f"{share:.1%} of the hole is shown by no frame and was filled with {config.leftovers}"
        # index into ORIGINS: copied where some frame showed the place, else continued from the neighbours
        origin = (task.masks.to(torch.uint8) + 3 * left.to(torch.uint8)).cpu()
        return FitResult(frames, seconds=time.monotonic() - started, notes=(note,), origin=origin)


METHODS = (TemporalMedian(),)
