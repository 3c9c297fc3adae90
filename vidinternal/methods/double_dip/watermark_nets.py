"""Watermarks by networks, as published: one picture with a hint, or several that share mark and mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.seeds import branch, generator
from vidinternal.methods.double_dip.config import WatermarkConfig
from vidinternal.methods.double_dip.fit import Fit, FitSettings, Outcome, Phase, Seen, digest
from vidinternal.methods.double_dip.layers import LayerStack, skip_config, uniform_noise
from vidinternal.methods.double_dip.objective import extended_l1, l1, mixed
from vidinternal.ops.resample import enlarge, working_size

LEAST_SIDE = 16
"""Smaller pictures are continued to this size by repeating their border."""


@dataclass(frozen=True)
class Schedule:
    """How long, and at what size.

    Attributes:
        around: Steps of a single picture in which only what lies outside the hint is learned.
        one: Steps of a single picture with its mark.
        many: Steps of several pictures.
        later: Steps where the networks go on from the picture before.
        runs: Times, for the median.
        side: Longest side the networks see, pixels; 0 = all of it.
        kernel: Side of the kernels of picture and mark.
        rate: Adam's.
    """

    around: int
    one: int
    many: int
    later: int
    runs: int
    side: int
    kernel: int
    rate: float


SCHEDULES = {
    "faithful": Schedule(4000, 7000, 4000, 2000, 3, 0, 5, 1e-3),
    "fast": Schedule(200, 600, 600, 150, 1, 192, 3, 2e-3),
}


@dataclass(frozen=True)
class Drawn:
    """What the networks drew, in the size of the pictures.

    Attributes:
        clean: ``N 3 H W``.
        mask: ``1 1 H W``.
        mark: ``1 3 H W``.
        outcome: Of the last run.
        iterations: Of all runs.
    """

    clean: Tensor
    mask: Tensor
    mark: Tensor
    outcome: Outcome
    iterations: int


def draw_one(
    frame: Tensor, hint: Tensor, how: tuple[WatermarkConfig, int], context: FitContext, before: Mapping[str, Any] | None
) -> Drawn:
    """One picture whose mark lies under a hint.

    Args:
        frame: ``1 3 H W``.
        hint: ``1 1 H W`` in [0, 1].
        how: Settings, and the number of the picture in its group.
        context: Of the fit.
        before: State of the picture before, or None.
    """
    config, number = how
    schedule = SCHEDULES[config.preset]
    image, where = (_seen(t, config).to(context.device) for t in (frame, hint))
    steps = config.iterations or schedule.one
    around = schedule.around if config.iterations is None else max(1, config.iterations // 2)
    if before is not None:
        steps = config.warm_iterations or min(steps, schedule.later)
    rate = config.learning_rate or schedule.rate

    def outside(seen: Seen) -> dict[str, Callable[[], Tensor]]:
        weight = 1 - seen.turned(where)
        return {"ExtL1": lambda: extended_l1(seen.out["clean"], seen.turned(image), weight)}

    def mixture(seen: Seen) -> tuple[Tensor, Tensor]:
        m = seen.turned(where) * seen.out["mask"]
        return mixed(m, seen.out["mark"], seen.out["clean"]), seen.turned(image)

    def known(seen: Seen) -> tuple[Tensor, Tensor]:
        weight = 1 - seen.turned(where)
        return seen.out["clean"] * weight, seen.turned(image) * weight

    first = Phase(
        "around the mark", around, rate, outside, lambda _: {"ExtL1": 1.0}, known, only=("clean",), jitter=_slow(300)
    )
    second = Phase(
        "watermark",
        steps,
        rate,
        lambda seen: {**outside(seen), "Rec": lambda: l1(*mixture(seen))},
        lambda _: {"ExtL1": 1.0, "Rec": 0.5},
        mixture,
        jitter=_slow(700),
        turns=_turn,
    )
    phases = (second,) if before is not None else (first, second)
    size = frame.shape[-2], frame.shape[-1]
    return _runs(("clean",), phases, (image, where), _How(config, before, size, f"watermark{number}"), context)


def draw_many(
    frames: Tensor, config: WatermarkConfig, context: FitContext, before: Mapping[str, Any] | None = None
) -> Drawn:
    """Several pictures, ``N 3 H W``, that share mark and mask, without a hint: ``sum_i L1(m w + (1 - m) c_i, I_i)``."""
    schedule = SCHEDULES[config.preset]
    images = _seen(frames, config).to(context.device)
    steps = config.iterations or schedule.many
    if before is not None:
        steps = config.warm_iterations or min(steps, schedule.later)
    names = tuple(f"clean{k}" for k in range(len(frames)))

    def mixture(seen: Seen) -> tuple[Tensor, Tensor]:
        clean = torch.cat([seen.out[name] for name in names])
        targets = torch.cat([seen.turned(image) for image in images.split(1)])
        return mixed(seen.out["mask"], seen.out["mark"], clean), targets

    phase = Phase(
        "watermarks",
        steps,
        config.learning_rate or schedule.rate,
        lambda seen: {"Rec": lambda: l1(*mixture(seen)) * len(names)},
        lambda _: {"Rec": 1.0},
        mixture,
        jitter=_slow(400),
        turns=_turn,
    )
    size = frames.shape[-2], frames.shape[-1]
    return _runs(names, (phase,), (images, None), _How(config, before, size, "watermarks"), context)


@dataclass(frozen=True)
class _How:
    """Settings, the state of the pictures before, the pictures' own size, and the name of their checkpoints."""

    config: WatermarkConfig
    before: Mapping[str, Any] | None
    size: tuple[int, int]
    name: str


