"""Stage ``find``: looks through the whole clip for what is to be removed, before it is cut into windows.

It stands in no pipeline file: it comes by itself where the method of stage ``masks`` searches, with that stage's
settings; where the clip is cut, it takes from stage ``shots``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from vidinternal.core.config import StrictModel
from vidinternal.core.finding import FindContext
from vidinternal.media.mask_source import read_rgba
from vidinternal.media.shots import ShotSettings, detect_shots
from vidinternal.methods import mask_method
from vidinternal.stages.artifacts import InClip
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.clip_view import SourceView, asked, given_masks


class Config(StrictModel):
    """Which method searches, and what it takes for one take."""

    method: str = "given"
    """The method of stage ``masks``."""
    cuts: Literal["adaptive", "content", "none"] = "adaptive"
    """The detector of stage ``shots``."""


class Find(Stage):
    """Searches the clip."""

    name = "find"
    scope = Scope.CLIP
    summary = "Looks through the clip for what is to be removed; comes by itself where masks.method searches."
    reads = ("frames",)
    writes = ("found",)
    task = "masks"
    state_outlives = True
    from_job = ("mask", "regions", "mask_fit", "objects", "hints", "events", "subtitles")
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``found``."""
        frames, job = inputs["frames"], context.job
        request = FindContext(
            asked=asked(job, context.info),
            device=context.device,
            seed=context.seed,
            given=given_masks(job, context.info, len(frames)),
            progress=context.progress,
            checkpoint=context.checkpoint,
            image=lambda path: read_rgba(path, context.info.policy.max_pixels),
        )
        cut = partial(detect_shots, context.info, ShotSettings(detector=self.config.cuts))
        view = SourceView(frames, context.info, cut)
        return {"found": InClip(mask_method(self.config.method).find(view, self.options, request))}


STAGE = Find
