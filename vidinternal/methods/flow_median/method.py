"""The registry's entry point."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.flow_median import CARDS
from vidinternal.methods.flow_median.config import Config
from vidinternal.ops.chains import StepCheck, Volume, advance, set_out
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.reference_flow import ReferenceFlowSettings, reference_flow
from vidinternal.ops.spatial_fill import spatial_fill


class FlowMedian(InpaintMethod):
    """The median of what the frames around show along the flow (principle of ``xu2019deep``)."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``."""
        started = time.monotonic()
        flow = reference_flow(task.frames, task.masks, (1,), dis_flow, ReferenceFlowSettings(ring=config.ring))
        context.progress(0.5, "flow")
        holes = task.masks.flatten().nonzero()[:, 0]
        median = shown_along(task, {s: Volume(flow[s].flow.float()) for s in (1, -1)}, holes, config)
        found = median.isfinite().all(dim=1)
        count, channels, height, width = task.frames.shape
        flat = task.frames.permute(0, 2, 3, 1).reshape(-1, channels).clone()
        flat[holes[found]] = median[found]
        left = torch.zeros_like(task.masks).flatten()
        left[holes[~found]] = True
        copied = flat.view(count, height, width, channels).permute(0, 3, 1, 2).contiguous()
        frames = spatial_fill(copied, left.view_as(task.masks), config.fill)
        context.progress(1.0, "filled")
        return FitResult(frames, seconds=time.monotonic() - started)


def shown_along(task: InpaintTask, flows: dict[int, Volume], holes: Tensor, config: Config) -> Tensor:
    """Median of the known colours that chains of up to ``reach`` steps lead to, both ways.

    Args:
        task: Frames and holes.
        flows: Stride-1 flow by direction.
        holes: ``N`` hole pixels as flat indices into ``T H W``.
        config: Reach and check.

    Returns:
        ``N 3``; NaN where no chain leads to a known pixel.
    """
    scene = Volume(torch.cat((task.frames.masked_fill(task.masks, 0.0), task.masks.to(task.frames)), dim=1))
    check = StepCheck(tau=config.tau)
    seen = task.frames.new_full((2 * config.reach, len(holes), task.frames.shape[1]), float("nan"))
    for way, step in enumerate((-1, 1)):
        walkers = set_out(holes, flows[step])
        walkers.origin = torch.arange(len(holes))
        for k in range(config.reach):
            walkers = advance(walkers, flows[step], flows[-step], step, check)
            colours = scene.at(walkers.time, walkers.xy)
            shown = colours[:, -1] == 0
            seen[way * config.reach + k, walkers.origin[shown]] = colours[shown, :-1]
    return seen.nanmedian(dim=0).values


METHODS = (FlowMedian(),)
