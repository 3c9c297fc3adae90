"""Median of the known values along the chains of flow to the neighbouring frames."""

from __future__ import annotations

import time
from functools import partial

import torch

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask
from vidinternal.methods.flow_median import CARDS
from vidinternal.methods.flow_median.config import Config
from vidinternal.ops.chains import StepCheck
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.medians import fill_along_flow
from vidinternal.ops.reference_flow import ReferenceFlowSettings, reference_flow


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
        check = StepCheck(config.tau)
        result, left = fill_along_flow(task.frames, task.masks, flows, config.neighbours, check, config.leftovers)
        context.progress(1.0, "filled")
        share = float(left.sum() / task.masks.sum().clamp(min=1))
        note = f"{share:.1%} of the hole is shown by no path and was filled with {config.leftovers}"
        # index into ORIGINS: copied where a path showed something, else continued from the neighbours
        origin = (task.masks.to(torch.uint8) + 3 * left.to(torch.uint8)).cpu()
        return FitResult(result, seconds=time.monotonic() - started, notes=(note,), origin=origin)


METHODS = (FlowMedian(),)
