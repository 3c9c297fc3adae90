"""Settings of ``sam2``; imports neither torch nor OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from vidinternal.core.config import StrictModel

Network = Literal[
    "sam2_hiera_t", "sam2_hiera_s", "sam2_hiera_b+", "sam2_hiera_l",
    "sam2.1_hiera_t", "sam2.1_hiera_s", "sam2.1_hiera_b+", "sam2.1_hiera_l",
]  # fmt: skip


class Config(StrictModel):
    """Weights, effort, and what is masked of an object."""

    weights: Path | None = None
    """Safetensors file with SAM 2's weights; must be given."""
    network: Network | None = None
    """Which of SAM 2's networks the weights are for; must be given."""
    work_height: int = Field(default=540, ge=32, le=2160)
    """Rows at which frames are handed over and masks come back; never more than the clip's."""
    at_once: int = Field(default=64, ge=2, le=2000)
    """Frames remembered at once, about 13 MB each; the mask of the last begins the next."""
    worklist: float = Field(default=0.5, ge=0, le=1)
    """Frames with less confidence are listed, for a further hint there."""
    soft: int = Field(default=3, ge=0, le=64)
    """Pixels of the clip added around an object for its soft border."""
    shutter: float = Field(default=0.5, ge=0, le=1)
    """Share of the way to the next frame that motion blur smears the border over; 0 = none is masked."""
