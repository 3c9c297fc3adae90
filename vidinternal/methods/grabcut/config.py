"""Settings of ``grabcut``."""

from __future__ import annotations

from pydantic import Field

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """How an object is cut out."""

    rounds: int = Field(default=6, ge=1, le=100)
    """Times that colours are learned and the cut is made again."""
    side: int = Field(default=800, ge=16, le=4096)
    """Longest side at which a picture is cut, pixels; the mask is refined at full size."""
    radius: int = Field(default=4, ge=0, le=256)
    """Radius of the guided filter that fits the mask of a larger picture to its edges, pixels of it; 0 = none."""
