"""The finisher of a window: its pictures given back steadier, where they flicker more than the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, decibels
from vidinternal.learn.deflicker import Deflicker, Fitted, flicker_variance, gather
from vidinternal.ops.imresize import imresize
from vidinternal.stages.lift.motion import Flicker, step_between

LEAST = 1e-7
"""Variance of flicker below which there is none: a tenth of an 8-bit code."""
SPARED = 4.0
"""How many times the flicker the network may be off: beyond that it would cost more than it steadies."""


@dataclass(frozen=True)
class Window:
    """A finished window, picture by picture; each is asked for in order.

    Attributes:
        count: Pictures.
        source: ``1 3 h w`` by place in the window.
        made: ``1 3 H W`` by place in the window.
        put: Takes what becomes of a picture, ``1 3 H W``, and its place.
        last: ``1 3 H W``, what was made of the picture right before the window, whose source has the place -1; None at
            the beginning of a take.
    """

    count: int
    source: Callable[[int], Tensor]
    made: Callable[[int], Tensor]
    put: Callable[[int, Tensor], None]
    last: Tensor | None = None


@dataclass(frozen=True)
class Steadied:
    """What came of it.

    Attributes:
        taken: Whether what was put is better than what was there.
        after: Warping error of what was put; None where nothing was.
        facts: JSON-ready.
        note: For a person.
        weights: What the next window of the take begins from; empty where nothing was put.
    """

    taken: bool
    after: float | None
    facts: Mapping[str, Any]
    note: str
    weights: Mapping[str, Tensor]


def steady(
    window: Window, errors: tuple[float, float] | None, context: FitContext, before: Mapping[str, Tensor] | None
) -> Steadied:
    """Learn a window and give it back without its flicker, or leave it as it is and say why.

    Args:
        window: The window.
        errors: Mean squared warping error of source and result.
        context: Seed, device, time, checkpoints.
        before: Weights of the window before in the same take, where that was given back steadier.
    """
    variance = 0.0 if errors is None else flicker_variance(*errors)
    if errors is None or (variance < LEAST and before is None):
        return _left("deflicker: left as it is, it flickers no more than the source")
    crops = gather(lambda k: _pair(window, k), window.count, context.seed)
    network = Deflicker(context, before)
    ended = _ended(window, network if before else None)
    fitted = network.fit(crops, max(variance, LEAST))
    del crops
    told = {"stopped": fitted.stopped, "epochs": fitted.epochs, "psnr": _decibels(fitted), "variance": variance}
    if fitted.stopped == "diverged" or fitted.error > SPARED * max(variance, LEAST):
        why = f"the network came only to {told['psnr']} dB of the result"
        return _left(f"deflicker: left as it is, {why}, which would cost more than it steadies", told)
    after = _applied(window, network, ended)
    if after is None or after >= errors[1]:
        return _left("deflicker: left as it is, it came out no steadier", told)
    note = f"deflicker: warping error {errors[1]:.2e} became {after:.2e}, the source's is {errors[0]:.2e}"
    return Steadied(True, after, told, note, network.weights)


def _left(note: str, facts: Mapping[str, Any] | None = None) -> Steadied:
    return Steadied(False, None, dict(facts or {}), note, {})


def _decibels(fitted: Fitted) -> float:
    return round(decibels(fitted.error), 2) if fitted.error < 1 else 0.0


def _pair(window: Window, k: int) -> tuple[Tensor, Tensor]:
    made = window.made(k)
    return _enlarged(window.source(k), made), made


def _enlarged(source: Tensor, made: Tensor) -> Tensor:
    size = (made.shape[-2], made.shape[-1])
    return source if tuple(source.shape[-2:]) == size else imresize(source, size=size).clamp(0, 1)


def _ended(window: Window, network: Deflicker | None) -> tuple[Tensor, Tensor] | None:
    """The picture before the window and what was given back for it: the seam flickers too."""
    if window.last is None:
        return None
    source = window.source(-1)
    return source, window.last if network is None else network.steadied(_enlarged(source, window.last))


def _applied(window: Window, network: Deflicker, last: tuple[Tensor, Tensor] | None) -> float | None:
    """Put every picture as the network has it; the warping error of what was put, from the picture before on."""
    flicker = Flicker()
    for k in range(window.count):
        source = window.source(k)
        steadied = network.steadied(_enlarged(source, window.made(k)))
        if last is not None:
            flicker.add(step_between(last[0], source), (last[0], source), (last[1], steadied))
        window.put(k, steadied)
        last = source, steadied
    errors = flicker.errors()
    return None if errors is None else errors[1]


def errors_between(source: Tensor, made: Tensor) -> tuple[float, float] | None:
    """Mean squared warping error of ``T 3 h w`` and of what was made of it, ``T 3 H W``; None without a pair."""
    flicker = Flicker()
    for k in range(len(source) - 1):
        first, second = source[k : k + 1], source[k + 1 : k + 2]
        flicker.add(step_between(first, second), (first, second), (made[k : k + 1], made[k + 1 : k + 2]))
    return flicker.errors()


def on_arrays(
    source: Tensor, made: Tensor, errors: tuple[float, float] | None, context: FitContext
) -> tuple[Tensor, Steadied]:
    """:func:`steady` on ``T 3 h w`` and ``T 3 H W`` held in memory; the pictures to take, and what came of it."""
    put: dict[int, Tensor] = {}
    window = Window(len(made), lambda k: source[k : k + 1], lambda k: made[k : k + 1], put.__setitem__)
    steadied = steady(window, errors, context, None)
    return (torch.cat([put[k] for k in range(len(made))]) if steadied.taken else made), steadied
