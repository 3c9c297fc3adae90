"""Settings of ``zs_n2n``; imports neither torch nor OpenCV."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """The network, and how it is trained on a picture and on those after it."""

    preset: Literal["fast", "faithful"] = "fast"
    """`faithful` takes 2000 steps on the whole picture, as published; `fast` 300 on crops."""
    iterations: PositiveInt | None = None
    """Optimiser steps on a picture that has none before it; empty = the preset's."""
    frame_iterations: PositiveInt = 25
    """Optimiser steps on each later picture of a shot, which goes on from the one before it."""
    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam, halved after half of the steps; a quarter of it on later pictures."""
    channels: int = Field(default=48, ge=4, le=256)
    """Channels of the network's two inner layers."""
    crop: int = Field(default=96, ge=8)
    """Side of the crops that preset fast learns from, pixels; smaller pictures give smaller ones."""
    consistency: NonNegativeFloat = 1.0
    """Weight of the term that ties the denoised halves to the halves of the denoised picture."""
    temporal: float = Field(default=0.6, ge=0, lt=1)
    """Share of the picture before, carried along the flow, in a later one where the two agree; clips only, 0 = off."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of training; auto = bfloat16 where the machine multiplies it in hardware."""

    def steps(self) -> int:
        """Optimiser steps on a first picture, by number or by preset."""
        return self.iterations or (2000 if self.preset == "faithful" else 300)
