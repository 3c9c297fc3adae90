"""Settings of ``kernelgan``; imports neither torch nor OpenCV."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from vidinternal.core.config import StrictModel

FAITHFUL_ITERATIONS = 3000
FAST_ITERATIONS = 300


class Config(StrictModel):
    """The generator that is the kernel, the discriminator, and how they are trained."""

    preset: Literal["fast", "faithful"] = "fast"
    """`faithful` is the published schedule of 3000 steps; `fast` begins at the best-fitting Gaussian and needs 300."""
    iterations: PositiveInt | None = None
    """Optimiser steps; empty = the preset's. The schedule's phases keep their share of them."""
    learning_rate: PositiveFloat = 2e-4
    """Step size of Adam for both networks, a tenth after every quarter of the steps."""
    crop: int = Field(default=64, ge=28, le=512)
    """Side of the crops that are shrunk, pixels; smaller pictures take smaller ones."""
    border: int = Field(default=0, ge=0, le=64)
    """Pixels at the picture's border that are left out, such as 10 where it was blurred with invented surroundings."""
    noise: NonNegativeFloat = Field(default=1 / 255, le=0.2)
    """Standard deviation of the noise added to what the discriminator sees, of the range 0 to 1."""
    kept: int | None = Field(default=None, ge=1, le=168)
    """Weights that count: 3/4 of the next largest are taken off all, below 0 is cut; empty = 40 faithful, 168 fast."""

    def steps(self) -> int:
        """Optimiser steps asked for, by number or by preset."""
        if self.iterations is not None:
            return self.iterations
        return FAITHFUL_ITERATIONS if self.preset == "faithful" else FAST_ITERATIONS

    def kept_weights(self) -> int:
        """How many weights of the kernel count, by number or by preset."""
        return self.kept or (40 if self.preset == "faithful" else 168)
