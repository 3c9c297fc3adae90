"""The registry's entry point."""

from __future__ import annotations

import time

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.propagation import CARDS
from vidinternal.methods.propagation.config import Config
from vidinternal.ops.propagate import propagate


class Propagation(InpaintMethod):
    """Flow-guided copying of real pixels (principle of ``xu2019deep``), without a learned part."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; provenance tells the frame each pixel was copied from."""
        started = time.monotonic()

        def tell(done: int, _result: object) -> bool:
            context.progress(done / config.rounds, f"round {done} of {config.rounds}")
            return not context.budget.expired()

        copied = propagate(task.frames, task.masks, config, task.flow, tell)
        return FitResult(
            copied.frames.clamp(0.0, 1.0),
            seconds=time.monotonic() - started,
            provenance=copied.provenance,
            notes=(f"{copied.covered:.1%} of the hole was copied from other frames",),
        )


METHODS = (Propagation(),)
