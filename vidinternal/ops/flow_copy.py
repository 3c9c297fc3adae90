"""Copying known pixels into the hole along chains of flow.

The principle of flow-guided completion (``xu2019deep``): a hole pixel is followed through the stride-1 flows, forwards
and backwards, until its path comes out of the hole; the picture found there is copied. Each step is checked against
the flow of the other direction. The original frame is sampled once, at the end of the path, so that a pixel is blurred
by one interpolation however long its path is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.errors import UsageError
from vidinternal.ops.chains import StepCheck, Volume, advance, set_out
from vidinternal.ops.seams import Arrivals, seam_offsets
from vidinternal.ops.settings import SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill

CHUNK = 1_000_000
"""Hole pixels followed at once; bounds memory to some hundred MB."""


class FlowCopySettings(StrictModel):
    """When a path is believed, and what fills the rest."""

    tau: float = Field(default=5.0, gt=0)
    """Largest forward/backward residual of a step, pixels ..."""
    relative: float = Field(default=0.05, ge=0)
    """... plus this share of the step's length."""
    fill: SpatialFill = "harmonic"
    """Fill of the pixels that no path reaches."""
    level_seams: bool = True
    """Whether copied colours are shifted so that they meet the known ones at the hole's border."""

    @property
    def check(self) -> StepCheck:
        """When a step is believed."""
        return StepCheck(self.tau, self.relative)


@dataclass(frozen=True)
class FlowCopy:
    """What was copied into the hole.

    Attributes:
        frames: ``T 3 H W``; known pixels untouched, hole pixels copied, the rest filled.
        provenance: ``T 1 H W`` int16, the frame that counts most in the pixel's colour, -1 where nothing was copied.
        confidence: ``T 1 H W`` float32 in [0, 1], ``exp(-err/2)/distance`` of the better path; 0 where nothing was
            copied.
        covered: Share of the hole that was copied; 1 where there is no hole.
    """

    frames: Tensor
    provenance: Tensor
    confidence: Tensor
    covered: float


def never() -> bool:
    """The answer of an unlimited budget."""
    return False


def flow_copy(
    frames: Tensor,
    masks: Tensor,
    forward: Tensor,
    backward: Tensor,
    settings: FlowCopySettings | None = None,
    out_of_time: Callable[[], bool] = never,
) -> FlowCopy:
    """Copy known pixels into the hole along chains of flow, from the past and from the future.

    Both ways, a path ends at the first place whose (up to four) pixels are all known. Its candidate has the weight
    ``exp(-err/2) / distance``: ``err`` the sum of its residuals in pixels, ``distance`` its length in frames. The two
    candidates are blended by weight and levelled at the hole's border (:mod:`vidinternal.ops.seams`); what neither
    reaches is filled from the frame itself.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1]; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool, True = to fill.
        forward: ``T 2 H W``, row t is ``F[t -> t+1]``, complete under the masks; the last row is not used.
        backward: ``T 2 H W``, row t is ``F[t -> t-1]``; the first row is not used.
        settings: Checks and fill of the rest.
        out_of_time: Asked before every step of the paths; True ends them where they are.

    Raises:
        UsageError: The shapes do not belong together.
    """
    settings = settings or FlowCopySettings()
    count, _, height, width = frames.shape
    if masks.shape != (count, 1, height, width) or {forward.shape, backward.shape} != {(count, 2, height, width)}:
        raise UsageError(
            "flow_copy",
            expected="frames T 3 H W, masks T 1 H W, forward and backward flow T 2 H W",
            got=", ".join(str(tuple(x.shape)) for x in (frames, masks, forward, backward)),
        )
    holes = masks.flatten().nonzero()[:, 0]
    if not len(holes):
        return FlowCopy(frames, *_record(masks, holes, frames.new_zeros(0), holes), covered=1.0)
    scene = Volume(torch.cat((frames.masked_fill(masks, 0.0), masks.to(frames)), dim=1))
    flows = {1: Volume(forward.float()), -1: Volume(backward.float())}
    hidden = Volume(masks.float())
    ways = Arrivals.joined(
        [_follow(part, scene, hidden, flows, settings.check, out_of_time) for part in holes.split(CHUNK)]
    )
    best = ways.weights.argmax(dim=0, keepdim=True)
    weight = ways.weights.gather(0, best)[0]
    reached = weight > 0
    copied = _paste(frames, holes[reached], ways.blend()[reached])
    source = torch.where(reached, ways.times.gather(0, best)[0], -1)
    provenance, confidence = _record(masks, holes, weight, source)
    placed = provenance >= 0
    if settings.level_seams:
        copied = torch.where(placed, (copied + seam_offsets(frames, masks, scene, ways, placed)).clamp(0, 1), copied)
    result = spatial_fill(copied, masks & ~placed, settings.fill)
    return FlowCopy(result, provenance, confidence, covered=float(reached.float().mean()))


def _follow(
    start: Tensor,
    scene: Volume,
    hidden: Volume,
    flows: dict[int, Volume],
    check: StepCheck,
    out_of_time: Callable[[], bool],
) -> Arrivals:
    """Follow hole pixels, given as flat indices into ``T H W``, both ways to where they are known.

    Colours are looked up once, on arrival; on the way only whether a place is ``hidden``. When the time is over, those
    still on their way are lost.
    """
    ways = Arrivals.none(start)
    on_the_way = {step: set_out(start, flows[step]) for step in (-1, 1)}
    while any(len(walkers.origin) for walkers in on_the_way.values()) and not out_of_time():
        for way, step in enumerate((-1, 1)):
            walkers = advance(on_the_way[step], flows[step], flows[-step], step, check)
            arrived = hidden.at(walkers.time, walkers.xy)[:, 0] == 0
            rows = walkers.origin[arrived]
            ways.colours[way, rows] = scene.at(walkers.time[arrived], walkers.xy[arrived])[:, :-1].float()
            # Never quite zero: a bad path is still better than none.
            ways.weights[way, rows] = (-walkers.error[arrived] / 2).exp().clamp(min=1e-20) / walkers.steps
            ways.times[way, rows] = walkers.time[arrived]
            ways.xy[way, rows] = walkers.xy[arrived]
            on_the_way[step] = walkers.kept(~arrived)
    return ways


def _paste(frames: Tensor, where: Tensor, colours: Tensor) -> Tensor:
    """A copy of ``frames`` with ``colours`` ``N 3`` at ``where``, ``N`` flat indices into ``T H W``."""
    count, channels, height, width = frames.shape
    flat = frames.permute(0, 2, 3, 1).reshape(-1, channels).clone()
    flat[where] = colours.to(flat)
    return flat.view(count, height, width, channels).permute(0, 3, 1, 2).contiguous()


def _record(masks: Tensor, holes: Tensor, weight: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Provenance and confidence of the whole window, from those of the hole pixels."""
    provenance = torch.full(masks.shape, -1, dtype=torch.int16, device=masks.device)
    provenance.view(-1)[holes] = source.to(torch.int16)
    confidence = torch.zeros(masks.shape, dtype=torch.float32, device=masks.device)
    confidence.view(-1)[holes] = weight.float()
    return provenance, confidence
