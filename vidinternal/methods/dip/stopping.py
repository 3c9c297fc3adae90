"""When to stop: rules that look at the fit alone, and never at a truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from vidinternal.learn.checkpoint import restore
from vidinternal.learn.state_tree import network_tree, optimiser_tree, restore_optimiser

MOST_PIXELS = 32_768
"""Pixels that :class:`WindowedVariance` looks at; a mean over more tells nothing new and a window of them is large."""


class OutputAverage:
    """Running mean of the network's outputs, ``a <- g a + (1 - g) x``.

    Args:
        decay: ``g``; 0 keeps the last output.
        debiased: Whether the first outputs are soon forgotten, ``g_i = min(g, (1 + i) / (10 + i))``; as published the
            first output of all counts ``g^i``.
    """

    def __init__(self, decay: float, *, debiased: bool) -> None:
        self.decay, self.debiased = decay, debiased
        self.mean: Tensor | None = None
        self.count = 0

    def take(self, output: Tensor) -> Tensor:
        """Let an output count; returns the mean."""
        keep = min(self.decay, (1 + self.count) / (10 + self.count)) if self.debiased else self.decay
        self.mean = output.clone() if self.mean is None else self.mean.lerp_(output, 1.0 - keep)
        self.count += 1
        return self.mean

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        return {"mean": self.mean, "count": self.count}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Remember what :meth:`state` gave."""
        self.mean = None if state["mean"] is None else state["mean"].to(device)
        self.count = state["count"]


class Rule(Protocol):
    """Chooses an iterate.

    Attributes:
        best: The output that is chosen so far; None before the first.
        iteration: Where it was made.
        score: What it is worth by the rule, dB or another unit; None where the rule has none yet.
    """

    best: Tensor | None
    iteration: int
    score: float | None

    def look(self, iteration: int, output: Tensor, mean: Tensor) -> bool:
        """See an iterate and the mean of all outputs so far; whether it is time to stop."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        ...

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Remember what :meth:`state` gave."""
        ...


class Last:
    """No rule: the mean of the outputs at the end."""

    def __init__(self) -> None:
        self.best: Tensor | None = None
        self.iteration = 0
        self.score: float | None = None

    def look(self, iteration: int, output: Tensor, mean: Tensor) -> bool:
        """Take the mean, never stop."""
        del output
        self.best, self.iteration = mean, iteration
        return False

    def state(self) -> dict[str, Any]:
        """Nothing that the mean of the outputs does not hold."""
        return {"iteration": self.iteration}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Count on."""
        del device
        self.iteration = state["iteration"]


class ZeroCrossing(Last):
    """The mean of the outputs when the risk estimate, smoothed, falls below zero (``jo2021rethinking``).

    A risk is no less than zero: an estimate that is has begun to fit the noise. One probe makes it a noisy estimate, so
    it is its running mean that counts.
    """

    keeps = 0.9
    """What the running mean keeps of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.risk: float | None = None

    def crossed(self, risk: float) -> bool:
        """Let an estimate count; whether the mean of them is below zero."""
        self.risk = risk if self.risk is None else self.keeps * self.risk + (1 - self.keeps) * risk
        return self.best is not None and self.risk < 0

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        return {**super().state(), "risk": self.risk}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Remember what :meth:`state` gave."""
        super().load_state(state, device)
        self.risk = state["risk"]


class WindowedVariance:
    """ES-WMV (``wang2023early``): the iterate at which the last ``W`` outputs varied least.

    ``VAR_t = mean_pixels( mean_w x_w^2 - (mean_w x_w)^2 )``; stops when it has not fallen below its least for ``P``
    iterations and returns what was **stored** when it was least. The window keeps up to :data:`MOST_PIXELS` pixels, in
    half precision, whose places are drawn once.

    Args:
        window: ``W``.
        patience: ``P``.
        random: Draws the places.
    """

    def __init__(self, window: int, patience: int, random: torch.Generator) -> None:
        self.window, self.patience, self.random = window, patience, random
        self.best: Tensor | None = None
        self.iteration = 0
        self.score: float | None = None
        self.least = float("inf")
        self._ring: Tensor | None = None
        self._places: Tensor | None = None
        self._seen = 0

    def look(self, iteration: int, output: Tensor, mean: Tensor) -> bool:
        """See an output; whether the variance has long been rising."""
        pixels = output.flatten(2)
        if self._places is None:
            count = pixels.shape[-1]
            chosen = torch.randperm(count, generator=self.random)[:MOST_PIXELS]
            self._places = chosen.sort().values.to(output.device)
        seen = pixels[..., self._places].half()
        if self._ring is None:
            self._ring = seen.new_zeros((self.window, *seen.shape))
        self._ring[self._seen % self.window] = seen
        self._seen += 1
        if self.best is None:
            self.best, self.iteration = mean.clone(), iteration
        if self._seen < self.window:
            return False
        variance = float(self._ring.float().var(dim=0, correction=0).mean())
        if variance < self.least:
            self.least, self.score = variance, variance
            self.best, self.iteration = mean.clone(), iteration
        return iteration - self.iteration >= self.patience

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        return {
            "best": self.best,
            "iteration": self.iteration,
            "least": None if self.score is None else self.least,
            "ring": self._ring,
            "places": self._places,
            "seen": self._seen,
        }

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Remember what :meth:`state` gave."""
        self.best, self._ring, self._places = (
            None if state[name] is None else state[name].to(device) for name in ("best", "ring", "places")
        )
        self.iteration, self._seen, self.score = state["iteration"], state["seen"], state["least"]
        self.least = float("inf") if self.score is None else self.score


