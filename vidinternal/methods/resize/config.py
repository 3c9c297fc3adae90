"""Settings of ``bicubic`` and ``lanczos``."""

from __future__ import annotations

from vidinternal.core.config import StrictModel
from vidinternal.ops.scale import Scale


class Config(StrictModel):
    """How much larger."""

    scale: Scale = 2.0
    """How much larger: one number from 1 to 16, or two, vertical and horizontal."""
