"""Settings of ``flow_median``."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from vidinternal.core.config import StrictModel
from vidinternal.ops.settings import SpatialFill


class Config(StrictModel):
    """Which neighbours, and when their flow is believed."""

    reach: PositiveInt = 6
    """Frames before and after that are looked at."""
    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow is thrown away and completed."""
    tau: PositiveFloat = 5.0
    """Largest forward/backward residual of a step, pixels, beside 5 % of its length."""
    fill: SpatialFill = "telea"
    """Fill of pixels that no neighbour shows."""
