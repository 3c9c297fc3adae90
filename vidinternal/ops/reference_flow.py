"""Reference flow that never saw what is under the mask: prefill, estimate, discard, complete, check.

The published method (``zhang2019internal``) estimated flow on the frames with the object still in them. Here the hole
is prefilled from known pixels first, and because the fill poisons the flow some way out of the hole too (patches of
Dense Inverse Search reach about 16 px), flow is thrown away in a ring around it and completed from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as nn_functional
from pydantic import Field
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FlowField, FlowSet
from vidinternal.core.errors import UsageError
from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.masks import bounding_box, dilate
from vidinternal.ops.settings import SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill
from vidinternal.ops.warp import backward_warp, forward_backward_residual, in_bounds, pixel_grid

FlowEstimator = Callable[[Tensor, Tensor], Tensor]
"""``(source N 3 H W, target N 3 H W) -> N 2 H W`` pixels with ``target(p + F(p)) ~ source(p)``."""

COARSE_FROM = 96 * 96
"""Pixels of a picture from which flow is completed on a grid of a quarter of its size: completed flow is smooth."""

MARGIN = 64
"""Pixels around hole and ring in which flow is estimated."""

_MAY_LEAVE = 0.01  # of the hole: single wild pixels are not worth another look

LEAST_OBSERVED = 0.05
"""Share of the picture that must stay observed; where the ring would leave less, it is narrowed for that frame."""


class ReferenceFlowSettings(StrictModel):
    """How reference flow is made and checked."""

    ring: int = Field(default=21, ge=0)
    """Pixels around the hole in which the flow is thrown away and completed: the fill poisons it there."""
    tolerance: float = Field(default=1.1774, gt=0)
    """Largest forward/backward residual r of a valid flow, pixels: exp(-r^2/2) > 0.5 <=> r < 1.1774."""
    prefill: SpatialFill = "harmonic"
    """What stands in the hole while flow is estimated."""


def reference_flow(
    frames: Tensor,
    masks: Tensor,
    strides: Sequence[int],
    estimator: FlowEstimator,
    settings: ReferenceFlowSettings | None = None,
) -> FlowSet:
    """Flows of every stride, in both directions, from known pixels only.

    Args:
        frames: ``T 3 H W`` RGB in [0, 1]; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool, True = hole.
        strides: Frame distances; each is taken forwards and backwards, whatever its sign.
        estimator: Estimates flow between pairs of pictures.
        settings: Ring, tolerance and prefill.

    Returns:
        A :class:`FlowField` for ``s`` and ``-s`` of every stride ``s``. ``flow`` is complete: where it was thrown
        away it is harmonic. ``valid`` is True where it was observed at both ends and the forward/backward residual is
        below the tolerance.

    Raises:
        UsageError: A stride is zero, or frames and masks do not belong together.
    """
    settings = settings or ReferenceFlowSettings()
    if frames.ndim != 4 or masks.shape != (len(frames), 1, *frames.shape[-2:]):
        raise UsageError(
            "reference_flow",
            expected="frames T 3 H W and masks T 1 H W",
            got=f"{tuple(frames.shape)} and {tuple(masks.shape)}",
        )
    if 0 in strides:
        raise UsageError("reference_flow", expected="strides other than 0", got=str(tuple(strides)))
    filled = spatial_fill(frames, masks, settings.prefill)
    rings = ring_around(masks, settings.ring)
    fields: dict[int, FlowField] = {}
    for stride in sorted({abs(s) for s in strides}):
        fields[stride], fields[-stride] = flow_both_ways(filled, rings, stride, estimator, settings.tolerance)
    return fields


def ring_around(masks: Tensor, radius: int) -> Tensor:
    """Hole and ring, ``T 1 H W`` bool, the ring narrowed frame by frame until enough of the picture is left."""
    grown = dilate(masks, radius)
    while radius > 0:
        starved = (~grown).flatten(1).float().mean(dim=1) < LEAST_OBSERVED
        if not starved.any():
            break
        radius //= 2
        grown[starved] = dilate(masks[starved], radius)
    return grown


def flow_both_ways(
    filled: Tensor, rings: Tensor, stride: int, estimator: FlowEstimator, tolerance: float
) -> tuple[FlowField, FlowField]:
    """Estimate one stride forwards and backwards, throw away what starts or ends in ``rings``, complete and check it.

    Args:
        filled: ``T 3 H W`` RGB in [0, 1], without holes.
        rings: ``T 1 H W`` bool, where flow is not to be believed.
        stride: Frame distance, positive.
        estimator: Estimates flow between pairs of pictures.
        tolerance: Largest forward/backward residual of a valid flow, pixels.

    Returns:
        The field of ``stride`` and that of ``-stride``.
    """
    count, _, height, width = filled.shape
    forward = filled.new_zeros((count, 2, height, width), dtype=torch.float32)
    backward = torch.zeros_like(forward)
    valid_forward = torch.zeros_like(rings)
    valid_backward = torch.zeros_like(rings)
    if stride < count:
        early, late = filled[:-stride], filled[stride:]
        forward[:-stride], discarded = _observed(estimator(early, late), rings[:-stride], rings[stride:])
        backward[stride:], discarded_back = _observed(estimator(late, early), rings[stride:], rings[:-stride])
        residual = forward_backward_residual(forward[:-stride], backward[stride:])
        valid_forward[:-stride] = (residual < tolerance) & ~discarded
        residual = forward_backward_residual(backward[stride:], forward[:-stride])
        valid_backward[stride:] = (residual < tolerance) & ~discarded_back
    return FlowField(forward, valid_forward, stride), FlowField(backward, valid_backward, -stride)


def flow_near_holes(
    filled: Tensor, masks: Tensor, rings: Tensor, estimator: FlowEstimator, margin: int = MARGIN
) -> tuple[Tensor, Tensor]:
    """Flow between neighbouring frames where paths that start in the hole need it, and only there.

    Each pair of frames is looked at in a box around its two holes. Where a path leaves the box at once, the whole
    picture is looked at.

    Args:
        filled: ``T 3 H W`` RGB in [0, 1], without holes.
        masks: ``T 1 H W`` bool, the holes.
        rings: ``T 1 H W`` bool, hole and ring, where flow is not to be believed.
        estimator: Estimates flow between pairs of pictures.
        margin: Pixels of the box around the rings.

    Returns:
        ``F[t -> t+1]`` and ``F[t -> t-1]``, both ``T 2 H W`` float32, complete in the boxes; zero outside.
    """
    count, _, height, width = filled.shape
    forward = filled.new_zeros((count, 2, height, width), dtype=torch.float32)
    backward = torch.zeros_like(forward)
    if bool((rings.flatten(1).float().mean(dim=1) > 1 - LEAST_OBSERVED).any()):
        # Frames that know nothing of their own take their flow from their neighbours in time: all at once.
        ahead, behind = flow_both_ways(filled, rings, 1, estimator, 1.0)
        return ahead.flow, behind.flow
    for t in range(count - 1):
        pair = slice(t, t + 2)
        if not bool(masks[pair].any()):
            continue
        y0, y1, x0, x1 = bounding_box(rings[pair], margin) or (0, height, 0, width)
        box = (slice(y0, y1), slice(x0, x1))
        flows = _pair(filled[pair, :, *box], rings[pair, :, *box], estimator)
        if _leaving(flows, masks[pair, :, *box], (y0, x0), (height, width)) > _MAY_LEAVE:
            box = (slice(None), slice(None))
            flows = _pair(filled[pair], rings[pair], estimator)
        forward[t, :, *box], backward[t + 1, :, *box] = flows
    return forward, backward


def _pair(filled: Tensor, rings: Tensor, estimator: FlowEstimator) -> Tensor:
    """Completed flow ``2 2 H W`` from the first of two pictures ``2 3 H W`` to the second, and back."""
    flow = estimator(filled, filled.flip(0))
    return _observed(flow.float(), rings, rings.flip(0))[0]


def _leaving(flow: Tensor, masks: Tensor, corner: tuple[int, int], size: tuple[int, int]) -> float:
    """The share of the holes' pixels that flow leads out of a box, but not out of the picture.

    Args:
        flow: ``2 2 h w`` of the box.
        masks: ``2 1 h w`` bool, the holes in it.
        corner: First row and column of the box.
        size: Rows and columns of the picture.
    """
    shift = flow.new_tensor([corner[1], corner[0]]).view(2, 1, 1)
    x, y = (pixel_grid(flow.shape[-2], flow.shape[-1], flow.device) + flow + shift).unbind(dim=1)
    inside = (x >= 0) & (x <= size[1] - 1) & (y >= 0) & (y <= size[0] - 1)
    leaves = ~in_bounds(flow) & inside.unsqueeze(1) & masks
    return float(leaves.sum()) / max(int(masks.sum()), 1)


def _observed(flow: Tensor, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Throw away flow that starts or ends in a ring and complete it; returns the flow and where it was thrown away."""
    discarded = here | (backward_warp(there.float(), flow) > 0)
    starved = (~discarded).flatten(1).float().mean(dim=1) < LEAST_OBSERVED
    discarded = torch.where(starved.view(-1, 1, 1, 1), here, discarded)
    return complete_flow(flow, discarded), discarded


def complete_flow(flow: Tensor, missing: Tensor) -> Tensor:
    """Continue flow harmonically into ``missing``; large pictures on a grid of a quarter of their size.

    Args:
        flow: ``N 2 H W`` pixels.
        missing: ``N 1 H W`` bool.

    Returns:
        ``N 2 H W``; flow that is not missing is untouched, a frame without any gets that of its neighbours in time.
    """
    height, width = flow.shape[-2:]
    if height * width < COARSE_FROM:
        return harmonic_fill(flow, missing, empty=0.0)
    known = (~missing).to(flow)
    weight = nn_functional.avg_pool2d(known, 4, ceil_mode=True)
    small = nn_functional.avg_pool2d(flow * known, 4, ceil_mode=True) / weight.clamp(min=1e-6)
    small = harmonic_fill(small, weight == 0, empty=0.0)
    size = (4 * small.shape[-2], 4 * small.shape[-1])
    large = nn_functional.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return torch.where(missing, large[..., :height, :width], flow)
