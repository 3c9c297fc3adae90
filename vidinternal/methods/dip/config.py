"""Settings of the Deep Image Prior's three tasks; a setting left empty is what the preset says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from vidinternal.core.config import StrictModel

Stop = Literal["never", "variance", "held_out", "zero"]
"""When to stop: at the end of the iterations alone; where the variance of the last outputs was least (ES-WMV); where
pixels kept from the loss were met best; or where the risk estimate falls below zero."""
MOST_SCALE = 16


class Config(StrictModel):
    """What all tasks have in common."""

    preset: Literal["fast", "faithful"] = "fast"
    """`faithful` is the paper's network and schedule; `fast` gets as far in a fraction of its time."""
    iterations: PositiveInt | None = None
    """Optimiser steps on one picture."""
    learning_rate: PositiveFloat | None = None
    """Step size of Adam."""
    jitter: NonNegativeFloat | None = None
    """Deviation of the noise that is added to the network's input at every step."""
    average: float | None = Field(default=None, ge=0, lt=1)
    """What the mean of all outputs keeps of itself at every step; 0 returns the last output instead."""
    stop: Stop | None = None
    """`never`, `variance` (least variance of the last outputs), `held_out` (pixels kept from the loss) or `zero`."""
    held_out: float | None = Field(default=None, ge=0.005, le=0.2)
    """Share of the pixels that `stop: held_out` keeps from the loss; empty = 3 %, and more of a small picture, where
    those are too few to judge by: 2000 pixels, a tenth at most."""
    tv: NonNegativeFloat = 0.0
    """Weight of the total variation of the output."""
    runs: int = Field(default=1, ge=1, le=8)
    """Fits from different start weights whose results are averaged."""
    temporal: NonNegativeFloat = 0.3
    """On clips: weight of the term that ties a picture to the one before, carried along the flow; 0 = off."""
    warm_iterations: PositiveInt | None = None
    """On clips: optimiser steps on a picture that goes on from the weights of the one before."""
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    """Arithmetic of the network; `auto` takes bfloat16 where the processor multiplies it in hardware."""


class DenoiseConfig(Config):
    """Noise off a picture."""

    sigma: PositiveFloat | None = Field(default=None, le=255)
    """Deviation of the noise in steps of 8 bits; empty = estimated from the picture."""
    loss: Literal["mse", "sure"] = "mse"
    """`sure`: Stein's unbiased risk estimate with the noisy picture as the network's input, instead of the distance."""

    @model_validator(mode="after")
    def _risk_sees_every_pixel(self) -> DenoiseConfig:
        if self.loss == "sure" and self.stop == "held_out":
            raise ValueError(
                "loss=sure goes over every pixel and leaves none to hold out: stop=zero, variance or never"
            )
        return self


class UpscaleConfig(Config):
    """A larger picture that shrinks to the one given."""

    scale: PositiveFloat = Field(default=4, le=MOST_SCALE)
    """How much larger: a whole number."""
    downsampler: Literal["lanczos2", "lanczos3", "box"] = "lanczos2"
    """How the picture given was made smaller, where no blur kernel says it."""

    @field_validator("scale")
    @classmethod
    def _whole(cls, value: float) -> float:
        if value < 2 or value != int(value):
            raise ValueError(f"a whole number from 2 to {MOST_SCALE}; method `zssr` takes any other scale")
        return value


class RestoreConfig(Config):
    """What is missing or spoilt, made good."""

    damage: Literal["auto", "holes", "region", "texture", "text", "pixels", "sparse", "jpeg", "flash", "features"] = (
        "auto"
    )
    """`auto` (`holes` where a mask is given, `flash` where a second picture is, else `jpeg`), `holes` (the mask tells
    which kind), `region` (large holes), `texture` (the same in textured pictures), `text` (thin ones), `pixels`
    (scattered ones, about half of the picture), `sparse` (nearly all missing), `jpeg` (blocks and ringing), `flash`
    (noise, led by a second picture taken with flash), `features` (the picture that a classifier's features
    describe)."""
    missing: Literal["mask", "black"] = "mask"
    """Where holes are: as the mask says, or wherever a picture is pure black."""
    keep_known: bool = True
    """Whether pixels that were not missing are returned as they came."""
    network: str = "alexnet"
    """For `features`: name of an image classifier of torchvision."""
    network_weights: Path | None = None
    """For `features`: safetensors file with its `state_dict()`."""
    layer: str = "features.12"
    """For `features`: name of the module whose output is to be met, as in `named_modules()`."""
    side: int = Field(default=224, ge=8, le=1024)
    """For `features`: pixels of the square that the classifier sees."""
