"""The registry's entry point."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.temporal_median import CARDS
from vidinternal.methods.temporal_median.config import Config
from vidinternal.ops.spatial_fill import spatial_fill


def known_median(values: Tensor, known: Tensor) -> Tensor:
    """Median over the first axis of what is known; the mean of the two middle values where their number is even.

    Args:
        values: ``K C N``.
        known: ``K N`` bool.

    Returns:
        ``C N``; NaN where nothing is known.
    """
    hidden = values.masked_fill(~known.unsqueeze(1), float("nan"))
    ordered = hidden.sort(dim=0).values  # NaN comes last
    count = known.sum(dim=0).clamp(min=1)
    shape = (1, values.shape[1], values.shape[2])
    low = ordered.gather(0, ((count - 1) // 2).expand(shape))
    high = ordered.gather(0, (count // 2).expand(shape))
    return ((low + high) / 2)[0]


class TemporalMedian(InpaintMethod):
    """The median of the known colours at the same place; right for a static camera, blind to motion."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``."""
        started = time.monotonic()
        frames, left = task.frames.clone(), task.masks.clone()
        known = ~task.masks[:, 0]
        count = len(frames)
        for t in range(count):
            hole = task.masks[t, 0]
            if not hole.any():
                continue
            near = slice(max(0, t - config.reach), t + config.reach + 1) if config.reach else slice(None)
            median = known_median(task.frames[near][:, :, hole], known[near][:, hole])
            found = median.isfinite().all(dim=0)
            frames[t, :, hole] = torch.where(found, median, frames[t, :, hole])
            left[t, 0, hole] = ~found
            context.progress((t + 1) / count, f"frame {t + 1}")
        frames = spatial_fill(frames, left, config.fill)
        return FitResult(frames, seconds=time.monotonic() - started)


METHODS = (TemporalMedian(),)
