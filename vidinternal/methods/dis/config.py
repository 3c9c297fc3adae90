"""Settings of ``dis``."""

from __future__ import annotations

from vidinternal.core.config import StrictModel
from vidinternal.ops.settings import DisPreset


class Config(StrictModel):
    """Speed against accuracy."""

    preset: DisPreset = "medium"
    """OpenCV's preset; ``medium`` searches densest and refines variationally."""
