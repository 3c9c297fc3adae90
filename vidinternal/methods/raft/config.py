"""Settings of ``raft``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """Which network, with which weights."""

    weights: Path
    """Safetensors file with torchvision's parameter names; nothing is downloaded and nothing is unpickled."""
    size: Literal["large", "small"] = "large"
    """Which of the two networks the weights are for."""
    updates: PositiveInt = 12
    """Recurrent updates."""
