"""Median of the known values along the chains of flow to the neighbouring frames."""

from __future__ import annotations

import time
from functools import partial

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, FlowSet, InpaintMethod, InpaintTask
from vidinternal.methods.flow_median import CARDS
from vidinternal.methods.flow_median.config import Config
from vidinternal.ops.chains import StepCheck, Volume, advance, set_out
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.reference_flow import ReferenceFlowSettings, reference_flow
from vidinternal.ops.spatial_fill import spatial_fill

CHUNK = 200_000
"""Hole pixels handled at once; bounds memory."""


def median_along_flow(frames: Tensor, masks: Tensor, flows: FlowSet, neighbours: int, check: StepCheck) -> Tensor:
    """Return ``N 3`` for the hole pixels in row-major order of ``T H W``: the median of what their paths show, or NaN.

    Args:
        frames: ``T 3 H W``; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool.
        flows: Complete flow of strides 1 and -1.
        neighbours: Steps taken each way.
        check: When a step is believed.
    """
    scene = Volume(torch.cat((frames.masked_fill(masks, 0.0), masks.to(frames)), dim=1))
    ways = {step: Volume(flows[step].flow) for step in (1, -1)}
    medians = []
    for start in masks.flatten().nonzero()[:, 0].split(CHUNK):
        shown = torch.full((2 * neighbours, len(start), 3), torch.nan, device=frames.device)
        for side, step in enumerate((-1, 1)):
            walkers = set_out(start, ways[step])
            for k in range(neighbours):
                walkers = advance(walkers, ways[step], ways[-step], step, check)
                seen = scene.at(walkers.time, walkers.xy)
                known = seen[:, 3] == 0
                shown[side * neighbours + k, walkers.origin[known]] = seen[known, :3].float()
        medians.append(shown.nanmedian(dim=0)[0])
    return torch.cat(medians) if medians else frames.new_zeros((0, 3))


class FlowMedian(InpaintMethod):
    """The median along the motion."""

    card = CARDS[0]

    def fill(self, task: InpaintTask, config: Config, context: FitContext) -> FitResult:
        """Fill ``task.masks``; known pixels are untouched.

        Flow of strides 1 and -1 is taken from the task where it is there, otherwise estimated here.
        """
        started = time.monotonic()
        flows = task.flow
        if 1 not in flows or -1 not in flows:
            estimate = partial(dis_flow, preset=config.preset)
            flows = reference_flow(task.frames, task.masks, (1,), estimate, ReferenceFlowSettings(ring=config.ring))
        context.progress(0.5, "flow estimated")
        medians = median_along_flow(task.frames, task.masks, flows, config.neighbours, StepCheck(config.tau))
        shown = ~medians.isnan().any(dim=1)
        frames, left = task.frames.permute(0, 2, 3, 1).clone(), task.masks.clone()
        holes = task.masks[:, 0]
        frames[holes] = torch.where(shown.unsqueeze(1), medians.to(frames), frames[holes])
        left[:, 0][holes] = ~shown
        result = spatial_fill(frames.permute(0, 3, 1, 2).contiguous(), left, config.leftovers)
        context.progress(1.0, "filled")
        share = float(left.sum() / task.masks.sum().clamp(min=1))
        note = f"{share:.1%} of the hole is shown by no path and was filled with {config.leftovers}"
        # index into ORIGINS: copied where a path showed something, else continued from the neighbours
        origin = (task.masks.to(torch.uint8) + 3 * left.to(torch.uint8)).cpu()
        return FitResult(result, seconds=time.monotonic() - started, notes=(note,), origin=origin)


METHODS = (FlowMedian(),)
