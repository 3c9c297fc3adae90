"""One clip through its stages: resumed where it was left, inside its time, recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidinternal.core.budget import Budget
from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.errors import BudgetError
from vidinternal.core.seeds import branch
from vidinternal.media.probe import probe
from vidinternal.runner.estimate import writing_seconds
from vidinternal.runner.job import Job, JobResult, Observer, Silent, pick_device
from vidinternal.runner.record import describe_run
from vidinternal.runner.spec import PipelineSpec, load_pipeline, stage_settings
from vidinternal.runner.workspace import Series, Workspace, code_digest, digest, file_digest, part_name
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.base import Scope, Stage, StageContext

if TYPE_CHECKING:
    import torch


LEAST_SECONDS = 1.0
"""What a window gets when the others have used up the time: enough for the cheapest fill."""


@dataclass
class Run:
    """The state of one clip's run.

    Attributes:
        job: What was asked.
        spec: The pipeline.
        info: The clip.
        workspace: Where artifacts are kept.
        device: Where to compute.
        budget: The whole run's time.
        observer: Gets told.
        keys: The key of every stage's results.
        handles: Artifacts that are not stored.
        timings: Seconds each stage took in this run.
        filled: Windows filled in this run.
    """

    job: Job
    spec: PipelineSpec
    info: ClipInfo
    workspace: Workspace
    device: torch.device
    budget: Budget
    observer: Observer
    keys: Mapping[str, str]
    handles: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    filled: int = 0

    def maker(self, artifact: str) -> Stage:
        """The stage that writes an artifact."""
        return next(s for s in self.spec.stages if artifact in s.writes)

    def windows(self) -> Windows:
        """How the clip is cut; only after the stage that writes it has run."""
        return self.read("windows", None)  # pyright: ignore[reportReturnType]

    def read(self, artifact: str, window: Window | None) -> Any:
        """An artifact for a stage that works on ``window``, or on the clip when None."""
        maker = self.maker(artifact)
        if not maker.kept:
            return self.handles[artifact]
        key = self.keys[maker.name]
        if maker.scope is Scope.CLIP:
            return self.workspace.load(maker.name, key, part_name(None), artifact)
        if window is None:
            return Series(self.workspace, maker.name, key, artifact, len(self.windows().windows))
        return self.workspace.load(maker.name, key, part_name(window.index), artifact)

    def inputs(self, stage: Stage, window: Window | None) -> dict[str, Any]:
        """Everything a stage reads and recalls."""
        inputs = {name: self.read(name, window) for name in stage.reads}
        if window is not None and stage.recalls:
            windows = self.windows().windows
            before = windows[window.index - 1] if window.index else None
            inputs |= {f"previous:{name}": before and self.read(name, before) for name in stage.recalls}
        return inputs

    def context(self, stage: Stage, window: Window | None, budget: Budget, offset: float, share: float) -> StageContext:
        """The context of one call; its progress fills ``share`` of the stage's bar from ``offset`` on."""
        place = (stage.name,) if window is None else (stage.name, window.index)
        return StageContext(
            job=self.job.inputs,
            info=self.info,
            device=self.device,
            seed=branch(self.job.seed, *place),
            window=window,
            budget=budget,
            progress=lambda done, text: self.observer.progress(stage.name, offset + share * min(done, 1.0), text),
        )

    def preflight(self) -> list[str]:
        """Refuse, before any work, what cannot work; notes a person should read."""
        return [n for s in self.spec.stages for n in s.preflight(self.context(s, None, self.budget, 0.0, 0.0))]

    def do_clip(self, stage: Stage) -> None:
        """Run a clip-scoped stage unless its result is there."""
        key = self.keys[stage.name]
        if stage.kept and self.workspace.has(stage.name, key, part_name(None)):
            return
        made = stage.run(self.inputs(stage, None), self.context(stage, None, self.budget, 0.0, 1.0))
        if stage.kept:
            self.workspace.save(stage.name, key, part_name(None), made)
        else:
            self.handles |= made

    def do_windows(self, stage: Stage) -> None:
        """Run a window-scoped stage on every window whose result is not there."""
        key = self.keys[stage.name]
        windows = self.windows().windows
        todo = [w for w in windows if not self.workspace.has(stage.name, key, part_name(w.index))]
        weights = self.weights(todo) if stage.timed else {w.index: float(len(w)) for w in todo}
        total = sum(weights.values()) or 1.0
        done = 0.0
        for window in todo:
            weight = weights[window.index]
            budget = self.share(weight / max(total - done, weight, 1e-9)) if stage.timed and weight else Budget()
            context = self.context(stage, window, budget, done / total, weight / total)
            made = stage.run(self.inputs(stage, window), context)
            self.workspace.save(stage.name, key, part_name(window.index), made)
            self.filled += bool(stage.timed and weight)
            done += weight
            self.observer.progress(stage.name, done / total, f"{window.index + 1} of {len(windows)} windows")

    def weights(self, todo: Sequence[Window]) -> dict[int, float]:
        """Share of the time each window gets: its masked pixels."""
        return {w.index: float(self.read("masks", w).masks.sum()) for w in todo}

    def share(self, fraction: float) -> Budget:
        """Time for a window: a fraction of what is left after the writing, and a second when none is.

        Raises:
            BudgetError: Nothing is left, and nothing has been filled that would be lost.
        """
        if self.budget.seconds is None:
            return Budget()
        reserve = writing_seconds(self.info, len(self.handles["frames"]), self.spec)
        left = self.budget.remaining() - reserve
        if left <= 0 and self.filled:
            return Budget(LEAST_SECONDS)
        if left <= 0:
            raise BudgetError(
                f"{self.job.inputs.source}: no time left to fill anything",
                expected=f"a budget above about {self.budget.elapsed() + reserve:.0f} s for this clip",
                got=f"{self.budget.seconds:.0f} s",
                hint="give a longer --budget; what is done so far is kept and resumed",
            )
        return Budget(left * fraction)


