"""Settings of ``harmonic``."""

from __future__ import annotations

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """``harmonic`` has no settings: the solution is unique."""
