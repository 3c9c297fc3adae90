"""Haze taken off: ``I = t J + (1 - t) A``, the clear picture, the transmission and the airlight each a network's.

The networks see small pictures; the transmission is refined on the full picture by a guided filter and the clear
picture computed from it, so that no detail goes through a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageResult, ImageTask
from vidinternal.core.seeds import branch, generator
from vidinternal.learn.pace import require_time
from vidinternal.methods.double_dip.config import DehazeConfig
from vidinternal.methods.double_dip.dehaze_plan import Schedule, schedule
from vidinternal.methods.double_dip.fit import Fit, FitSettings, Outcome, Phase, Seen, digest
from vidinternal.methods.double_dip.layers import LayerStack, correlated_noise, meshgrid, skip_config
from vidinternal.methods.double_dip.objective import dark_loss, std_loss
from vidinternal.ops.dark_channel import LEAST_LIGHT, airlight, mean_light, spread, transmission
from vidinternal.ops.guided_filter import guided_filter
from vidinternal.ops.resample import working_size
from vidinternal.ops.warp import backward_warp, in_bounds

HINTED = 0.25
"""Share of the iterations in which the estimates are held to, as published."""
AIRLIGHT_PATCH, AIRLIGHT_SHARE, AIRLIGHT_WIDTH = 15, 1e-4, 800
"""The airlight is that of this share of the pixels, by dark channels of this side in pictures of this width."""
REFINED_AT = 800
"""Longest side at which the guided filter's radius is meant; larger pictures get a larger one."""
HINT_PATCH, HINT_RADIUS, HINT_EPSILON = 0.06, 0.1, 1e-3
"""Neighbourhood of the hint's dark channel and radius of its guided filter, shares of the longest side."""
SAME = 0.06
"""Difference of colour above which two places are not the same, wherever the flow says."""
HARDLY = 0.97
"""Mean transmission above which there is next to no haze."""
LEAST_HAZE = 1e-3
"""Share of haze below which it has no colour that could be told."""


def check(config: DehazeConfig, height: int, width: int) -> tuple[str, ...]:
    """Refuse pictures that no network fits.

    Raises:
        UsageError: The picture is too small.
    """
    skip_config(2, 3, working_size(height, width, schedule(config).side))
    return ()


def survey(frames: Tensor, config: DehazeConfig) -> dict[str, Tensor]:
    """The airlight of a shot, ``airlight`` of 3 numbers: one for all its frames, so that colours do not flicker."""
    return {"airlight": _estimate(frames, config)}


def _estimate(frames: Tensor, config: DehazeConfig) -> Tensor:
    if config.airlight is not None:
        return torch.tensor(config.airlight, dtype=torch.float32).clamp(min=LEAST_LIGHT)
    size = working_size(frames.shape[-2], frames.shape[-1], AIRLIGHT_WIDTH)
    return airlight(nn_functional.interpolate(frames, size, mode="area"), AIRLIGHT_PATCH, AIRLIGHT_SHARE)


def moved(estimate: Tensor, drawn: Tensor) -> Tensor:
    """An estimate moved by what a network draws; a network that knows nothing leaves it as it is.

    Args:
        estimate: In [0, 1], of the airlight ``1 3 1 1`` or of the transmission ``N 1 h w``.
        drawn: In (0, 1), of a shape that goes with it.
    """
    return torch.sigmoid(torch.logit(drawn, 1e-4) + torch.logit(estimate, 1e-2))


