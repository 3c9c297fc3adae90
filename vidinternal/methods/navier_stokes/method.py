"""Navier-Stokes: lines of equal brightness are continued into the hole."""

from __future__ import annotations

import time

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.navier_stokes import CARDS
from vidinternal.methods.navier_stokes.config import Config
from vidinternal.ops.spatial_fill import spatial_fill


class NavierStokes(InpaintMethod):
    """Navier-Stokes on every frame by itself."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched. Draws nothing and needs no flow."""
        started = time.monotonic()
        frames = spatial_fill(task.frames, task.masks, "navier_stokes", config.radius)
        context.progress(1.0, "filled")
        return FitResult(frames, seconds=time.monotonic() - started)


METHODS = (NavierStokes(),)
