"""DIP-Vid, DIP-Vid-3DCN and DIP-Vid-Flow: one network for all frames of the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult
from vidinternal.core.seeds import generator as seeded
from vidinternal.learn.checkpoint import restore
from vidinternal.learn.pace import Pace
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.learn.warm_start.door import Begun, begin
from vidinternal.learn.watch import Watch
from vidinternal.methods.video_inpainting.config import DipVidConfig, DipVidFlowConfig
from vidinternal.methods.video_inpainting.curriculum import (
    Batch,
    flow_batches,
    flow_schedule,
    median_batch,
    window_schedule,
    windows,
)
from vidinternal.methods.video_inpainting.inference import assemble
from vidinternal.methods.video_inpainting.training import BatchData, Trainer

_TELL_EVERY = 10  # iterations between two words of progress
_RENDER_COST = 0.5  # iterations that generating one window without gradient takes, at most


@dataclass(frozen=True)
class Schedule:
    """The order of batches and where it ends.

    Attributes:
        batches: In order; may be endless.
        iterations: Of the paper's full schedule.
        median: The batch in the middle of the clip, trained on before the output is taken.
    """

    batches: Iterator[Batch]
    iterations: int
    median: Batch

    @classmethod
    def of(cls, config: DipVidConfig, total: int, strides: tuple[int, ...], seed: int) -> Schedule:
        """The mode's schedule for a clip of ``total`` frames; ``strides`` are those that have a batch."""
        random = seeded(seed, "schedule")
        if isinstance(config, DipVidFlowConfig):
            median = median_batch(total, config.batch, min(strides, default=0))
            batches = flow_batches(total, config.batch, strides)
            per_pass = config.batches_per_pass + 1
            order = flow_schedule(batches, config.batches_per_pass, median, random)
        else:
            median = median_batch(total, config.batch)
            per_pass = len(windows(total, config.batch))
            order = window_schedule(total, config.batch, config.passes, random)
        return cls(order, config.passes * per_pass * config.inner_iterations, median)


@dataclass
class Place:
    """How far a fit has come in its schedule.

    Attributes:
        batch: Batches that are done.
        step: Iterations done on the batch at work.
        stopped: Why the schedule was left; None while it goes on.
        closing: Iterations left on the median batch at the end; None before that.
    """

    batch: int = 0
    step: int = 0
    stopped: str | None = None
    closing: int | None = None


