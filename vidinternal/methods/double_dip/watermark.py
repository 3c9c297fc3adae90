"""Watermarks taken off: one picture with a hint, or several pictures of the same mark without one.

A mark that several pictures share is found and measured once a shot (:func:`survey`) and then taken off every frame by
arithmetic. A single picture does not tell where it is marked: somebody must point at it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import MaskError
from vidinternal.core.imaging import ImageResult, ImageTask
from vidinternal.methods.double_dip.config import WatermarkConfig
from vidinternal.methods.double_dip.marks import FITS, Mark, around, measured, steady_region, unlike
from vidinternal.methods.double_dip.watermark_nets import Drawn, draw_many, draw_one

DRAWN = 0.1
"""Strength of a mark from which pixels are taken from the network's picture, as published."""
SOLVED = 0.05
"""The same where they are solved for, which does no harm where there is little to take off."""
STEPS = 120
"""Steps in which a shared mark is measured."""
LEAST_COMMON = 2
"""Pictures that a mark can be told apart in, by networks."""
LEAST_MEASURED = 3
"""Pictures that a mark can be measured in."""


def check(config: WatermarkConfig, height: int, width: int) -> tuple[str, ...]:
    """Nothing is refused by size."""
    del config, height, width
    return ()


def survey(frames: Tensor, config: WatermarkConfig, context: FitContext) -> Mapping[str, Tensor]:
    """The mark that pictures of a shot share: ``mask`` ``1 1 h w`` and ``mark`` ``1 3 h w``.

    Args:
        frames: ``K 3 h w``.
        config: Settings.
        context: Of the fit.

    Returns:
        Empty for a single picture, where networks draw what is under the mark, and where no mark stands out: then
        frames need a hint.
    """
    if _how(config) == "networks" or len(frames) < LEAST_MEASURED:
        return {}
    region = steady_region(frames)
    if region is None or not unlike(frames, region):
        return {}
    mark, _ = measured(frames, region, context, config.iterations or STEPS)
    return {"mask": mark.mask, "mark": mark.mark}


def apply(task: ImageTask, config: WatermarkConfig, context: FitContext) -> ImageResult:
    """Take the mark off a group of pictures.

    Raises:
        MaskError: A single picture has no hint, or one that selects nothing, or everything; several pictures show no
            mark in common and have no hint.
    """
    started = time.monotonic()
    hints = None if task.hints is None else task.hints.nan_to_num(0.0)
    if task.shot.get("mask") is not None:
        mark = Mark(task.shot["mask"].to(task.frames), task.shot["mark"].to(task.frames))
        result = _solved(task.frames, mark, hints, config)
    elif hints is not None and not bool((hints > 0.5).any()):
        if task.previous is None and len(task.frames) < LEAST_COMMON:
            raise MaskError("hint", expected="some pixels of the mark", got="none", hint=_POINT)
        result = _untouched(task.frames, task.previous.state if task.previous is not None else {})
    elif _measurable(task.frames, hints, config):
        result = _in_common(task.frames, hints, config, context)
    elif hints is not None:
        result = _pointed_at(task, hints, config, context)
    elif len(task.frames) >= LEAST_COMMON:
        result = _drawn_together(task, config, context)
    else:
        raise _no_hint("a single picture")
    return replace(result, seconds=time.monotonic() - started)


def _how(config: WatermarkConfig) -> str:
    return config.recover or ("networks" if config.preset == "faithful" else "unblend")


def _measurable(frames: Tensor, hints: Tensor | None, config: WatermarkConfig) -> bool:
    """Whether a mark is to be measured in these pictures and can be."""
    if _how(config) == "networks" or len(frames) < LEAST_MEASURED:
        return False
    return hints is None or unlike(frames, hints > 0.5)


_POINT = "--region X,Y,W,H or --mask PATH, white where the mark is"


def _no_hint(what: str) -> MaskError:
    return MaskError(
        "restore.method=double_dip",
        expected="a hint of where the mark is, or several pictures that share one",
        got=f"{what} and no hint",
        hint=_POINT,
    )


def _solved(frames: Tensor, mark: Mark, hints: Tensor | None, config: WatermarkConfig) -> ImageResult:
    least = SOLVED if config.least_mark is None else config.least_mark
    clean = mark.off(frames, least, None if hints is None else hints > 0.5)
    shown = mark.strength() >= least
    facts = {"mark_share": round(float(shown.float().mean()), 4), "recovered": "solved"}
    if bool(shown.any()):
        facts["mean_mask"] = round(float(mark.mask[shown].mean()), 3)
    return ImageResult(clean, layers=_layers(mark, len(frames)), facts=facts)


