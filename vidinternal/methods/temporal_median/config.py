"""Settings of ``temporal_median``."""

from __future__ import annotations

from pydantic import Field

from vidinternal.core.config import StrictModel
from vidinternal.ops.settings import SpatialFill


class Config(StrictModel):
    """What is taken together, and what fills the rest."""

    reach: int = Field(default=0, ge=0)
    """Frames before and after that are looked at; 0 = all of the window."""
    fill: SpatialFill = "telea"
    """Fill of pixels that are known in none of them."""
