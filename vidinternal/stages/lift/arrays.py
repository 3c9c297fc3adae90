"""An image method on pictures held in memory: one take, no files, no checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageMethod
from vidinternal.stages.lift.run import Lift, LiftSettings, Survey, Take


@dataclass(frozen=True)
class Beside:
    """What comes beside the pictures.

    Attributes:
        hints: ``T 1 h w``: 1 inside, 0 outside, NaN unknown.
        guide: ``T 3 h w`` second pictures of the same scene.
        survey: What is found for the take beside what the method finds.
    """

    hints: Tensor | None = None
    guide: Tensor | None = None
    survey: Survey | None = None


@dataclass(frozen=True)
class Lifted:
    """What became of the pictures.

    Attributes:
        frames: ``T 3 H W`` float32 RGB in [0, 1].
        layers: ``T C H W`` by name.
        facts: JSON-ready account.
        weights: What a bank may keep; None where nothing was trained.
        carried: A state tree that the next pictures of the take go on from.
    """

    frames: Tensor
    layers: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    weights: Mapping[str, Tensor] | None
    carried: Mapping[str, Any]


def lift_arrays(
    frames: Tensor,
    method: ImageMethod,
    options: Any,
    context: FitContext,
    settings: LiftSettings | None = None,
    beside: Beside | None = None,
) -> Lifted:
    """Run a method on all pictures of one take.

    Args:
        frames: ``T 3 h w`` RGB in [0, 1].
        method: The method.
        options: Its settings.
        context: Seed, device, time, starts.
        settings: How it is lifted; None = as usual.
        beside: Hints, second pictures.

    Raises:
        UsageError: Shapes do not fit.
        UserError: The method cannot work on these pictures.
    """
    beside = beside or Beside()
    count, height, width = len(frames), frames.shape[-2], frames.shape[-1]
    for name, given, channels in (("hints", beside.hints, 1), ("guide", beside.guide, 3)):
        if given is not None and tuple(given.shape) != (count, channels, height, width):
            expected = f"{(count, channels, height, width)}, as the pictures"
            raise UsageError(name, expected=expected, got=str(tuple(given.shape)))
    hints, guide = beside.hints, beside.guide
    take = Take(
        read=lambda start, end: frames[start:end].clone(),
        shot=range(count),
        span=range(count),
        hints=None if hints is None else lambda start, end: hints[start:end].clone(),
        guide=None if guide is None else lambda start, end: guide[start:end].clone(),
    )
    notes = method.check(options, height, width)
    lift = Lift(method, options, settings or LiftSettings(), context)
    made = list(lift.run(take, survey=beside.survey))
    facts = lift.account()
    facts["notes"] = list(dict.fromkeys([*notes, *facts["notes"]]))  # what was told before may be told again
    layers = {name: torch.cat([m.layers[name] for m in made]) for name in method.card.layers}
    return Lifted(torch.cat([m.frames for m in made]), layers, facts, lift.weights, lift.carried())
