"""Medians of what other frames show: at the same place, and along the motion."""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.core.contracts import FlowSet
from vidinternal.ops.chains import StepCheck, Volume, advance, set_out
from vidinternal.ops.settings import SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill

ROWS = 64
"""Picture rows whose history is sorted at once; bounds memory."""
CHUNK = 200_000
"""Hole pixels handled at once; bounds memory."""


def median_over_time(frames: Tensor, masks: Tensor) -> Tensor:
    """Return ``3 H W``, the median of the known values over all frames; NaN where no frame shows the place.

    Of an even number of values the lower middle one is taken, so that only colours that were seen come out.
    """
    parts = [
        frames[:, :, top : top + ROWS].float().masked_fill(masks[:, :, top : top + ROWS], torch.nan).nanmedian(dim=0)[0]
        for top in range(0, frames.shape[-2], ROWS)
    ]
    return torch.cat(parts, dim=1)


def fill_over_time(
    frames: Tensor, masks: Tensor, leftovers: SpatialFill = "telea", radius: float = 3.0
) -> tuple[Tensor, Tensor]:
    """Fill with the median at the same place.

    Args:
        frames: ``T 3 H W``; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool.
        leftovers: Fill of the pixels that are masked in every frame.
        radius: Neighbourhood of Telea and Navier-Stokes, pixels.

    Returns:
        ``T 3 H W``, known pixels untouched; and ``T 1 H W`` bool, the leftovers.
    """
    median = median_over_time(frames, masks)
    unseen = median.isnan().any(dim=0, keepdim=True)
    shown = torch.where(masks & ~unseen, median.to(frames), frames)
    left = masks & unseen
    return spatial_fill(shown, left, leftovers, radius), left


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


def fill_along_flow(
    frames: Tensor,
    masks: Tensor,
    flows: FlowSet,
    neighbours: int = 6,
    check: StepCheck | None = None,
    leftovers: SpatialFill = "telea",
) -> tuple[Tensor, Tensor]:
    """Fill with the median along the flow.

    Args:
        frames: ``T 3 H W``; what is under ``masks`` is never read.
        masks: ``T 1 H W`` bool.
        flows: Complete flow of strides 1 and -1.
        neighbours: Steps taken each way.
        check: When a step is believed.
        leftovers: Fill of the pixels that no path shows.

    Returns:
        ``T 3 H W``, known pixels untouched; and ``T 1 H W`` bool, the leftovers.
    """
    medians = median_along_flow(frames, masks, flows, neighbours, check or StepCheck())
    shown = ~medians.isnan().any(dim=1)
    filled, left = frames.permute(0, 2, 3, 1).clone(), masks.clone()
    holes = masks[:, 0]
    filled[holes] = torch.where(shown.unsqueeze(1), medians.to(filled), filled[holes])
    left[:, 0][holes] = ~shown
    return spatial_fill(filled.permute(0, 3, 1, 2).contiguous(), left, leftovers), left