class JointFit:
    """Trains until the schedule, the cap, the time or the patience ends.

    A fit that ends before its schedule still closes as each pass does, on the median batch, for a tenth of its
    iterations but no longer than one batch takes; otherwise the output would favour whichever frames came last.

    Args:
        trainer: The network and its objective.
        config: The mode's settings.
        context: Time, progress and hold-out.
        schedule: The order of batches.
    """

    def __init__(self, trainer: Trainer, config: DipVidConfig, context: FitContext, schedule: Schedule) -> None:
        self.trainer, self.config, self.schedule, self.context = trainer, config, schedule, context
        self.total = len(trainer.footage.frames)
        self.cap = min(config.iterations or schedule.iterations, schedule.iterations)
        self.pace = Pace(context.budget, self.cap)
        self.watch = Watch(context, self.pace, config.patience)
        self.render_cost = _RENDER_COST * len(windows(self.total, config.batch))
        self.place = Place()
        self.begun = Begun(context.start is not None and context.start_signature in (None, trainer.generator.signature))
        size = "x".join(map(str, trainer.footage.frames.shape))
        self.fits = f"{trainer.generator.signature}/{size}"

    def state(self) -> dict[str, Any]:
        """Everything the next iteration depends on, as a tree."""
        return {"trainer": self.trainer.state(), "pace": self.pace.state(), "watch": self.watch.state()} | {
            "place": to_tree(self.place),
            "begun": to_tree(self.begun),
        }

    def _go_on(self) -> None:
        """Take up the last checkpoint of a fit that was killed; else begin from what finished windows offer."""
        saved = self.context.checkpoint.load("fit", self.fits) if self.context.checkpoint is not None else None
        if saved is not None:
            self.trainer.load_state(saved["trainer"])
            self.pace.load_state(saved["pace"])
            self.watch.load_state(saved["watch"])
            self.place, self.begun = from_tree(Place, saved["place"]), from_tree(Begun, saved["begun"])
        elif self.context.starts is not None and self.context.start is None:
            generator = self.trainer.generator
            self.begun = begin(generator.network, generator.signature, self.context, self._score)

    def _score(self) -> float | None:
        """What the network as it is is worth on the held-out pixels, dB; None where nothing is held out."""
        holdout = self.context.holdout
        return None if holdout is None else holdout.score(self._render())

    def _render(self) -> Tensor:
        return assemble(self.total, self.config.batch, self.trainer.render)

    def run(self) -> FitResult:
        """Train, from the last checkpoint if there is one, and return the best output."""
        self._go_on()
        stopped = self.place.stopped or self._train()
        self.place.stopped = stopped
        if stopped == "budget" or (stopped == "iterations" and self.cap < self.schedule.iterations):
            self._close()
        self._look()
        best = self.watch.best
        return FitResult(
            frames=best.kept(),
            stopped=stopped,
            iterations=self.pace.iteration,
            seconds=self.pace.seconds(),
            history=tuple(self.watch.history),
            weights=best.weights,
            signature=self.trainer.generator.signature,
            learned_flow=self._learned_flow(best.weights),
            notes=(self.begun.note,) if self.begun.note else (),
            warm=self.begun.warm,
        )

    def _learned_flow(self, weights: Mapping[str, Tensor]) -> Tensor | None:
        """``T 2 H W`` pixels to the next frame, of the best weights; None where the network makes no such flow.

        Training is over: the network is left with these weights.
        """
        if 1 not in self.trainer.footage.flow_scale:
            return None
        restore(self.trainer.generator.network, weights, "best weights")
        return assemble(self.total, self.config.batch, self.trainer.render_flow).float().cpu()

    def _train(self) -> str:
        """Go through the schedule; return why it ended."""
        place = self.place
        for batch in islice(self.schedule.batches, place.batch, None):
            data = self.trainer.prepare(batch)
            while place.step < self.config.inner_iterations:
                reason = self._reason_to_stop()
                if reason:
                    return reason
                self._step(data)
                place.step += 1
                if self.pace.iteration % self.config.look_every == 0:
                    self._look_in_passing()
                self._checkpoint()
            if batch.ends_pass:
                self._look_in_passing()
            place.batch, place.step = place.batch + 1, 0
        return "iterations"

    def _checkpoint(self) -> None:
        if self.context.checkpoint is not None:
            self.context.checkpoint.offer("fit", self.fits, self.state)

    def _reason_to_stop(self) -> str | None:
        if self.watch.diverged:
            return "diverged"
        if self.watch.best.exhausted:
            return "held-out score"
        cut_short = self.cap < self.schedule.iterations
        if self.pace.over_cap(min(self.config.inner_iterations, self.cap // 10) if cut_short else 0):
            return "iterations"
        return "budget" if self.pace.over_budget(self._closing_iterations() + self.render_cost) else None

    def _closing_iterations(self) -> int:
        return min(self.config.inner_iterations, self.pace.iteration // 10)

    def _close(self) -> None:
        """Train on the median batch before the output is taken."""
        data, place = self.trainer.prepare(self.schedule.median), self.place
        if place.closing is None:
            place.closing = max(self._closing_iterations(), self.cap - self.pace.iteration)
        while place.closing > 0:
            if self.pace.over_cap() or self.pace.over_budget(self.render_cost):
                return
            self._step(data)
            place.closing -= 1
            self._checkpoint()

    def _step(self, data: BatchData) -> None:
        self.trainer.step(data)
        self.pace.tick()
        if self.pace.iteration % _TELL_EVERY == 0:
            self.context.progress(self.pace.share(), f"iteration {self.pace.iteration}")

    def _look_in_passing(self) -> None:
        """Look, unless that would take the time that the end needs."""
        if not self.pace.over_budget(self._closing_iterations() + 2 * self.render_cost):
            self._look()

    def _look(self) -> None:
        history = self.watch.history
        if history and history[-1].iteration == self.pace.iteration:
            return
        self.watch.look(self._render(), self.trainer.objective.values(), self.trainer.generator.weights)
