"""The registry's entry point: one picture at a time, alone or in its shot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, decibels
from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageCard, ImageMethod, ImageResult, ImageTask
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore, snapshot
from vidinternal.learn.pace import require_time
from vidinternal.learn.warm_start.door import begin
from vidinternal.methods.zssr import CARDS
from vidinternal.methods.zssr.augment import Source
from vidinternal.methods.zssr.config import Config
from vidinternal.methods.zssr.fit import Before, Learner, Lesson, middle
from vidinternal.methods.zssr.objective import father_to_son, interpolated, mse_rec, son_size
from vidinternal.methods.zssr.recipe import FRAME_RATE, kernel_of_step, recipe
from vidinternal.methods.zssr.render import Finish, enlarged, turns
from vidinternal.methods.zssr.schedule import ConstantRule, CosineRule, SlopeRule
from vidinternal.methods.zssr.start import learned_start
from vidinternal.nets.conv_stack import ConvStack
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import kernel_shift, validated
from vidinternal.ops.scale import scale_pair, scaled_size

LEAST_SON = 4
"""Pixels of a side that the son of a picture must have for anything to be learned from the pair."""
LEAST_HELD_BACK = 24
"""Pixels of a side of the held-back copy below which its gain says nothing."""
LEAST_GAIN = 0.02
"""How many dB over Lanczos on the held-back copy are something."""
_CHANGED = 2.0  # ratio of detail at which a shot that gained nothing is looked at again
_SMALLEST = 1e-8  # squared error of a picture without any detail


@dataclass(frozen=True)
class ZeroShot(ImageMethod):
    """ZSSR.

    Attributes:
        card: Its card.
    """

    card: ImageCard = CARDS[0]

    def size(self, config: Config, height: int, width: int) -> tuple[int, int]:
        """``ceil`` of each side times its factor."""
        return scaled_size(height, width, config.scale)

    def check(self, config: Config, height: int, width: int) -> tuple[str, ...]:
        """Tell what becomes of pictures that are too small to learn from."""
        return () if _learnable(config, height, width) else (_too_small(height, width),)

    def apply(self, task: ImageTask, config: Config, context: FitContext) -> ImageResult:
        """Train on the picture's own smaller copies and enlarge it.

        Args:
            task: One picture; ``shot["kernel"]`` is its blur, absent = the antialiased cubic.
            config: Settings.
            context: Seed, device, time, checkpoint, starts.

        Raises:
            UsageError: Not one RGB picture, or no blur kernel.
            BudgetError: No time is left.
        """
        if task.frames.ndim != 4 or task.frames.shape[:2] != (1, 3) or not task.frames.numel():
            raise UsageError("zssr", expected="one picture, 1 3 h w", got=str(tuple(task.frames.shape)))
        require_time(context.budget)
        height, width = task.frames.shape[-2:]
        factor = scale_pair(config.scale)
        if factor == (1.0, 1.0):
            return ImageResult(task.frames, notes=("scale 1: the picture is returned as it is",))
        if not _learnable(config, height, width):
            return ImageResult(lanczos(task.frames, factor), notes=(_too_small(height, width),))
        kernel = task.shot.get("kernel")
        if kernel is not None:
            kernel = kernel_shift(validated(kernel, "blur kernel"), factor)
            if config.base_change:
                raise UsageError("base_change", expected="no blur kernel beside it", got="both", hint="leave one out")
        return _Job(task, config, context, kernel).result()


def lanczos(frame: Tensor, factor: tuple[float, float]) -> Tensor:
    """``1 3 H W`` by Lanczos with three lobes."""
    return imresize(frame, factor, interpolation="lanczos3").clamp(0, 1)


def needed(grown: float, most: int) -> int:
    """Optimiser steps on a later picture: all where the network's error has grown by 5 %, down to a quarter.

    Args:
        grown: Error on the picture, before it is learned from, to that of the shot's first picture when that had been;
            both made from their own sons, and relative to the cubic's.
        most: All of them.
    """
    return max(1, round(most * min(1.0, max(0.25, 10 * (grown - 0.95)))))


def _learnable(config: Config, height: int, width: int) -> bool:
    factors = scale_pair(config.scale)
    return min(son_size(height, width, factors)) >= LEAST_SON


def _too_small(height: int, width: int) -> str:
    return f"{width}x{height} pixels are too few to learn from: enlarged by Lanczos"


@dataclass(frozen=True)
class _Gain:
    """What the held-back copy says.

    Attributes:
        decibels: By how much the network is nearer to the truth than Lanczos.
        projected: Whether back-projection brings Lanczos nearer.
    """

    decibels: float
    projected: bool


class _Job:
    """One picture."""

    def __init__(self, task: ImageTask, config: Config, context: FitContext, kernel: Tensor | None) -> None:
        self.task, self.config, self.context = task, config, context
        self.frame = task.frames.float()
        self.factor = scale_pair(config.scale)
        self.clip = task.previous is not None or len(task.around) > 1
        pixels = math.prod(scaled_size(self.frame.shape[-2], self.frame.shape[-1], config.scale))
        self.how = recipe(config, kernel, clip=self.clip, device=context.device, pixels=pixels)
        self.kernel = None if kernel is None else kernel.to(context.device)
        self.state = self._carried()
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self.warm = False
        self.ratio = 1.0  # error of the network before it trains on this picture, relative to the cubic's
        self.learner = Learner(ConvStack(self.how.shape, generator(context.seed, "weights")), self.how, context)

    def _carried(self) -> Mapping[str, Any]:
        """What the picture before left, where it belongs to the same network and factor."""
        state = self.task.previous.state if self.task.previous is not None else {}
        return state if state.get("signature") == self.how.signature(self.factor) else {}

    def result(self) -> ImageResult:
        detail = self._detail()
        if self.state.get("plain") and 1 / _CHANGED < detail / self.state["detail"] < _CHANGED:
            return self._plain(detail, _Gain(self.state["gain"], self.state["projected"]))
        if self.state and not self.state["plain"]:
            self.learner.load_state(self.state)
            self.ratio = ratio = self._ratio(detail)
            if ratio <= self.config.restart * self.state["ratio"]:
                self.warm = True
                return self._go_on(detail, ratio)
            self.facts["restarted"] = True
            told = f"{ratio / self.state['ratio']:.1f} times"
            self.notes.append(f"begun anew: the network's error had grown to {told} the mean of the pictures before")
            self.learner = Learner(
                ConvStack(self.how.shape, generator(self.context.seed, "weights")), self.how, self.context
            )
        return self._begin(detail)

    def _begin(self, detail: float) -> ImageResult:
        """A picture that has none before it."""
        self._start()
        self.ratio = self._ratio(detail)
        gain = self._held_back() if self.how.hold_back else None
        if gain is not None and gain.decibels < LEAST_GAIN and self.config.without_gain == "lanczos":
            return self._plain(detail, gain)
        output = self._through_the_steps()
        return self._done(output, detail, None if gain is None else gain.decibels)

    def _go_on(self, detail: float, ratio: float) -> ImageResult:
        """A picture whose network has seen the one before: the fewer steps, the better it explains this one."""
        finish = self._finish(self.factor, self.kernel)
        steps = needed(ratio / self.state["explained"], self.config.frame_iterations)
        lesson = Lesson(
            name="frame",
            sources=self._sources(self.frame),
            picture=self.frame,
            finish=finish,
            noise_std=self.config.noise_std,
            rule=ConstantRule(FRAME_RATE, steps),
            iterations=steps,
            crop=self.how.crop,
            budget=self.context.budget,
            reserve=self._reserve(finish),
            before=self._before(),
        )
        self.learner.learn(lesson)
        return self._done(self.learner.render(self.frame, finish), detail, self.state["gain"])

    def _before(self) -> Before | None:
        previous = self.task.previous
        size = scaled_size(self.frame.shape[-2], self.frame.shape[-1], self.config.scale)
        if previous is None or not self.config.temporal or tuple(previous.warped.shape[-2:]) != size:
            return None
        return Before(self.frame, previous.warped, previous.valid, self.config.temporal)

    def _start(self) -> None:
        """Weights to begin with: those that come along, or those of a finished window where they are no worse."""
        weights = learned_start(self.how.shape.signature) if self.how.learned_start else None
        if weights is not None:
            restore(self.learner.net, weights, "the start that comes along")
        finish = self._finish(self.factor, self.kernel)

        def score() -> float:
            return decibels(self.learner.error(self.frame, finish))

        begun = begin(self.learner.net, self.how.signature(self.factor), self.context, score)
        self.warm = begun.warm
        if begun.note:
            self.notes.append(begun.note)

    def _held_back(self) -> _Gain | None:
        """Train on the picture made smaller, enlarge that, and see how much nearer to the picture it is than Lanczos.

        Lanczos has the better of two results, with and without back-projection: that needs no learning.
        Preset ``fast`` trains on from there; nothing of it is lost.
        """
        finish = self._finish(self.factor, self.kernel, ensemble=1)
        truth = middle(self.frame)
        small = father_to_son(truth.to(self.context.device), self.factor, self.kernel).cpu()
        least = min(son_size(small.shape[-2], small.shape[-1], self.factor))
        if min(small.shape[-2:]) < LEAST_HELD_BACK or least < LEAST_SON:
            return None
        before = None if self.config.preset == "fast" else snapshot(self.learner.net)
        steps = max(1, min(300, self.how.iterations // 4))
        self.learner.learn(
            Lesson(
                name="held-back",
                sources=[Source(small[0])],
                picture=small,
                finish=finish,
                noise_std=self.config.noise_std,
                rule=CosineRule(self.how.rate, steps),
                iterations=steps,
                crop=min(self.how.crop, 48),
                budget=self.context.budget.share(0.2),
            )
        )
        made = _quality(self.learner.render(small, finish), truth)
        plain = _quality(self._lanczos(small, projected=False), truth)
        projected = _quality(self._lanczos(small, projected=True), truth)
        gain = _Gain(made - max(plain, projected), projected > plain)
        if before is not None:
            restore(self.learner.net, before, "start")
        self.learner.fresh_optimiser()
        return gain

    def _through_the_steps(self) -> Tensor:
        """Learn every factor in turn; what is made at one is learned from at the next."""
        picture, base = self.frame, (1.0, 1.0)
        sources = self._sources(self.frame)
        steps = self.config.steps()
        output = picture
        for number, step in enumerate(steps):
            sf = (step[0] / base[0], step[1] / base[1])
            kernel = None if self.kernel is None else kernel_of_step(self.kernel, self.factor, step)
            finish = self._finish(sf, kernel if kernel is None else kernel.to(self.context.device))
            share = 1.0 / (len(steps) - number)
            self.learner.learn(self._lesson(number, sources, picture, finish, self.context.budget.share(share)))
            output = self.learner.render(picture, finish)
            if step[0] == step[1] and step[0] in self.config.base_change:
                picture, base, sources = output, step, [Source(output[0])]
            else:
                sources = [*sources, Source(output[0], math.sqrt(sf[0] * sf[1]))]
            if number < len(steps) - 1:  # the last one's moments are the next picture's
                self.learner.fresh_optimiser()
        return output

    def _lesson(self, number: int, sources: list[Source], picture: Tensor, finish: Finish, budget: Budget) -> Lesson:
        how = self.how
        rule = SlopeRule(how.rate) if how.slope_rule else CosineRule(how.rate, how.iterations)
        return Lesson(
            name=f"step{number}",
            sources=sources,
            picture=picture,
            finish=finish,
            noise_std=self.config.noise_std,
            rule=rule,
            iterations=how.iterations,
            crop=how.crop,
            budget=budget,
            reserve=self._reserve(finish),
        )

    def _finish(self, sf: tuple[float, float], kernel: Tensor | None, ensemble: int | None = None) -> Finish:
        how = self.how
        copies = how.ensemble if ensemble is None else ensemble
        return Finish(sf, kernel, how.prepared, copies, how.back_projection, how.shape.fold)

    def _sources(self, frame: Tensor) -> list[Source]:
        """The picture, and as often as it those around it in the shot."""
        others = [a for a in self.task.around.float() if not torch.equal(a, frame[0])]
        return [Source(frame[0], weight=max(1, len(others))), *(Source(a) for a in others)]

    def _reserve(self, finish: Finish) -> float:
        """Steps' worth of time that rendering takes: a step goes forward and back, rendering forward alone."""
        pixels = math.prod(scaled_size(self.frame.shape[-2], self.frame.shape[-1], finish.sf))
        return 1 + pixels * len(turns(finish.ensemble, finish.sf)) / (2 * self.how.batch * self.how.crop**2)

    def _detail(self) -> float:
        """Squared error of the picture made from its own son by cubic interpolation: how much there is to learn."""
        frame = middle(self.frame).to(self.context.device)
        son = father_to_son(frame, self.factor, self.kernel)
        return max(_SMALLEST, mse_rec(frame, interpolated(son, self.factor, (frame.shape[-2], frame.shape[-1]))))

    def _ratio(self, detail: float) -> float:
        error = self.learner.error(self.frame, self._finish(self.factor, self.kernel))
        return max(_SMALLEST, error) / detail

    def _lanczos(self, picture: Tensor, *, projected: bool) -> Tensor:
        """A picture enlarged without learning; back-projected where that was found to be better."""
        times = self.how.back_projection if projected else 0
        finish = replace(self._finish(self.factor, self.kernel, ensemble=1), plain=True, back_projection=times)
        return enlarged(lambda x: x, picture, finish, self.context.device)

    def _plain(self, detail: float, gain: _Gain) -> ImageResult:
        what = "Lanczos, back-projected," if gain.projected else "Lanczos"
        self.notes.append(
            f"no gain over Lanczos on a held-back smaller copy ({gain.decibels:+.2f} dB): {what} is returned, nothing "
            "is invented; without_gain=learned insists"
        )
        state = {
            "signature": self.how.signature(self.factor),
            "plain": True,
            "detail": detail,
            "gain": gain.decibels,
            "projected": gain.projected,
        }
        output = self._lanczos(self.frame, projected=gain.projected)
        return self._answer(output, {**self.facts, "lanczos": True}, state if self.clip else {}, gain.decibels)

    def _done(self, output: Tensor, detail: float, gain: float | None) -> ImageResult:
        # in its shot a picture is not looked at twice: a look costs as much as some of its few steps
        ratio = self.ratio if self.warm and self.state else self._ratio(detail)
        if not bool(output.isfinite().all()):
            raise UsageError(
                "zssr",
                expected="a finite output",
                got="NaN or infinity",
                hint="lower learning_rate, or precision=float32",
            )
        carried: dict[str, Any] = {}
        if self.clip:
            count = min(9, self.state.get("count", 0)) if self.warm else 0
            mean = (self.state["ratio"] * count + self.ratio) / (count + 1) if count else self.ratio
            carried = {
                "signature": self.how.signature(self.factor),
                "plain": False,
                "ratio": mean,
                "explained": self.state["explained"] if self.warm and self.state else ratio,
                "count": count + 1,
                "gain": gain,
                **self.learner.state(),
            }
        return self._answer(output, {**self.facts, "error_to_cubic": ratio, "lanczos": False}, carried, gain)

    def _answer(
        self, output: Tensor, facts: Mapping[str, Any], state: Mapping[str, Any], gain: float | None
    ) -> ImageResult:
        learner = self.learner
        found = {**facts, **({} if gain is None else {"gain_over_lanczos": gain})}
        return ImageResult(
            output.clamp(0, 1),
            state=state,
            weights=snapshot(learner.net),
            signature=self.how.signature(self.factor),
            stopped=learner.stopped,
            iterations=learner.iterations,
            seconds=self.context.budget.elapsed(),
            history=tuple(learner.history),
            notes=tuple(self.notes),
            facts=found,
            warm=self.warm,
        )


def _quality(made: Tensor, truth: Tensor) -> float:
    """PSNR in dB; a larger picture is cut to the truth."""
    height, width = truth.shape[-2:]
    return decibels(float((made[..., :height, :width] - truth).double().square().mean()))


METHODS = (ZeroShot(),)
