"""Settings of ``raft``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """Weights and effort."""

    weights: Path | None = None
    """Safetensors file with the state_dict of torchvision's raft_large or raft_small; must be given."""
    size: Literal["large", "small"] = "large"
    """Which of the two networks the weights are for."""
    updates: int = Field(default=12, ge=1, le=64)
    """Recurrent updates of the flow."""
    pairs: int = Field(default=4, ge=1)
    """Pairs of pictures computed at once; more need more memory."""
