"""Fitting the network to one picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, HistoryPoint
from vidinternal.core.imaging import Previous
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore, snapshot
from vidinternal.learn.objective import Objective
from vidinternal.learn.pace import Pace, require_time
from vidinternal.learn.state_tree import from_tree, network_tree, optimiser_tree, restore_optimiser, to_tree
from vidinternal.learn.warm_start.door import Begun, begin
from vidinternal.learn.watch import not_finite
from vidinternal.methods.dip.config import Config
from vidinternal.methods.dip.objective import SURE, L_temporal, R_tv, divergence, psnr_to
from vidinternal.methods.dip.presets import WARM_UP, Preset
from vidinternal.methods.dip.prior import Jitter, Prior
from vidinternal.methods.dip.problems import Observation, hold_out
from vidinternal.methods.dip.stopping import (
    Backtrack,
    HeldOutPixels,
    Last,
    OutputAverage,
    Rule,
    WindowedVariance,
    ZeroCrossing,
)

LOOKS = 20
PROBE_STEP = 1e-2
"""Length of the probe of the divergence; in bfloat16 a shorter one drowns in rounding."""
Watcher = Callable[[int, Tensor, Tensor], None]
"""Shown every iterate and the mean of all, ``1 3 H W``; for measuring, nothing depends on it."""


@dataclass(frozen=True)
class Fitted:
    """How a fit ended.

    Attributes:
        picture: ``1 3 H W``, the iterate that was chosen.
        kept: Its iteration.
        stopped: ``iterations``, ``budget``, ``variance``, ``held-out score``, ``zero crossing`` or ``diverged``.
        iterations: Optimiser steps in all.
        seconds: Wall seconds.
        score: What the stopping rule thinks of it.
        history: Looks, oldest first.
        begun: What it began from.
        backtracked: Times that weights were put back.
    """

    picture: Tensor
    kept: int
    stopped: str
    iterations: int
    seconds: float
    score: float | None
    history: tuple[HistoryPoint, ...]
    begun: Begun
    backtracked: int


@dataclass(frozen=True)
class Asked:
    """What is to be fitted, and how.

    Attributes:
        observation: What is known of the picture.
        preset: The schedule, with what the settings change of it.
        config: The settings.
        previous: The picture before it in the clip; None at the beginning of a shot.
        watcher: Shown every iterate.
    """

    observation: Observation
    preset: Preset
    config: Config
    previous: Previous | None = None
    watcher: Watcher | None = None


class Fit:
    """One fit of one network.

    Args:
        asked: What is fitted.
        context: Device, time, progress, weights to start from.
        seed: Root of its randomness.
        number: Which of the runs that are averaged it is.
    """

    def __init__(self, asked: Asked, context: FitContext, seed: int, number: int = 0) -> None:
        self.asked, self.context, self.number = asked, context, number
        self.observation, preset, config = asked.observation, asked.preset, asked.config
        self.random = generator(seed, "steps")
        places = None
        if preset.stop == "held_out" and self.observation.can_hold_out:
            self.observation, places = hold_out(self.observation, generator(seed, "held out"), config.held_out)
        self.prior = Prior(preset, self.observation, seed, context.device, places)
        self.sure = preset.source == "picture" and self.observation.sigma is not None
        self.warm = self._goes_on()
        self.cap = min(preset.warm_iterations, preset.iterations) if self.warm else preset.iterations
        self.optimiser = torch.optim.Adam(self.prior.network.parameters(), lr=preset.rate)
        self.jitter = Jitter(self.prior.z, preset.jitter, self.random, bank=preset.lean)
        self.mean = OutputAverage(preset.average, debiased=preset.lean)
        self.rule = self._rule(places, seed)
        self.backtrack = Backtrack(self.prior.network, self.optimiser) if preset.backtrack else None
        carried = config.temporal if asked.previous is not None else 0.0
        self.objective = Objective({"E": 1.0, "R_tv": config.tv, "L_temporal": carried})
        self.pace = Pace(context.budget, self.cap)
        self.history: list[HistoryPoint] = []
        self.begun = Begun(self.warm, "from the picture before" if self.warm else "")
        self.stopped: str | None = None

    @property
    def fits(self) -> str:
        """What a saved state of this fit belongs to."""
        sizes = "x".join(map(str, (*self.observation.x_0.shape, *self.observation.size)))
        return f"{self.prior.signature}/{self.observation.problem}/{sizes}/{self.cap}/{self.number}"

    def _rule(self, places: Tensor | None, seed: int) -> Rule:
        patience = max(10, self.cap // 3)
        if places is not None:
            every = max(1, self.cap // 100)
            return HeldOutPixels(self.observation.x_0, places, self.observation.forward, patience, every)
        if self.asked.preset.stop == "variance":
            return WindowedVariance(max(2, min(100, self.cap // 20)), patience, generator(seed, "pixels"))
        return ZeroCrossing() if self.asked.preset.stop == "zero" and self.sure else Last()

    def _goes_on(self) -> bool:
        """Take over the weights of the picture before, where there are any that fit."""
        previous = self.asked.previous
        if previous is None or previous.state.get("signature") != self.prior.signature:
            return False
        restore(self.prior.network, previous.state["weights"], "the picture before")
        return True

    def _begin(self) -> None:
        """Start from what the context offers, where nothing of this shot came before."""
        if self.warm:
            return
        context = self.context
        if context.start is not None and context.start_signature in (None, self.prior.signature):
            restore(self.prior.network, context.start, "start weights")
            self.begun = Begun(True, "start weights")
            return
        if context.start is not None:
            told = f"cold start: the weights given fit {context.start_signature}, not {self.prior.signature}"
            self.begun = Begun(False, told)
            return
        self.begun = begin(self.prior.network, self.prior.signature, context, self._level)

    def _level(self) -> float:
        """How well the network as it is meets what was observed, dB."""
        with torch.no_grad():
            return psnr_to(float(self._energy(self.prior(self.prior.z))))

    def _energy(self, output: Tensor) -> Tensor:
        seen = self.observation.forward(output)
        return self.observation.energy(seen, self.observation.x_0, self.observation.known)

    def _data_term(self, z: Tensor, output: Tensor) -> Tensor:
        sigma = self.observation.sigma
        if not self.sure or sigma is None:
            return self._energy(output)
        probe = torch.randn(z.shape, generator=self.random).to(z.device)
        return SURE(output, self.observation.x_0, sigma, divergence(self.prior, z, output, probe, PROBE_STEP))

    def _tie(self, output: Tensor) -> Tensor:
        previous = self.asked.previous
        if previous is None:
            return output.new_zeros(())
        return L_temporal(output, previous.warped.to(output), previous.valid.to(output))

    def _step(self) -> None:
        preset, iteration = self.asked.preset, self.pace.iteration
        if preset.annealed:
            rate = min(1.0, (iteration + 1) / WARM_UP) * (1 + math.cos(math.pi * self.pace.share())) / 2
            self.optimiser.param_groups[0]["lr"] = preset.rate * rate
        z = self.jitter()
        output = self.prior(z)
        loss = self.objective.total(
            {
                "E": lambda: self._data_term(z, output),
                "R_tv": lambda: R_tv(output),
                "L_temporal": lambda: self._tie(output),
            }
        )
        value = float(loss.detach())
        if self.backtrack is not None and self.backtrack.look(iteration, psnr_to(value)):
            self.pace.tick()
            return
        if not math.isfinite(value):
            if self.rule.best is None:
                raise not_finite(iteration)
            self.stopped = "diverged"
            return
        if isinstance(self.rule, ZeroCrossing) and self.rule.crossed(value):
            self.stopped = "zero crossing"
            return
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.pace.tick()
        self._watch(output.detach())

    def _watch(self, output: Tensor) -> None:
        mean = self.mean.take(output)
        if self.rule.look(self.pace.iteration, output, mean):
            self.stopped = "held-out score" if isinstance(self.rule, HeldOutPixels) else "variance"
        if self.asked.watcher is not None:
            self.asked.watcher(self.pace.iteration, output, mean)
            self.pace.resume()
        if self.pace.iteration % max(1, self.cap // LOOKS) == 0:
            self._tell()

    def _tell(self) -> None:
        score = self.rule.score if isinstance(self.rule, HeldOutPixels) else None
        point = HistoryPoint(self.pace.iteration, self.pace.seconds(), self.objective.values(), score)
        self.history.append(point)
        told = "" if score is None else f", held-out {score:.1f} dB"
        self.context.progress(self.pace.share(), f"iteration {self.pace.iteration}{told}")

    def state(self) -> dict[str, Any]:
        """Everything the next iteration depends on, as a tree."""
        return {
            "weights": network_tree(self.prior.network),
            "optimiser": optimiser_tree(self.optimiser),
            "random": self.random.get_state(),
            "pace": self.pace.state(),
            "mean": self.mean.state(),
            "rule": self.rule.state(),
            "backtrack": None if self.backtrack is None else self.backtrack.state(),
            "terms": self.objective.values(),
            "history": to_tree(self.history),
            "begun": [self.begun.warm, self.begun.note],
            "stopped": self.stopped,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up a state of a fit that was killed."""
        device = self.context.device
        restore(self.prior.network, state["weights"], "checkpoint")
        restore_optimiser(self.optimiser, state["optimiser"])
        self.random.set_state(state["random"])
        self.pace.load_state(state["pace"])
        self.mean.load_state(state["mean"], device)
        self.rule.load_state(state["rule"], device)
        if isinstance(self.rule, Last):
            self.rule.best = self.mean.mean
        if self.backtrack is not None:
            self.backtrack.load_state(state["backtrack"], device)
        self.objective.load_values(state["terms"])
        self.history = from_tree(list[HistoryPoint], state["history"])
        self.begun, self.stopped = Begun(*state["begun"]), state["stopped"]

    def run(self, saved: Mapping[str, Any] | None = None, offer: Callable[[], None] = lambda: None) -> Fitted:
        """Fit to the end of the iterations, the time, the rule's patience or the finite numbers.

        Args:
            saved: State of an earlier run of this fit that was killed.
            offer: Called after every iteration, to keep the state.

        Raises:
            UsageError: The output is not finite and nothing better has been seen.
            BudgetError: No time is left.
        """
        if saved is not None:
            self.load_state(saved)
        else:
            require_time(self.context.budget)
            self._begin()
        while self.stopped is None:
            self._step()
            if self.stopped is None:
                self.stopped = "iterations" if self.pace.over_cap() else "budget" if self.pace.over_budget() else None
            if self.stopped is None:
                offer()
        if not self.history or self.history[-1].iteration != self.pace.iteration:
            self._tell()
        chosen = self.rule.best
        if chosen is None or not bool(chosen.isfinite().all()):
            raise not_finite(self.pace.iteration)
        return Fitted(
            picture=chosen,
            kept=self.rule.iteration,
            stopped=self.stopped,
            iterations=self.pace.iteration,
            seconds=self.pace.seconds(),
            score=self.rule.score,
            history=tuple(self.history),
            begun=self.begun,
            backtracked=self.backtrack.times if self.backtrack is not None else 0,
        )

    def carried(self) -> dict[str, Any]:
        """What the next picture of the shot may go on from."""
        network = self.prior.network
        return {
            "signature": self.prior.signature,
            "weights": snapshot(network),
            "problem": self.observation.problem,
        }
