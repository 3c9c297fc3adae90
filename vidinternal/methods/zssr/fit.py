"""Training on fathers and sons, so that it can be stopped, resumed, and carried from picture to picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, HistoryPoint
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore, snapshot
from vidinternal.learn.pace import Pace
from vidinternal.learn.state_tree import from_tree, network_tree, optimiser_tree, restore_optimiser, to_tree
from vidinternal.methods.zssr.augment import Fathers, Source
from vidinternal.methods.zssr.objective import father_to_son, mse_rec, reconstruction, temporal
from vidinternal.methods.zssr.pairs import Noise, Pairs, Sons
from vidinternal.methods.zssr.recipe import Recipe
from vidinternal.methods.zssr.render import Finish, aligned, enlarged, network_input
from vidinternal.methods.zssr.schedule import TEST_EVERY, Rule
from vidinternal.nets.conv_stack import ConvStack

_LARGEST_TEST = 1 << 20  # pixels of a picture that is reconstructed whole to judge the step size; else its middle
CODE = 1 / 255
"""A step of the 8 bits that most pictures come in."""
_EDGE = 4  # input pixels at the border of a crop that the temporal term leaves out


@dataclass(frozen=True)
class Before:
    """What ties a picture to the one before it.

    Attributes:
        lr: ``1 3 h w``, the picture itself.
        warped: ``1 3 H W``, the large one before it, carried along the flow.
        valid: ``1 1 H W`` bool.
        weight: Of the term.
    """

    lr: Tensor
    warped: Tensor
    valid: Tensor
    weight: float


@dataclass(frozen=True)
class Lesson:
    """What is learned from, and how.

    Attributes:
        name: Tells phases of one picture apart; part of the checkpoint's name.
        sources: Pictures to draw fathers from.
        picture: ``1 3 h w``, the one whose reconstruction is watched.
        finish: Factor and kernel.
        noise_std: Noise on the sons.
        rule: Step sizes.
        iterations: Most steps.
        crop: Pixels of a side.
        budget: Time.
        reserve: Steps' worth of time that must be left for what comes after.
        before: The picture before, or None.
    """

    name: str
    sources: Sequence[Source]
    picture: Tensor
    finish: Finish
    noise_std: float
    rule: Rule
    iterations: int
    crop: int
    budget: Budget
    reserve: float = 0.0
    before: Before | None = None


class Learner:
    """A network, its optimiser, and what it has been through.

    Args:
        net: On the CPU; moved to the device.
        how: The recipe.
        context: Seed, device, time, checkpoint.
    """

    def __init__(self, net: ConvStack, how: Recipe, context: FitContext) -> None:
        self.how, self.context = how, context
        self.net = net.to(device=context.device, memory_format=torch.channels_last)  # pyright: ignore
        self.optimiser = torch.optim.Adam(net.parameters(), lr=how.rate)
        self.iterations, self.seconds = 0, 0.0
        self.history: list[HistoryPoint] = []
        self.stopped = "done"

    def __call__(self, x: Tensor) -> Tensor:
        """The network, in the recipe's arithmetic."""
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.how.half):
            return self.net(x).float()

    def state(self) -> dict[str, Any]:
        """Weights and moments, as copies."""
        tree = optimiser_tree(self.optimiser)
        moments = [
            {k: v.detach().cpu().clone() if isinstance(v, Tensor) else v for k, v in s.items()} for s in tree["state"]
        ]
        return {"weights": snapshot(self.net), "optimiser": {"state": moments, "groups": tree["groups"]}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with what :meth:`state` gave."""
        restore(self.net, state["weights"], "weights of the picture before")
        restore_optimiser(self.optimiser, state["optimiser"])

    def fresh_optimiser(self) -> None:
        """Forget the moments."""
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=self.how.rate)

    def error(self, picture: Tensor, finish: Finish) -> float:
        """Mean squared error of a picture made from its own son, without ensemble or back-projection."""
        picture = middle(picture).to(self.context.device)
        son = father_to_son(picture, finish.sf, finish.kernel)
        with torch.no_grad():
            return mse_rec(picture, self(network_input(son, (picture.shape[-2], picture.shape[-1]), finish)))

    def render(self, lr: Tensor, finish: Finish) -> Tensor:
        """``1 3 H W`` on the CPU."""
        self.net.eval()
        with torch.no_grad():
            return enlarged(self, lr, finish, self.context.device)

    def learn(self, lesson: Lesson) -> None:
        """Train through a lesson, or what is left of it where a checkpoint knows how far it had come."""
        _Course(self, lesson).run()


class _Course:
    """One lesson under way."""

    def __init__(self, learner: Learner, lesson: Lesson) -> None:
        self.learner, self.lesson, self.context = learner, lesson, learner.context
        self.random = generator(self.context.seed, "zssr", lesson.name)
        fathers = Fathers(lesson.sources, lesson.crop, learner.how.augmentation, self.random)
        crops = lesson.iterations * learner.how.batch if learner.how.kept_sons else 0
        self.pairs = Pairs(fathers, Sons(lesson.finish, self.context.device, self._noise(), crops))
        self.pace = Pace(lesson.budget, lesson.iterations)
        self.terms: dict[str, float] = {}
        sf = lesson.finish.sf
        self.fits = f"{learner.how.signature(sf)}/{lesson.name}/{tuple(lesson.picture.shape)}/{lesson.iterations}"

    def run(self) -> None:
        learner, lesson, rule = self.learner, self.lesson, self.lesson.rule
        self._load()
        learner.net.train()
        while not rule.over(self.pace.iteration, self.pace.share()):
            if self.pace.over_cap() or self.pace.over_budget(lesson.reserve):
                break
            self._step(rule.rate)
            self.pace.tick()
            if self.pace.iteration % TEST_EVERY == 0:
                self._look()
            if self.context.checkpoint is not None:
                self.context.checkpoint.offer(f"zssr-{lesson.name}", self.fits, self._state)
        learner.iterations += self.pace.iteration
        learner.seconds += self.pace.seconds()
        over = self.pace.over_budget(lesson.reserve) and self.pace.iteration < lesson.iterations
        learner.stopped = "budget" if over else "iterations" if self.pace.over_cap() else "done"

    def _step(self, rate: float) -> None:
        learner, lesson = self.learner, self.lesson
        father, seen = self.pairs.draw(learner.how.batch)
        output = learner(seen)
        loss = reconstruction(father, output)
        self.terms["L_1"] = float(loss.detach())
        if lesson.before is not None and lesson.before.weight > 0:
            tie = self._temporal(lesson.before)
            self.terms["L_t"] = float(tie.detach())
            loss = loss + lesson.before.weight * tie
        for group in learner.optimiser.param_groups:
            group["lr"] = rate
        learner.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        learner.optimiser.step()

    def _noise(self) -> Noise | None:
        """What is added to sons: noise that was asked for, or that of rounding to 8 bits."""
        if strength := self.lesson.noise_std:
            return lambda size: torch.randn(size, generator=self.random) * strength
        if self.learner.how.rounded:
            return lambda size: (torch.rand(size, generator=self.random) - 0.5) * CODE
        return None

    def _temporal(self, before: Before) -> Tensor:
        """The term on a crop of the picture itself, whose large version is not known but should not flicker."""
        finish, device = self.lesson.finish, self.context.device
        sides = []
        for length, factor in zip(before.lr.shape[-2:], finish.sf, strict=True):
            reach = min(length, 48)
            place = int(torch.randint(length - reach + 1, (1,), generator=self.random))
            begin = aligned(place, factor, finish.fold)
            sides.append((begin, begin + reach, round(begin * factor), round((begin + reach) * factor)))
        (top, bottom, y0, y1), (left, right, x0, x1) = sides
        lr = before.lr[..., top:bottom, left:right].to(device)
        output = self.learner(network_input(lr, (y1 - y0, x1 - x0), finish))
        inner = torch.zeros(1, 1, y1 - y0, x1 - x0, dtype=torch.bool, device=device)
        edge = [min(round(_EDGE * f), (n - 1) // 2) for f, n in zip(finish.sf, inner.shape[-2:], strict=True)]
        inner[..., edge[0] : y1 - y0 - edge[0], edge[1] : x1 - x0 - edge[1]] = True
        valid = before.valid[..., y0:y1, x0:x1].to(device) & inner
        return temporal(output, before.warped[..., y0:y1, x0:x1].to(device), valid)

    def _look(self) -> None:
        error = self.learner.error(self.lesson.picture, self.lesson.finish)
        self.lesson.rule.tested(self.pace.iteration, error)
        done = self.learner.iterations + self.pace.iteration
        terms = {**self.terms, "mse_rec": error}
        self.learner.history.append(HistoryPoint(done, self.learner.seconds + self.pace.seconds(), terms))
        self.context.progress(self.pace.share(), f"iteration {done}, step size {self.lesson.rule.rate:.0e}")
        self.pace.resume()

    def _state(self) -> dict[str, Any]:
        return {
            "weights": network_tree(self.learner.net),
            "optimiser": optimiser_tree(self.learner.optimiser),
            "random": self.random.get_state(),
            "pace": self.pace.state(),
            "rule": self.lesson.rule.state(),
            "history": to_tree(self.learner.history),
        }

    def _load(self) -> None:
        if self.context.checkpoint is None:
            return
        state = self.context.checkpoint.load(f"zssr-{self.lesson.name}", self.fits)
        if state is None:
            return
        restore(self.learner.net, state["weights"], "checkpoint")
        restore_optimiser(self.learner.optimiser, state["optimiser"])
        self.random.set_state(state["random"])
        self.pace.load_state(state["pace"])
        self.lesson.rule.load_state(state["rule"])
        self.learner.history = from_tree(list[HistoryPoint], state["history"])


def middle(picture: Tensor) -> Tensor:
    """The picture ``1 3 h w``, or so much of its middle as is reconstructed at once; sides stay even."""
    height, width = picture.shape[-2:]
    if height * width <= _LARGEST_TEST:
        return picture
    rows, columns = min(height, 1024), min(width, 1024)
    top, left = (height - rows) // 4 * 2, (width - columns) // 4 * 2
    return picture[..., top : top + rows, left : left + columns]
