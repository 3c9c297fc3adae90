"""Settings of ``internal``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from vidinternal.core.config import StrictModel
from vidinternal.ops.settings import PropagateSettings


class Config(StrictModel):
    """Copying, fusion, generator, stacking."""

    iterations: PositiveInt = 600
    """Optimiser steps of the generator; fewer when the time allowed ends or looks no longer find a gain."""
    learning_rate: PositiveFloat = 3e-3
    """Peak step size of AdamW; warmed up, then lowered along a cosine to the end of the fit."""
    batch: PositiveInt = 5
    """Frames in a batch, drawn at random from the whole window."""
    channels: tuple[PositiveInt, ...] = Field(default=(32, 48, 64, 96, 128), min_length=2)
    """Channels of each level of the generator."""
    unshuffle: Literal["auto", "1", "2", "4"] = "auto"
    """Pixels folded into channels before the first layer; ``auto`` folds 2x2, and 4x4 from 320 pixels on."""
    key_frames: PositiveInt = 6
    """Frames between two independent noise maps; between them the input turns smoothly from one into the other."""
    w_soft: NonNegativeFloat = 1.0
    """Weight of the fused picture as a soft target, times the confidence of the narrow copy."""
    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow is thrown away and completed."""
    tau: PositiveFloat = 5.0
    """Forward/backward residual up to which a copied pixel is trusted, pixels."""
    rounds: PositiveInt = 3
    """Times the flow is estimated, from the second on the copied result."""
    train_side: int = Field(default=224, ge=32)
    """Longest side, pixels, at which the generator is trained; pixels are copied at full size all the same."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the generator; ``auto`` takes bfloat16 where the processor multiplies it in hardware."""
    looks: PositiveInt = 6
    """Times the stack is scored on the held-out holes in training; the best is kept, three without a gain end it."""
    fusion: Literal["adapted", "start"] = "adapted"
    """Who weighs candidates: shipped networks and copies adapted to the window's hidden holes, or shipped ones only."""
    train: Literal["auto", "always"] = "auto"
    """Whether the generator is trained even where other frames show the whole hole; ``auto`` skips it there."""
    start_weights: Path | None = None
    """Safetensors file to start the generator from."""

    def propagation(self) -> PropagateSettings:
        """How real pixels are brought along."""
        return PropagateSettings(ring=self.ring, tau=self.tau, rounds=self.rounds)
