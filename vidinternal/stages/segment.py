"""Stage ``segment``: every picture by one of the methods of task ``segment``."""

from __future__ import annotations

from vidinternal.stages.per_frame import PerFrame, PerFrameConfig


class Config(PerFrameConfig):
    """Which method, and how it is lifted to the clip."""

    method: str = "double_dip"
    """Segmentation method."""


class Segment(PerFrame):
    """Runs one method of task ``segment`` on every picture."""

    name = "segment"
    task = "segment"
    summary = "Parts every picture in an object and what is behind it, from hints or by itself; keeps the mask."
    Config = Config


STAGE = Segment
