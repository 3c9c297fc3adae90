"""The registry's entry point: copy, fuse, train, stack."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import (
    FitContext,
    FitResult,
    Holdout,
    InpaintMethod,
    InpaintTask,
    Preview,
    no_preview,
)
from vidinternal.learn.pace import require_time
from vidinternal.learn.resume import kept
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.learn.stopping import BestOfParts
from vidinternal.learn.watch import Watch
from vidinternal.methods.internal import CARDS
from vidinternal.methods.internal.candidates import Candidates, OutOfTime
from vidinternal.methods.internal.coarse import Coarse, cell_side
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fit import GeneratorFit
from vidinternal.methods.internal.fusion import STEPS, Committee, adapt, fuse, lean, start_nets
from vidinternal.methods.internal.stacking import BINS, Stack, apply_stack, bins, first_alone, fit_stack, held_back
from vidinternal.methods.internal.telling import Told, tell

COPY_SHARE = 0.7
"""Share of the time at which copying ends; what it brings is worth more than what the generator invents."""
SHOWN = 0.98
"""Share of the hole shown by other frames from which there is nothing left for the generator to invent."""


def _until(share: float, context: FitContext) -> OutOfTime:
    return lambda: context.budget.fraction_used() >= share


def without_holdout(task: InpaintTask, holdout: Holdout) -> tuple[Tensor, Tensor]:
    """The task with the held-out pixels given back: frames and the masks of the real hole alone."""
    return torch.where(holdout.masks, holdout.truth, task.frames), task.masks & ~holdout.masks


class _Beside:
    """Works that are done side by side once the first of them is wanted.

    Args:
        workers: How many at a time.
    """

    def __init__(self, workers: int) -> None:
        # One thread of arithmetic each: pictures are small, and the works share the cores already.
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        self._plans: dict[str, Callable[[], Candidates]] = {}
        self._running: dict[str, Future[Candidates]] = {}

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def plan(self, name: str, work: Callable[[], Candidates]) -> None:
        """Plan a work; nothing is done yet."""
        self._plans[name] = work

    def result(self, name: str) -> Candidates:
        """Begin this work and those planned after it, unless that has been done; wait for this one."""
        for other in list(self._plans)[list(self._plans).index(name) :]:
            if other not in self._running:
                self._running[other] = self._pool.submit(self._plans[other])
        return self._running[name].result()


class Fused:
    """Candidates made with some pixels hidden, fused.

    Args:
        coarse: The candidates, and the cells on which the networks decide.
        nets: What weighs them.
        parts: ``T 1 H W``, which part of the hole a pixel belongs to; None = it is one.
        leaning: How far they lean on the narrow copy.
    """

    def __init__(self, coarse: Coarse, nets: Committee, parts: Tensor | None, leaning: float = 0.0) -> None:
        self.made = made = coarse.fine
        self.told = Told(made)
        self.frames = fuse(nets, coarse, self.told, leaning)
        self.index = bins(made.masks, made.unseen(), parts)
        self.parts = 1 if parts is None else 1 + int(parts.max())

    def rows(self, generated: Tensor) -> dict[str, Tensor]:
        """What is stacked, by name."""
        return {"fused": self.frames, "generated": generated}

    def result(self, generated: Tensor, stack: Stack) -> Tensor:
        """``T 3 H W``: the hole stacked, known pixels as they are."""
        return apply_stack(stack, self.rows(generated), self.index, self.made.masks)


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
        self._doubts: list[float] | None = None
        self._before: Tensor | None = None

    def __call__(self, generated: Tensor) -> Tensor:
        """``T 3 H W`` result from the generator's ``T 3 H W``."""
        # Weights are fitted where the truth is known and everybody was blind; then nobody needs to be.
        stack = fit_stack(self.blind.rows(generated), self.blind.index, self.holdout)
        if self.holdout is not None:
            stack = held_back(stack, self._doubt(self.holdout), self._wandered(generated, self.holdout))
        self.stacks.append(stack)
        return self.laid_over(*(c.result(generated, self.stacks[-1]) for c in (self.seeing, self.blind)))

    def glance(self, generated: Tensor) -> None:
        """Remember the generator's picture: the next look tells how far it has moved since."""
        self._before = self._hole_of(generated)

    def _hole_of(self, frames: Tensor) -> Tensor:
        """``N 3``: what lies under the hole and its copies."""
        return frames.permute(0, 2, 3, 1)[self.blind.made.masks[:, 0]]

    def _wandered(self, generated: Tensor, holdout: Holdout) -> list[float]:
        """Per part, how far the generator's picture moved since the last look, as a multiple of that in the copies."""
        before, now = self._before, self._hole_of(generated)
        self._before = now
        if before is None:
            return [1.0] * self.blind.parts
        moved = torch.zeros(self.blind.made.masks.shape)
        moved[self.blind.made.masks] = (now - before).square().mean(dim=1)
        return self._real_by_copies(moved, moved, holdout)

    def _doubt(self, holdout: Holdout) -> list[float]:
        """Per part, how far the candidates are apart in the real hole, as a multiple of that in its copies."""
        if self._doubts is None:
            spread = [f.told.spread_out(f.told.variance) for f in (self.seeing, self.blind)]
            self._doubts = self._real_by_copies(spread[0], spread[1], holdout)
        return self._doubts

    def _real_by_copies(self, real: Tensor, copies: Tensor, holdout: Holdout) -> list[float]:
        """Per part, the mean of ``real`` in the real hole as a multiple of that of ``copies`` in its copies."""
        hidden, found = holdout.masks.cpu(), []
        for part in range(self.blind.parts):
            mine = self.blind.made.masks if holdout.parts is None else holdout.parts.cpu() == part
            here, there = real[mine & ~hidden], copies[mine & hidden]
            few = not (len(here) and len(there))
            found.append(1.0 if few else float(here.double().mean()) / max(1e-9, float(there.double().mean())))
        return found

    def untrained(self) -> Tensor:
        """``T 3 H W`` result without the generator: what training has to beat."""
        self.stacks.append(first_alone(tuple(self.blind.rows(self.blind.frames)), self.blind.parts))
        return self.laid_over(self.seeing.frames, self.blind.frames)

    def laid_over(self, shown: Tensor, hidden: Tensor) -> Tensor:
        """``T 3 H W``: ``shown`` in the real hole, ``hidden`` in the held-out ones, where the score is taken."""
        rest = torch.where(self.blind.made.masks, hidden, self.frames)
        return torch.where(self.seeing.made.masks, shown, rest)

    def kept(self, watch: Watch) -> Stack:
        """The weights of what the watch kept, those of each part from the look that it was taken from."""
        looks, best = [look.iteration for look in watch.history], watch.best
        sources = best.iterations if isinstance(best, BestOfParts) else [best.iteration] * self.blind.parts
        kept = self.stacks[0].weights.copy()
        for part, source in enumerate(sources):
            rows = slice(part * BINS, (part + 1) * BINS)
            kept[rows] = self.stacks[looks.index(source)].weights[rows]
        return replace(self.stacks[0], weights=kept)

    def state(self) -> Mapping[str, Any]:
        """The weights of every look, and the generator's last picture, as a tree."""
        return {"stacks": to_tree(self.stacks), "before": self._before}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what :meth:`state` gave."""
        self.stacks, self._before = from_tree(list[Stack], state["stacks"]), state["before"]


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
            origin, spread = tell(seeing, blind, frames, None)
            notes.append("nothing was left to invent: the generator was not trained")
            return FitResult(
                frames.to(task.frames),
                iterations=steps,
                seconds=time.monotonic() - started,
                weights=fit.weights() if fit.begun.warm else None,  # as drawn, they are nothing to start from
                notes=tuple(notes),
                origin=origin,
                spread=spread,
                **common,
            )
        watch, stopped = fit.run(finish)
        notes += [fit.begun.note] if fit.begun.note else []
        stack = finish.kept(watch)
        origin, spread = tell(seeing, blind, watch.best.kept(), stack)
        return FitResult(
            frames=watch.best.kept().to(task.frames),
            origin=origin,
            spread=spread,
            stopped=stopped,
            iterations=steps + fit.pace.iteration,
            seconds=time.monotonic() - started,
            history=tuple(watch.history),
            warm=fit.begun.warm,
            # where no look beat the copies, what the generator has learned is still more than what it began with
            weights=watch.best.weights if watch.best.iteration else fit.weights(),
            notes=(*notes, f"mean weights: {stack.common()}"),
            **common,
        )

    def _fused(self, task: InpaintTask, config: Config, context: FitContext) -> tuple[Fused, Fused, int]:
        """Candidates fused with the held-out pixels hidden, and without; and the steps the fusion learned."""
        window = "x".join(map(str, task.frames.shape))

        works = {"blind": (task.frames, task.masks)}
        if context.holdout is not None:
            works["seeing"] = without_holdout(task, context.holdout)
        made: dict[str, Candidates] = {}
        with _Beside(len(works)) as beside:

            def make(frames: Tensor, masks: Tensor, preview: Preview) -> Candidates:
                return Candidates.of(frames, masks, config.propagation(), _until(COPY_SHARE, context), preview)

            for name, (frames, masks) in works.items():
                # The last work has the real hole alone: it is the one to be looked at.
                beside.plan(name, partial(make, frames, masks, context.preview if name == [*works][-1] else no_preview))
            for name in works:
                made[name] = kept(context, name, window, Candidates, partial(beside.result, name))
                context.progress(0.1 * len(made) / len(works), f"copied, {name}")
        step = cell_side(task.picture_side)
        blind = Coarse.of(made["blind"], step)
        seeing = Coarse.of(made["seeing"], step) if "seeing" in made else blind
        learns = config.fusion == "adapted"
        nets = adapt(blind, context.holdout, context.seed) if learns else start_nets()
        parts = None if context.holdout is None else context.holdout.parts
        leaning = lean(nets, blind, seeing, context.holdout, context.seed) if learns else 0.0
        fused = Fused(blind, nets, parts, leaning)
        return fused, fused if seeing is blind else Fused(seeing, nets, parts, leaning), STEPS * learns


METHODS = (Internal(),)
