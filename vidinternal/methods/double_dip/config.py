"""Settings of ``double_dip``, one class a task; imports neither torch nor OpenCV."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vidinternal.core.config import StrictModel

Colour = tuple[
    Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]
]


class Config(StrictModel):
    """What all tasks have; None is what the preset says."""

    preset: Literal["fast", "faithful"] = "fast"
    """``faithful`` follows the published schedule, ``fast`` is near it in a fraction of the time."""
    iterations: int | None = Field(default=None, ge=1, le=10_000_000)
    """Optimiser steps of every pass at the beginning of a shot."""
    warm_iterations: int | None = Field(default=None, ge=1, le=10_000_000)
    """The same where the networks go on from the frames before."""
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    """Adam's."""
    side: int | None = Field(default=None, ge=16, le=4096)
    """Longest side at which the networks see a picture, pixels; what they find is refined at full size."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """``auto`` is bfloat16 where the hardware multiplies it."""


class DehazeConfig(Config):
    """How haze is explained and taken off."""

    airlight: Colour | None = None
    """Colour of the haze, red, green and blue from 0 to 1; None estimates it once a shot by the dark channel."""
    airlight_map: Literal["uniform", "learned"] | None = None
    """``uniform``: one colour; ``learned``: a smooth map by a network of its own (with two passes: in the second)."""
    passes: Literal[1, 2] | None = None
    """Two take the haze off once more that the first has left."""
    least_transmission: float = Field(default=0.1, gt=0, le=1)
    """Transmission that is never gone below: less would raise noise and blocks of the codec."""
    radius: int = Field(default=50, ge=0, le=1024)
    """Radius of the guided filter that fits the transmission to the picture's edges, pixels of 800; 0 = none."""
    epsilon: float = Field(default=1e-4, gt=0, le=1)
    """Variance of colour below which that filter smooths."""
    w_std: float = Field(default=0.005, ge=0)
    """Weight of ``StdLoss`` on the transmission, as published."""
    w_std_airlight: float = Field(default=0.1, ge=0)
    """Weight of ``StdLoss`` on a learned airlight, as published."""
    omega: float = Field(default=0.88, gt=0, le=1)
    """Share of the haze that the hint of the transmission, the dark channel prior's, takes away (``fast`` alone)."""
    w_dark: float | None = Field(default=None, ge=0)
    """Weight of the dark channel of the clear picture, ZID's term; the published Double-DIP has none."""
    temporal: float = Field(default=1.0, ge=0)
    """Weight of the difference from the last frame's transmission, carried along the flow."""


class SeparateConfig(Config):
    """How two pictures seen through each other are parted."""

    exclusion: float | None = Field(default=None, ge=0)
    """Weight of the exclusion loss; None is the published 0.01 for one mixture and 0.1 for two."""
    shares: Literal["searched", "learned"] | None = None
    """How much of each layer two mixtures show: searched, with the layers solved for, or learned with the layers."""
    gain: float = Field(default=2.0, gt=0, le=16)
    """What the layers of a single picture are multiplied by: in a half-and-half mixture each is half as bright."""


class WatermarkConfig(Config):
    """How a watermark is found and taken off."""

    runs: int | None = Field(default=None, ge=1, le=15)
    """Times the networks are trained, each from another start; the median of the runs is taken at every pixel."""
    recover: Literal["unblend", "networks"] | None = None
    """What is under a shared mark: solved for, once mark and mask are known, or drawn by networks, as published."""
    least_mark: float | None = Field(default=None, ge=0, lt=1)
    """Strength of the mark below which pixels stay as they are; None is the published 0.1 where pixels are drawn."""
    margin: float = Field(default=0.5, ge=0, le=4)
    """Part of the picture around the hint that the networks see too, as a share of the hint's size."""


class SegmentConfig(Config):
    """How an object is told from the rest; ``iterations`` are those of both steps."""

    radius: int = Field(default=50, ge=0, le=1024)
    """Radius of the guided filter that fits the mask to the picture's edges, pixels of 800; 0 = none."""
    epsilon: float = Field(default=1e-4, gt=0, le=1)
    """Variance of colour below which that filter smooths."""
    temporal: float = Field(default=1.0, ge=0)
    """Weight of the difference from the last frame's mask, carried along the flow."""
    box_start: Literal["cut", "unlike"] | None = None
    """What a box begins from: `cut`, GrabCut's mask where that reaches the box's sides, else one grown from its middle;
    `unlike`, what of it is least like all around."""
