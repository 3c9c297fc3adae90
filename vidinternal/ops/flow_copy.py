"""Copying known pixels into the hole along chains of flow.

The principle of flow-guided completion (``xu2019deep``): a hole pixel is followed through the stride-1 flows, forwards
and backwards, until its path comes out of the hole; the picture found there is copied. Each step is checked against
the flow of the other direction. The original frame is sampled once, at the end of the path, so that a pixel is blurred
by one interpolation however long its path is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.errors import UsageError
from vidinternal.ops.chains import StepCheck, Volume
from vidinternal.ops.copied import FlowCopy, WayCopy, paste, spread
from vidinternal.ops.relay import Ends, Relay
from vidinternal.ops.seams import Arrivals, seam_offsets
from vidinternal.ops.settings import SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill

CHUNK = 1_000_000
"""Pixels looked up at once; bounds memory."""


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
        out_of_time: Asked before every frame the paths are followed through; True loses those not yet followed.

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
    if not bool(masks.any()):
        return FlowCopy.untouched(frames, masks)
    relay = Relay(masks, {1: forward, -1: backward}, settings.check)
    ends = relay.run(out_of_time)
    scene, holes = Volume(frames), relay.index.where
    shape = (count, height, width)
    back, forth = (_collect(ends[step], scene, holes, shape) for step in (-1, 1))
    ways = Arrivals(
        holes,
        torch.stack((back.colours, forth.colours)),
        torch.stack((back.weight, forth.weight)),
        torch.stack((ends[-1].times, ends[1].times)),
        torch.stack((ends[-1].xy, ends[1].xy)),
    )
    if settings.level_seams:
        offsets = seam_offsets(scene, relay.hidden, masks, ways)
        back, forth = back.shifted(offsets), forth.shifted(offsets)
    else:
        offsets = torch.zeros_like(back.colours)
    weight, best = ways.weights.max(dim=0)
    reached = weight > 0
    source = torch.where(best == 0, back.source, forth.source)
    copied = paste(frames, holes[reached], (ways.blend() + offsets).clamp(0, 1)[reached])
    provenance = spread(holes, source.masked_fill(~reached, -1), shape, -1)
    result = spatial_fill(copied, masks & (provenance < 0), settings.fill)
    confidence = spread(holes, weight, shape, 0.0)
    return FlowCopy(
        result, provenance, confidence, float(reached.float().mean()), back, forth, offsets.abs().mean(dim=1)
    )


def _collect(ends: Ends, scene: Volume, holes: Tensor, shape: tuple[int, int, int]) -> WayCopy:
    """Look up the colours where paths ended; the frame is sampled here, once, and nowhere on the way."""
    reached = ends.times >= 0
    colours = torch.zeros((len(holes), 3), device=holes.device)
    at = reached.nonzero()[:, 0]
    for part in at.split(CHUNK):
        colours[part] = scene.at(ends.times[part], ends.xy[part])
    steps = ((ends.times - holes // (shape[1] * shape[2])).abs() * reached).to(torch.int16)
    area, width = shape[1] * shape[2], shape[2]
    place = torch.stack((holes % area % width, holes % area // width), dim=1)
    moved = (ends.xy - place).square().sum(dim=1).sqrt() * reached
    return WayCopy(holes, colours, ends.times.to(torch.int16), ends.errors * reached, steps, moved, shape)
