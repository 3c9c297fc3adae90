"""``--dry-run``: what would be filled, in which frames, how much of it is never seen, and what it would cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from vidinternal.core.budget import Budget
from vidinternal.core.clip import Window
from vidinternal.core.contracts import FitContext
from vidinternal.media.orientation import shown_size
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.flow_copy import FlowCopySettings, flow_copy
from vidinternal.ops.reference_flow import reference_flow
from vidinternal.ops.resample import shrink, working_size
from vidinternal.runner.beside import write_beside
from vidinternal.runner.dry_run_remade import trial_seconds
from vidinternal.runner.estimate import memory_bytes, remade_bytes, workspace_bytes, writing_seconds
from vidinternal.runner.job import Job
from vidinternal.runner.remade import maker_of
from vidinternal.runner.resources import Needs, explained
from vidinternal.runner.run import Run, open_run
from vidinternal.runner.search import search_notes
from vidinternal.runner.shares import masked_pixels
from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.base import Scope
from vidinternal.stages.fill_window import FillRequest, fill_window
from vidinternal.stages.work_area import load_work_area

LOOK_SIDE = 256
"""Longest side, in pixels, at which it is looked whether a masked place is ever seen."""
TRIAL_SECONDS = 4.0
"""How long the method is tried on the largest window to learn its rate."""


class _TrialOver(Exception):
    """Ends a trial from inside the method's progress callback."""


@dataclass(frozen=True)
class WindowPlan:
    """What would be filled in one window.

    Attributes:
        shot: Index of its shot.
        first: First frame with a hole.
        last: Last frame with a hole.
        frames: Frames with a hole.
        share: Masked share of the picture's area, mean over those frames.
        never_seen: Share of the masked pixels that no other frame of the window shows.
    """

    shot: int
    first: int
    last: int
    frames: int
    share: float
    never_seen: float


