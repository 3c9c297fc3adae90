"""Settings of ``navier_stokes``."""

from __future__ import annotations

from pydantic import PositiveFloat

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """How far a filled pixel looks."""

    radius: PositiveFloat = 3.0
    """Neighbourhood of a filled pixel, pixels."""
