"""Copying known pixels into the hole along chains of flow.

The principle of flow-guided completion (``xu2019deep``): a hole pixel is followed through the stride-1 flows, forwards
and backwards, until its path comes out of the hole; the picture found there is copied. Each step is checked against
the flow of the other direction. The original frame is sampled once, at the end of the path, so that a pixel is blurred
by one interpolation however long its path is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.errors import UsageError
from vidinternal.ops.spatial_fill import SpatialFill, spatial_fill

CHUNK = 1_000_000
"""Hole pixels followed at once; bounds memory to some hundred MB."""


class FlowCopySettings(StrictModel):
    """When a path is believed, and what fills the rest."""

    tau: float = Field(5.0, gt=0)
    """Largest forward/backward residual of a step, pixels ..."""
    relative: float = Field(0.05, ge=0)
    """... plus this share of the step's length."""
    fill: SpatialFill = "harmonic"
    """Fill of the pixels that no path reaches."""


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


@dataclass
class Walkers:
    """Points on their way through the clip, one step of time at a time.

    Attributes:
        origin: ``N`` the pixels they started from, as flat indices into ``T H W``.
        time: ``N`` the frame they are in.
        xy: ``N 2`` their place there, pixels, x then y.
        error: ``N`` the sum of the forward/backward residuals of their steps, pixels.
        steps: The number of steps taken, the same for all.
    """

    origin: Tensor
    time: Tensor
    xy: Tensor
    error: Tensor
    steps: int

    def kept(self, keep: Tensor) -> Walkers:
        """The walkers of which ``keep`` (``N`` bool) is True."""
        return Walkers(self.origin[keep], self.time[keep], self.xy[keep], self.error[keep], self.steps)


class Volume:
    """``T C H W`` samples laid out for looking up many points at once.

    Args:
        samples: ``T C H W``.
    """

    def __init__(self, samples: Tensor) -> None:
        self.count, self.channels, self.height, self.width = samples.shape
        self._flat = samples.permute(0, 2, 3, 1).reshape(-1, self.channels)

    def at(self, time: Tensor, xy: Tensor) -> Tensor:
        """Bilinear samples ``N C`` at the points ``xy`` ``N 2`` of the frames ``time`` ``N``; outside, the border."""
        x, y = xy[:, 0].clamp(0, self.width - 1), xy[:, 1].clamp(0, self.height - 1)
        left, top = x.floor().long(), y.floor().long()
        along, down = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
        upper = (time * self.height + top) * self.width
        lower = (time * self.height + (top + 1).clamp(max=self.height - 1)) * self.width
        right = (left + 1).clamp(max=self.width - 1)
        above = self._flat[upper + left].lerp(self._flat[upper + right], along)
        below = self._flat[lower + left].lerp(self._flat[lower + right], along)
        return above.lerp(below, down)


