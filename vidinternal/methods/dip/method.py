"""The three tasks of the Deep Image Prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageMethod, ImageResult, ImageTask
from vidinternal.core.seeds import branch
from vidinternal.methods.dip import CARDS
from vidinternal.methods.dip.config import Config, DenoiseConfig, RestoreConfig, UpscaleConfig
from vidinternal.methods.dip.features import read_phi
from vidinternal.methods.dip.fit import Asked, Fit, Fitted, Watcher
from vidinternal.methods.dip.presets import Preset, chosen, fitted_to
from vidinternal.methods.dip.problems import Observation, damaged, kind_of_damage, noisy, small

_CARDS = {card.task: card for card in CARDS}


class Denoise(ImageMethod):
    """``min ||f_theta(z) - x_0||^2``, stopped before the noise is fitted."""

    card = _CARDS["denoise"]

    def check(self, config: DenoiseConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse pictures too small for one level of the network; tell where fewer levels are used."""
        preset = chosen("denoise", config)
        if config.loss == "sure":
            preset = replace(preset, source="picture")
        return _depth_note(preset, height, width) + _stop_notes(preset)

    def tile(self, config: DenoiseConfig) -> int:
        """As the preset says."""
        return chosen("denoise", config).tile

    def apply(self, task: ImageTask, config: DenoiseConfig, context: FitContext) -> ImageResult:
        """Make the picture of the group."""
        observation = noisy(task, config, context.device)
        made = solve(observation, task, config, context)
        found = {} if observation.sigma is None else {"sigma": round(255 * observation.sigma, 2)}
        return replace(made, facts={**made.facts, **found})


