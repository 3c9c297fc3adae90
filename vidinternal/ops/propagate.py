"""Propagation: flow of known pixels, copies along it, and the flow again on what was copied.

Round one estimates flow with the hole prefilled and a wide ring thrown away, since the fill poisons the flow around
it. From the second round on the hole shows copied pixels, which move as the scene does: the flow is then thrown away
only in the hole and a narrow ring, and completed from much nearer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from vidinternal.core.contracts import FlowSet
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.flow_copy import FlowCopy, FlowCopySettings, flow_copy, never
from vidinternal.ops.reference_flow import flow_near_holes, ring_around
from vidinternal.ops.settings import PropagateSettings, SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill

Fill = Callable[[Tensor, Tensor, SpatialFill], Tensor]
"""Frames ``T 3 H W``, holes ``T 1 H W`` and what fills them -> frames filled."""
Keep = Callable[[int, Callable[[], FlowCopy]], FlowCopy]
"""Number of a round, from 1, and what makes it -> the round."""


def at_once(_number: int, make: Callable[[], FlowCopy]) -> FlowCopy:
    """The :data:`Keep` that keeps nothing."""
    return make()


@dataclass(frozen=True)
class Hooks:
    """What a caller does at the joints of a propagation.

    Attributes:
        go_on: Called after every round with its number, from 1, and its result; False ends the propagation.
        out_of_time: Asked before every step; True ends the propagation with the last whole round, or with as much of
            the first as there was time for.
        keep: Gets the number of every round and what makes it; gives back what was made, now or in a run before.
        prefill: Fills the hole for the flow of round one.
    """

    go_on: Callable[[int, FlowCopy], bool] | None = None
    out_of_time: Callable[[], bool] = never
    keep: Keep = at_once
    prefill: Fill = spatial_fill


def propagate(
    frames: Tensor,
    masks: Tensor,
    settings: PropagateSettings | None = None,
    first: FlowSet | None = None,
    hooks: Hooks | None = None,
) -> FlowCopy:
    """Fill a window with its own pixels.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1]; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool, True = to fill.
        settings: How.
        first: Flow of round one; used where it has strides 1 and -1, otherwise flow is estimated.
        hooks: What is done in between.

    Returns:
        The last round's copy. A single frame has nothing to copy from and is filled from itself.

    Raises:
        UsageError: The shapes do not belong together.
    """
    settings, hooks = settings or PropagateSettings(), hooks or Hooks()
    go_on, out_of_time = hooks.go_on, hooks.out_of_time
    if not masks.any():
        return FlowCopy.untouched(frames, masks)
    copying = FlowCopySettings(tau=settings.tau, fill=settings.fill, level_seams=settings.level_seams)
    estimate = partial(dis_flow, preset=settings.preset)

    def begin() -> FlowCopy:
        if first and 1 in first and -1 in first:
            forward, backward = first[1].flow, first[-1].flow
        else:
            filled = hooks.prefill(frames, masks, settings.fill)
            forward, backward = flow_near_holes(filled, masks, ring_around(masks, settings.ring), estimate)
        return flow_copy(frames, masks, forward, backward, copying, out_of_time)

    def refine(shown: Tensor) -> FlowCopy:
        rings = ring_around(masks, settings.refine_ring)
        ahead, behind = flow_near_holes(shown, masks, rings, estimate)
        return flow_copy(frames, masks, ahead, behind, copying, out_of_time)

    result = hooks.keep(1, begin)
    for number in range(1, settings.rounds):
        if (go_on is not None and not go_on(number, result)) or result.covered == 0.0 or out_of_time():
            return result
        further = hooks.keep(number + 1, partial(refine, result.frames))
        if out_of_time():
            return result  # paths of the new round may have been cut off
        result = further
    if go_on is not None:
        go_on(settings.rounds, result)
    return result
