"""Choices and settings of operations that methods offer as their own; imports neither torch nor OpenCV."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vidinternal.core.config import StrictModel

SpatialFill = Literal["harmonic", "telea", "navier_stokes"]
"""How a frame is continued into its own hole."""

DisPreset = Literal["ultrafast", "fast", "medium"]
"""OpenCV's presets; ``medium`` refines down to half size with variational refinement, ``ultrafast`` has none."""


class PropagateSettings(StrictModel):
    """How pixels are brought along."""

    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow of round one is thrown away and completed."""
    refine_ring: int = Field(default=2, ge=0)
    """The same for later rounds."""
    tau: float = Field(default=5.0, gt=0)
    """Largest forward/backward residual of a step, pixels, beside 5 % of its length."""
    rounds: int = Field(default=3, ge=1)
    """Times the flow is estimated."""
    fill: SpatialFill = "harmonic"
    """What stands in the hole before the first round, and at last where nothing could be copied."""
    level_seams: bool = True
    """Whether copied colours are shifted so that they meet the known ones at the hole's border."""
    preset: DisPreset = "medium"
    """OpenCV's preset of the flow."""
