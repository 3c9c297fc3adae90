"""Settings of ``navier_stokes``."""

from __future__ import annotations

from pydantic import Field

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """How far a filled pixel looks."""

    radius: float = Field(default=3.0, ge=1.0, le=64.0)
    """Neighbourhood that a filled pixel is made from, pixels."""
