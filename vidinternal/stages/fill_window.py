"""One window through one inpainting method, with its self-score; the part that works on arrays alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

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
    """

    method: str
    options: StrictModel
    max_side: int = 0
    copies: int = 2


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
        The result at the size of ``frames``, and a JSON-ready account of it.
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
    if method.card.trains:
        result, score = _train(method, InpaintTask(small, small_masks, small_flow), request, context, holdout)
    else:
        result, score = _run_twice(method, InpaintTask(small, small_masks, small_flow), request, context, holdout)
    if size != full:
        result = replace(result, frames=enlarge(result.frames, full), provenance=None)
    return result, account(request, result, score, size, time.monotonic() - started)


def _hidden(task: InpaintTask, holdout: Holdout) -> InpaintTask:
    masks = task.masks | holdout.masks
    return InpaintTask(destroy(task.frames, masks), masks, task.flow)


def _train(
    method: InpaintMethod, task: InpaintTask, request: FillRequest, context: FitContext, holdout: Holdout | None
) -> tuple[FitResult, float | None]:
    if holdout is not None:
        task = _hidden(task, holdout)
    result = method.fill(task, request.options, replace(context, holdout=holdout))
    return result, None if holdout is None else holdout.score(result.frames)


@dataclass(frozen=True)
class _Score:
    """What the hidden copies say of a fill.

    Attributes:
        psnr: dB.
    """

    psnr: float


def _run_twice(
    method: InpaintMethod, task: InpaintTask, request: FillRequest, context: FitContext, holdout: Holdout | None
) -> tuple[FitResult, float | None]:
    score = None
    if holdout is not None:
        # Flow of the whole window has seen the pixels that are hidden now: the method must make its own.
        blind = replace(_hidden(task, holdout), flow={})
        hidden = replace(context, holdout=holdout)

        def look() -> _Score:
            return _Score(holdout.score(method.fill(blind, request.options, hidden).frames))

        score = kept(context, "score", "x".join(map(str, task.frames.shape)), _Score, look).psnr
    return method.fill(task, request.options, context), score


def account(
    request: FillRequest, result: FitResult, score: float | None, size: tuple[int, int], seconds: float
) -> dict[str, Any]:
    """JSON-ready account of a fill, as it stands in ``run.json``."""
    return {
        "method": request.method,
        "size": list(size),
        "iterations": result.iterations,
        "seconds": round(seconds, 3),
        "stopped": result.stopped,
        "expected_psnr": None if score is None else round(score, 3),
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