class HeldOutPixels:
    """The iterate that meets pixels kept from the loss best, its score smoothed over the looks.

    Noise that is independent from pixel to pixel adds the same to every iterate's error there, so the least error is at
    the least distance from the truth, which is not known.

    Args:
        observed: ``1 3 h w``.
        places: ``1 1 h w`` bool, the pixels that were kept from the loss.
        forward: How a picture is observed: ``1 3 H W`` to ``1 3 h w``.
        patience: Iterations without a better score after which to stop.
        every: Iterations between two looks.
    """

    smooth = 0.5
    """What a score keeps of the one before."""

    def __init__(
        self,
        observed: Tensor,
        places: Tensor,
        forward: Callable[[Tensor], Tensor],
        patience: int,
        every: int = 10,
    ) -> None:
        self.truth, self.forward = observed[places.expand_as(observed)], forward
        self.places, self.patience, self.every = places, patience, every
        self.best: Tensor | None = None
        self.iteration = 0
        self.score: float | None = None
        self._level: float | None = None

    def level(self, seen: Tensor) -> float:
        """PSNR in dB of a picture like the observed one on the held-out pixels."""
        error = (seen[self.places.expand_as(seen)].float() - self.truth).square().mean()
        return float(-10.0 * torch.log10(error.clamp_min(1e-12)))

    def look(self, iteration: int, output: Tensor, mean: Tensor) -> bool:
        """Score the mean of the outputs."""
        del output
        if iteration % self.every and self.best is not None:
            return False
        now = self.level(self.forward(mean))
        self._level = now if self._level is None else self.smooth * self._level + (1 - self.smooth) * now
        if self.score is None or self._level > self.score:
            self.score, self.best, self.iteration = self._level, mean.clone(), iteration
        return iteration - self.iteration >= self.patience

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        return {"best": self.best, "iteration": self.iteration, "score": self.score, "level": self._level}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Remember what :meth:`state` gave."""
        self.best = None if state["best"] is None else state["best"].to(device)
        self.iteration, self.score, self._level = state["iteration"], state["score"], state["level"]


class Backtrack:
    """Goes back to earlier weights where the fit suddenly falls by more than ``drop`` dB.

    Weights and moments are **copies**: the original keeps references that training goes on changing, and then there is
    nothing to go back to.

    Args:
        network: Whose weights.
        optimiser: Whose moments.
        every: Iterations between two copies; the fit is looked at in every one.
        drop: dB.
    """

    def __init__(
        self, network: torch.nn.Module, optimiser: torch.optim.Optimizer, every: int = 10, drop: float = 5.0
    ) -> None:
        self.network, self.optimiser, self.every, self.drop = network, optimiser, every, drop
        self.kept: dict[str, Any] | None = None
        self.times = 0

    def look(self, iteration: int, level: float) -> bool:
        """See the fit in dB, before the step that it leads to; whether the weights were put back.

        Args:
            iteration: Its number.
            level: PSNR of the present output to what was observed; NaN counts as a fall.
        """
        if self.kept is not None and not level >= self.kept["level"] - self.drop:
            restore(self.network, self.kept["weights"], "backtracking")
            restore_optimiser(self.optimiser, self.kept["optimiser"])
            self.times += 1
            return True
        if iteration % self.every == 0 and math.isfinite(level):
            weights = {name: tensor.clone() for name, tensor in network_tree(self.network).items()}
            self.kept = {"level": level, "weights": weights, "optimiser": _copied(optimiser_tree(self.optimiser))}
        return False

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as a tree."""
        return {"kept": self.kept, "times": self.times}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Remember what :meth:`state` gave."""
        del device  # weights and moments are copied to where they belong when they are put back
        self.kept, self.times = state["kept"], state["times"]


def _copied(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.clone()
    if isinstance(tree, Mapping):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, list | tuple) else tree
