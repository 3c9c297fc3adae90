"""Flow-guided propagation in rounds."""

from __future__ import annotations

import time
from collections.abc import Callable

from vidinternal.core.contracts import FitContext, FitResult, HistoryPoint, InpaintMethod, InpaintTask
from vidinternal.learn.resume import kept
from vidinternal.methods.propagation import CARDS
from vidinternal.methods.propagation.config import Config
from vidinternal.ops.flow_copy import FlowCopy
from vidinternal.ops.propagate import Hooks, propagate


class Propagation(InpaintMethod):
    """Fills a window with its own pixels."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched.

        Flow of strides 1 and -1 serves round one where the task has it. No further round is begun after the time
        allowed has ended.
        """
        started = time.monotonic()
        history: list[HistoryPoint] = []

        def look(number: int, copied: FlowCopy) -> bool:
            score = None if context.holdout is None else context.holdout.score(copied.frames)
            history.append(HistoryPoint(0, time.monotonic() - started, {"covered": copied.covered}, score))
            context.progress(number / config.rounds, f"round {number}, {copied.covered:.0%} copied")
            return not context.budget.expired()

        size = "x".join(map(str, task.frames.shape))
        hidden = "blind" if context.holdout is not None else "seeing"

        def keep(number: int, make: Callable[[], FlowCopy]) -> FlowCopy:
            return kept(context, f"{hidden}-{number}", size, FlowCopy, make)

        result = propagate(task.frames, task.masks, config, task.flow, Hooks(look, keep=keep))
        cut = len(history) < config.rounds and context.budget.expired()
        left = f"; the rest was filled with {config.fill}" if result.covered < 1 else ""
        return FitResult(
            result.frames,
            stopped="budget" if cut else "done",
            seconds=time.monotonic() - started,
            history=tuple(history),
            provenance=result.provenance,
            notes=(f"{result.covered:.1%} of the hole was copied from other frames{left}",),
        )


METHODS = (Propagation(),)
