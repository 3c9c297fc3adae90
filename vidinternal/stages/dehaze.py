"""Stage ``dehaze``: every picture by one of the methods of task ``dehaze``."""

from __future__ import annotations

from vidinternal.stages.per_frame import PerFrame, PerFrameConfig


class Config(PerFrameConfig):
    """Which method, and how it is lifted to the clip."""

    method: str = "double_dip"
    """Dehazing method."""


class Dehaze(PerFrame):
    """Runs one method of task ``dehaze`` on every picture."""

    name = "dehaze"
    task = "dehaze"
    summary = "Takes haze off every picture; keeps how much light came through and the colour of the air."
    Config = Config


STAGE = Dehaze
