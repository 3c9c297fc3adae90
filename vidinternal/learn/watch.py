"""Looks at a running fit: score, history, best so far, progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from vidinternal.core.contracts import FitContext, HistoryPoint
from vidinternal.core.errors import UsageError
from vidinternal.learn.pace import Pace
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.learn.stopping import BestOfParts, BestSoFar


def not_finite(iteration: int) -> UsageError:
    """The error for a fit that has left the finite numbers before there was any output to return."""
    return UsageError(
        f"training, iteration {iteration}",
        expected="a finite output",
        got="NaN or infinity",
        hint="lower learning_rate, or set precision=float32",
    )


class Watch:
    """Scores the outputs of one fit on the held-out holes and keeps the best.

    Args:
        context: Gives the hold-out and the progress callback.
        pace: Counts the iterations.
        patience: Looks without improvement after which to stop, or None.
        gain: dB that count as an improvement for the patience.
        by_part: Whether the best of every part of the hole is kept, where it has parts; only for outputs that agree on
            the known pixels.

    Attributes:
        best: The best output so far.
        history: The looks, oldest first.
        diverged: Whether an output was not finite; the best so far is from before.
    """

    def __init__(
        self, context: FitContext, pace: Pace, patience: int | None, gain: float = 0.0, *, by_part: bool = False
    ) -> None:
        self.context, self.pace = context, pace
        parts = context.holdout.parts if by_part and context.holdout is not None else None
        self.best = BestSoFar(patience, gain) if parts is None else BestOfParts(parts, patience, gain)
        self.history: list[HistoryPoint] = []
        self.diverged = False

    def state(self) -> dict[str, Any]:
        """The best so far and all looks, as a tree."""
        return {"best": self.best.state(), "history": to_tree(self.history), "diverged": self.diverged}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.best.load_state(state["best"])
        self.history = from_tree(list[HistoryPoint], state["history"])
        self.diverged = state["diverged"]

    def over(self) -> bool:
        """Whether there is nothing more to be had: the fit diverged, or the patience is at an end."""
        return self.diverged or self.best.exhausted

    def look(self, frames: Tensor, terms: Mapping[str, float], weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Score an output and keep it if it is the best; its time does not count as an iteration's.

        Args:
            frames: ``T 3 H W``, the assembled output.
            terms: Present value of every objective term.
            weights: Called for a copy of the weights when the output is kept.

        Raises:
            UsageError: The output is not finite and nothing better has been seen.
        """
        if not bool(frames.isfinite().all()):
            if self.best.frames is None:
                raise not_finite(self.pace.iteration)
            self.diverged = True
            self.pace.resume()
            return
        holdout = self.context.holdout
        score = None if holdout is None else holdout.score(frames)
        if isinstance(self.best, BestSoFar):
            self.best.offer(self.pace.iteration, frames, score, weights)
        elif holdout is not None:
            self.best.offer(self.pace.iteration, frames, holdout.errors(frames), weights)
        self.history.append(HistoryPoint(self.pace.iteration, self.pace.seconds(), dict(terms), score))
        told = "" if score is None else f", held-out {score:.1f} dB"
        self.context.progress(self.pace.share(), f"iteration {self.pace.iteration}{told}")
        self.pace.resume()