class Upscale(ImageMethod):
    """``min ||d(f_theta(z)) - x_0||^2``."""

    card = _CARDS["upscale"]

    def check(self, config: UpscaleConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse pictures whose enlargement is too small for one level of the network."""
        return _depth_note(chosen("upscale", config), *self.size(config, height, width))

    def size(self, config: UpscaleConfig, height: int, width: int) -> tuple[int, int]:
        """The picture's, times the scale."""
        return height * int(config.scale), width * int(config.scale)

    def tile(self, config: UpscaleConfig) -> int:
        """Of the picture before it is enlarged."""
        return max(1, chosen("upscale", config).tile // int(config.scale))

    def apply(self, task: ImageTask, config: UpscaleConfig, context: FitContext) -> ImageResult:
        """Make the picture of the group."""
        return solve(small(task, config, context.device), task, config, context)


class Restore(ImageMethod):
    """``min ||(f_theta(z) - x_0) . m||^2`` for holes; without ``m`` for JPEG and flash; ``Phi`` for features."""

    card = _CARDS["restore"]

    def check(self, config: RestoreConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse weights of a classifier that are missing or wrong, and pictures that are too small."""
        if config.damage == "features":
            read_phi(config.network, config.network_weights, config.layer, config.side)
        problem = "region" if config.damage in ("auto", "holes") else config.damage
        return _depth_note(chosen(problem, config), height, width)

    def apply(self, task: ImageTask, config: RestoreConfig, context: FitContext) -> ImageResult:
        """Make the picture of the group; one whose mask selects nothing comes back as it is."""
        unused = task.guide is not None and kind_of_damage(task, config) != "flash"
        notes = (_UNUSED_GUIDE,) if unused else ()
        observation = damaged(task, config, context.device)
        if observation is None:
            note = "nothing is missing in some pictures: they are as they came"
            state = {} if task.previous is None else task.previous.state  # the next picture goes on from there
            frames = task.frames.float().clamp(0, 1)
            return ImageResult(frames, state=state, notes=(*notes, note), facts={"untouched": True})
        made = solve(observation, task, config, context)
        facts = {**made.facts, "problem": observation.problem}
        frames = made.frames
        if config.keep_known and observation.known is not None:
            known = observation.known.bool().cpu()
            frames = torch.where(known, task.frames.float().cpu(), frames)
        return replace(made, frames=frames, notes=(*notes, *made.notes), facts=facts)


_UNUSED_GUIDE = "the second picture is of use for damage=flash alone and was left aside"


def solve(
    observation: Observation, task: ImageTask, config: Config, context: FitContext, watcher: Watcher | None = None
) -> ImageResult:
    """Fit the network, as often as ``config.runs`` says, and average the results.

    Args:
        observation: What is known of the picture.
        task: For what came before.
        config: Settings.
        context: Device, seed, time.
        watcher: Shown every iterate of the first run; for measuring.

    Raises:
        UsageError: The picture is too small, or training left the finite numbers at once.
        BudgetError: No time is left.
    """
    preset = chosen(observation.problem, config)
    if isinstance(config, DenoiseConfig):
        preset = _for_noise(preset, config, observation.sigma)
    preset, _ = fitted_to(preset, *observation.size)  # `check` has told
    asked = Asked(observation, preset, config, task.previous, watcher)
    runs = _Runs(asked, context)
    first, others = runs.run()
    fits = (first, *others)
    total = torch.stack([f.picture for f in fits]).mean(dim=0)
    facts: dict[str, Any] = {"kept_iteration": first.kept}
    if first.score is not None:
        facts["stop_score"] = first.score
    backtracked = sum(f.backtracked for f in fits)
    told = (f"weights were put back {backtracked} times where the fit fell",) if backtracked else ()
    return ImageResult(
        frames=total.float().clamp(0, 1).cpu(),
        state=runs.carried,
        weights=runs.carried["weights"],
        signature=runs.carried["signature"],
        stopped=first.stopped,
        iterations=sum(f.iterations for f in fits),
        seconds=sum(f.seconds for f in fits),
        history=first.history,
        notes=(*observation.notes, *told, *((first.begun.note,) if first.begun.note else ())),
        facts=facts,
        warm=first.begun.warm,
    )


class _Runs:
    """The fits of one picture, one after another, and their state.

    Args:
        asked: What is fitted.
        context: Seed, time, checkpoints.

    Attributes:
        carried: What the next picture goes on from: the first run's.
    """

    def __init__(self, asked: Asked, context: FitContext) -> None:
        self.asked, self.context = asked, context
        self.carried: dict[str, Any] = {}
        self._pictures: list[Tensor] = []
        self._facts: list[Mapping[str, Any]] = []

    def run(self) -> tuple[Fitted, tuple[Fitted, ...]]:
        """Fit; the first run and the others."""
        done: list[Fitted] = []
        for number in range(self.asked.config.runs):
            done.append(self._one(number))
        return done[0], tuple(done[1:])

    def _one(self, number: int) -> Fitted:
        runs = self.asked.config.runs
        context = replace(self.context, budget=self.context.budget.share(1.0 / (runs - number)))
        fit = Fit(replace(self.asked, watcher=self.asked.watcher if number == 0 else None), context, self._seed(number))
        piece, checkpoint = f"dip-{number}", self.context.checkpoint
        saved = checkpoint.load(piece, fit.fits) if checkpoint is not None else None
        offer = (lambda: None) if checkpoint is None else (lambda: checkpoint.offer(piece, fit.fits, fit.state))
        fitted = fit.run(saved, offer)
        if checkpoint is not None and number + 1 < runs:
            checkpoint.save(piece, fit.fits, fit.state())  # a finished run is not made again
        if number == 0:
            self.carried = fit.carried()
        return fitted

    def _seed(self, number: int) -> int:
        return branch(self.context.seed, "dip", number)


def _for_noise(preset: Preset, config: DenoiseConfig, sigma: float | None) -> Preset:
    """What the strength of the noise and the loss change: more jitter from 50 steps of 8 bits on, as published."""
    if config.jitter is None and sigma is not None and sigma >= 45 / 255:
        preset = replace(preset, jitter=max(preset.jitter, 1 / 20))
    if config.loss != "sure":
        return preset
    stop = "zero" if config.stop is None else config.stop
    return replace(
        preset,
        network=replace(preset.network, in_channels=3),
        source="picture",
        stop=stop,
        jitter=preset.jitter if config.jitter is not None else 0.5 * (sigma or 0.0),
        backtrack=False,  # a risk may be below zero and has no level in dB
        precision=config.precision or "float32",  # a probe is a small difference of large numbers
    )


def _depth_note(preset: Preset, height: int, width: int) -> tuple[str, ...]:
    return fitted_to(preset, height, width)[1]


def _stop_notes(preset: Preset) -> tuple[str, ...]:
    if preset.stop == "zero" and preset.source != "picture":
        return ("stop=zero needs loss=sure and never fires without it",)
    return ()


METHODS = (Denoise(), Upscale(), Restore())