@dataclass(frozen=True)
class DryRun:
    """The answer.

    Attributes:
        source: The clip.
        frames: How many it has.
        shots: How many takes.
        windows: One entry for each window with a hole.
        seconds: Expected time, or the budget where one is given; None where the method's trial could not tell.
        memory: Expected peak memory of the process, bytes.
        disk: Expected size of the workspace, bytes.
        notes: What a person should know before starting.
        made: Where every picture is made anew: what by, and of what size.
    """

    source: str
    frames: int
    shots: int
    windows: tuple[WindowPlan, ...]
    seconds: float | None
    memory: int
    disk: int
    notes: tuple[str, ...]
    made: str = ""

    def as_dict(self) -> Mapping[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def text(self) -> str:
        """For people."""
        lines = [f"{self.source}: {self.frames} frames in {self.shots} shot{'s' * (self.shots != 1)}"]
        for w in self.windows:
            lines.append(
                f"  shot {w.shot}, frames {w.first}-{w.last}: {w.frames} frames to fill, {w.share:.1%} of the picture, "
                f"{w.never_seen:.0%} of it never seen in another frame"
            )
        if self.made:
            lines.append(f"  {self.made}")
        elif not self.windows:
            lines.append("  nothing is masked: the file would be written with every sample unchanged")
        time_text = "unknown" if self.seconds is None else _duration(self.seconds)
        lines.append(
            f"  expected: {time_text}, {self.memory / 2**30:.1f} GiB of memory, {self.disk / 2**20:.0f} MiB of disk"
        )
        return "\n".join(lines + [f"  note: {n}" for n in self.notes])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def dry_run(job: Job) -> DryRun:
    """Look at a job without doing it; shots and masks that it works out are kept for the real run.

    Raises:
        UserError: The job cannot work; the same errors as the real run's.
    """
    with explained(Needs.of(job)) as needs:
        return _dry_run(job, needs)


def _dry_run(job: Job, needs: Needs) -> DryRun:
    run = open_run(job)
    notes = needs.learn(run)
    with run.workspace.locked():
        notes += run.preflight()
        for stage in run.spec.stages:
            if stage.name in ("decode", "find", "shots", "masks"):
                (run.do_clip if stage.scope is Scope.CLIP else run.do_windows)(stage)
        if maker_of(run.spec) is not None:
            return _remade(run, notes)
        windows = run.windows()
        masked = [w for w in windows.windows if run.read("masks", w).box is not None]
        plans = tuple(_look(run, w) for w in masked)
        seconds = job.budget or _expected_seconds(run, masked)
    memory, disk = _sizes(run, masked)
    notes += search_notes(run) + write_beside(run)
    return DryRun(
        source=str(job.inputs.source),
        frames=len(run.handles["frames"]),
        shots=len(windows.shots),
        windows=plans,
        seconds=seconds,
        memory=memory,
        disk=disk,
        notes=tuple(notes),
    )


def _remade(run: Run, notes: list[str]) -> DryRun:
    """The answer where every picture is made anew."""
    windows, frames, out = run.windows(), len(run.handles["frames"]), run.out
    stage = maker_of(run.spec)
    width, height = shown_size(out)
    made = f"every picture made anew by {stage.config.method}, {width}x{height}" if stage else ""
    seconds = run.job.budget or trial_seconds(run)
    plan = run.memory
    return DryRun(
        source=str(run.job.inputs.source),
        frames=frames,
        shots=len(windows.shots),
        windows=(),
        seconds=seconds,
        memory=0 if plan is None else plan.needed(1, run.info.height, run.info.width),
        disk=remade_bytes(run.info, frames, run.spec),
        notes=tuple(notes),
        made=made,
    )


def _sizes(run: Run, masked: list[Window]) -> tuple[int, int]:
    """Peak memory and size of the workspace, bytes; one window's masks in memory at a time."""
    flow = run.spec.stage("flow")
    strides = len(flow.config.strides or ()) if flow else 0
    peak, disk = 0 if run.memory is None else run.memory.fixed(), 0
    for window in masked:
        track: MaskTrack = run.read("masks", window)
        peak = max(peak, 0 if run.memory is None else memory_bytes(run.memory, track))
        disk += workspace_bytes(track, strides)
    return peak, disk


def _small(run: Run, window: Window, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    track: MaskTrack = run.read("masks", window)
    area, masks = load_work_area(run.handles["frames"], window, track)
    size = working_size(area.shape[-2], area.shape[-1], side)
    return (area, masks) if size == tuple(area.shape[-2:]) else shrink(area, masks, size)


def _look(run: Run, window: Window) -> WindowPlan:
    track: MaskTrack = run.read("masks", window)
    holes = [k for k, m in enumerate(track.masks) if m.any()]
    return WindowPlan(
        shot=window.shot,
        first=window.start + holes[0],
        last=window.start + holes[-1],
        frames=len(holes),
        share=float(track.masks[holes].float().mean()),
        never_seen=_never_seen(*_small(run, window, LOOK_SIDE)),
    )


def _never_seen(frames: torch.Tensor, masks: torch.Tensor) -> float:
    """Share of the masked pixels that no chain of flow leads out of."""
    flow = reference_flow(frames, masks, (1,), dis_flow)
    return 1.0 - flow_copy(frames, masks, flow[1].flow, flow[-1].flow, FlowCopySettings(level_seams=False)).covered


def _expected_seconds(run: Run, masked: list[Window]) -> float | None:
    """Try the method for a few seconds on the window with the most masked pixels and scale its rate."""
    writing = writing_seconds(run.info, len(run.handles["frames"]), run.spec)
    stage = run.spec.stage("inpaint")
    if stage is None or not masked or stage.options is None:
        return writing
    weights = masked_pixels(run, masked)
    largest = max(masked, key=lambda w: weights[w.index])
    area, masks = _small(run, largest, 0)
    flow = run.spec.stage("flow")
    plain = None if flow is None else run.context(flow, largest, Budget(), 0.0, 0.0)
    fields = {} if flow is None or plain is None else flow.run(run.inputs(flow, largest), plain)["flow"].fields
    share, started = 0.0, time.monotonic()

    def watch(done: float, _text: str) -> None:
        nonlocal share
        share = done
        if time.monotonic() - started > TRIAL_SECONDS:
            raise _TrialOver

    side = min(run.info.width, run.info.height)
    request = FillRequest(stage.config.method, stage.options, stage.config.max_side, stage.config.copies, side)
    context = FitContext(seed=run.job.seed, device=run.device, progress=watch)
    try:
        fill_window(area, masks, fields, request, context)
        share = 1.0
    except _TrialOver:
        pass
    if share <= 0:
        return None
    rate = (time.monotonic() - started) / share / weights[largest.index]
    return writing + rate * sum(weights.values())