def _runs(
    names: tuple[str, ...],
    phases: tuple[Phase, ...],
    pictures: tuple[Tensor, Tensor | None],
    how: _How,
    context: FitContext,
) -> Drawn:
    """Train as often as wanted, each time from another start, and take the median at every pixel."""
    config, size = how.config, how.size
    runs = config.runs or SCHEDULES[config.preset].runs
    clean: list[Tensor] = []
    shared: list[tuple[Tensor, Tensor]] = []
    outcome, iterations = Outcome(), 0
    small = pictures[0].shape[-2], pictures[0].shape[-1]
    for run in range(runs):
        stack = _stack(names, small, config, branch(context.seed, "watermark", run))
        settings = FitSettings(
            f"{how.name}-{run}",
            precision=config.precision,
            # every run goes on from the same weights, but the median needs unlike runs: only the first does
            previous=how.before if run == 0 else None,
            digest=digest(*pictures),
        )
        outcome = Fit(stack, phases, _part(context, run, runs), settings).run()
        iterations += outcome.iterations
        clean.append(torch.cat([outcome.out[name] for name in names]))
        shared.append((outcome.out["mask"], outcome.out["mark"]))
        if context.budget.expired():
            break
    parts = torch.stack(clean), torch.stack([m for m, _ in shared]), torch.stack([m * w for m, w in shared])
    drawn, mask, marked = (_unpadded(t.median(dim=0).values, size, config) for t in parts)
    return Drawn(drawn, mask, (marked / mask.clamp(min=1e-3)).clamp(0, 1), outcome, iterations)


def _stack(names: tuple[str, ...], size: tuple[int, int], config: WatermarkConfig, seed: int) -> LayerStack:
    stack, kernel = LayerStack(seed), SCHEDULES[config.preset].kernel
    for name in (*names, "mark"):
        z = uniform_noise((1, 2, *size), generator(seed, "noise", name))
        stack.add(name, skip_config(2, 3, size, kernel=kernel), z)
    z = uniform_noise((1, 2, *size), generator(seed, "noise", "mask"))
    stack.add("mask", skip_config(2, 1, size, levels=4), z)
    return stack


def _part(context: FitContext, run: int, runs: int) -> FitContext:
    return replace(
        context,
        budget=context.budget.share(1 / (runs - run)),
        progress=lambda share, text: context.progress((run + share) / runs, text),
    )


def _seen(pictures: Tensor, config: WatermarkConfig) -> Tensor:
    size = working_size(pictures.shape[-2], pictures.shape[-1], _side(config))
    small = pictures if size == tuple(pictures.shape[-2:]) else nn_functional.interpolate(pictures, size, mode="area")
    pad = [max(0, LEAST_SIDE - s) for s in size]
    return nn_functional.pad(small, (0, pad[1], 0, pad[0]), mode="replicate") if any(pad) else small


def _unpadded(layer: Tensor, size: tuple[int, int], config: WatermarkConfig) -> Tensor:
    small = working_size(*size, _side(config))
    return enlarge(layer[..., : small[0], : small[1]], size)


def _side(config: WatermarkConfig) -> int:
    return SCHEDULES[config.preset].side if config.side is None else config.side


def _slow(every: int) -> Callable[[int], float]:
    """The published jitter, which grows by steps."""
    return lambda iteration: 1e-3 * (iteration // every)


def _turn(iteration: int) -> int:
    return 2 * (iteration // 4 % 4) if iteration % 4 == 0 else 0
