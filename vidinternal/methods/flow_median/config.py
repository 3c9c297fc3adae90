"""Settings of ``flow_median``."""

from __future__ import annotations

from pydantic import Field

from vidinternal.core.config import StrictModel
from vidinternal.ops.settings import DisPreset, SpatialFill


class Config(StrictModel):
    """Which frames are asked, and when a path to them is believed."""

    neighbours: int = Field(default=6, ge=1, le=64)
    """Frames before and after that are asked, K."""
    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow is thrown away and completed."""
    tau: float = Field(default=5.0, gt=0)
    """Largest forward/backward residual of a step, pixels, beside 5 % of its length."""
    leftovers: SpatialFill = "telea"
    """Fill of the pixels that no path shows."""
    preset: DisPreset = "medium"
    """OpenCV's preset of the flow, where it is estimated here."""
