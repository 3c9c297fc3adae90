"""Stage ``masks``: what is to be filled: from a file, a folder, rectangles, or found by a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import MaskError
from vidinternal.core.finding import Found, MaskedSpan, SpanRequest
from vidinternal.core.timecode import ClockTime, FrameIndex, Point, Region
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.orientation import shown_size
from vidinternal.media.probe import frame_pts
from vidinternal.methods import mask_method
from vidinternal.ops.masks import bounding_box, dilate, temporal_hull
from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.clip_view import SourceView, asked, given_masks


class Config(StrictModel):
    """Where masks come from, and how they are grown."""

    method: str = "given"
    """What tells them: ``given`` takes --mask and --region; others search the clip."""
    dilate: int = Field(default=0, ge=0)
    """Pixels added around every mask."""
    hull: int = Field(default=0, ge=0)
    """Frames before and after over which masks are united."""
    context: int = Field(default=64, ge=16)
    """Pixels of known picture around the holes that methods get to see."""


def covers(region: Region, index: int, seconds: Fraction) -> bool:
    """Whether a region is on at a frame, given by its index and its exact time from the clip's first frame."""

    def reached(point: Point) -> bool:
        return index >= point.frame if isinstance(point, FrameIndex) else seconds >= point.seconds

    started = region.start is None or reached(region.start)
    return started and not (region.end is not None and reached(region.end))


def check_region(region: Region, info: ClipInfo, frames: int, duration: Fraction) -> None:
    """Refuse a region that lies outside the picture or the clip.

    Raises:
        MaskError: Names both sizes or both times.
    """
    right, bottom = region.x + region.width, region.y + region.height
    width, height = shown_size(info)
    if right > width or bottom > height:
        turned = f", turned by {info.rotation} degrees to be shown" if info.rotation else ""
        raise MaskError(
            f"--region {region.x},{region.y},{region.width},{region.height}",
            expected=f"a rectangle inside the {width}x{height} picture{turned}",
            got=f"one that reaches x={right}, y={bottom}",
        )
    start = region.start
    late = (isinstance(start, FrameIndex) and start.frame >= frames) or (
        isinstance(start, ClockTime) and start.seconds > duration
    )
    if late:
        raise MaskError(
            f"--region ...@{start}",
            expected=f"a start inside the clip of {frames} frames, {float(duration):.3f} s",
            got=f"{start}",
        )


def check_known(masks: Tensor, window: Window, info: ClipInfo) -> None:
    """Refuse a window of which nothing is known: there is nothing to learn a fill from.

    Args:
        masks: ``T 1 H W`` bool.
        window: Whose they are.
        info: The clip.

    Raises:
        MaskError: Everything is masked in all frames of the window.
    """
    if not masks.all():
        return
    frames = f"frames {window.start}-{window.end - 1}"
    repair = info.policy.damage == "repair"
    raise MaskError(
        f"{info.path}: nothing is known in {frames}",
        expected="some picture outside the mask in at least one frame of every shot",
        got="every frame damaged" if repair else "a mask that covers everything in all of them",
        hint="--set decode.damage=keep" if repair else "a mask that is white only where something is to be removed",
    )


def draw_regions(regions: Sequence[Region], info: ClipInfo, pts: Sequence[int], span: range) -> np.ndarray:
    """Return ``T H W`` bool, upright, for the frames of ``span``."""
    width, height = shown_size(info)
    masks = np.zeros((len(span), height, width), dtype=bool)
    for row, index in enumerate(span):
        seconds = (pts[index] - pts[0]) * info.time_base
        for region in regions:
            if covers(region, index, seconds):
                masks[row, region.y : region.y + region.height, region.x : region.x + region.width] = True
    return masks


class Masks(Stage):
    """Tells what is to be filled in a window."""

    name = "masks"
    scope = Scope.WINDOW
    summary = "What to fill: as given (--mask, --region) or as found by a method; grown as asked."
    reads = ("frames", "windows")
    uses = ("found",)
    writes = ("masks",)
    task = "masks"
    from_job = ("mask", "regions", "mask_fit")
    Config = Config

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse a job that does not tell what to remove, and masks that do not fit the clip."""
        job, info = context.job, context.info
        mask_method(self.config.method).check(asked(job, info), self.options)
        pts = frame_pts(info)
        if job.mask is not None:
            check_fits(open_masks(job.mask, info.policy.max_pixels), info, len(pts), job.mask_fit)
        for region in job.regions:
            check_region(region, info, len(pts), (pts[-1] - pts[0]) * info.time_base)
        return ()

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``masks`` of this window."""
        window, frames = context.this_window(), inputs["frames"]
        first, last = max(0, window.start - self.config.hull), min(len(frames), window.end + self.config.hull)
        own = slice(window.start - first, window.end - first)
        span = self.masked(range(first, last), inputs, context)
        masks = dilate(temporal_hull(span.masks, self.config.hull)[own], self.config.dilate)
        for index in frames.damage.holes(context.info.policy):
            if window.start <= index < window.end:
                masks[index - window.start] = True
        check_known(masks, window, context.info)
        box = bounding_box(frames.masks(masks), self.config.context, multiple=8)
        if box is None or span.recovered is None or span.where is None:
            return {"masks": MaskTrack(masks, box, frames.per_frame)}
        y0, y1, x0, x1 = box
        recovered, where = (t[own][..., y0:y1, x0:x1] for t in (span.recovered, span.where))
        return {"masks": MaskTrack(masks, box, frames.per_frame, recovered, where)}

    def masked(self, span: range, inputs: Mapping[str, Any], context: StageContext) -> MaskedSpan:
        """What the method says of some frames."""
        info, job, frames = context.info, context.job, inputs["frames"]
        drawn = torch.from_numpy(draw_regions(job.regions, info, frames.pts, span)).unsqueeze(1)
        read = given_masks(job, info, len(frames))
        request = SpanRequest(
            span=span,
            clip=SourceView(frames, info),
            given=torch.zeros_like(drawn) if read is None else read(span.start, span.stop),
            drawn=drawn,
            recover=frames.per_frame == 1,
        )
        found = Found() if inputs["found"] is None else inputs["found"].found
        return mask_method(self.config.method).masks(found, request, self.options)


STAGE = Masks
