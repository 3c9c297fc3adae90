"""Training the generator on the window, with the fused picture as a soft target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.contracts import FitContext, InpaintTask
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import load, restore
from vidinternal.learn.objective import Objective
from vidinternal.learn.pace import Pace
from vidinternal.learn.precision import fast_bfloat16
from vidinternal.learn.state_tree import network_tree, optimiser_tree, restore_optimiser
from vidinternal.learn.warm_start.door import Begun, begin
from vidinternal.learn.watch import Watch
from vidinternal.methods.internal.averaging import Average
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.generator import build, signature, smooth_noise
from vidinternal.methods.internal.objective import recon_image, soft_target
from vidinternal.ops.resample import enlarge, shrink, working_size

WARM_UP = 20
LARGEST_GRADIENT = 0.3
"""Norm to which gradients are cut: without norm layers one large step saturates the sigmoid, and learning ends."""
RENDER_BATCH = 8
TELL_EVERY = 10
PATIENCE = 3
"""Looks without an improvement after which the generator is left as it is ..."""
GAIN = 0.02
"""... an improvement being this many dB on the held-out holes."""


class Finish(Protocol):
    """Turns the generator's output into the result, and remembers how."""

    def __call__(self, generated: Tensor) -> Tensor:
        """``T 3 H W`` result from the generator's ``T 3 H W``."""
        ...

    def glance(self, generated: Tensor) -> None:
        """Remember the generator's ``T 3 H W`` without making a result of it."""
        ...

    def untrained(self) -> Tensor:
        """``T 3 H W`` result without the generator."""
        ...

    def state(self) -> Mapping[str, Any]:
        """What is remembered, as a tree."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what :meth:`state` gave."""
        ...


