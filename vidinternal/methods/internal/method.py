"""The registry's entry point: copy, fuse, train, stack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, Holdout, InpaintMethod, InpaintTask
from vidinternal.learn.pace import require_time
from vidinternal.learn.resume import kept
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.methods.internal import CARDS
from vidinternal.methods.internal.candidates import Candidates, OutOfTime
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fit import GeneratorFit
from vidinternal.methods.internal.fusion import STEPS, FusionNet, adapt, fuse, start_net
from vidinternal.methods.internal.stacking import Stack, apply_stack, bins, fit_stack

BLIND_SHARE, COPY_SHARE = 0.2, 0.4
"""Shares of the time at which copying ends, before and after the held-out pixels are back."""
SHOWN = 0.98
"""Share of the hole shown by other frames from which there is nothing left for the generator to invent."""


def _until(share: float, context: FitContext) -> OutOfTime:
    return lambda: context.budget.fraction_used() >= share


def without_holdout(task: InpaintTask, holdout: Holdout) -> tuple[Tensor, Tensor]:
    """The task with the held-out pixels given back: frames and the masks of the real hole alone."""
    return torch.where(holdout.masks, holdout.truth, task.frames), task.masks & ~holdout.masks


class Fused:
    """Candidates made with some pixels hidden, fused.

    Args:
        made: The candidates.
        net: Their weights.
    """

    def __init__(self, made: Candidates, net: FusionNet) -> None:
        self.made, self.frames = made, fuse(net, made)
        self.index = bins(made.masks, made.unseen())

    def rows(self, generated: Tensor) -> dict[str, Tensor]:
        """What is stacked, by name."""
        return {"fused": self.frames, "generated": generated}

    def result(self, generated: Tensor, stack: Stack) -> Tensor:
        """``T 3 H W``: the hole stacked, known pixels as they are."""
        stacked = apply_stack(stack, self.rows(generated), self.index, self.made.masks)
        return torch.where(self.made.masks, stacked, self.frames)


class Finish:
    """Stacks what the generator makes on what was fused; keeps the weights of every look.

    Args:
        frames: ``T 3 H W`` of the task.
        blind: Made with the held-out pixels hidden.
        seeing: Made with the real hole alone hidden.
        holdout: Where the weights are fitted.
    """

    def __init__(self, frames: Tensor, blind: Fused, seeing: Fused, holdout: Holdout | None) -> None:
        self.frames, self.blind, self.seeing, self.holdout = frames, blind, seeing, holdout
        self.stacks: list[Stack] = []

    def __call__(self, generated: Tensor) -> Tensor:
        """``T 3 H W`` result from the generator's ``T 3 H W``."""
        # Weights are fitted where the truth is known and everybody was blind; then nobody needs to be.
        self.stacks.append(fit_stack(self.blind.rows(generated), self.blind.index, self.holdout))
        return self.laid_over(*(c.result(generated, self.stacks[-1]) for c in (self.seeing, self.blind)))

    def laid_over(self, shown: Tensor, hidden: Tensor) -> Tensor:
        """``T 3 H W``: ``shown`` in the real hole, ``hidden`` in the held-out ones, where the score is taken."""
        rest = torch.where(self.blind.made.masks, hidden, self.frames)
        return torch.where(self.seeing.made.masks, shown, rest)

    def state(self) -> Mapping[str, Any]:
        """The weights of every look, as a tree."""
        return {"stacks": to_tree(self.stacks)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what :meth:`state` gave."""
        self.stacks = from_tree(list[Stack], state["stacks"])


class Internal(InpaintMethod):
    """Motion first, then learned fusion, then a generator for what nobody saw."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``.

        Args:
            task: Frames and holes; reference flow is not used, the method makes its own.
            config: Settings.
            context: Seed, device, time, hold-out, weights to start from.

        Raises:
            BudgetError: No time is left.
            UsageError: The file of ``start_weights`` cannot be read.
            ConfigError: The weights to start from belong to another network.
        """
        if not bool(task.masks.any()):
            return FitResult(task.frames, notes=("nothing to fill",))
        require_time(context.budget)
        started = time.monotonic()
        blind, seeing, steps = self._fused(task, config, context)
        finish = Finish(task.frames.cpu(), blind, seeing, context.holdout)
        fit = GeneratorFit(task, blind.frames, blind.made.confidence, config, context)
        notes = [*fit.notes, f"{seeing.made.covered:.1%} of the hole was copied from other frames"]
        common = {"provenance": seeing.made.provenance, "signature": fit.signature}
        if config.train == "auto" and min(seeing.made.covered, blind.made.covered) >= SHOWN:
            frames = finish.laid_over(seeing.frames, blind.frames)
            notes.append("nothing was left to invent: the generator was not trained")
            return FitResult(
                frames.to(task.frames),
                iterations=steps,
                seconds=time.monotonic() - started,
                weights=fit.weights(),
                notes=tuple(notes),
                **common,
            )
        watch, stopped = fit.run(finish)
        stack = finish.stacks[[look.iteration for look in watch.history].index(watch.best.iteration)]
        return FitResult(
            frames=watch.best.kept().to(task.frames),
            stopped=stopped,
            iterations=steps + fit.pace.iteration,
            seconds=time.monotonic() - started,
            history=tuple(watch.history),
            weights=watch.best.weights,
            notes=(*notes, f"mean weights: {stack.common()}"),
            **common,
        )

    def _fused(self, task: InpaintTask, config: Config, context: FitContext) -> tuple[Fused, Fused, int]:
        """Candidates fused with the held-out pixels hidden, and without; and the steps the fusion learned."""
        window = "x".join(map(str, task.frames.shape))

        def copies(name: str, frames: Tensor, masks: Tensor, share: float) -> Candidates:
            return kept(
                context,
                name,
                window,
                Candidates,
                lambda: Candidates.of(frames, masks, config.propagation(), _until(share, context)),
            )

        blind = copies("blind", task.frames, task.masks, BLIND_SHARE)
        context.progress(0.05, "copied with some pixels hidden")
        seeing = blind
        if context.holdout is not None:
            seeing = copies("seeing", *without_holdout(task, context.holdout), COPY_SHARE)
        context.progress(0.1, "copied")
        learns = config.fusion == "adapted"
        net = adapt(blind, context.holdout, context.seed) if learns else start_net()
        fused = Fused(blind, net)
        return fused, fused if seeing is blind else Fused(seeing, net), STEPS * learns


METHODS = (Internal(),)
