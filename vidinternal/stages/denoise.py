"""Stage ``denoise``: every picture by one of the methods of task ``denoise``."""

from __future__ import annotations

from vidinternal.stages.per_frame import PerFrame, PerFrameConfig


class Config(PerFrameConfig):
    """Which method, and how it is lifted to the clip."""

    method: str = "zs_n2n"
    """Denoising method."""


class Denoise(PerFrame):
    """Runs one method of task ``denoise`` on every picture."""

    name = "denoise"
    task = "denoise"
    summary = "Takes noise off every picture by one of the denoising methods, which learn from the clip itself."
    Config = Config


STAGE = Denoise
