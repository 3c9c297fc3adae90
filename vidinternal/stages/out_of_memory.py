"""Running out of memory: told apart from other errors, and answered with a smaller picture on an accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, FlowSet
from vidinternal.core.errors import ResourceError
from vidinternal.methods import card
from vidinternal.stages.fill_window import FillRequest, fill_window
from vidinternal.stages.memory import side_at

_STEP = 0.7
_LEAST_SIDE = 64  # pixels

_SIGNS = ("can't allocate memory", "Insufficient memory", "bad_alloc", "can't start new thread")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the accelerator or on the processor."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error)
    return isinstance(error, (RuntimeError, cv2.error)) and any(sign in text for sign in _SIGNS)


def fill_in_memory(
    area: tuple[Tensor, Tensor], flow: FlowSet, request: FillRequest, context: FitContext, scale: float = 1.0
) -> tuple[FitResult, Mapping[str, Any]]:
    """Fill a window at the scale planned, and at smaller ones while the accelerator runs out of memory.

    Args:
        area: Frames ``T 3 h w`` and masks ``T 1 h w``.
        flow: Reference flow, at the area's size or shrunk.
        request: What to run.
        context: Seed, device, time.
        scale: From :meth:`MemoryPlan.scale`.

    Returns:
        As :func:`vidinternal.stages.fill_window.fill_window`; ``facts["memory"]`` says what was made smaller, if
        anything was.

    Raises:
        ResourceError: The accelerator's memory holds not even a small picture.
    """
    frames, masks = area
    full = max(frames.shape[-2:])
    side = min(full, request.max_side or card(request.method, "inpaint").work_side or full)
    planned = min(side, side_at(frames.shape[-2], frames.shape[-1], scale) or full)
    tried = planned
    while True:
        try:
            smaller = replace(request, max_side=tried) if tried < side else request
            result, facts = fill_window(frames, masks, flow, smaller, context)
            break
        except torch.OutOfMemoryError as error:
            if tried < _LEAST_SIDE:
                raise ResourceError(
                    f"{request.method} on {context.device}",
                    expected=f"accelerator memory for {len(frames)} pictures with {tried} pixels on the longer side",
                    got="not enough, at any size tried",
                    hint="a smaller --memory or --set shots.window for shorter windows, or --device cpu",
                ) from error
        _release(context.device)
        tried = int(tried * _STEP)
    return result, {**facts, "memory": _shrunk(side, planned, tried)}


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _shrunk(side: int, planned: int, used: int) -> str | None:
    if used < planned:
        return f"the accelerator ran out of memory at {planned} pixels: filled at {used} and enlarged"
    if planned < side:
        return f"filled at {planned} instead of {side} pixels and enlarged, to stay inside --memory"
    return None
