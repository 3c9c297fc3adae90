"""Stage ``find``: looks through the whole clip for what is to be removed, before it is cut into windows.

It stands in no pipeline file: it comes by itself where the method of stage ``masks`` searches, with that stage's
settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidinternal.core.config import StrictModel
from vidinternal.core.finding import FindContext
from vidinternal.methods import mask_method
from vidinternal.stages.artifacts import InClip
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.clip_view import SourceView, asked, given_masks


class Config(StrictModel):
    """Which method searches."""

    method: str = "given"
    """The method of stage ``masks``."""


class Find(Stage):
    """Searches the clip."""

    name = "find"
    scope = Scope.CLIP
    summary = "Looks through the clip for what is to be removed; comes by itself where masks.method searches."
    reads = ("frames",)
    writes = ("found",)
    task = "masks"
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
        )
        view = SourceView(frames, context.info)
        return {"found": InClip(mask_method(self.config.method).find(view, self.options, request))}


STAGE = Find
