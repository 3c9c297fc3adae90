"""The registry's entry point."""

from __future__ import annotations

import time

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.telea import CARDS
from vidinternal.methods.telea.config import Config
from vidinternal.ops.spatial_fill import spatial_fill


class Telea(InpaintMethod):
    """Fast marching inpainting (``telea2004image``) of each frame by itself."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; 8 bits inside OpenCV, known pixels untouched."""
        started = time.monotonic()
        frames = spatial_fill(task.frames, task.masks, "telea", config.radius)
        context.progress(1.0, "filled")
        return FitResult(frames, seconds=time.monotonic() - started)


METHODS = (Telea(),)