def set_out(start: Tensor, flow: Volume) -> Walkers:
    """Walkers on the pixels ``start`` (``N`` flat indices into ``T H W``), no step taken yet."""
    area = flow.height * flow.width
    place = start % area
    xy = torch.stack((place % flow.width, place // flow.width), dim=1).float()
    return Walkers(start, start // area, xy, xy.new_zeros(len(start)), 0)


def advance(walkers: Walkers, onward: Volume, back: Volume, step: int, settings: FlowCopySettings) -> Walkers:
    """Take one step of time; returns the walkers that are still believed.

    A walker is lost where it leaves the picture or the clip, or where going back along ``back`` misses the place it
    came from by more than ``tau + relative * |flow|``.

    Args:
        walkers: Where they are.
        onward: ``T 2 H W``, row t is ``F[t -> t+step]``.
        back: ``T 2 H W``, row t is ``F[t -> t-step]``.
        step: 1 or -1.
        settings: The check.
    """
    walkers = walkers.kept((walkers.time + step >= 0) & (walkers.time + step < onward.count))
    flow = onward.at(walkers.time, walkers.xy)
    time, xy = walkers.time + step, walkers.xy + flow
    residual = (flow + back.at(time, xy)).norm(dim=1)
    edge = xy.new_tensor([onward.width - 1, onward.height - 1])
    good = (residual < settings.tau + settings.relative * flow.norm(dim=1)) & ((xy >= 0) & (xy <= edge)).all(dim=1)
    return Walkers(walkers.origin, time, xy, walkers.error + residual, walkers.steps + 1).kept(good)


def flow_copy(
    frames: Tensor, masks: Tensor, forward: Tensor, backward: Tensor, settings: FlowCopySettings | None = None
) -> FlowCopy:
    """Copy known pixels into the hole along chains of flow, from the past and from the future.

    Both ways, a path ends at the first place whose (up to four) pixels are all known. Its candidate has the weight
    ``exp(-err/2) / distance``: ``err`` the sum of its residuals in pixels, ``distance`` its length in frames. The two
    candidates are blended by weight; what neither reaches is filled from the frame itself.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1]; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool, True = to fill.
        forward: ``T 2 H W``, row t is ``F[t -> t+1]``, complete under the masks; the last row is not used.
        backward: ``T 2 H W``, row t is ``F[t -> t-1]``; the first row is not used.
        settings: Checks and fill of the rest.

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
    parts = [_follow(part, scene, flows, settings) for part in holes.split(CHUNK)]
    colours, weights, sources = (torch.cat(column, dim=1) for column in zip(*parts, strict=True))
    best = weights.argmax(dim=0, keepdim=True)
    weight = weights.gather(0, best)[0]
    reached = weight > 0
    blend = (colours * weights.unsqueeze(2)).sum(dim=0) / weights.sum(dim=0).clamp(min=1e-30).unsqueeze(1)
    flat = frames.permute(0, 2, 3, 1).reshape(-1, frames.shape[1]).clone()
    flat[holes[reached]] = blend[reached].to(flat)
    copied = flat.view(count, height, width, -1).permute(0, 3, 1, 2).contiguous()
    left = torch.zeros_like(masks).flatten()
    left[holes[~reached]] = True
    result = spatial_fill(copied, left.view_as(masks), settings.fill)
    source = torch.where(reached, sources.gather(0, best)[0], -1)
    return FlowCopy(result, *_record(masks, holes, weight, source), covered=float(reached.float().mean()))


def _follow(
    start: Tensor, scene: Volume, flows: dict[int, Volume], settings: FlowCopySettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Follow hole pixels both ways: colours ``2 N 3``, weights ``2 N`` (0 = lost), source frames ``2 N``."""
    colours = start.new_zeros((2, len(start), scene.channels - 1), dtype=torch.float32)
    weights = start.new_zeros((2, len(start)), dtype=torch.float32)
    sources = torch.full_like(weights, -1, dtype=torch.long)
    for way, step in enumerate((-1, 1)):
        # The walkers carry their row of this chunk as origin.
        walkers = set_out(start, flows[step])
        walkers.origin = torch.arange(len(start), device=start.device)
        while len(walkers.origin):
            walkers = advance(walkers, flows[step], flows[-step], step, settings)
            seen = scene.at(walkers.time, walkers.xy)
            arrived = seen[:, -1] == 0
            rows = walkers.origin[arrived]
            colours[way, rows] = seen[arrived, :-1].float()
            weights[way, rows] = (-walkers.error[arrived] / 2).exp().clamp(min=1e-20) / walkers.steps
            sources[way, rows] = walkers.time[arrived]
            walkers = walkers.kept(~arrived)
    return colours, weights, sources


def _record(masks: Tensor, holes: Tensor, weight: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Provenance and confidence of the whole window, from those of the hole pixels."""
    provenance = torch.full(masks.shape, -1, dtype=torch.int16, device=masks.device)
    provenance.view(-1)[holes] = source.to(torch.int16)
    confidence = torch.zeros(masks.shape, dtype=torch.float32, device=masks.device)
    confidence.view(-1)[holes] = weight.float()
    return provenance, confidence
