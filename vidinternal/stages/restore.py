"""Stage ``restore``: missing pixels, compression, overlaid marks, or a dark picture beside one taken with flash."""

from __future__ import annotations

from pathlib import Path

from vidinternal.stages.guided import Guided
from vidinternal.stages.per_frame import PerFrameConfig


class Config(PerFrameConfig):
    """Which method, and what it is shown beside the clip."""

    method: str = "dip"
    """Restoration method."""
    guide: Path | None = None
    """A second picture or clip of the same scene and size, such as the one taken with flash."""


class Restore(Guided):
    """Runs one method of task ``restore`` on every picture."""

    name = "restore"
    task = "restore"
    summary = "Makes good what is missing or spoilt: masked pixels, compression, marks; from a flash pair too."
    Config = Config


STAGE = Restore
