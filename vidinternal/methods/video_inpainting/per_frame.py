"""DIP: a new network and optimiser for every frame, each keeping its best iterate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, HistoryPoint, Holdout
from vidinternal.core.seeds import branch
from vidinternal.learn.pace import Pace
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.learn.stopping import BestSoFar
from vidinternal.learn.warm_start.door import Begun, audition
from vidinternal.learn.watch import not_finite
from vidinternal.methods.video_inpainting.config import DipConfig
from vidinternal.methods.video_inpainting.curriculum import Batch
from vidinternal.methods.video_inpainting.generator import Generator, network_config
from vidinternal.methods.video_inpainting.training import Footage, Trainer

_TELL_EVERY = 10


@dataclass(frozen=True)
class _FrameFit:
    """How the fit of one frame ended."""

    frame: Tensor
    stopped: str
    iterations: int
    seconds: float
    terms: Mapping[str, float]
    score: float | None
    weights: Mapping[str, Tensor]


@dataclass
class _Done:
    """The frames that are fitted.

    Attributes:
        frames: ``T 3 H W``, fitted or as they came.
        weights: Of the last frame's network.
        reasons: Why each fit ended.
        history: One point for each frame.
        begun: What each fit began from.
    """

    frames: Tensor
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    history: tuple[HistoryPoint, ...] = ()
    begun: tuple[Begun, ...] = ()


class PerFrameFit:
    """Fits the frames that have a hole, one after another; the others are returned as they came.

    Iterations and time are shared out evenly. The iterate kept is the one with the best held-out score, and where
    nothing is held out in a frame, the one with the lowest ``L_r``, as published.

    Args:
        footage: The window, without flow.
        config: The mode's settings.
        context: Time, progress, hold-out and weights that every frame starts from.
    """

    def __init__(self, footage: Footage, config: DipConfig, context: FitContext) -> None:
        self.footage, self.config, self.context = footage, config, context
        self.shape = network_config(config, (footage.frames.shape[-2], footage.frames.shape[-1]))
        self.wanted = [t for t, hole in enumerate(footage.holes) if bool(hole.any())]
        full = config.iterations_per_frame
        share = full if config.iterations is None else config.iterations // len(self.wanted)
        self.cap = max(1, min(full, share))

        self.fits = f"{self.shape.signature()}/{'x'.join(map(str, footage.frames.shape))}"
        self.done = _Done(footage.frames.clone())

    def run(self) -> FitResult:
        """Fit every frame and return the assembled output with the weights of the last frame's network.

        A fit that was killed goes on from its last checkpoint, within the frame it was at.
        """
        saved = self.context.checkpoint.load("fit", self.fits) if self.context.checkpoint is not None else None
        running = None
        if saved is not None:
            self.done, running = from_tree(_Done, saved["done"]), saved["running"]
            self.done.frames = self.done.frames.to(self.footage.frames)
        done, signature = self.done, self.shape.signature()
        starts = None if self.context.start is not None else self.context.starts
        offered = None if starts is None else starts.of(signature)
        for number in range(len(done.history), len(self.wanted)):
            index = self.wanted[number]
            generator = self._generator(index)
            signature = generator.signature
            if running is None and offered is not None:
                done.begun = (*done.begun, audition(generator.network, offered, self._scorer(index, generator)))
            fit, running = self._fit(index, number, generator, running), None
            done.frames[index] = fit.frame
            done.weights = fit.weights
            done.reasons = (*done.reasons, fit.stopped)
            before = done.history[-1] if done.history else HistoryPoint(0, 0.0, {})
            iterations, seconds = before.iteration + fit.iterations, before.seconds + fit.seconds
            done.history = (*done.history, HistoryPoint(iterations, seconds, fit.terms, fit.score))
        ordered = ("diverged", "budget", "held-out score", "iterations")
        return FitResult(
            frames=done.frames,
            stopped=next(reason for reason in ordered if reason in done.reasons),
            iterations=done.history[-1].iteration,
            seconds=done.history[-1].seconds,
            history=done.history,
            weights=done.weights,
            signature=signature,
            notes=self._told(),
            warm=any(b.warm for b in done.begun) or self.context.start is not None,
        )

    def _scorer(self, index: int, generator: Generator) -> Callable[[], float | None]:
        """What a frame's network as it is is worth on the held-out pixels of the frame; None where there are none."""
        holdout = self._holdout(index)
        trainer = Trainer(self.footage, generator, self.config)
        rows = range(index, index + 1)
        return lambda: None if holdout is None else holdout.score(trainer.render(rows))

    def _told(self) -> tuple[str, ...]:
        if not self.done.begun:
            return ()
        warm = sum(b.warm for b in self.done.begun)
        return (f"{warm} of {len(self.done.begun)} frames began warm; the first: {self.done.begun[0].note}",)

    def _generator(self, index: int) -> Generator:
        device = self.footage.frames.device
        generator = Generator(self.shape, branch(self.context.seed, "frame", index), device, self.config)
        generator.start_from(self.config, self.context)
        return generator

    def _fit(self, index: int, number: int, generator: Generator, running: Mapping[str, Any] | None) -> _FrameFit:
        left = len(self.wanted) - number
        pace = Pace(self.context.budget.share(1.0 / left), self.cap)
        trainer = Trainer(self.footage, generator, self.config)
        data = trainer.prepare(Batch((index,)))
        holdout, best, stopped = self._holdout(index), BestSoFar(self.config.patience), None
        if running is not None:
            trainer.load_state(running["trainer"])
            pace.load_state(running["pace"])
            best.load_state(running["best"])

        def state() -> dict[str, Any]:
            now = {"trainer": trainer.state(), "pace": pace.state(), "best": best.state()}
            return {"done": to_tree(self.done), "running": now}

        while stopped is None:
            output = trainer.step(data)
            pace.tick()
            if not bool(torch.isfinite(output).all()):
                if best.frames is None:
                    raise not_finite(pace.iteration)
                stopped = "diverged"
                break
            stopped = "iterations" if pace.over_cap() else "budget" if pace.over_budget() else None
            if holdout is None:
                best.offer(pace.iteration, output, -trainer.objective.values()["L_r"], dict)
            elif stopped or pace.iteration % self.config.look_every == 0:
                best.offer(pace.iteration, output, holdout.score(output), dict)
                stopped = stopped or ("held-out score" if best.exhausted else None)
            if stopped or pace.iteration % _TELL_EVERY == 0:
                share = (number + pace.share()) / len(self.wanted)
                self.context.progress(share, f"frame {number + 1} of {len(self.wanted)}, iteration {pace.iteration}")
            if self.context.checkpoint is not None and stopped is None:
                self.context.checkpoint.offer("fit", self.fits, state)
        score = best.score if holdout is not None else None
        terms = trainer.objective.values()
        return _FrameFit(best.kept()[0], stopped, pace.iteration, pace.seconds(), terms, score, generator.weights())

    def _holdout(self, index: int) -> Holdout | None:
        whole = self.context.holdout
        if whole is None or not bool(whole.masks[index].any()):
            return None
        return Holdout(whole.masks[index : index + 1], whole.truth[index : index + 1])
