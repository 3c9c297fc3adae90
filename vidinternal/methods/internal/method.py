"""The registry's entry point: copy, train, stack."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, Holdout, InpaintMethod, InpaintTask
from vidinternal.learn.pace import require_time
from vidinternal.methods.internal import CARDS
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fit import GeneratorFit
from vidinternal.methods.internal.stacking import Stack, apply_stack, distance_bins, fit_stack
from vidinternal.ops.flow_copy import FlowCopy
from vidinternal.ops.propagate import propagate
from vidinternal.ops.settings import PropagateSettings

BLIND_SHARE, COPY_SHARE = 0.2, 0.45
"""Shares of the time at which copying ends, before and after the held-out pixels are back."""

OutOfTime = Callable[[], bool]


def _until(share: float, context: FitContext) -> OutOfTime:
    return lambda: context.budget.fraction_used() >= share


@dataclass(frozen=True)
class Candidates:
    """What stands beside the generator, made with some pixels hidden.

    Attributes:
        masks: ``T 1 H W`` bool, what was hidden.
        copied: Real pixels brought along the flow, with a harmonic fill of what they leave.
        index: ``T 1 H W``, how far inside the hole a pixel lies.
    """

    masks: Tensor
    copied: FlowCopy
    index: Tensor

    @classmethod
    def of(cls, frames: Tensor, masks: Tensor, settings: PropagateSettings, out_of_time: OutOfTime) -> Candidates:
        """Make them from ``frames`` with ``masks`` hidden, as far as the time allows."""
        frames, masks = frames.cpu(), masks.cpu()
        copied = propagate(frames, masks, settings, out_of_time=out_of_time)
        return cls(masks, copied, distance_bins(masks))

    def rows(self, generated: Tensor) -> dict[str, Tensor]:
        """The candidates for what nobody saw, by name."""
        return {"smooth": self.copied.frames, "generated": generated}

    def unseen(self) -> Tensor:
        """``T 1 H W`` bool: hidden, and shown by no other frame."""
        return self.masks & (self.copied.provenance < 0)

    def result(self, generated: Tensor, stack: Stack) -> Tensor:
        """``T 3 H W``: what is hidden copied where it can be, stacked where not; the rest as it is in ``copied``."""
        stacked = apply_stack(stack, self.rows(generated), self.index, self.unseen())
        return torch.where(self.unseen(), stacked, self.copied.frames)


def without_holdout(task: InpaintTask, holdout: Holdout) -> tuple[Tensor, Tensor]:
    """The task with the held-out pixels given back: frames and the masks of the real hole alone."""
    return torch.where(holdout.masks, holdout.truth, task.frames), task.masks & ~holdout.masks


class Internal(InpaintMethod):
    """Motion first, then a generator, then convex weights."""

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
        settings = PropagateSettings(ring=config.ring, tau=config.tau, rounds=config.rounds)
        blind = Candidates.of(task.frames, task.masks, settings, _until(BLIND_SHARE, context))
        context.progress(0.05, "copied with some pixels hidden")
        seeing = blind
        if context.holdout is not None:
            frames, masks = without_holdout(task, context.holdout)
            seeing = Candidates.of(frames, masks, settings, _until(COPY_SHARE, context))
        fit = GeneratorFit(task, blind.copied, config, context)
        stacks: list[Stack] = []

        def finish(generated: Tensor) -> Tensor:
            # Weights are fitted where the truth is known and everybody was blind; then nobody needs to be.
            stacks.append(fit_stack(blind.rows(generated), blind.index, blind.unseen(), context.holdout))
            shown, hidden = (c.result(generated, stacks[-1]) for c in (seeing, blind))
            return torch.where(seeing.masks, shown, torch.where(blind.masks, hidden, task.frames.cpu()))

        watch, stopped = fit.run(finish)
        kept = stacks[[look.iteration for look in watch.history].index(watch.best.iteration)]
        return FitResult(
            frames=watch.best.kept().to(task.frames),
            stopped=stopped,
            iterations=fit.pace.iteration,
            seconds=time.monotonic() - started,
            history=tuple(watch.history),
            weights=watch.best.weights,
            signature=fit.signature,
            provenance=seeing.copied.provenance,
            notes=(
                *fit.notes,
                f"{seeing.copied.covered:.1%} of the hole was copied from other frames",
                f"weights of what nobody saw: {kept.common()}",
            ),
        )


METHODS = (Internal(),)
