"""Settings of the four modes; the defaults are the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from vidinternal.core.config import StrictModel


class SharedConfig(StrictModel):
    """What all modes have in common."""

    iterations: PositiveInt | None = None
    """Optimiser steps in all, shared out over the frames by `dip`; empty for the paper's full schedule."""
    learning_rate: PositiveFloat = 0.01
    """Constant step size of Adam."""
    w_r: PositiveFloat = 1.0
    """Weight of the reconstruction of known pixels."""
    loss: Literal["L2", "L1"] = "L2"
    """Norm of the reconstruction, flow and consistency terms."""
    depth: PositiveInt = Field(default=6, le=8)
    """Levels of the network; fewer are used where a side of the picture is too short for them."""
    channels: tuple[PositiveInt, ...] = (16, 32, 64, 128, 128, 128)
    """Channels of each level, down and up; the last one is repeated for deeper levels."""
    input_scale: PositiveFloat = 0.1
    """The input noise is uniform between 0 and this."""
    start_weights: Path | None = None
    """Safetensors file to start from, as saved by the same mode with the same network settings."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network and of the VGG features; losses are always summed in float32."""
    look_every: PositiveInt = 500
    """Iterations between two looks at the held-out score."""
    patience: PositiveInt | None = None
    """Looks without a better held-out score after which to stop; empty for never, as published."""

    @field_validator("channels")
    @classmethod
    def _some_channels(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("give the channels of at least one level")
        return value


class DipConfig(SharedConfig):
    """Deep Image Prior: a new network for every frame."""

    iterations_per_frame: PositiveInt = 5000
    """Optimiser steps on one frame in the full schedule."""


class DipVidConfig(SharedConfig):
    """DIP-Vid: one network for all frames, image term only."""

    batch: PositiveInt = 5
    """Frames in a batch, and in a window at inference."""
    inner_iterations: PositiveInt = 100
    """Optimiser steps on one batch before the next."""
    passes: PositiveInt = 20
    """Times the schedule is gone through."""


class DipVid3dConfig(DipVidConfig):
    """DIP-Vid-3DCN: the same with a 3-D network."""


class DipVidFlowConfig(DipVidConfig):
    """DIP-Vid-Flow: the network also predicts optical flow, which ties the frames together."""

    batches_per_pass: PositiveInt = 50
    """Batches of a pass, before the one around the middle of the clip that ends it."""
    strides: tuple[PositiveInt, ...] = (1, 3, 5)
    """Frame distances with a predicted flow each way."""
    w_f: NonNegativeFloat = 0.1
    """Weight of the reconstruction of reference flow."""
    w_c: NonNegativeFloat = 1.0
    """Weight of the consistency of frames along predicted flow."""
    w_p: NonNegativeFloat = 0.01
    """Weight of the perceptual term, which needs `vgg_weights`."""
    vgg_weights: Path | None = None
    """Safetensors file with VGG16 weights under torchvision's names; without it the perceptual term is off."""

    @field_validator("strides")
    @classmethod
    def _different_strides(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("give at least one stride, each once")
        return value
