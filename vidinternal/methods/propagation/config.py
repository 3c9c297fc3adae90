"""Settings of ``propagation``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """How pixels are brought along; the defaults are those of :class:`vidinternal.ops.propagate.PropagateSettings`."""

    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow of round one is thrown away and completed."""
    refine_ring: int = Field(default=2, ge=0)
    """The same for later rounds."""
    tau: float = Field(default=5.0, gt=0)
    """Largest forward/backward residual of a step, pixels, beside 5 % of its length."""
    rounds: int = Field(default=3, ge=1, le=20)
    """Times the flow is estimated, from the second on with the copied pixels in the hole."""
    fill: Literal["harmonic", "telea", "navier_stokes"] = "harmonic"
    """What stands in the hole before the first round, and at last where nothing could be copied."""
    level_seams: bool = True
    """Whether copied colours are shifted so that they meet the known ones at the hole's border."""
    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    """OpenCV's preset of the flow."""
