"""Two layers and the mask between them: ``I = m left + (1 - m) right``.

What is alike is drawn by one network more easily than what is not, so the mask settles where the picture changes from
one kind of thing to another. Hints say which of the two is the object.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageResult, ImageTask
from vidinternal.core.seeds import generator
from vidinternal.learn.pace import require_time
from vidinternal.methods.double_dip.config import SegmentConfig
from vidinternal.methods.double_dip.fit import Fit, FitSettings, Outcome, Phase, Seen, digest
from vidinternal.methods.double_dip.layers import LayerStack, correlated_noise, meshgrid, skip_config
from vidinternal.methods.double_dip.objective import extended_l1, gray_loss
from vidinternal.ops.cut_out import boxed
from vidinternal.ops.figure import Figure, figure, shrunk, within, without
from vidinternal.ops.guided_filter import guided_filter
from vidinternal.ops.resample import working_size

GOOD = 30.0
"""PSNR of the mixture, dB, at which the second step ends, as published."""
HINTED = 0.25
"""Share of the second step in which hints are held to and the mask is drawn to black and white ever more."""
BINARY = 0.001
"""Weight of ``GrayLoss`` grows by this with every tenth of that share."""
JITTER = 1e-3
"""The inputs' jitter grows by this with every tenth of that share, then is this."""
W_MIX, W_ALONE = 0.5, 5.0
"""Weight of the mixture in the second step, as published, and where it teaches the mask alone: it has to outweigh, in
the few places that are open, the hints of all the others."""
LEVELS, SKIPS = 3, 8
"""Depth of the networks, as published, and skip channels of a mask's network that is fed the picture."""
CUT_AT = 432
"""Longest side at which a box's object is cut out, pixels."""
SHRUNK, GROWN = 0.08, 0.15
"""Width of the band within and around the outline of what was cut out that is open, shares of the root of its area."""
REFINED_AT = 800
"""Longest side at which the guided filter's radius is meant; larger pictures get a larger one."""


@dataclass(frozen=True)
class Schedule:
    """What a preset says, with what the settings say laid over it.

    Attributes:
        apart: Iterations of the first step, in which each layer learns its hints.
        together: Of the second, in which the mixture becomes the picture.
        warm: Of the second, where the networks go on; there is no first then.
        rate: Adam's learning rate.
        side: Longest side that the networks see, pixels.
        feed: What the mask's network is fed: noise, as published, or the picture and where each pixel is, which makes
            what it has learned of one frame hold for the next.
        alone: Share of the second step in which the mixture teaches the mask alone, and the layers learn only their
            hints: what a layer continues well from what is surely its own becomes its own, before it can learn
            anything else.
        anneal: Whether the rate falls along a cosine.
        start: What a box begins from.
    """

    apart: int
    together: int
    warm: int
    rate: float
    side: int
    feed: Literal["noise", "picture"]
    alone: float
    anneal: bool
    start: Literal["cut", "unlike"]


_PRESETS = {
    "faithful": Schedule(2000, 4000, 500, 1e-3, 512, "noise", 0.0, anneal=False, start="unlike"),
    "fast": Schedule(100, 300, 200, 5e-3, 160, "picture", 1.0, anneal=True, start="cut"),
}


def schedule(config: SegmentConfig) -> Schedule:
    """The preset with the settings that are given laid over it; iterations are those of both steps."""
    own = _PRESETS[config.preset]
    given: dict[str, Any] = {
        "warm": config.warm_iterations,
        "rate": config.learning_rate,
        "side": config.side,
        "start": config.box_start,
    }
    if config.iterations is not None:
        given["apart"] = round(config.iterations * own.apart / (own.apart + own.together))
        given["together"] = max(1, config.iterations - given["apart"])
        given["warm"] = min(own.warm, config.iterations) if config.warm_iterations is None else config.warm_iterations
    return replace(own, **{name: value for name, value in given.items() if value is not None})


def check(config: SegmentConfig, height: int, width: int) -> tuple[str, ...]:
    """Refuse pictures that no network fits.

    Raises:
        UsageError: The picture is too small.
    """
    skip_config(2, 3, working_size(height, width, schedule(config).side), levels=LEVELS)
    return ()


