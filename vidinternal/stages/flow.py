"""Stage ``flow``: reference optical flow that never saw what is under the mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import Field
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FlowField
from vidinternal.learn.resume import kept
from vidinternal.methods import flow_method
from vidinternal.ops.reference_flow import ReferenceFlowSettings, reference_flow
from vidinternal.ops.resample import shrink, working_size
from vidinternal.stages.artifacts import Flows, MaskTrack
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.memory import side_at
from vidinternal.stages.work_area import load_work_area


class Config(StrictModel):
    """Which flow, and how it is checked."""

    method: str = "dis"
    """Flow method."""
    strides: tuple[int, ...] | None = None
    """Frame distances, each taken in both directions; None = those the inpainting method asks for."""
    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow is thrown away and completed: the fill poisons it there."""
    tolerance: float = Field(default=1.1774, gt=0)
    """Largest forward/backward residual of a valid flow, pixels: exp(-r^2/2) > 0.5."""


@dataclass(frozen=True)
class _BothWays:
    """Flow of one stride as it is kept.

    Attributes:
        ahead: ``T 2 H W`` forwards in time.
        ahead_valid: ``T 1 H W``.
        behind: ``T 2 H W`` backwards.
        behind_valid: ``T 1 H W``.
    """

    ahead: Tensor
    ahead_valid: Tensor
    behind: Tensor
    behind_valid: Tensor


class Flow(Stage):
    """Estimates, checks and completes flow in the work area."""

    name = "flow"
    scope = Scope.WINDOW
    summary = "Reference flow between frames, forward/backward checked, thrown away around holes and completed."
    reads = ("frames", "masks")
    writes = ("flow",)
    task = "flow"
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``flow`` of this window; empty where nothing is masked or no method asks for flow."""
        track: MaskTrack = inputs["masks"]
        if track.box is None or not self.config.strides:
            return {"flow": Flows()}
        area, masks = load_work_area(inputs["frames"], context.this_window(), track)
        scale = 1.0 if context.memory is None else context.memory.scale(track)
        if scale < 1:
            area, masks = shrink(area, masks, working_size(*area.shape[-2:], side_at(*area.shape[-2:], scale)))
        method = flow_method(self.config.method)
        settings = ReferenceFlowSettings(ring=self.config.ring, tolerance=self.config.tolerance)

        def both_ways(stride: int) -> _BothWays:
            made = reference_flow(
                area,
                masks,
                (stride,),
                lambda source, target: method.flow(source, target, self.options, context.device),
                settings,
            )
            return _BothWays(made[stride].flow, made[stride].valid, made[-stride].flow, made[-stride].valid)

        fields: dict[int, FlowField] = {}
        strides = sorted({abs(s) for s in self.config.strides})
        for stride in strides:
            # the last goes straight into the stage's own result
            keeps = context if stride != strides[-1] else replace(context, checkpoint=None)
            size = "x".join(map(str, area.shape))
            found = kept(keeps, f"stride-{stride}", size, _BothWays, partial(both_ways, stride))
            fields[stride] = FlowField(found.ahead, found.ahead_valid, stride)
            fields[-stride] = FlowField(found.behind, found.behind_valid, -stride)
        return {"flow": Flows(fields)}


STAGE = Flow
