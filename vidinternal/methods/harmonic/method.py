"""Laplace's equation in every hole."""

from __future__ import annotations

import time

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.harmonic import CARDS
from vidinternal.methods.harmonic.config import Config
from vidinternal.ops.harmonic import harmonic_fill


class Harmonic(InpaintMethod):
    """The smoothest continuation of every frame into its hole."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched. Draws nothing and needs no flow."""
        started = time.monotonic()
        frames = harmonic_fill(task.frames, task.masks)
        context.progress(1.0, "filled")
        return FitResult(frames, seconds=time.monotonic() - started)


METHODS = (Harmonic(),)
