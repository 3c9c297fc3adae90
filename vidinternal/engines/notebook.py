"""The verbs for Python: :func:`run` on files, :func:`inpaint` on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, FlowSet
from vidinternal.core.errors import ConfigError, MaskError, UsageError, nearest
from vidinternal.core.timecode import parse_region
from vidinternal.engines.reporting import run_and_report
from vidinternal.media.soft_subs import language_code
from vidinternal.methods import card, flow_method
from vidinternal.ops.reference_flow import reference_flow
from vidinternal.ops.resample import destroy
from vidinternal.runner.job import Job, JobResult, pick_device
from vidinternal.stages.base import JobInputs
from vidinternal.stages.fill_window import FillRequest, fill_window


def run(
    pipeline: str,
    source: str | Path,
    output: str | Path,
    *,
    mask: str | Path | None = None,
    regions: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    budget: float | None = None,
    **job: Any,
) -> JobResult:
    """Run one clip through a pipeline, as ``vidinternal run`` does.

    Args:
        pipeline: Name or path of a pipeline.
        source: The clip.
        output: The file to make.
        mask: Video, image or folder of images, white = remove.
        regions: ``X,Y,W,H[@START-END]``.
        settings: ``{"stage.field": value}``.
        budget: Seconds the run may take.
        job: ``mask_fit``, ``objects`` (hints to objects, as ``--object`` takes them), ``hints`` (a file of them),
            ``events``, ``subtitles`` (files), ``soft_subs`` and ``language``, as in
            :class:`vidinternal.stages.base.JobInputs`; ``device``, ``seed``, ``workspace``, ``fresh``, ``memory``
            (bytes the run may take), ``private`` (leave nothing but the output) and ``report`` (an HTML page of the
            run), as in :class:`vidinternal.runner.job.Job`.

    Returns:
        The finished job with its record; a private run leaves no file of it.

    Raises:
        UserError: Something about the job cannot work.
    """
    given = {name: _plain(name, value) for name, value in job.items()}
    own = {f.name: given.pop(f.name) for f in fields(JobInputs) if f.name in given}
    rectangles = tuple(parse_region(r) for r in _several(regions))
    inputs = JobInputs(Path(source), Path(output), None if mask is None else Path(mask), rectangles, **own)
    sets = tuple(f"{name}={value}" for name, value in (settings or {}).items())
    return run_and_report(Job(pipeline, inputs, sets=sets, budget=budget, **given))


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _plain(name: str, value: Any) -> Any:
    """A value as the command line would have made it."""
    if value is None:
        return None
    if name in ("hints", "events", "subtitles", "workspace", "report"):
        return Path(value)
    if name == "language":
        return language_code(value)
    return _several(value) if name == "objects" else value


def inpaint(
    frames: np.ndarray | torch.Tensor,
    masks: np.ndarray | torch.Tensor,
    method: str = "propagation",
    *,
    seed: int = 0,
    budget: float | None = None,
    device: str = "auto",
    **options: Any,
) -> np.ndarray:
    """Fill holes in frames.

    Args:
        frames: ``T H W 3`` RGB, uint8 or float in [0, 1]; or a float tensor ``T 3 H W``.
        masks: ``T H W`` or one ``H W`` for all frames; non-zero = fill.
        method: A name from ``vidinternal methods``.
        seed: Same seed, same result.
        budget: Seconds it may take.
        device: ``auto``, ``cpu`` or ``cuda``.
        options: Settings of the method.

    Returns:
        ``T H W 3`` in the type of an array given, float32 for a tensor; equal to ``frames`` wherever nothing is masked.

    Raises:
        MaskError: Shapes do not fit, with both.
        ConfigError: The method has no such setting.
    """
    clip, as_uint8 = _clip(frames)
    holes = _holes(masks, clip)
    chosen = card(method, "inpaint")
    try:
        config = chosen.config(**options)
    except ValidationError as error:
        known = nearest(next(iter(options), ""), chosen.config.model_fields)
        raise ConfigError(f"inpaint(method='{method}')", expected=known, got=str(error)) from error
    area = destroy(clip, holes)
    context = FitContext(seed=seed, device=pick_device(device), budget=Budget(budget))
    flow: FlowSet = {}
    if chosen.flow_strides:
        dis = flow_method("dis")
        settings = dis.card.config()
        flow = reference_flow(
            area,
            holes,
            chosen.flow_strides,
            lambda a, b: dis.flow(a, b, settings, context.device),
        )
    result, _ = fill_window(area, holes, flow, FillRequest(method, config, copies=2 if chosen.trains else 0), context)
    filled = torch.where(holes, result.frames.cpu(), clip).permute(0, 2, 3, 1).numpy()
    if not as_uint8:
        return filled
    known = ~holes.permute(0, 2, 3, 1).numpy()
    return np.where(known, np.asarray(frames), np.round(filled * 255).clip(0, 255).astype(np.uint8))


def _clip(frames: np.ndarray | torch.Tensor) -> tuple[torch.Tensor, bool]:
    if isinstance(frames, torch.Tensor):
        if frames.ndim != 4 or frames.shape[1] != 3:
            raise UsageError("inpaint(frames)", expected="a tensor T 3 H W", got=str(tuple(frames.shape)))
        return frames.float().cpu(), False
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise UsageError("inpaint(frames)", expected="an array T H W 3", got=str(frames.shape))
    as_uint8 = frames.dtype == np.uint8
    clip = torch.from_numpy(np.ascontiguousarray(frames, dtype=np.float32).copy()).permute(0, 3, 1, 2)
    return (clip / 255 if as_uint8 else clip), as_uint8


def _holes(masks: np.ndarray | torch.Tensor, clip: torch.Tensor) -> torch.Tensor:
    array = torch.as_tensor(np.asarray(masks) != 0)
    if array.ndim == 2:
        array = array.expand(len(clip), -1, -1)
    expected = (len(clip), *clip.shape[-2:])
    if tuple(array.shape) != expected:
        raise MaskError("inpaint(masks)", expected=f"{expected} or {expected[1:]}", got=str(tuple(array.shape)))
    return array.unsqueeze(1).clone()
