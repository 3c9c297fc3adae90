"""Stage ``shots``: the clip cut into takes, and takes into overlapping windows that fit in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from vidinternal.core.clip import Shot, Window
from vidinternal.core.config import StrictModel
from vidinternal.media.shots import ShotSettings, detect_shots
from vidinternal.stages.artifacts import InClip, Windows
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.memory import LEAST_FRAMES, Extents, window_length


class Config(StrictModel):
    """How to cut."""

    detector: Literal["adaptive", "content", "none"] = "adaptive"
    """PySceneDetect's detector; ``none`` takes the clip as one shot."""
    window: int = Field(default=80, ge=5)
    """Most frames processed together; fewer where ``--memory`` says so."""
    overlap: int = Field(default=8, ge=0)
    """Frames two windows of a shot share; they are cross-faded."""


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
    uses = ("found",)
    writes = ("windows",)
    sized = True
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``windows``."""
        if self.config.detector == "none":
            shots: tuple[Shot, ...] = (Shot(0, 0, len(inputs["frames"])),)
        else:
            shots = detect_shots(context.info, ShotSettings(detector=self.config.detector))
        length = self.window_length(inputs["frames"].pts, context, inputs["found"])
        return {"windows": Windows(shots, cut_windows(shots, length, self.config.overlap))}

    def most(self) -> int:
        """The longest window wanted."""
        return max(self.config.window, self.config.overlap + LEAST_FRAMES)

    def window_length(self, pts: Sequence[int], context: StageContext, found: InClip | None) -> int:
        """Frames per window: as many as wanted, or as the memory allows for the holes given or found.

        Raises:
            ResourceError: Not even a short window is allowed.
        """
        most = self.most()
        plan = context.memory
        if plan is None or not plan.matters(most, context.info):
            return most
        return window_length(plan, Extents.of(context.job, context.info, pts, found), most, self.config.overlap)


STAGE = Shots
