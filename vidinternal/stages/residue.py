"""Stage ``residue``: searches the result as the source was searched; what still shows is made once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Shot, Window
from vidinternal.core.config import StrictModel
from vidinternal.core.finding import BySmall, FindContext, Found, SpanRequest
from vidinternal.media.color import to_rgb
from vidinternal.media.orientation import shown_size
from vidinternal.methods import mask_method
from vidinternal.ops.masks import bounding_box, cut_to, dilate
from vidinternal.stages.artifacts import Again, Box, InClip, MaskTrack, Patches
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.clip_view import asked
from vidinternal.stages.composite import Composite
from vidinternal.stages.flow import Flow
from vidinternal.stages.inpaint import Inpaint
from vidinternal.stages.lay_over import lay_over
from vidinternal.stages.masks import Masks

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource

LEAST_SECONDS = 3.0
"""Time below which a window is left as it is: a worse fill is no better than a trace."""


class Config(StrictModel):
    """What happens to traces."""

    redo: bool = True
    """Whether a window with traces is made once more, with masks grown over them; else they are only told."""
    grow: int = Field(default=3, ge=0, le=64)
    """Pixels around a trace that are filled with it."""


class ResultView(BySmall):
    """Shows the frames of a window as they are after the removal; ``core.finding.ClipView``, counted from its first.

    Args:
        frames: The source.
        patches: What changes.
        span: The frames.
        info: The clip.
    """

    def __init__(self, frames: FrameSource, patches: Patches, span: range, info: ClipInfo) -> None:
        self._frames, self._patches, self._span, self._info = frames, patches, span, info
        width, height = shown_size(info)
        self.size = (height, width)

    def shots(self) -> tuple[Shot, ...]:
        """One: a window lies in one take."""
        return (Shot(0, 0, len(self)),)

    def __len__(self) -> int:
        return len(self._span)

    def seconds(self, index: int) -> Fraction:
        """Exact time from the window's first frame; one past the last is the last's time and the mean length."""
        pts = self._frames.pts
        first = pts[self._span.start]
        if index < len(self):
            return (pts[self._span.start + index] - first) * self._info.time_base
        mean = Fraction(pts[-1] - pts[0], max(1, len(pts) - 1))
        return (pts[self._span.stop - 1] - first + mean) * self._info.time_base

    @cached_property
    def _shown(self) -> list[np.ndarray]:
        """``H W 3`` uint8 of every frame."""
        return [self._picture(native) for native in self._natives(0, len(self))]

    def _natives(self, start: int, end: int) -> Any:
        begin = self._span.start
        for native in self._frames.native(begin + start, begin + end):
            planes = self._patches.frames.get(native.index)
            yield native if planes is None else lay_over(native, planes)

    def _picture(self, native: Any) -> np.ndarray:
        rgb = self._frames.turn.upright(to_rgb(native, self._info))
        return (rgb.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)

    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        """``N h w 3`` uint8 RGB."""
        tall, wide = self.size
        rows = min(height or tall, tall)
        size = (max(1, round(wide * rows / tall)), rows)
        return np.stack([cv2.resize(self._shown[i], size, interpolation=cv2.INTER_AREA) for i in indices])

    def rgb(self, start: int, end: int, box: Box | None = None) -> Tensor:
        """``T 3 h w`` float32 RGB."""
        y0, y1, x0, x1 = box or (None, None, None, None)
        crops = [
            self._frames.turn.upright(to_rgb(n, self._info))[:, y0:y1, x0:x1].astype(np.float32)
            for n in self._natives(start, end)
        ]
        return torch.from_numpy(np.stack(crops))


class Residue(Stage):
    """Looks for traces, and has them filled."""

    name = "residue"
    scope = Scope.WINDOW
    summary = "Searches the result once more; what still shows an overlay is told and filled once more, masks grown."
    reads = ("frames", "windows", "masks", "fill", "patches")
    uses = ("found",)
    recalls = ("fill",)
    writes = ("again",)
    timed = True
    Config = Config
    chain: tuple[Stage, ...] = ()
    """The pipeline's own stages that find, estimate flow, fill and lay over; given by whoever reads the pipeline."""

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``again`` of this window; empty where nothing was found in the clip or nothing is left of it."""
        found: InClip | None = inputs["found"]
        track: MaskTrack = inputs["masks"]
        if found is None or track.box is None or not self.chain:
            return {"again": Again()}
        window, owned = context.this_window(), inputs["windows"].owned(context.this_window())
        left, traces = self.look(inputs["patches"], inputs["frames"], owned, track, context)
        facts: dict[str, Any] = {"frames": frames_of(left, owned), "pixels": int(left.sum()), "traces": traces}
        time_left = context.budget.remaining()
        if not left.any():
            return {"again": Again()}
        if not self.config.redo or time_left < LEAST_SECONDS:
            return {"again": Again(facts={**facts, "redone": False})}
        grown = self._grown(track, left, window, owned, inputs["frames"])
        patches = self._once_more(grown, inputs, context)
        still, _ = self.look(patches, inputs["frames"], owned, grown, context)
        if int(still.sum()) >= int(left.sum()):
            return {"again": Again(facts={**facts, "redone": False, "tried": True})}  # a wider hole for nothing
        facts |= {"redone": True, "frames_after": frames_of(still, owned)}
        return {"again": Again(grown, patches, facts)}

    def _stage(self, kind: type[Stage]) -> Stage | None:
        return next((s for s in self.chain if isinstance(s, kind)), None)

    def look(
        self, patches: Patches, frames: FrameSource, owned: range, track: MaskTrack, context: StageContext
    ) -> tuple[Tensor, list[Any]]:
        """Search the result of a window.

        Returns:
            ``T 1 H W`` bool for its ``owned`` frames, what still shows an overlay near what was removed; and the
            search's own account of it.
        """
        masks = self._stage(Masks)
        own = track.masks[owned.start - context.this_window().start :][: len(owned)]
        if masks is None or not own.any():
            return torch.zeros_like(own), []
        method, view = mask_method(masks.config.method), ResultView(frames, patches, owned, context.info)
        # what a person gave to go by counts in the source's frames, and tells nothing of what is left
        job = replace(context.job, mask=None, regions=(), events=None, subtitles=None)
        request = FindContext(asked=asked(job, context.info), device=context.device, seed=context.seed)
        found: Found = method.find(view, masks.options, request)
        empty = torch.zeros_like(own)
        span = SpanRequest(range(len(owned)), view, empty, empty, recover=False)
        left = method.masks(found, span, masks.options).masks
        near = dilate(own, 2 * self.config.grow + 2)
        kept = left & near
        return kept, list(found.facts.get("events", ())) if kept.any() else []

    def _grown(self, track: MaskTrack, left: Tensor, window: Window, owned: range, frames: FrameSource) -> MaskTrack:
        """The window's masks with the traces in them, wider; nothing but black bars is recovered there."""
        masks, more = track.masks.clone(), torch.zeros_like(track.masks)
        first = owned.start - window.start
        more[first : first + len(owned)] = dilate(left, self.config.grow)
        masks |= more
        masks_stage = cast("Masks | None", self._stage(Masks))
        margin = masks_stage.config.context if masks_stage else 64
        box = bounding_box(frames.masks(masks), margin, multiple=8)
        grown = MaskTrack(masks, box, track.per_frame)
        if box is not None and track.recovered is not None and track.where is not None and track.box is not None:
            recovered = cut_to(track.recovered, track.box, box)
            clear = ~more[..., box[0] : box[1], box[2] : box[3]]
            where = cut_to(track.where, track.box, box) & clear
            seen = None if track.seen is None else cut_to(track.seen, track.box, box) & where
            grown = replace(grown, recovered=recovered, where=where, seen=seen)
        return grown if masks_stage is None else masks_stage.barred(grown, frames, window)

    def _once_more(self, track: MaskTrack, inputs: Mapping[str, Any], context: StageContext) -> Patches:
        """Flow, fill and changed samples of the window for other masks."""
        made: dict[str, Any] = {**inputs, "masks": track}
        for kind in (Flow, Inpaint, Composite):
            stage = self._stage(kind)
            if stage is not None:
                made |= stage.run(made, context)
        return made["patches"]


def frames_of(masks: Tensor, span: range) -> list[list[int]]:
    """First and last index of every run of frames with something in their masks."""
    runs: list[list[int]] = []
    for row, index in enumerate(span):
        if masks[row].any():
            if runs and runs[-1][1] == index - 1:
                runs[-1][1] = index
            else:
                runs.append([index, index])
    return runs


STAGE = Residue
