"""Stage ``separate``: every picture by one of the methods of task ``separate``."""

from __future__ import annotations

from pathlib import Path

from vidinternal.stages.guided import Guided
from vidinternal.stages.per_frame import PerFrameConfig


class Config(PerFrameConfig):
    """Which method, and how it is lifted to the clip."""

    method: str = "double_dip"
    """Separation method."""
    guide: Path | None = None
    """A second mixture of the same two layers, a picture or clip of the same size: what tells them apart best."""


class Separate(Guided):
    """Runs one method of task ``separate`` on every picture."""

    name = "separate"
    task = "separate"
    summary = "Parts every picture in the two layers it is a mixture of, such as a reflection and what is behind it."
    Config = Config


STAGE = Separate