@dataclass(frozen=True)
class _Scene:
    """What one pass explains, as small as the networks see it, on the device.

    Attributes:
        hazy: ``N 3 h w``.
        light: ``1 3 1 1`` the airlight as estimated.
        plan: Weights and what is learned.
        config: Weights that no preset changes.
        likely: ``N 1 h w`` transmission by the dark channel prior.
        hinted: Iterations in which estimates are held to.
        before: ``1 1 h w`` transmission that the first picture's shall be near; None without.
        valid: ``1 1 h w`` in [0, 1], where.
        flow: ``N-1 2 h w`` pixels, how the pictures lie on each other; None for one picture.
    """

    hazy: Tensor
    light: Tensor
    plan: Schedule
    config: DehazeConfig
    likely: Tensor
    hinted: int
    before: Tensor | None = None
    valid: Tensor | None = None
    flow: Tensor | None = None

    def mix(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """``t J + (1 - t) A``, and the picture it should be."""
        t, light = self.arriving(seen.out["transmission"], seen.turned(self.likely)), seen.out.get("airlight")
        light = self.light if light is None else moved(self.light, light)
        return t * seen.out["image"] + (1 - t) * light, seen.turned(self.hazy)

    def arriving(self, drawn: Tensor, likely: Tensor) -> Tensor:
        """``t``: what the network draws, or the dark channel prior moved by that where it is held to for good."""
        return moved(likely, drawn) if self.plan.hold else drawn

    def terms(self, seen: Seen) -> dict[str, Callable[[], Tensor]]:
        """The terms of a step."""
        mix, target = self.mix(seen)
        likely = seen.turned(self.likely)
        t = self.arriving(seen.out["transmission"], likely)
        found: dict[str, Callable[[], Tensor]] = {
            "Rec": lambda: (mix - target).square().mean(),
            "Std": lambda: std_loss(t),
            "DCL": lambda: dark_loss(seen.out["image"], 1),
            "Hint": lambda: (t - likely).square().mean(),
        }
        drawn = seen.out.get("airlight")
        if drawn is not None:
            light = moved(self.light, drawn)
            found["StdA"] = lambda: std_loss(light)
            found["HintA"] = lambda: (light - self.light).square().mean()
        before, valid = self.before, self.valid
        differences = [
            self._step(t[k - 1 : k], t[k : k + 1], int(row) - 1)
            for k, row in enumerate(seen.rows)
            if k and int(row) == int(seen.rows[k - 1]) + 1
        ]
        if before is not None and valid is not None and int(seen.rows[0]) == 0:
            differences.append(((t[:1] - before).square() * valid).mean())
        if differences:
            found["Temporal"] = lambda: torch.stack(differences).mean()
        return found

    def _step(self, before: Tensor, now: Tensor, row: int) -> Tensor:
        """How far the transmission is from that of the picture before, carried along the flow."""
        if self.flow is None:
            return now.sum() * 0.0
        flow = self.flow[row : row + 1]
        seen = (
            (backward_warp(self.hazy[row : row + 1], flow) - self.hazy[row + 1 : row + 2]).abs().amax(1, keepdim=True)
        )
        valid = in_bounds(flow) & (seen < SAME)
        return ((now - backward_warp(before, flow)).square() * valid).mean()

    def weights(self, iteration: int) -> dict[str, float]:
        """Their weights."""
        held = max(0.0, 1 - iteration / self.hinted) if self.hinted else 0.0
        return {
            "Rec": 1.0,
            "Std": self.config.w_std,
            "DCL": self.plan.w_dark,
            "Hint": self.plan.w_hint * max(held, self.plan.hold),
            "StdA": self.config.w_std_airlight,
            "HintA": 1.0 if iteration < self.hinted or self.plan.hold else 0.0,
            "Temporal": self.config.temporal,
        }


@dataclass
class _Cleared:
    """What a pass has found, at full size on the CPU."""

    scene: Tensor
    t: Tensor
    light: Tensor
    outcome: Outcome


class _Dehazing:
    """The passes over one group of pictures."""

    def __init__(self, task: ImageTask, config: DehazeConfig, context: FitContext) -> None:
        self.task, self.config, self.context = task, config, context
        self.plan = schedule(config)
        self.full = (task.frames.shape[-2], task.frames.shape[-1])
        self.size = working_size(*self.full, self.plan.side)
        self.before = task.previous.state if task.previous is not None else {}

    def run(self) -> list[_Cleared]:
        """All passes; each looks at what the one before has made."""
        found: list[_Cleared] = []
        frames = self.task.frames.float()
        for number in range(self.plan.passes):
            last = number + 1 == self.plan.passes
            light = self._light(number, frames)
            found.append(self._one(number, frames, light, learned=self.plan.learned and last))
            frames = found[-1].scene
        return found

    def _light(self, number: int, frames: Tensor) -> Tensor:
        """The airlight of a pass: the shot's in the first, that of what the first has left in the second."""
        if number == 0:
            light = self.task.shot.get("airlight")
            return (_estimate(frames, self.config) if light is None else light.float()).cpu()
        kept = self.before.get(f"light-{number}")
        return kept if kept is not None else _estimate(frames, self.config.model_copy(update={"airlight": None}))

    def _one(self, number: int, frames: Tensor, light: Tensor, *, learned: bool) -> _Cleared:
        device = self.context.device
        small = nn_functional.interpolate(frames, self.size, mode="area").to(device)
        warm = self.before.get(f"fit-{number}")
        steps = self.plan.iterations if warm is None else self.plan.warm
        scene = _Scene(
            small,
            spread(light).to(device),
            self.plan,
            self.config,
            likely=_likely(small, light.to(device), self.config.omega),
            hinted=round(HINTED * steps) if warm is None else 0,
            flow=self._flow(),
            **self._carried(number),
        )
        stack = self._stack(number, small, light, learned=learned)
        phase = Phase(
            "dehazing" if self.plan.passes == 1 else f"dehazing, pass {number + 1}",
            steps,
            self.plan.rate,
            scene.terms,
            scene.weights,
            scene.mix,
            jitter=lambda _: self.plan.jitter,
            anneal=self.plan.anneal,
        )
        settings = FitSettings(
            f"dehaze-{number}", len(frames), 2, self.config.precision, warm, digest(small, light, scene.before)
        )
        part = self._part(number)
        outcome = Fit(stack, (phase,), part, settings).run()
        t = scene.arriving(outcome.out["transmission"], scene.likely.cpu())
        return self._refined(frames, light, t, outcome)

    def _part(self, number: int) -> FitContext:
        """The context of one pass: its share of the time and of the progress."""
        count, context = self.plan.passes, self.context

        def told(share: float, text: str) -> None:
            context.progress((number + share) / count, text)

        return replace(
            context,
            seed=branch(context.seed, "pass", number),
            budget=context.budget.share(1 / (count - number)),
            progress=told,
            # weights of another clip's first pass are no start for a second one
            starts=context.starts if number == 0 else None,
        )

    def _carried(self, number: int) -> dict[str, Tensor]:
        """The transmission that the first picture's shall be near."""
        previous = self.task.previous
        if previous is None or number > 0 or "transmission" not in previous.layers:
            return {}
        device = self.context.device
        before = nn_functional.interpolate(previous.layers["transmission"].float(), self.size, mode="area")
        valid = nn_functional.interpolate(previous.valid.float(), self.size, mode="area")
        return {"before": before.to(device), "valid": valid.to(device)}

    def _flow(self) -> Tensor | None:
        """How the group's pictures lie on each other, at the networks' size."""
        flow = self.task.flow
        if flow is None or self.config.temporal == 0:
            return None
        scale = flow.new_tensor([self.size[1] / self.full[1], self.size[0] / self.full[0]]).view(1, 2, 1, 1)
        return (nn_functional.interpolate(flow.float(), self.size, mode="area") * scale).to(self.context.device)

    def _stack(self, number: int, small: Tensor, light: Tensor, *, learned: bool) -> LayerStack:
        stack = LayerStack(branch(self.context.seed, "pass", number))
        count, size = len(small), self.size
        inputs = self.before.get(f"fit-{number}", {}).get("inputs", {})
        for name, channels in (("image", 3), ("transmission", 1)):
            if self.plan.feed == "picture":
                z = small
            else:
                random = generator(self.context.seed, "noise", number, name)
                z = correlated_noise(count, (8, *size), random, before=inputs.get(name))
            stack.add(name, skip_config(z.shape[1], channels, size), z)
        stack.jittered = {"image"}
        if learned:
            stack.add("airlight", skip_config(2, 3, size), meshgrid(*size))
        return stack

    def _refined(self, frames: Tensor, light: Tensor, small: Tensor, outcome: Outcome) -> _Cleared:
        """The small transmission fitted to the full pictures' edges, and the scene computed from it."""
        t = nn_functional.interpolate(small, self.full, mode="bilinear", align_corners=False)
        if self.config.radius:
            longest = max(self.full)
            radius = max(1, round(self.config.radius * longest / REFINED_AT))
            t = guided_filter(frames.cpu(), t, radius, self.config.epsilon, every=max(1, longest // REFINED_AT))
        t = t.clamp(self.config.least_transmission, 1)
        drawn = outcome.out.get("airlight")
        whole = spread(light).expand(1, 3, *self.full)
        if drawn is not None:
            whole = nn_functional.interpolate(
                moved(spread(light), drawn), self.full, mode="bilinear", align_corners=False
            )
        scene = (frames.cpu() - (1 - t) * whole) / t
        return _Cleared(scene.clamp(0, 1), t, whole, outcome)


def _likely(small: Tensor, light: Tensor, omega: float) -> Tensor:
    """The transmission by the dark channel prior, of small pictures, fitted to their edges."""
    longest = max(small.shape[-2:])
    side = max(3, 2 * (round(HINT_PATCH * longest) // 2) + 1)
    found = transmission(small, light, side, omega)
    return guided_filter(small, found, max(1, round(HINT_RADIUS * longest)), HINT_EPSILON).clamp(0, 1)


def apply(task: ImageTask, config: DehazeConfig, context: FitContext) -> ImageResult:
    """Take the haze off a group of pictures of one shot.

    Raises:
        UsageError: The pictures are too small for a network, or the fit has left the finite numbers.
        BudgetError: There is no time at all.
    """
    require_time(context.budget)
    started = time.monotonic()
    work = _Dehazing(task, config, context)
    passes = work.run()
    t, light = _together(passes)
    outcomes = [found.outcome for found in passes]
    state: dict[str, Any] = {f"fit-{k}": o.state for k, o in enumerate(outcomes)}
    state |= {f"light-{k}": found.light.mean(dim=(0, 2, 3)) for k, found in enumerate(passes) if k}
    mean = float(t.mean())
    told = [o.begun.note for o in outcomes if o.begun.note]
    if mean > HARDLY:
        told.append(f"next to no haze was found: {100 * mean:.0f} % of the light arrives")
    return ImageResult(
        frames=passes[-1].scene.to(task.frames),
        layers={"transmission": t.to(task.frames), "airlight": light.clamp(0, 1).to(task.frames)},
        state=state,
        weights=outcomes[0].weights,
        signature=outcomes[0].signature,
        stopped=outcomes[-1].stopped,
        iterations=sum(o.iterations for o in outcomes),
        seconds=time.monotonic() - started,
        history=tuple(point for o in outcomes for point in o.history),
        notes=tuple(told),
        facts={
            "airlight": mean_light(light),
            "mean_transmission": round(mean, 4),
            "mixture_psnr": round(outcomes[-1].psnr, 2),
        },
        warm=outcomes[0].begun.warm,
    )


def _together(passes: list[_Cleared]) -> tuple[Tensor, Tensor]:
    """Transmission and airlight of all passes as one: what ``I = t J + (1 - t) A`` holds for.

    ``I = t1 J1 + (1 - t1) A1`` and ``J1 = t2 J2 + (1 - t2) A2`` make ``t = t1 t2`` and
    ``(1 - t) A = (1 - t1) A1 + t1 (1 - t2) A2``.
    """
    t, light = passes[0].t, passes[0].light.expand(len(passes[0].t), -1, -1, -1)
    for found in passes[1:]:
        haze = (1 - t) * light + t * (1 - found.t) * found.light
        t = t * found.t
        light = torch.where(1 - t > LEAST_HAZE, haze / (1 - t).clamp(min=LEAST_HAZE), found.light.expand_as(light))
    return t, light.contiguous()
