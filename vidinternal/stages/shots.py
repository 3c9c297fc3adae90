"""Stage ``shots``: the clip cut into takes, and takes into overlapping windows that fit in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from vidinternal.core.clip import Shot, Window
from vidinternal.core.config import StrictModel
from vidinternal.media.shots import ShotSettings, detect_shots
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.base import Scope, Stage, StageContext

BYTES_PER_PIXEL = 110
"""Working memory of one pixel of one frame: RGB, six flows with validity, candidates and their copies."""


class Config(StrictModel):
    """How to cut."""

    detector: Literal["adaptive", "content", "none"] = "adaptive"
    """PySceneDetect's detector; ``none`` takes the clip as one shot."""
    window: int = Field(default=80, ge=5)
    """Most frames processed together."""
    overlap: int = Field(default=8, ge=0)
    """Frames two windows of a shot share; they are cross-faded."""
    memory: float = Field(default=4.0, gt=0)
    """GiB a window may need; long windows of large frames are shortened to fit."""


def window_length(config: Config, width: int, height: int) -> int:
    """Frames per window: ``config.window``, or fewer where that many would need more than ``config.memory``."""
    fits = int(config.memory * 2**30 / (width * height * BYTES_PER_PIXEL))
    return max(min(config.window, fits), config.overlap + 5)


def cut_windows(shots: Sequence[Shot], length: int, overlap: int) -> tuple[Window, ...]:
    """Cut every shot into windows of about equal length, at most ``length``, sharing ``overlap`` frames.

    Args:
        shots: Takes that tile the clip.
        length: Most frames per window, more than ``overlap``.
        overlap: Frames shared by neighbours.

    Returns:
        Windows in order; together they cover every frame.
    """
    windows: list[Window] = []
    for shot in shots:
        count = max(1, -(-(len(shot) - overlap) // (length - overlap)))
        step = (len(shot) - overlap) / count
        for k in range(count):
            start = shot.start + round(k * step)
            end = shot.end if k == count - 1 else shot.start + round((k + 1) * step) + overlap
            windows.append(Window(len(windows), shot.index, start, end, overlap if k else 0))
    return tuple(windows)


class Shots(Stage):
    """Finds cuts and plans windows."""

    name = "shots"
    scope = Scope.CLIP
    summary = "Finds cuts (PySceneDetect) and divides long shots into overlapping windows that fit in memory."
    reads = ("frames",)
    writes = ("windows",)
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``windows``."""
        if self.config.detector == "none":
            shots: tuple[Shot, ...] = (Shot(0, 0, len(inputs["frames"])),)
        else:
            shots = detect_shots(context.info, ShotSettings(detector=self.config.detector))
        length = window_length(self.config, context.info.width, context.info.height)
        return {"windows": Windows(shots, cut_windows(shots, length, self.config.overlap))}


STAGE = Shots
