"""Settings of ZSSR."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from vidinternal.core.config import StrictModel
from vidinternal.ops.scale import Scale, scale_pair


class Config(StrictModel):
    """Upscaling by a network that learns from the picture itself; empty settings are those of the preset."""

    scale: Scale = 2.0
    """How much larger: one number, whole or not, or two: (vertical, horizontal)."""
    preset: Literal["fast", "faithful"] = "fast"
    """`faithful` is the published method with its schedule; `fast` reaches the same quality much sooner."""
    iterations: PositiveInt | None = None
    """Most optimiser steps on a first picture, at each size; empty = 1000 in fast, 600 with a kernel, else 3000."""
    frame_iterations: PositiveInt = 20
    """Optimiser steps on each later picture of a shot, which goes on from the one before it."""
    learning_rate: PositiveFloat | None = None
    """Largest step size; later pictures of a shot have a constant 1e-4."""
    crop: int | None = Field(default=None, ge=16)
    """Pixels of a side of the crops that are learned from; smaller pictures give smaller ones."""
    batch: PositiveInt | None = None
    """Crops in an optimiser step."""
    gradual: Literal["no", "paper"] | tuple[tuple[float, float], ...] = "no"
    """Sizes on the way, as (vertical, horizontal) factors, each learning from the ones before; `paper` takes six."""
    base_change: tuple[PositiveFloat, ...] = ()
    """Factors of `gradual` whose picture takes the place of the input from there on; for large scales."""
    ensemble: Literal[1, 2, 4, 8] | None = None
    """Turned and mirrored copies of which the median is taken; empty = 8 for a picture, 1 for a clip."""
    back_projection: NonNegativeInt | None = None
    """Times that what does not shrink to the input is put right; empty = 10, 2 with a kernel, 0 with noise."""
    noise_std: float = Field(default=0.0, ge=0, le=0.25)
    """Noise on what is learned from, for noisy or compressed input: 0.0125; nothing is turned or sheared then."""
    start: Literal["learned", "random"] | None = None
    """Weights to begin with: learned on the sample clips, or drawn; empty = learned in fast, random in faithful."""
    temporal: float = Field(default=0.05, ge=0, le=0.1)
    """Weight of the difference to the picture before, carried along the flow; clips only, 0 = off."""
    restart: float = Field(default=1.5, gt=1)
    """A shot's network begins anew where its error on a picture is so many times the mean of those before."""
    hold_back: bool | None = None
    """Whether gain over Lanczos is measured on a held-back smaller copy; empty = not for faithful pictures or noise."""
    without_gain: Literal["lanczos", "learned"] = "lanczos"
    """What is returned where the held-back copy shows no gain over Lanczos."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; auto = bfloat16 in preset fast where the machine multiplies it in hardware."""

    @field_validator("gradual")
    @classmethod
    def _real_factors(cls, value: str | tuple[tuple[float, float], ...]) -> str | tuple[tuple[float, float], ...]:
        if not isinstance(value, str) and any(not math.isfinite(f) or f < 1 for pair in value for f in pair):
            raise ValueError("factors on the way are finite and at least 1")
        return value

    @model_validator(mode="after")
    def _on_the_way(self) -> Config:
        last = scale_pair(self.scale)
        if not isinstance(self.gradual, str) and any(a > last[0] or b > last[1] for a, b in self.gradual):
            raise ValueError("factors on the way are not larger than the scale")
        known = {f for pair in self.steps() for f in pair if pair[0] == pair[1]}
        if missing := set(self.base_change) - known:
            raise ValueError(f"base_change: {sorted(missing)} is not among the equal-sided factors of gradual")
        return self

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Every factor that is learned, in order, the last one being the scale."""
        last = scale_pair(self.scale)
        if self.gradual == "no":
            return (last,)
        if self.gradual != "paper":
            return (*(pair for pair in self.gradual if pair != last), last)
        half = (1 + (last[0] - 1) / 2, 1 + (last[1] - 1) / 2)
        ways = ((1.0, half[1]), (half[0], 1.0), half, (half[0], last[1]), (last[0], half[1]), last)
        return tuple(dict.fromkeys(pair for pair in ways if pair != (1.0, 1.0)))