def _layers(mark: Mark, count: int) -> dict[str, Tensor]:
    return {
        "mark": mark.mark.expand(count, -1, -1, -1).contiguous(),
        "mask": mark.mask.expand(count, -1, -1, -1).contiguous(),
    }


def _untouched(frames: Tensor, state: Mapping[str, Any]) -> ImageResult:
    nothing = Mark(torch.zeros_like(frames[:1, :1]), torch.zeros_like(frames[:1]))
    notes = ("pictures whose hint selects nothing are left as they are",)
    return ImageResult(frames.clone(), layers=_layers(nothing, len(frames)), state=dict(state), notes=notes)


def _in_common(frames: Tensor, hints: Tensor | None, config: WatermarkConfig, context: FitContext) -> ImageResult:
    """Pictures that nobody surveyed, or in which the survey saw nothing: where they are pointed at, or once more."""
    region = steady_region(frames) if hints is None else (hints > 0.5).amax(dim=0, keepdim=True)
    if region is None or not unlike(frames, region):
        raise _no_hint(f"{len(frames)} pictures without a mark that stands out from what stands still,")
    wanted = config.iterations or STEPS
    mark, steps = measured(frames, region, context, wanted)
    stopped = "budget" if steps < FITS * wanted else "iterations"
    return replace(_solved(frames, mark, hints, config), iterations=steps, stopped=stopped)


def _pointed_at(task: ImageTask, hints: Tensor, config: WatermarkConfig, context: FitContext) -> ImageResult:
    """Every picture by itself, the networks going on from one to the next."""
    before = None if task.previous is None else task.previous.state.get("fit")
    clean, masks, marks = task.frames.clone(), torch.zeros_like(task.frames[:, :1]), torch.zeros_like(task.frames)
    drawn: Drawn | None = None
    first: Drawn | None = None
    steps, stopped = 0, set[str]()
    for k in range(len(task.frames)):
        hint = (hints[k : k + 1] > 0.5).float()
        if not bool(hint.any()):
            continue
        if bool(hint.all()):
            expected, try_this = "the mark, and something around it", "point at the mark alone"
            raise MaskError("hint", expected=expected, got="the whole picture", hint=try_this)
        rows, columns = around(hint[0, 0] > 0, config.margin)
        own = replace(context, seed=context.seed + k, budget=context.budget.share(1 / (len(clean) - k)))
        part = task.frames[k : k + 1, :, rows, columns]
        drawn = draw_one(part, hint[..., rows, columns], (config, k), own, before)
        first = first or drawn
        before, steps = drawn.outcome.state, steps + drawn.iterations
        stopped.add(drawn.outcome.stopped)
        mask = drawn.mask * hint[..., rows, columns]
        clean[k : k + 1, :, rows, columns] = _pasted(part, drawn.clean, Mark(mask, drawn.mark), config)
        masks[k : k + 1, :, rows, columns], marks[k : k + 1, :, rows, columns] = mask, drawn.mark
    if drawn is None or first is None:
        return _untouched(task.frames, {} if before is None else {"fit": before})
    begun = _trained(first)
    layers = {"mark": marks, "mask": masks}
    made = replace(_trained(drawn), frames=clean, layers=layers, iterations=steps)
    short = "budget" if "budget" in stopped else made.stopped
    return replace(made, warm=begun.warm, notes=begun.notes, stopped=short)


def _drawn_together(task: ImageTask, config: WatermarkConfig, context: FitContext) -> ImageResult:
    before = None if task.previous is None else task.previous.state.get("fit")
    drawn = draw_many(task.frames, config, context, before)
    mark = Mark(drawn.mask, drawn.mark)
    clean = _pasted(task.frames, drawn.clean, mark, config)
    return replace(_trained(drawn), frames=clean, layers=_layers(mark, len(clean)), iterations=drawn.iterations)


def _pasted(frames: Tensor, clean: Tensor, mark: Mark, config: WatermarkConfig) -> Tensor:
    """The networks' picture where the mark is, the input elsewhere."""
    least = DRAWN if config.least_mark is None else config.least_mark
    return torch.where(mark.strength() >= least, clean, frames)


def _trained(drawn: Drawn) -> ImageResult:
    outcome = drawn.outcome
    return ImageResult(
        frames=drawn.clean,
        state={"fit": outcome.state},
        weights=outcome.weights,
        signature=outcome.signature,
        stopped=outcome.stopped,
        history=outcome.history,
        notes=(outcome.begun.note,) if outcome.begun.note else (),
        facts={"mixture_psnr": round(outcome.psnr, 2), "recovered": "drawn"},
        warm=outcome.begun.warm,
    )
