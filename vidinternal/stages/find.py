"""Stage ``find``: looks through the whole clip for what is to be removed, before it is cut into windows.

It stands in no pipeline file: it comes by itself where the method of stage ``masks`` searches, with that stage's
settings; where the clip is cut, it takes from stage ``shots``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FitContext
from vidinternal.core.finding import FindContext
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import branch
from vidinternal.media.mask_source import read_rgba
from vidinternal.media.shots import ShotSettings, detect_shots
from vidinternal.methods import image_method, mask_method, module_name
from vidinternal.stages.artifacts import InClip
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.clip_view import SourceView, asked, given_masks

if TYPE_CHECKING:
    from torch import Tensor


OWN_FIRST = "grabcut"
"""A setting ``first`` of this name means what the searching method does by itself."""


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

    def also_runs(self) -> tuple[str, ...]:
        """The method that makes the first mask of an object, where it is one of task ``segment``."""
        first = getattr(self.options, "first", OWN_FIRST)
        return () if first == OWN_FIRST else (module_name(first, "segment"),)

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
            segment=partial(_segmented, context),
        )
        cut = partial(detect_shots, context.info, ShotSettings(detector=self.config.cuts))
        view = SourceView(frames, context.info, cut)
        return {"found": InClip(mask_method(self.config.method).find(view, self.options, request))}


def _segmented(context: StageContext, name: str, picture: Tensor, hints: Tensor, index: int) -> Tensor:
    """A :class:`vidinternal.core.finding.Segmenter`: the method with its own settings, on one picture."""
    method = image_method(name, "segment")
    config = method.card.config()
    method.check(config, picture.shape[-2], picture.shape[-1])
    fit = FitContext(seed=branch(context.seed, "segment", index), device=context.device)
    return method.apply(ImageTask(picture, picture, hints=hints), config, fit).layers["mask"]


STAGE = Find
