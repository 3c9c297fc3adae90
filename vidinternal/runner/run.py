"""One clip through its stages: resumed where it was left, inside its time, recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidinternal.core.budget import Budget
from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.contracts import Progress
from vidinternal.core.errors import BudgetError
from vidinternal.core.seeds import branch
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.learn.resume import CheckpointSettings, FileCheckpoints
from vidinternal.media.mask_source import check_path
from vidinternal.media.probe import probe
from vidinternal.media.stills.image_sequence import names_many
from vidinternal.runner import private
from vidinternal.runner import starts as warm
from vidinternal.runner.bookkeeping import (
    begin,
    end,
    finished_before,
    forget_lost_result,
    forget_state_of_output,
    say_why,
    writes_output,
)
from vidinternal.runner.job import Job, JobResult, Observer, Silent, pick_device
from vidinternal.runner.keys import Parts, stage_keys, stage_parts
from vidinternal.runner.ledger import Ledger
from vidinternal.runner.memory import give_back, memory_limit, memory_part, memory_plan
from vidinternal.runner.record import describe_run
from vidinternal.runner.resources import Needs, explained
from vidinternal.runner.shares import time_for, window_weights
from vidinternal.runner.spec import PipelineSpec, load_pipeline
from vidinternal.runner.workspace import Series, Workspace, digest, file_digest, part_name
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.memory import MemoryPlan
from vidinternal.stages.output_clip import written
from vidinternal.stages.preview import write_strip

if TYPE_CHECKING:
    import torch


PREVIEW = "preview.png"
"""In the workspace: what the fill at work looks like for now."""
SCRATCH = "scratch"
"""Beside a window's checkpoints: what its stage writes that is too large for memory."""


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
        ledger: What is remembered of the job from run to run.
        parts: What every stage's results depend on.
        stop: Whether somebody asked to stop.
        keys: The key of every stage's results.
        said: Why stages are made again, and what was damaged; for a person.
        handles: Artifacts that are not stored.
        timings: Seconds each stage took in this run.
        filled: Windows filled in this run.
        memory: What it may take.
        starts: Finished windows of other clips that it may start from.
    """

    job: Job
    spec: PipelineSpec
    info: ClipInfo
    workspace: Workspace
    device: torch.device
    budget: Budget
    observer: Observer
    ledger: Ledger
    parts: Parts
    stop: Stop = field(default_factory=Stop)
    keys: Mapping[str, str] = field(init=False)
    said: list[str] = field(default_factory=list)
    handles: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    filled: int = 0
    memory: MemoryPlan | None = None
    starts: warm.Taken = field(default_factory=warm.Taken)

    def __post_init__(self) -> None:
        """Work out the keys."""
        self.take(self.parts)

    def parts_of(self, again: int, listed: warm.Listed | None = None) -> Parts:
        """What the results of a making anew depend on, with this list of finished windows or the present one."""
        memory = None if self.memory is None else memory_part(self.memory, self.spec, self.info)
        listed = self.starts.listed if listed is None else listed
        return stage_parts(self.job, self.spec, self.device.type, again, memory, listed)

    def take(self, parts: Parts) -> None:
        """Take what the results depend on."""
        self.parts, self.keys = parts, stage_keys(parts)

    @property
    def out(self) -> ClipInfo:
        """The clip that is written: the source with pictures of the size that is made."""
        return written(self.spec.stages, self.info)

    @property
    def name(self) -> str:
        """16 hex digits of everything this run makes."""
        return digest(dict(self.keys))

    @property
    def token(self) -> str:
        """16 hex digits that stay the same for this workspace and destination; for names of unfinished files."""
        return digest([str(self.workspace.folder.resolve()), str(self.job.inputs.destination.resolve())])

    def say(self, line: str) -> None:
        """Tell a person, now and in the record."""
        if line not in self.said:
            self.said.append(line)
            self.observer.note(line)

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
        made = {a for s in self.spec.stages for a in s.writes}
        inputs |= {name: self.read(name, window) if name in made else None for name in stage.uses}
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
            progress=self._progress(stage, offset, share),
            token=self.token,
            memory=self.memory,
            preview=write_strip(self.workspace.folder / PREVIEW, self.observer.note),
        )

    def _progress(self, stage: Stage, offset: float, share: float) -> Progress:
        def tell(done: float, text: str) -> None:
            # a window comes to its end or saves its state; the clip as a whole has no such place
            if stage.scope is Scope.CLIP and self.stop.overdue:
                raise Interrupted(f"stage {stage.name} goes on from what it has kept")
            self.observer.progress(stage.name, offset + share * min(done, 1.0), text)

        return tell

    def there(self, stage: Stage, part: str) -> bool:
        """Whether a result is there, whole; a damaged one is told."""
        found = self.workspace.has(stage.name, self.keys[stage.name], part)
        for damaged in self.workspace.damaged:
            self.say(f"damaged in the workspace and made again: {damaged}")
        return found

    def preflight(self) -> list[str]:
        """Refuse, before any work, what cannot work; notes a person should read."""
        return [n for s in self.spec.stages for n in s.preflight(self.context(s, None, self.budget, 0.0, 0.0))]

    def do_clip(self, stage: Stage) -> None:
        """Run a clip-scoped stage unless its result is there."""
        key = self.keys[stage.name]
        if stage.kept and self.there(stage, part_name(None)):
            return
        context = self.context(stage, None, self.budget, 0.0, 1.0)
        if stage.kept:
            context = replace(context, checkpoint=self._checkpoints(stage, None, self.budget))
        made = stage.run(self.inputs(stage, None), context)
        if stage.kept:
            self.workspace.save(stage.name, key, part_name(None), made, with_state=writes_output(stage))
        else:
            self.handles |= made

    def do_windows(self, stage: Stage) -> None:
        """Run a window-scoped stage on every window whose result is not there."""
        key = self.keys[stage.name]
        windows = self.windows().windows
        todo = [w for w in windows if not self.there(stage, part_name(w.index))]
        weights = window_weights(self, stage, todo)
        total = sum(weights.values()) or 1.0
        done = 0.0
        self.filled += (len(windows) - len(todo)) if stage.timed else 0
        for window in todo:
            if self.stop.asked:
                raise Interrupted(f"{len(windows) - len(todo) + todo.index(window)} of {len(windows)} windows")
            weight = weights[window.index]
            share = weight / max(total - done, weight, 1e-9) if stage.timed and weight else None
            context = self.window_context(stage, window, share, done / total, weight / total)
            made = self._interruptible(stage, window, len(windows), context)
            self.workspace.save(stage.name, key, part_name(window.index), made)
            del made
            give_back()
            self.filled += bool(stage.timed and weight)
            done += weight
            self.note_time()
            self.observer.progress(stage.name, done / total, f"{window.index + 1} of {len(windows)} windows")

    def _interruptible(self, stage: Stage, window: Window, count: int, context: StageContext) -> Mapping[str, Any]:
        try:
            return stage.run(self.inputs(stage, window), context)
        except Interrupted as stopped:
            where = f"window {window.index + 1} of {count}"
            raise Interrupted(f"{where} of stage {stage.name}: {stopped.message}") from None

    def window_context(
        self, stage: Stage, window: Window, share: float | None, offset: float, weight: float
    ) -> StageContext:
        """The context of one window; time that a killed run spent on it counts, and its last checkpoint is there.

        Args:
            stage: A window-scoped stage.
            window: The window.
            share: Its share of the time that is left, or None for a stage that takes what it needs.
            offset: Share of the stage's bar that is done.
            weight: Share of the stage's bar that the window fills.
        """
        spent = self._checkpoints(stage, window, Budget()).spent()
        budget = Budget()
        if share is not None:
            self.filled += spent is not None
            self.budget.charge(spent or 0.0)
            budget = time_for(self, share)
            if budget.seconds is not None and spent:
                budget = Budget(budget.seconds + spent).charge(spent)
        context = self.context(stage, window, budget, offset, weight)
        finished = warm.finished(self, stage, window)
        kept = self._checkpoints(stage, window, budget)
        return replace(context, checkpoint=kept, finished=finished, scratch=kept.folder / SCRATCH)

    def _checkpoints(self, stage: Stage, window: Window | None, budget: Budget) -> FileCheckpoints:
        """Where a stage keeps its state until its result is there."""
        part = part_name(None if window is None else window.index)
        folder = self.workspace.checkpoint_folder(stage.name, self.keys[stage.name], part)
        if stage.state_outlives:
            made_of = {k: v for k, v in self.parts[stage.name].items() if k not in stage.from_job}
            folder = self.workspace.folder / f"{stage.name}-state-{digest(made_of)}"
        place = "" if window is None else f"window {window.index + 1} of "
        what = "what it held" if window is None else "its training"
        damaged = f"of {place}stage {stage.name}; {what} begins again"
        settings = CheckpointSettings(
            stop=self.stop, budget=budget, damaged=lambda name: self.say(f"damaged in the workspace: {name} {damaged}")
        )
        return FileCheckpoints(folder, settings)

    def note_time(self) -> None:
        """Remember the time spent, so that a run that is killed goes on with what was left."""
        if self.budget.seconds is not None:
            self.ledger.spent = {self.name: self.budget.elapsed()}
            self.ledger.save()


def open_run(job: Job, observer: Observer | None = None, stop: Stop | None = None) -> Run:
    """Everything that is known of a job before any work is done.

    Raises:
        UserError: The pipeline, the clip or the device cannot be used.
    """
    budget = Budget(job.budget)
    spec = load_pipeline(job.pipeline, job.sets)
    if job.inputs.mask is not None:
        check_path(job.inputs.mask)
    decode = spec.stage("decode")
    info = probe(job.inputs.source, decode.config.policy if decode else None)
    device = pick_device(job.device)
    ledger = Ledger.of(job)
    workspace = Workspace(job.workspace_root() / f"{_name(info.path)}-{file_digest(info.path)}")
    made = written(spec.stages, info)
    memory = memory_plan(memory_limit(job, workspace), spec, info.width * info.height, made.width * made.height)
    found = warm.taken(job, spec, ledger)
    again, limited = ledger.generation(job.fresh), memory_part(memory, spec, info)
    parts = stage_parts(job, spec, device.type, again, limited, found.listed)
    told = observer or Silent()
    state = (workspace, device, budget, told, ledger, parts, stop or Stop())
    return Run(job, spec, info, *state, memory=memory, starts=found)


def run_job(job: Job, observer: Observer | None = None, stop: Stop | None = None) -> JobResult:
    """Run one clip through its pipeline; results of an earlier, unfinished run are taken up.

    With ``job.fresh`` everything is made again beside the earlier results, which are dropped when the new ones are
    done; a making anew that was interrupted is gone on with.

    Args:
        job: What to do.
        observer: Gets told how it goes on.
        stop: Ends the run early, at a place where nothing is lost, once it is asked.

    Returns:
        The finished job; ``already done`` when the destination is what this very job would make.

    Raises:
        UserError: Something about the job cannot work; whatever was finished is kept.
        Interrupted: ``stop`` was asked; whatever was finished is kept.
    """
    with explained(Needs.of(job)) as needs:
        needs.check_places()
        run = open_run(job, observer, stop)
        with private.kept_for_now(run):
            return _run(run, needs)


def _run(run: Run, needs: Needs) -> JobResult:
    job = run.job
    with run.workspace.locked():
        begin(run)
        name = f"run-{run.name}.json"
        finished = None if job.fresh else finished_before(run.workspace, name, job.inputs.destination)
        if finished is not None:
            forget_state_of_output(run)
            warm.publish(run)
            return private.finished(
                run, JobResult("already done", job.inputs.destination, finished, run.workspace.folder / name)
            )
        warm.prepare(run)
        notes = run.preflight() + needs.learn(run)
        forget_lost_result(run)
        say_why(run)
        for stage in run.spec.stages:
            if run.stop.asked:
                raise Interrupted(f"before stage {stage.name}")
            started = time.monotonic()
            try:
                (run.do_clip if stage.scope is Scope.CLIP else run.do_windows)(stage)
            except BudgetError:
                run.ledger.spent = {}  # the same command gets its whole time again
                run.ledger.save()
                raise
            run.timings[stage.name] = round(time.monotonic() - started, 3)
            if stage.carries:
                warm.publish(run)
            run.note_time()
            run.observer.progress(stage.name, 1.0, "done")
            notes += needs.check_workspace(run) if "masks" in stage.writes else []
        end(run)
        record = describe_run(run, notes)
        run.workspace.write_json(name, record)
        path = run.workspace.write_json("run.json", record)
        forget_state_of_output(run)
        return private.finished(run, JobResult("done", job.inputs.destination, record, path))


def _name(path: Path) -> str:
    return path.resolve().parent.name if names_many(path) else path.stem
