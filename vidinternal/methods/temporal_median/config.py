"""Settings of ``temporal_median``."""

from __future__ import annotations

from pydantic import Field

from vidinternal.core.config import StrictModel
from vidinternal.ops.settings import SpatialFill


class Config(StrictModel):
    """What fills the places that no frame shows."""

    leftovers: SpatialFill = "telea"
    """Fill of the pixels that are masked in every frame."""
    radius: float = Field(default=3.0, ge=1.0, le=64.0)
    """Neighbourhood of Telea and Navier-Stokes, pixels."""
