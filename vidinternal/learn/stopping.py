"""Keep the best iterate by held-out score, and stop when it has not improved for a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from vidinternal.core.contracts import PartError, decibels


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


class BestOfParts:
    """The best output and weights seen where the hole has parts: the best look of every part, laid side by side.

    A generator is still learning what is behind a logo when it has long passed its best under a subtitle. Parts of
    which there is no copy follow the score of all.

    Args:
        parts: ``T 1 H W`` int8, which part a pixel belongs to; known pixels, -1, are those of the first output.
        patience: Looks in a row that improve no part after which :attr:`exhausted` is True; None for never.
        gain: dB by which a part must be better than its best to reset the patience.

    Attributes:
        frames: The best output, ``T 3 H W``; None before the first.
        weights: Of the network that made the last improvement.
        iterations: The iterate each part was taken from.
    """

    def __init__(self, parts: Tensor, patience: int | None = None, gain: float = 0.0) -> None:
        self.parts, self.patience, self.gain = parts, patience, gain
        self.frames: Tensor | None = None
        self.weights: Mapping[str, Tensor] = {}
        self.iterations: list[int] = []
        self._errors: list[float] = []
        self._references: list[float] = []
        self._areas: list[int] = []
        self._since = 0

    @property
    def exhausted(self) -> bool:
        """Whether the patience is at an end."""
        return self.patience is not None and self._since >= self.patience

    @property
    def iteration(self) -> int:
        """The last iterate that a part was taken from."""
        return max(self.iterations, default=0)

    @property
    def score(self) -> float | None:
        """Score in dB of what is kept, each part counting as its own area does; None before the first."""
        total = sum(self._areas)
        return decibels(sum(a * e for a, e in zip(self._areas, self._errors, strict=True)) / total) if total else None

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
            "iterations": list(self.iterations),
            "errors": list(self._errors),
            "references": list(self._references),
            "areas": list(self._areas),
            "since": self._since,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what :meth:`state` gave."""
        self.frames, self.weights, self._since = state["frames"], dict(state["weights"]), state["since"]
        self.iterations, self._areas = list(state["iterations"]), list(state["areas"])
        self._errors, self._references = list(state["errors"]), list(state["references"])

    def offer(
        self,
        iteration: int,
        frames: Tensor,
        errors: Sequence[PartError],
        weights: Callable[[], Mapping[str, Tensor]],
    ) -> bool:
        """Show an iterate.

        Args:
            iteration: Its number.
            frames: Its output, copied where it is kept.
            errors: What the copies of every part say of it.
            weights: Called for a copy of the weights when something of the iterate is kept.

        Returns:
            Whether something of it was kept.
        """
        known = [(e.area, mean) for e in errors if (mean := e.mean()) is not None]
        overall = sum(a * e for a, e in known) / sum(a for a, _ in known)
        now = [overall if (mean := e.mean()) is None else mean for e in errors]
        if self.frames is None:
            self.frames, self.iterations = frames.detach().clone(), [iteration] * len(now)
            self._errors, self._references, self._areas = list(now), list(now), [e.area for e in errors]
            self.weights = weights()
            return True
        better = [k for k, error in enumerate(now) if error < self._errors[k]]
        for k in better:
            self.frames = self.frames.where((self.parts != k).to(self.frames.device), frames)
            self._errors[k], self.iterations[k] = now[k], iteration
        if better:
            self.weights = weights()
        renewed = [k for k, e in enumerate(now) if decibels(e) > decibels(self._references[k]) + self.gain]
        for k in renewed:
            self._references[k] = now[k]
        self._since = 0 if renewed else self._since + 1
        return bool(better)
