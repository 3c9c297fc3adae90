"""Keep the best iterate by held-out score, and stop when it has not improved for a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor


class BestSoFar:
    """The best output and weights seen, by a score where larger is better.

    A network that fits one clip passes its best fill and then over-fits the known part, so the output itself is kept,
    not only the weights that made it: with batch statistics the weights alone do not reproduce it exactly.

    Without a score (nothing could be held out) the latest iterate is kept, as published.

    Args:
        patience: Looks without an improvement after which :attr:`exhausted` is True; None for never.
        gain: An improvement must exceed the best score by this much to reset the patience.
    """

    def __init__(self, patience: int | None = None, gain: float = 0.0) -> None:
        self.patience, self.gain = patience, gain
        self.frames: Tensor | None = None
        self.weights: Mapping[str, Tensor] = {}
        self.score: float | None = None
        self.iteration = 0
        self._reference = -math.inf
        self._since = 0

    @property
    def exhausted(self) -> bool:
        """Whether the patience is at an end."""
        return self.patience is not None and self._since >= self.patience

    def kept(self) -> Tensor:
        """The best output.

        Raises:
            ValueError: Nothing has been offered yet.
        """
        if self.frames is None:
            raise ValueError("no iterate has been offered")
        return self.frames

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        return {
            "frames": self.frames,
            "weights": dict(self.weights),
            "score": self.score,
            "iteration": self.iteration,
            "reference": self._reference if math.isfinite(self._reference) else None,
            "since": self._since,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what :meth:`state` gave."""
        self.frames, self.weights, self.score = state["frames"], dict(state["weights"]), state["score"]
        self.iteration, self._since = state["iteration"], state["since"]
        self._reference = -math.inf if state["reference"] is None else state["reference"]

    def offer(
        self, iteration: int, frames: Tensor, score: float | None, weights: Callable[[], Mapping[str, Tensor]]
    ) -> bool:
        """Show an iterate.

        Args:
            iteration: Its number.
            frames: Its output, copied when kept.
            score: Its score, or None when there is none; NaN never wins.
            weights: Called for a copy of the weights when the iterate is kept.

        Returns:
            Whether it was kept.
        """
        value = score if score is not None and math.isfinite(score) else None
        if value is not None:
            better = self.score is None or value > self.score
        else:
            better = self.frames is None or (score is None and self.score is None)
        if score is not None:
            renewed = value is not None and value > self._reference + self.gain
            self._since = 0 if renewed else self._since + 1
            self._reference = score if renewed else self._reference
        if better:
            self.frames, self.weights = frames.detach().clone(), weights()
            self.score, self.iteration = value, iteration
        return better