class GeneratorFit:
    """One generator for all frames of the window; random frames in every batch.

    Args:
        task: The window; held-out holes are part of its masks.
        fused: ``T 3 H W`` soft targets under the mask.
        confidence: ``T 1 H W`` in [0, 1], what they count.
        config: Settings.
        context: Seed, device, time, hold-out, weights to start from.
    """

    def __init__(
        self, task: InpaintTask, fused: Tensor, confidence: Tensor, config: Config, context: FitContext
    ) -> None:
        device = context.device
        count, _, *full = task.frames.shape
        self.full = (full[0], full[1])
        self.config, self.context = config, context
        height, width = working_size(*self.full, config.train_side)
        frames, masks = shrink(task.frames.float(), task.masks, (height, width))
        self.net = build(config, height, width, context.seed)
        self.signature = signature(self.net)
        self.notes: list[str] = []
        self.begun = Begun(context.start is not None and context.start_signature in (None, self.signature))
        self._start_from(context)
        self.net.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.noise = smooth_noise(count, height, width, config.key_frames, context.seed).to(device)
        self.frames = frames.masked_fill(masks, 0.0).to(device)
        self.known = (~masks).float().to(device)
        self.fused = nn_functional.interpolate(fused.float(), (height, width), mode="area").to(device)
        confidence = nn_functional.interpolate(confidence, (height, width), mode="area") * masks
        self.confidence = confidence.to(device)
        self.half = config.precision == "bfloat16" or (config.precision == "auto" and fast_bfloat16(device))
        self.objective = Objective({"L_r": 1.0, "L_s": config.w_soft})
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=config.learning_rate)
        self.random = generator(context.seed, "batches")
        self.average = Average()
        self.pace = Pace(context.budget, config.iterations)

    def _start_from(self, context: FitContext) -> None:
        """Take over the weights of the window before, else of the file in the settings, else none.

        Raises:
            UsageError: The file cannot be read.
            ConfigError: The weights belong to another network.
        """
        path = self.config.start_weights
        if context.start is not None and context.start_signature in (None, self.signature):
            restore(self.net, context.start, "start weights")
        elif path is not None:
            restore(self.net, load(path, self.signature).tensors, str(path))
        elif context.start is not None:
            self.notes.append(f"cold start: the weights given fit {context.start_signature}, not {self.signature}")

    def _arithmetic(self) -> AbstractContextManager[object]:
        if not self.half:
            return nullcontext()
        return torch.autocast(self.context.device.type, dtype=torch.bfloat16)

    def step(self) -> None:
        """One optimiser step on a batch of random frames."""
        rows = torch.randint(len(self.frames), (min(self.config.batch, len(self.frames)),), generator=self.random)
        rate = min(1.0, (self.pace.iteration + 1) / WARM_UP) * (1 + math.cos(math.pi * self.pace.share())) / 2
        self.optimiser.param_groups[0]["lr"] = self.config.learning_rate * rate
        with self._arithmetic():
            output = self.net(self.noise[rows].contiguous(memory_format=torch.channels_last))
        loss = self.objective.total(
            {
                "L_r": lambda: recon_image(output, self.frames[rows], self.known[rows]),
                "L_s": lambda: soft_target(output, self.fused[rows], self.confidence[rows]),
            }
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.average.take(self.net, self.pace.iteration)
        self.pace.tick()

    def render(self) -> Tensor:
        """``T 3 H W`` output of every frame, at the size of the window, by the averaged weights."""
        with torch.no_grad(), self._arithmetic():
            parts = [self.average(self.net, z) for z in self.noise.split(RENDER_BATCH)]
        return enlarge(torch.cat(parts).cpu(), self.full)

    def score(self) -> float | None:
        """What the generator alone is worth on the held-out pixels, dB; None where nothing is held out."""
        return None if self.context.holdout is None else self.context.holdout.score(self.render())

    def weights(self) -> dict[str, Tensor]:
        """A copy of the averaged weights."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.average.weights(self.net).items()}

    @property
    def fits(self) -> str:
        """What a saved state of this fit belongs to."""
        return f"{self.signature}/{'x'.join(map(str, self.frames.shape))}/{'x'.join(map(str, self.full))}"

    def state(self) -> dict[str, Any]:
        """Everything the next iteration depends on, as a tree."""
        return {
            "weights": network_tree(self.net),
            "average": dict(self.average.kept),
            "optimiser": optimiser_tree(self.optimiser),
            "random": self.random.get_state(),
            "pace": self.pace.state(),
            "terms": self.objective.values(),
            "begun": [self.begun.warm, self.begun.note],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up a state of a fit that was killed."""
        restore(self.net, state["weights"], "checkpoint")
        self.average.load_state(self.net, state["average"])
        restore_optimiser(self.optimiser, state["optimiser"])
        self.random.set_state(state["random"])
        self.pace.load_state(state["pace"])
        self.objective.load_values(state["terms"])
        self.begun = Begun(*state["begun"])

    def _taken_up(self, watch: Watch, finish: Finish, due: list[float]) -> list[float]:
        """Go on from the last checkpoint, else begin; the looks that are still due."""
        checkpoint = self.context.checkpoint
        saved = checkpoint.load("fit", self.fits) if checkpoint is not None else None
        if saved is not None:
            self.load_state(saved["fit"])
            watch.load_state(saved["watch"])
            finish.load_state(saved["finish"])
            return due[len(due) - saved["due"] :]
        if self.context.starts is not None and self.context.start is None:
            self.begun = begin(self.net, self.signature, self.context, self.score)
        if self.context.holdout is not None:
            self.pace.resume()
            watch.look(finish.untrained(), self.objective.values(), self.weights)
        return due

    def run(self, finish: Finish) -> tuple[Watch, str]:
        """Train to the end of the iterations, the time or the finite numbers; from the last checkpoint if there is one.

        Args:
            finish: Turns the generator's output into the result that is scored and kept.

        Returns:
            The looks with the best result, and why the fit ended.
        """
        watch = Watch(self.context, self.pace, PATIENCE, GAIN, by_part=True)
        render_cost = 0.4 * len(self.frames) / self.config.batch
        # after a sixth of the training nothing has been learned yet that counts: the first is but a glance
        due = [k / self.config.looks for k in range(1, self.config.looks)]
        glances = len(due)
        checkpoint = self.context.checkpoint
        due = self._taken_up(watch, finish, due)

        def state() -> dict[str, Any]:
            return {"fit": self.state(), "watch": watch.state(), "finish": finish.state(), "due": len(due)}

        def ends() -> bool:
            # time for a last look has to be left: in large pictures it takes as long as many iterations
            return self.pace.over_budget(max(2 * render_cost, self.pace.last_look()))

        while not (self.pace.over_cap() or ends() or watch.over()):
            self.step()
            if self.pace.iteration % TELL_EVERY == 0:
                self.context.progress(self.pace.share(), f"iteration {self.pace.iteration}")
            if due and self.pace.share() >= due[0]:
                if len(due) == glances:
                    finish.glance(self.render())
                    self.pace.resume()
                else:
                    watch.look(finish(self.render()), self.objective.values(), self.weights)
                due.pop(0)
            if checkpoint is not None:
                checkpoint.offer("fit", self.fits, state)
        if not watch.over():
            watch.look(finish(self.render()), self.objective.values(), self.weights)
        if watch.diverged:
            return watch, "diverged"
        if watch.best.exhausted and not self.pace.over_cap():
            return watch, "held-out score"
        return watch, "iterations" if self.pace.over_cap() else "budget"