@dataclass(frozen=True)
class _Parts:
    """A picture and what is known of it, as small as the networks see it, on the device.

    Attributes:
        picture: ``1 3 h w``.
        inside: ``1 1 h w``, 1 where the object surely is.
        outside: ``1 1 h w``, 1 where it surely is not.
        steps: Iterations of the second step.
        plan: What else the preset says.
        temporal: Weight of the difference from the mask before.
        before: ``1 1 h w`` the mask of the frame before, carried along the flow; None without.
        valid: ``1 1 h w`` in [0, 1], where it holds.
    """

    picture: Tensor
    inside: Tensor
    outside: Tensor
    steps: int
    plan: Schedule
    temporal: float = 0.0
    before: Tensor | None = None
    valid: Tensor | None = None

    @property
    def hinted(self) -> int:
        """Iterations of the second step in which the hints are held to."""
        return max(1, round(max(HINTED, self.plan.alone) * self.steps))

    def mix(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """``m left + (1 - m) right``, and the picture it should be."""
        m = seen.out["mask"]
        return m * seen.out["left"] + (1 - m) * seen.out["right"], seen.turned(self.picture)

    def terms(self, seen: Seen) -> dict[str, Callable[[], Tensor]]:
        """The terms of a step."""
        picture, inside, outside = (seen.turned(x) for x in (self.picture, self.inside, self.outside))
        m, left, right = (seen.out[name] for name in ("mask", "left", "right"))
        # as published, what is unknown is held to a half in the first step
        known = inside + outside if self.plan.alone else torch.ones_like(inside)
        held = seen.iteration < self.plan.alone * self.steps

        def mixed() -> Tensor:
            layers = (x.detach() if held else x for x in (left, right))
            mix, target = self.mix(replace(seen, out={"mask": m, **dict(zip(("left", "right"), layers, strict=True))}))
            return (mix - target).abs().mean()

        before, valid = self.before, self.valid
        carried: dict[str, Callable[[], Tensor]] = {}
        if before is not None and valid is not None:
            carried["Temporal"] = lambda: extended_l1(m, before, valid)
        return carried | {
            "Left": lambda: extended_l1(left, picture, inside),
            "Right": lambda: extended_l1(right, picture, outside),
            "Hint": lambda: extended_l1(m, (inside - outside + 1) / 2, known),
            "Sure": lambda: extended_l1(m, inside, inside + outside),
            "Rec": mixed,
            "Gray": lambda: gray_loss(m),
        }

    def apart(self, _iteration: int) -> dict[str, float]:
        """Weights of the first step."""
        return {"Left": 1.0, "Right": 1.0, "Hint": 1.0, "Sure": 0.0, "Rec": 0.0, "Gray": 0.0, **self._carried()}

    def together(self, iteration: int) -> dict[str, float]:
        """Weights of the second step."""
        held = 1.0 if iteration <= self.hinted else 0.0
        mix = W_ALONE if iteration < self.plan.alone * self.steps else W_MIX
        tenths = 10 * min(iteration, self.hinted) // self.hinted
        return {
            "Left": held,
            "Right": held,
            "Hint": 0.0,
            "Sure": held,
            "Rec": mix,
            "Gray": BINARY * tenths,
            **self._carried(),
        }

    def _carried(self) -> dict[str, float]:
        return {"Temporal": self.temporal}

    def jitter(self, iteration: int) -> float:
        """Of the inputs in either step."""
        return JITTER * (10 * iteration // self.hinted if iteration < self.hinted else 1)


def apply(task: ImageTask, config: SegmentConfig, context: FitContext) -> ImageResult:
    """The mask of the object in one picture.

    Raises:
        UsageError: The picture is too small for a network.
        MaskError: The hints leave nothing open.
        BudgetError: There is no time at all.
    """
    require_time(context.budget)
    started = time.monotonic()
    picture, previous = task.frames.float().cpu(), task.previous
    before = previous.layers["mask"].float().cpu() if previous is not None and "mask" in previous.layers else None
    known = figure(picture, task.hints, before, None if previous is None else previous.valid.cpu())
    if known.lost:
        told = f"there is no object to look for: nothing is known from {known.origin}"
        empty = torch.zeros_like(picture[:, :1])
        state = {} if previous is None else dict(previous.state)
        return _result(task, empty, None, (told,), {"origin": known.origin, "share": 0.0}, state)
    plan, cut = schedule(config), None
    if previous is None and plan.start == "cut":
        known, cut = _begun(picture, task.hints, known)
    outcome = _fit(picture, known, task, config, context)
    mask = _refined(picture, outcome.out["mask"], task.hints, config)
    mask = mask if cut is None else _as_fine(mask, cut, plan.side)
    share = float(mask.mean())
    notes = [outcome.begun.note] if outcome.begun.note else []
    if outcome.psnr < GOOD - 8:
        notes.append(f"the two layers explain the picture to {outcome.psnr:.0f} dB only: look at its mask")
    if share in {0, 1}:
        notes.append(f"the mask is {'empty' if share == 0 else 'everything'}: a hint is needed")
    facts = {"origin": known.origin, "share": round(share, 4), "mixture_psnr": round(outcome.psnr, 2)}
    result = _result(task, mask, outcome, tuple(notes), facts, {"fit": outcome.state})
    return replace(result, seconds=time.monotonic() - started)


def _begun(picture: Tensor, hints: Tensor | None, known: Figure) -> tuple[Figure, Tensor | None]:
    """What a box begins from: an object cut out of it, but for a band along its outline that is left to the layers.

    Returns:
        What is known, and what was cut out, ``1 1 H W`` bool; None where nothing was, since there is no box alone.
    """
    if hints is None or bool((hints == 1).any()) or not bool((hints == 0).any()):
        return known, None
    outside = hints == 0
    cut = boxed(picture, ~outside, CUT_AT)
    inside, around = within(cut, SHRUNK), without(cut, GROWN)
    return replace(known, inside=inside, outside=outside | around), cut


def _as_fine(mask: Tensor, cut: Tensor, side: int) -> Tensor:
    """``1 1 H W`` of 0 and 1: what is finer than the networks see stays as it was cut out, what is larger is theirs."""
    cell = max(1, -(-max(mask.shape[-2:]) // side))
    changed = ((mask > 0.5) != cut).float()
    core = -nn_functional.max_pool2d(-changed, 2 * cell + 1, stride=1, padding=cell)
    large = nn_functional.max_pool2d(core, 2 * cell + 1, stride=1, padding=cell) * changed > 0
    return torch.where(large, mask, cut.float())


def _result(
    task: ImageTask,
    mask: Tensor,
    outcome: Outcome | None,
    notes: tuple[str, ...],
    facts: dict[str, Any],
    state: dict[str, Any],
) -> ImageResult:
    mask = mask.to(task.frames)
    whole = {"frames": mask.expand(-1, 3, -1, -1).contiguous(), "layers": {"mask": mask}, "state": state}
    if outcome is None:
        return ImageResult(**whole, notes=notes, facts=facts)
    return ImageResult(
        **whole,
        weights=outcome.weights,
        signature=outcome.signature,
        stopped=outcome.stopped,
        iterations=outcome.iterations,
        history=outcome.history,
        notes=notes,
        facts=facts,
        warm=outcome.begun.warm,
    )


def _fit(picture: Tensor, known: Figure, task: ImageTask, config: SegmentConfig, context: FitContext) -> Outcome:
    """Train the layers on the small picture."""
    plan, device = schedule(config), context.device
    size = working_size(picture.shape[-2], picture.shape[-1], plan.side)
    small = nn_functional.interpolate(picture, size, mode="area").to(device)
    warm = task.previous.state.get("fit") if task.previous is not None else None
    steps = plan.together if warm is None else plan.warm
    inside, outside = (shrunk(mask, size).to(device) for mask in (known.inside, known.outside))
    parts = _Parts(small, inside, outside * (1 - inside), steps, plan, config.temporal, *_before(task, size, device))
    stack = LayerStack(context.seed)
    random = generator(context.seed, "noise")
    walked = (warm or {}).get("inputs", {})
    # both layers are fed alike: the mask is to tell them apart, not the noise
    z = correlated_noise(1, (2, *size), random, before=walked.get("left"))
    stack.add("left", skip_config(2, 3, size, levels=LEVELS), z)
    stack.add("right", skip_config(2, 3, size, levels=LEVELS), z)
    own = correlated_noise(1, (2, *size), random, before=walked.get("mask") if plan.feed == "noise" else None)
    if plan.feed == "picture":
        own = torch.cat((small.cpu() - 0.5, meshgrid(*size) - 0.5), dim=1)
        stack.jittered.discard("mask")
    skips = SKIPS if plan.feed == "picture" else None
    stack.add("mask", skip_config(own.shape[1], 1, size, levels=LEVELS, skips=skips), own)
    if plan.feed == "picture":
        stack.jittered.discard("mask")
    common = {"rate": plan.rate, "terms": parts.terms, "mixture": parts.mix, "anneal": plan.anneal}
    second = Phase("segmenting", steps, weights=parts.together, jitter=parts.jitter, good=GOOD, **common)
    phases = (second,)
    if warm is None and plan.apart:
        phases = (Phase("hints", plan.apart, weights=parts.apart, jitter=parts.jitter, **common), second)
    settings = FitSettings("segment", 1, 1, config.precision, warm, digest(small, inside, outside))
    return Fit(stack, phases, context, settings).run()


def _before(task: ImageTask, size: tuple[int, int], device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    """The mask of the frame before and where it holds, as small as the networks see them; None without."""
    previous = task.previous
    if previous is None or "mask" not in previous.layers:
        return None, None
    both = (previous.layers["mask"].float(), previous.valid.float())
    mask, valid = (nn_functional.interpolate(x.cpu(), size, mode="area").to(device) for x in both)
    return mask, valid


def _refined(picture: Tensor, drawn: Tensor, hints: Tensor | None, config: SegmentConfig) -> Tensor:
    """``1 1 H W`` of 0 and 1: the mask fitted to the full picture's edges; what a person said stays as said."""
    full = (picture.shape[-2], picture.shape[-1])
    mask = nn_functional.interpolate(drawn, full, mode="bilinear", align_corners=False)
    if config.radius:
        longest = max(full)
        radius = max(1, round(config.radius * longest / REFINED_AT))
        mask = guided_filter(picture, mask, radius, config.epsilon, every=max(1, longest // REFINED_AT))
    found = mask > 0.5
    if hints is not None:
        found = (found | (hints == 1)) & ~(hints == 0)
    return found.float()
