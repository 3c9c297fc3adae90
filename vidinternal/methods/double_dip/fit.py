"""The loop that all of Double-DIP's tasks share: coupled networks trained until their mixture is the picture.

Which iterate is kept and when a phase ends is told by the mixture alone, ``PSNR(mix, I)``: it is the only thing that is
known. What the layers should be is never asked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, HistoryPoint, decibels
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore, snapshot
from vidinternal.learn.objective import Objective
from vidinternal.learn.pace import Pace
from vidinternal.learn.precision import Precision, arithmetic
from vidinternal.learn.state_tree import from_tree, network_tree, optimiser_tree, restore_optimiser, to_tree
from vidinternal.learn.warm_start.door import Begun, begin
from vidinternal.learn.watch import not_finite
from vidinternal.methods.double_dip.layers import LayerStack, turned

LOOKS = 6
"""Times the mixture is looked at as a whole in the second half of a phase; the best look is kept."""
_WARM_UP = 10
_TELL_EVERY = 10


@dataclass(frozen=True)
class Seen:
    """What one step sees.

    Attributes:
        iteration: Of the phase, from 0.
        rows: Which pictures.
        turn: How they are turned.
        out: The layers' pictures by name, turned so.
    """

    iteration: int
    rows: Tensor
    turn: int
    out: Mapping[str, Tensor]

    def turned(self, x: Tensor) -> Tensor:
        """The rows of this step of ``N C h w``, turned as the layers are; of ``1 C h w`` its only one."""
        return turned(x if len(x) == 1 else x[self.rows.to(x.device)], self.turn)


Terms = Callable[[Seen], Mapping[str, Callable[[], Tensor]]]
"""What computes each term of a step, by its name in the paper."""


def never(_iteration: int) -> float:
    """No jitter, and no turn."""
    return 0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one objective.

    Attributes:
        name: For the progress line and the history.
        iterations: Steps at most.
        rate: Adam's learning rate.
        terms: The terms of a step.
        weights: Their weights by the phase's iteration.
        mixture: What the layers of a step mix to, and what they should, both alike in shape.
        jitter: Width of the noise added to the inputs, by iteration.
        turns: How pictures are turned, by iteration.
        good: PSNR of the mixture, dB, from which the phase ends; None to go through all iterations.
        only: Layers that are drawn; the others are left as they are. None for all.
        anneal: Whether the rate rises over the first steps and falls along a cosine; as published it is constant.
    """

    name: str
    iterations: int
    rate: float
    terms: Terms
    weights: Callable[[int], Mapping[str, float]]
    mixture: Callable[[Seen], tuple[Tensor, Tensor]]
    jitter: Callable[[int], float] = never
    turns: Callable[[int], float] = never
    good: float | None = None
    only: tuple[str, ...] | None = None
    anneal: bool = False


@dataclass(frozen=True)
class FitSettings:
    """How a fit is run.

    Attributes:
        name: Of the fit, for its checkpoint: a word, different for each fit of a group.
        count: Pictures.
        batch: Pictures of a step, one after the other in time; they take turns.
        precision: Of the networks.
        previous: The state of the group before, from :attr:`Outcome.state`; None to begin anew.
        digest: Tells apart pictures whose fits would look alike, see :func:`digest`.
    """

    name: str
    count: int = 1
    batch: int = 1
    precision: Precision = "auto"
    previous: Mapping[str, Any] | None = None
    digest: str = ""


@dataclass
class Outcome:
    """How a fit ended.

    Attributes:
        out: ``N C h w`` float32 of every layer at the iterate that was kept, on the CPU.
        psnr: Of its mixture, dB.
        stopped: ``iterations``, ``budget``, ``good mixture`` or ``diverged``.
        iterations: Steps, of all phases.
        seconds: Wall seconds.
        history: The looks.
        begun: What it began from.
        weights: Of the iterate that was kept.
        signature: Which networks they fit.
        state: For the next group: weights, optimiser and the last row of every input.
    """

    out: dict[str, Tensor] = field(default_factory=dict)
    psnr: float = -math.inf
    stopped: str = "iterations"
    iterations: int = 0
    seconds: float = 0.0
    history: tuple[HistoryPoint, ...] = ()
    begun: Begun = field(default_factory=Begun)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    signature: str = ""
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Kept:  # the best look of the phase that is running
    out: dict[str, Tensor]
    weights: dict[str, Tensor]
    psnr: float


