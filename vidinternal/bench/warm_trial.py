"""One fit of bench ``warm_start``: what is learned, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vidinternal.bench.cases import Case
from vidinternal.core.contracts import FitContext, Starts

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Trial:
    """One fit.

    Attributes:
        curve: Iterations, seconds and score in dB at each look, oldest first.
        true: PSNR under the real hole in dB of what was returned.
        weights: What the fit ended with.
        signature: Of the network.
        warm: Whether it began from the start it was offered.
        final: Score of what is returned where that is no longer the best look: where every look is at a fit of its own.
        learned: Whether weights that were learned on the sample clips come along for it.
    """

    curve: tuple[tuple[int, float, float], ...]
    true: float
    weights: Mapping[str, Tensor]
    signature: str
    warm: bool
    final: float | None = None
    learned: bool = False

    @property
    def score(self) -> float:
        """Of what is returned: the best look at a fit, or the longest fit."""
        return max(s for _, _, s in self.curve) if self.final is None else self.final

    def reached(self, score: float) -> tuple[int, float] | None:
        """Iterations and seconds to the first look with that score; None where there is none."""
        return next(((i, s) for i, s, found in self.curve if found >= score), None)


class _Copies:
    """Keeps what was copied along the flow, which no start changes, from fit to fit; nothing of the training."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        kept = self._kept.get((piece, fits))
        return None if kept is None else dict(kept)

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self._kept[piece, fits] = state

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        del piece, fits, state


@dataclass(frozen=True)
class Lesson:
    """A shot to learn.

    Attributes:
        case: Truth and hole.
        seed: Of all randomness in fits of it.
        iterations: Optimiser steps.
        copies: What its fits share.
    """

    case: Case
    seed: int
    iterations: int
    copies: _Copies = field(default_factory=_Copies)

    def context(self, starts: Starts | None) -> FitContext:
        """What a method gets."""
        return FitContext(seed=self.seed, device=CPU, starts=starts, checkpoint=self.copies)


Student = Callable[[Lesson, Starts | None], Trial]
