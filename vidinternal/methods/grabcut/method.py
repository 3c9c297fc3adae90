"""GrabCut between what is surely the object and what is surely not."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageMethod, ImageResult, ImageTask
from vidinternal.methods.grabcut import CARDS
from vidinternal.methods.grabcut.config import Config
from vidinternal.ops.cut_out import cut_out
from vidinternal.ops.figure import Figure, figure, shrunk
from vidinternal.ops.guided_filter import guided_filter
from vidinternal.ops.resample import working_size

_EPSILON = 1e-4


class GrabCut(ImageMethod):
    """OpenCV's GrabCut with the hints that every method of the task gets."""

    card = CARDS[0]

    def apply(self, task: ImageTask, config: Config, context: FitContext) -> ImageResult:
        """The object's mask: white on black.

        Raises:
            MaskError: The hints leave nothing open.
        """
        started = time.monotonic()
        picture, previous = task.frames.float().cpu(), task.previous
        before = previous.layers["mask"].float().cpu() if previous is not None and "mask" in previous.layers else None
        known = figure(picture, task.hints, before, None if previous is None else previous.valid.cpu())
        notes: tuple[str, ...] = ()
        mask = torch.zeros_like(picture[:, :1])
        if known.lost:
            notes = (f"there is no object to look for: nothing is known from {known.origin}",)
        else:
            hints = task.hints
            if previous is None and hints is not None and not bool((hints == 1).any()):
                # all that a box says is what is not the object; GrabCut needs no guess of the rest
                known = replace(known, inside=torch.zeros_like(known.inside), outside=hints == 0)
            mask, told = _cut(picture, known, config)
            notes = (told,) if told else ()
        if task.hints is not None:
            mask = ((mask > 0.5) | (task.hints == 1)) & ~(task.hints == 0)
        mask = mask.to(task.frames)
        context.progress(1.0, "cut out")
        return ImageResult(
            frames=mask.expand(-1, 3, -1, -1).contiguous(),
            layers={"mask": mask},
            seconds=time.monotonic() - started,
            notes=notes,
            facts={"origin": known.origin, "share": round(float(mask.mean()), 4)},
        )


def _cut(picture: Tensor, known: Figure, config: Config) -> tuple[Tensor, str]:
    """``1 1 H W`` of 0 and 1, and what a person should know of it, or nothing."""
    full = (picture.shape[-2], picture.shape[-1])
    size = working_size(*full, config.side)
    small = nn_functional.interpolate(picture, size, mode="area")
    inside, outside = (shrunk(mask, size) > 0 for mask in (known.inside, known.outside))
    likely = torch.full_like(inside, known.origin == "hints")
    cut = cut_out(small, inside, outside & ~inside, likely=likely, rounds=config.rounds)
    told = "" if cut is not None else "the colours do not part: the hints themselves were taken"
    found = (inside | (likely & ~outside) if cut is None else cut).float()
    if size == full:
        return found, told
    mask = nn_functional.interpolate(found, full, mode="bilinear", align_corners=False)
    if config.radius:
        every = max(1, round(max(full) / config.side))
        mask = guided_filter(picture, mask, config.radius * every, _EPSILON, every=every)
    return (mask > 0.5).float(), told


METHODS = (GrabCut(),)