def digest(*pictures: Tensor | None) -> str:
    """A short text that tells pictures apart."""
    found = hashlib.sha256()
    for picture in pictures:
        found.update(b"-" if picture is None else picture.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


class Fit:
    """Trains a stack of layers through its phases.

    Args:
        stack: The layers; placed on the context's device and trained in place.
        phases: One after another; each has an optimiser of its own, as published.
        context: Time, progress, checkpoint, weights of finished windows.
        settings: How.
    """

    def __init__(
        self, stack: LayerStack, phases: tuple[Phase, ...], context: FitContext, settings: FitSettings
    ) -> None:
        self.stack, self.phases, self.context, self.settings = stack, phases, context, settings
        self.signature = stack.signature()
        self.outcome = Outcome(signature=self.signature)
        self.random = generator(context.seed, "jitter", settings.name)
        self.fits = f"{self.signature}/{settings.count}/{settings.digest}"
        self.total = sum(phase.iterations for phase in phases)
        self._kept: _Kept | None = None
        self._optimiser: torch.optim.Optimizer | None = None

    def run(self) -> Outcome:
        """Train; a fit that was killed goes on from its last checkpoint.

        Raises:
            UsageError: The first outputs are not finite.
            Interrupted: Somebody asked to stop.
        """
        saved = self._load()
        if saved is None:
            self._begin()
        self.stack.place(self.context.device)
        for number, phase in enumerate(self.phases):
            if saved is not None and number < saved["phase"]:
                continue
            mine = saved if saved is not None and number == saved["phase"] else None
            if mine is not None and mine["ended"]:
                self._resume_ended(phase, mine)
            else:
                self._run_phase(number, phase, mine)
            if self.outcome.stopped == "diverged":
                break
        return self._finished()

    def _begin(self) -> None:
        previous = self.settings.previous
        if previous is not None and previous.get("signature") == self.signature:
            restore(self.stack, previous["weights"], "the group before")
            self.outcome.begun = Begun(warm=True)
        else:
            self.outcome.begun = begin(self.stack, self.signature, self.context, lambda: None)
            if self.context.start is not None and self.context.start_signature in (None, self.signature):
                restore(self.stack, self.context.start, "start weights")
                self.outcome.begun = Begun(warm=True, note="begun from the weights given")

    def _run_phase(self, number: int, phase: Phase, saved: Mapping[str, Any] | None) -> None:
        left = sum(p.iterations for p in self.phases[number:])
        pace = Pace(self.context.budget.share(phase.iterations / left), phase.iterations)
        optimiser = torch.optim.Adam(self.stack.parameters(), lr=phase.rate)
        objective = Objective(dict.fromkeys(phase.weights(0), 0.0))
        self._kept, self._optimiser = None, optimiser
        before = self.outcome.iterations, self.outcome.seconds
        if saved is not None:
            self._resume(saved, optimiser, pace, objective)
            before = saved["before"]
        elif number == 0 and self.outcome.begun.warm and self.settings.previous is not None:
            self._warm_optimiser(optimiser)
        every = max(1, phase.iterations // (2 * LOOKS))
        while True:
            mixed = self._step(phase, pace.iteration, optimiser, objective)
            pace.tick()
            self.outcome.iterations, self.outcome.seconds = before[0] + pace.iteration, before[1] + pace.seconds()
            over = "iterations" if pace.over_cap() else "budget" if pace.over_budget(self.settings.count) else None
            # by the iteration alone, so that a fit that was killed looks when it would have looked
            late = 2 * pace.iteration >= phase.iterations and pace.iteration % every == 0
            good = phase.good is not None and mixed > phase.good and pace.iteration % _TELL_EVERY == 0
            if not math.isfinite(mixed):
                self._diverged(pace.iteration)
                return
            if over or late or good:
                reached = self._look(phase, pace, objective)
                if phase.good is not None and reached > phase.good:
                    over = "good mixture"
            if over or pace.iteration % _TELL_EVERY == 0:
                share = (self._done_before(number) + pace.share() * phase.iterations) / self.total
                self.context.progress(share, f"{phase.name}, iteration {pace.iteration}, mixture {mixed:.1f} dB")
            if over:
                self.outcome.stopped = over
                self._keep_best()
            self._offer(number, optimiser, pace, objective, before, over or "")
            if over:
                return

    def _done_before(self, number: int) -> int:
        return sum(phase.iterations for phase in self.phases[:number])

    def _step(self, phase: Phase, iteration: int, optimiser: torch.optim.Optimizer, objective: Objective) -> float:
        """One step; the PSNR of the mixture, dB, before it. Not finite where the loss is not."""
        count, batch = self.settings.count, min(self.settings.batch, self.settings.count)
        rows = (torch.arange(batch) + iteration) % count
        last = iteration + 1 >= phase.iterations
        turn = 0 if last else int(phase.turns(iteration))
        jitter = 0.0 if last else float(phase.jitter(iteration))
        with arithmetic(self.context.device, self.settings.precision):
            out = self.stack(rows, turn=turn, jitter=jitter, random=self.random, only=phase.only)
        seen = Seen(iteration, rows, turn, out)
        objective.weights = dict(phase.weights(iteration))
        loss = objective.total(phase.terms(seen))
        if not bool(loss.isfinite()):
            return math.nan
        rate = phase.rate
        if phase.anneal:
            rate *= min(1.0, (iteration + 1) / _WARM_UP) * (1 + math.cos(math.pi * iteration / phase.iterations)) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            mix, target = phase.mixture(seen)
            return decibels(float((mix.detach() - target).square().mean()))

    def draw(self, only: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Every layer of every picture by the networks as they are, unjittered: ``N C h w`` float32 on the device."""
        rows = torch.arange(self.settings.count)
        with torch.no_grad(), arithmetic(self.context.device, self.settings.precision):
            return {name: x.float() for name, x in self.stack(rows, only=only).items()}

    def _look(self, phase: Phase, pace: Pace, objective: Objective) -> float:
        out = self.draw(phase.only)
        with torch.no_grad():
            mix, target = phase.mixture(Seen(pace.iteration, torch.arange(self.settings.count), 0, out))
            psnr = decibels(float((mix - target).square().mean()))
        point = HistoryPoint(self.outcome.iterations, self.outcome.seconds, objective.values())
        self.outcome.history = (*self.outcome.history, point)
        if self._kept is None or psnr > self._kept.psnr:
            self._kept = _Kept({name: x.cpu() for name, x in out.items()}, snapshot(self.stack), psnr)
        pace.resume()
        return psnr

    def _keep_best(self) -> None:
        kept = self._kept
        if kept is not None:
            restore(self.stack, kept.weights, "the best iterate")
            self.outcome.out.update(kept.out)
            self.outcome.psnr = kept.psnr

    def _diverged(self, iteration: int) -> None:
        if self._kept is None and not self.outcome.out:
            raise not_finite(iteration)
        self.outcome.stopped = "diverged"
        self._keep_best()

    def _finished(self) -> Outcome:
        outcome = self.outcome
        outcome.weights = snapshot(self.stack)
        outcome.state = {
            "signature": self.signature,
            "weights": outcome.weights,
            "optimiser": {} if self._optimiser is None else to_tree(optimiser_tree(self._optimiser)),
            "inputs": {name: z[-1:].contiguous().cpu() for name, z in self.stack.inputs.items()},
        }
        return outcome

    def _warm_optimiser(self, optimiser: torch.optim.Optimizer) -> None:
        """Go on with the momentum of the group before."""
        tree = (self.settings.previous or {}).get("optimiser")
        if tree and len(tree["state"]) == sum(len(g["params"]) for g in optimiser.param_groups):
            restore_optimiser(optimiser, {"state": tree["state"], "groups": optimiser_tree(optimiser)["groups"]})

    def _offer(
        self,
        number: int,
        optimiser: torch.optim.Optimizer,
        pace: Pace,
        objective: Objective,
        before: tuple[int, float],
        ended: str,
    ) -> None:
        if self.context.checkpoint is None:
            return

        def state() -> dict[str, Any]:
            # the best iterate of a phase that has ended is what the networks are, and its pictures are in ``out``
            kept = None if self._kept is None or ended else to_tree(self._kept)
            done = self.outcome
            return {
                "phase": number,
                "ended": ended,
                "psnr": done.psnr if ended else 0.0,
                "done": [done.iterations, done.seconds],
                "weights": network_tree(self.stack),
                "optimiser": optimiser_tree(optimiser),
                "random": self.random.get_state(),
                "pace": pace.state(),
                "terms": objective.values(),
                "kept": kept,
                "before": list(before),
                "out": dict(done.out),
                "history": to_tree(done.history),
                "begun": to_tree(done.begun),
            }

        self.context.checkpoint.offer(self._piece(), self.fits, state)

    def _piece(self) -> str:
        return f"double_dip-{self.settings.name}"

    def _load(self) -> Mapping[str, Any] | None:
        if self.context.checkpoint is None:
            return None
        return self.context.checkpoint.load(self._piece(), self.fits)

    def _resume(
        self, saved: Mapping[str, Any], optimiser: torch.optim.Optimizer, pace: Pace, objective: Objective
    ) -> None:
        restore(self.stack, saved["weights"], "checkpoint")
        restore_optimiser(optimiser, saved["optimiser"])
        self.random.set_state(saved["random"])
        pace.load_state(saved["pace"])
        objective.load_values(saved["terms"])
        self._kept = None if saved["kept"] is None else from_tree(_Kept, saved["kept"])
        self._resume_outcome(saved)

    def _resume_ended(self, phase: Phase, saved: Mapping[str, Any]) -> None:
        """Take up a phase that had come to its end."""
        self._optimiser = torch.optim.Adam(self.stack.parameters(), lr=phase.rate)
        restore(self.stack, saved["weights"], "checkpoint")
        restore_optimiser(self._optimiser, saved["optimiser"])
        self.random.set_state(saved["random"])
        self._resume_outcome(saved)
        self.outcome.stopped, self.outcome.psnr = saved["ended"], saved["psnr"]
        self.outcome.iterations, self.outcome.seconds = saved["done"]

    def _resume_outcome(self, saved: Mapping[str, Any]) -> None:
        self.outcome.out = dict(saved["out"])
        self.outcome.history = from_tree(tuple[HistoryPoint, ...], saved["history"])
        self.outcome.begun = from_tree(Begun, saved["begun"])