def stage_keys(job: Job, spec: PipelineSpec, device: str) -> dict[str, str]:
    """The key of every stage: a digest of source, settings, seed, code, and of all it reads."""
    job_parts: dict[str, Any] = {
        "mask": file_digest(job.inputs.mask) if job.inputs.mask else None,
        "regions": [repr(r) for r in job.inputs.regions],
        "mask_fit": job.inputs.mask_fit,
        "destination": str(job.inputs.destination.resolve()),
    }
    source = file_digest(job.inputs.source)
    keys: dict[str, str] = {}
    for stage in spec.stages:
        upstream = [keys[s.name] for s in spec.stages if s.name in keys and set(s.writes) & set(stage.reads)]
        keys[stage.name] = digest(
            [
                [stage.name, stage_settings(stage), upstream, source, code_digest(), job.seed, device],
                {name: job_parts[name] for name in stage.from_job},
                job.budget if stage.timed else None,
            ]
        )
    return keys


def open_run(job: Job, observer: Observer | None = None) -> Run:
    """Everything that is known of a job before any work is done.

    Raises:
        UserError: The pipeline, the clip or the device cannot be used.
    """
    budget = Budget(job.budget)
    spec = load_pipeline(job.pipeline, job.sets)
    info = probe(job.inputs.source)
    device = pick_device(job.device)
    workspace = Workspace(job.workspace_root() / f"{info.path.stem}-{file_digest(info.path)}")
    keys = stage_keys(job, spec, device.type)
    return Run(job, spec, info, workspace, device, budget, observer or Silent(), keys)


def run_job(job: Job, observer: Observer | None = None) -> JobResult:
    """Run one clip through its pipeline; results of an earlier, unfinished run are taken up.

    Args:
        job: What to do.
        observer: Gets told how it goes on.

    Returns:
        The finished job; ``already done`` when the destination is what this very job would make.

    Raises:
        UserError: Something about the job cannot work; whatever was finished is kept.
    """
    run = open_run(job, observer)
    workspace, keys = run.workspace, run.keys
    name = f"run-{digest(keys)}.json"
    with workspace.locked():
        if job.fresh:
            workspace.forget(keys)
        elif (finished := _finished(workspace, name, job.inputs.destination)) is not None:
            return JobResult("already done", job.inputs.destination, finished, workspace.folder / name)
        notes = run.preflight()
        job.inputs.destination.parent.mkdir(parents=True, exist_ok=True)
        _forget_lost_result(run)
        for stage in run.spec.stages:
            started = time.monotonic()
            (run.do_clip if stage.scope is Scope.CLIP else run.do_windows)(stage)
            run.timings[stage.name] = round(time.monotonic() - started, 3)
            run.observer.progress(stage.name, 1.0, "done")
        record = describe_run(run, notes)
        workspace.write_json(name, record)
        return JobResult("done", job.inputs.destination, record, workspace.write_json("run.json", record))


def _finished(workspace: Workspace, name: str, destination: Path) -> Mapping[str, Any] | None:
    """The record of this very job, if the file it wrote is still there unchanged."""
    record = workspace.read_json(name)
    if record is None or not destination.is_file():
        return None
    return record if record["output"]["digest"] == file_digest(destination) else None


def _forget_lost_result(run: Run) -> None:
    """A stored account of a file that is gone or changed must not stand for it."""
    for stage in run.spec.stages:
        if "destination" in stage.from_job:
            run.workspace.forget({stage.name: run.keys[stage.name]})
