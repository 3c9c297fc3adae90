"""One window through one inpainting method, with its self-score; the part that works on arrays alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import (
    FitContext,
    FitResult,
    FlowSet,
    Holdout,
    InpaintMethod,
    InpaintTask,
)
from vidinternal.learn.calibration import Doubt
from vidinternal.learn.difficulty import harder
from vidinternal.learn.estimate import Estimate, estimate
from vidinternal.learn.holdout import make_holdout
from vidinternal.learn.resume import kept
from vidinternal.methods import inpaint_method
from vidinternal.ops.resample import destroy, enlarge, shrink, shrink_flow, working_size

MANY_PIXELS = 500_000
"""Hole pixels of a window from which one hidden copy says enough, and a second would only cost time."""


@dataclass(frozen=True)
class FillRequest:
    """Which method, how, and whether it scores itself.

    Attributes:
        method: Name of an inpainting method.
        options: An instance of its card's ``config``.
        max_side: Longest side to work at, 0 = the ``work_side`` of the method's card.
        copies: Copies of the hole hidden on known places for the self-score; 0 = no score.
        side: Shorter side, pixels, of the picture that the frames were cut from; 0 = they are whole.
    """

    method: str
    options: StrictModel
    max_side: int = 0
    copies: int = 2
    side: int = 0


def fill_window(
    frames: Tensor, masks: Tensor, flow: FlowSet, request: FillRequest, context: FitContext
) -> tuple[FitResult, Mapping[str, Any]]:
    """Fill the holes of a window and score the fill on hidden known pixels.

    A method that trains hides the held-out holes from its training and stops on them; one that does not is run twice,
    once with them hidden for the score and once without for the result.

    Args:
        frames: ``T 3 H W``, what is under the mask destroyed.
        masks: ``T 1 H W`` bool.
        flow: Reference flows of the strides the method's card asks for.
        request: What to run.
        context: Seed, device, time, weights to start from; its ``holdout`` is made here.

    Returns:
        The result at the size of ``frames``, its ``spread`` calibrated to the RMS error to expect (None where nothing
        was held out); and a JSON-ready account of it.
    """
    method = inpaint_method(request.method)
    started = time.monotonic()
    full = (frames.shape[-2], frames.shape[-1])
    size = working_size(*full, request.max_side or method.card.work_side)
    small, small_masks, small_flow = frames, masks, flow
    if size != full:
        small, small_masks = shrink(frames, masks, size)
        small_flow = shrink_flow(flow, size)
    copies = min(request.copies, 1) if int(small_masks.sum()) > MANY_PIXELS else request.copies
    holdout = make_holdout(small, small_masks, context.seed, copies) if copies else None
    attempt = _train if method.card.trains else _run_twice
    task = InpaintTask(small, small_masks, small_flow, round(request.side * size[0] / full[0]))
    result, score, doubt = attempt(method, task, request, context, holdout)
    result = replace(result, spread=None if doubt is None else doubt.error(result.spread, small_masks))
    if size != full:
        result = _enlarged(result, full)
    facts = account(request, result, score, size, time.monotonic() - started)
    return result, {**facts, "doubt": None if doubt is None else doubt.as_dict()}


def _enlarged(result: FitResult, size: tuple[int, int]) -> FitResult:
    """A result at full size; what tells of pixels is repeated, flow gets longer."""
    maps: dict[str, Tensor | None] = {}
    for name in ("provenance", "origin", "spread"):
        small: Tensor | None = getattr(result, name)
        large = None if small is None else nn_functional.interpolate(small.float(), size, mode="nearest-exact")
        maps[name] = large if large is None or small is None else large.to(small.dtype)
    flow = result.learned_flow
    if flow is not None:
        longer = flow.new_tensor([size[1] / flow.shape[-1], size[0] / flow.shape[-2]]).view(1, 2, 1, 1)
        flow = nn_functional.interpolate(flow, size, mode="bilinear", align_corners=False) * longer
    return replace(result, frames=enlarge(result.frames, size), learned_flow=flow, **maps)


def _hidden(task: InpaintTask, holdout: Holdout) -> InpaintTask:
    masks = task.masks | holdout.masks
    return replace(task, frames=destroy(task.frames, masks), masks=masks)


def _train(
    method: InpaintMethod, task: InpaintTask, request: FillRequest, context: FitContext, holdout: Holdout | None
) -> tuple[FitResult, Estimate | None, Doubt | None]:
    if holdout is not None:
        task = _hidden(task, holdout)
    result = method.fill(task, request.options, replace(context, holdout=holdout))
    if holdout is None:
        return result, None, None
    level = estimate(holdout.errors(result.frames), harder(task.frames, task.masks, holdout))
    return result, level, Doubt.of(result.frames, result.spread, task.masks, holdout)


@dataclass(frozen=True)
class _Score:
    """What the hidden copies say of a fill.

    Attributes:
        level: dB.
        doubt: Where it is off.
    """

    level: Estimate
    doubt: Doubt


def _run_twice(
    method: InpaintMethod, task: InpaintTask, request: FillRequest, context: FitContext, holdout: Holdout | None
) -> tuple[FitResult, Estimate | None, Doubt | None]:
    score = doubt = None
    if holdout is not None:
        # Flow of the whole window has seen the pixels that are hidden now: the method must make its own.
        blind = replace(_hidden(task, holdout), flow={})
        hidden = replace(context, holdout=holdout)

        def look() -> _Score:
            made = method.fill(blind, request.options, hidden)
            level = estimate(holdout.errors(made.frames), harder(blind.frames, blind.masks, holdout))
            return _Score(level, Doubt.of(made.frames, made.spread, blind.masks, holdout))

        seen = kept(context, "score", "x".join(map(str, task.frames.shape)), _Score, look)
        score, doubt = seen.level, seen.doubt
    return method.fill(task, request.options, context), score, doubt


def account(
    request: FillRequest, result: FitResult, score: Estimate | None, size: tuple[int, int], seconds: float
) -> dict[str, Any]:
    """JSON-ready account of a fill, as it stands in ``run.json``."""
    return {
        "method": request.method,
        "size": list(size),
        "iterations": result.iterations,
        "seconds": round(seconds, 3),
        "stopped": result.stopped,
        "expected_psnr": None if score is None else round(score.psnr, 3),
        "expected_range": None if score is None else [round(score.low, 2), round(score.high, 2)],
        "signature": result.signature,
        "notes": list(result.notes),
        "history": [
            {
                "iteration": p.iteration,
                "seconds": round(p.seconds, 2),
                "terms": {k: float(v) for k, v in p.terms.items()},
                "holdout_psnr": None if p.holdout_psnr is None else round(p.holdout_psnr, 3),
            }
            for p in result.history
        ],
    }
