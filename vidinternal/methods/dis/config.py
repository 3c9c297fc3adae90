"""Settings of ``dis``."""

from __future__ import annotations

from typing import Literal

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """Speed against accuracy."""

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    """OpenCV's preset; ``medium`` searches densest and refines variationally."""
