"""Stage ``dehaze``: every picture by one of the methods of task ``dehaze``."""

from __future__ import annotations

from typing import Literal

from vidinternal.stages.per_frame import PerFrame, PerFrameConfig


class Config(PerFrameConfig):
    """Which method, and how it is lifted to the clip."""

    method: str = "double_dip"
    """Dehazing method."""
    # measured: a shot's layers are no start for another's, and nothing known tells beforehand (bench warm_start)
    init: Literal["cold", "previous", "nearest", "mean", "ema", "last_k", "meta", "bank"] = "cold"
    """What the first picture of a take starts from: nothing, finished windows and `bank` by some scheme."""


class Dehaze(PerFrame):
    """Runs one method of task ``dehaze`` on every picture."""

    name = "dehaze"
    task = "dehaze"
    summary = "Takes haze off every picture; keeps how much light came through and the colour of the air."
    Config = Config


STAGE = Dehaze
