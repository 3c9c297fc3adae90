"""Telea's fast marching: weighted means of the known neighbourhood, marched inwards from the border."""

from __future__ import annotations

import time

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.telea import CARDS
from vidinternal.methods.telea.config import Config
from vidinternal.ops.spatial_fill import spatial_fill


class Telea(InpaintMethod):
    """Telea's fast marching on every frame by itself."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched. Draws nothing and needs no flow."""
        started = time.monotonic()
        frames = spatial_fill(task.frames, task.masks, "telea", config.radius)
        context.progress(1.0, "filled")
        return FitResult(frames, seconds=time.monotonic() - started)


METHODS = (Telea(),)
