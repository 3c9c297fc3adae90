"""Stage ``masks``: what is to be filled: from a file, a folder, rectangles, or found by a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import MaskError, UsageError
from vidinternal.core.finding import Found, MaskedSpan, SpanRequest
from vidinternal.core.timecode import ClockTime, FrameIndex, Point, Region
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.orientation import shown_size
from vidinternal.media.probe import frame_pts
from vidinternal.methods import mask_method
from vidinternal.ops.bars import find_bars
from vidinternal.ops.masks import bounding_box, cut_to, dilate, temporal_hull
from vidinternal.ops.unblend import estimate_blend
from vidinternal.stages.artifacts import Box, MaskTrack
from vidinternal.stages.base import JobInputs, Scope, Stage, StageContext
from vidinternal.stages.clip_view import SourceView, asked, given_masks

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


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
    unblend: Literal["found", "auto", "off"] = "found"
    """What is recovered instead of filled: ``found`` what a search tells of (half-transparent overlays, still places
    that are bare before or after) and black bars, ``auto`` half-transparent overlays under a mask that stands still
    too, ``off`` nothing; only where that proves better on known places."""

    @field_validator("unblend", mode="before")
    @classmethod
    def _as_yaml_reads_it(cls, value: object) -> object:
        return "off" if value is False else value


_OF_TEXT = {"events": "--events", "subtitles": "--subtitles", "soft_subs": "--soft-subs", "language": "--language"}


def check_asked(job: JobInputs, method: str) -> None:
    """Refuse what only makes sense where burnt-in text is searched for.

    Raises:
        UsageError: No such search is made, or a language is given for no track.
    """
    for field, option in _OF_TEXT.items():
        if getattr(job, field) and method != "subtitles":
            raise UsageError(
                option,
                expected="a search for burnt-in text: pipeline remove_subtitles",
                got=f"masks.method={method}",
                hint=f"vidinternal run remove_subtitles {job.source.name} -o {job.destination.name}",
            )
    if job.language and not job.soft_subs:
        raise UsageError("--language", expected="--soft-subs with it, whose track it names", got="no --soft-subs")


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


def recovered_still(area: Tensor, masks: Tensor, box: Box) -> tuple[Tensor | None, Tensor | None]:
    """What shows through an overlay that stands still under the masks of a window.

    Args:
        area: ``T 3 h w`` RGB inside ``box``.
        masks: ``T 1 H W`` bool.
        box: The work area.

    Returns:
        ``recovered`` and ``where`` as :class:`MaskTrack` has them; both None where filling is as good.
    """
    y0, y1, x0, x1 = box
    inside = masks[..., y0:y1, x0:x1]
    step = max(1, len(area) // 24)
    still = inside.all(dim=0)
    blend = estimate_blend(area[::step], inside[::step], still) if still.any() else None
    if blend is None or not blend.use.any():
        return None, None
    return blend.recover(area)


_LOOKS = 8  # frames of a window in which black bars are looked for


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
        check_asked(job, self.config.method)
        method = mask_method(self.config.method)
        if (job.objects or job.hints is not None) and not method.hinted:
            raise MaskError(
                "--object" if job.objects else "--hints",
                expected="a pipeline that follows objects",
                got=f"masks.method={self.config.method}, which takes no hints",
                hint="vidinternal run remove_object ..., or --set masks.method=track",
            )
        method.check(asked(job, info), self.options)
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
        if self.config.unblend == "auto" and box is not None and span.recovered is None and frames.per_frame == 1:
            recovered = recovered_still(frames.rgb(window.start, window.end, box), masks, box)
            return {"masks": MaskTrack(masks, box, frames.per_frame, *recovered)}
        if box is None:
            return {"masks": MaskTrack(masks, box, frames.per_frame)}
        track = MaskTrack(masks, box, frames.per_frame)
        if span.recovered is not None and span.where is not None:
            of = span.box or (0, masks.shape[-2], 0, masks.shape[-1])
            recovered, where = (cut_to(t[own], of, box) for t in (span.recovered, span.where))
            seen = None if span.seen is None else cut_to(span.seen[own], of, box)
            track = replace(track, recovered=recovered, where=where, seen=seen)
        return {"masks": self.barred(track, frames, window)}

    def barred(self, track: MaskTrack, frames: FrameSource, window: Window) -> MaskTrack:
        """With what lies on black bars known, and the bars themselves kept out of what methods see."""
        if track.box is None or frames.per_frame != 1 or self.config.unblend == "off":
            return track
        y0, y1, x0, x1 = track.box
        inside = track.masks[..., y0:y1, x0:x1]
        step = max(1, len(inside) // _LOOKS)
        looks = frames.rgb(window.start, window.end, track.box)[::step]
        bars, colour = find_bars(looks, dilate(inside[::step], 2))
        return track.with_bars(bars, colour) if any(bars) else track

    def masked(self, span: range, inputs: Mapping[str, Any], context: StageContext) -> MaskedSpan:
        """What the method says of some frames."""
        info, job, frames = context.info, context.job, inputs["frames"]
        drawn = torch.from_numpy(draw_regions(job.regions, info, frames.pts, span)).unsqueeze(1)
        read = given_masks(job, info, len(frames))
        request = SpanRequest(
            span=span,
            clip=SourceView(frames, info, lambda: inputs["windows"].shots),
            given=torch.zeros_like(drawn) if read is None else read(span.start, span.stop),
            drawn=drawn,
            recover=frames.per_frame == 1 and self.config.unblend != "off",
        )
        found = Found() if inputs["found"] is None else inputs["found"].found
        return mask_method(self.config.method).masks(found, request, self.options)


STAGE = Masks
