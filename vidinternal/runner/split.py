"""A part of a clip: some of its windows, made in the clip's own workspace while others make the rest.

Parts begin where shots do, so that no window of one needs a window of another; what they leave is what a run of the
whole clip would have made, under the same keys, and that run then finds it there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from vidinternal.core.stop import Interrupted, Stop
from vidinternal.runner import starts as warm
from vidinternal.runner.job import Job, JobResult, Observer
from vidinternal.runner.resources import Needs, explained
from vidinternal.runner.run import Run, open_run
from vidinternal.stages.base import Scope

if TYPE_CHECKING:
    from vidinternal.core.clip import Window
    from vidinternal.stages.artifacts import Windows
    from vidinternal.stages.base import Stage


@dataclass(frozen=True)
class PartJob(Job):
    """A job on some windows of a clip.

    Attributes:
        first: Index of the first window.
        end: Index behind the last one.
    """

    first: int = 0
    end: int = 0


@dataclass
class PartRun(Run):
    """A run that works on some windows alone."""

    only: range = range(0)

    def there(self, stage: Stage, part: str) -> bool:
        """Windows of other parts count as done."""
        kind, _, number = part.partition("-")
        return (kind == "window" and int(number) not in self.only) or super().there(stage, part)

    def read(self, artifact: str, window: Window | None) -> Any:
        """Windows of other parts have nothing to tell: a part begins with a shot."""
        if window is not None and window.index not in self.only:
            return None
        return super().read(artifact, window)


def cut_into_windows(job: Job) -> Windows:
    """How a clip is cut, from the stages before its windows; kept in the workspace.

    Raises:
        UserError: The job cannot be done.
    """
    with explained(Needs.of(job)) as needs:
        needs.check_places()
        run = open_run(job)
        with run.workspace.locked():
            run.preflight()
            _clip_stages(run)
            return run.windows()


def parts_of(windows: Windows, most: int) -> list[range]:
    """Runs of whole shots, as even in frames as that allows.

    Args:
        windows: How the clip is cut.
        most: Parts at most.

    Returns:
        The indices of each part's windows.
    """
    firsts = [min(w.index for w in windows.windows if w.shot == s.index) for s in windows.shots]
    ends = [*firsts[1:], len(windows.windows)]
    total, most = windows.shots[-1].end, min(most, len(windows.shots))
    parts: list[range] = []
    begun = 0
    for place, shot in enumerate(windows.shots):
        left = len(windows.shots) - place - 1
        fair = shot.end * most >= total * (len(parts) + 1)
        if fair or left <= most - len(parts) - 1:  # else too few shots would be left for the others
            parts.append(range(firsts[begun], ends[place]))
            begun = place + 1
    return parts


def run_part(job: PartJob, observer: Observer | None = None, stop: Stop | None = None) -> JobResult:
    """Make the results of a part's windows.

    Returns:
        A result that stands for no file, with a record that only counts the seconds.

    Raises:
        UserError: Something about the job cannot work.
        Interrupted: ``stop`` was asked; whatever was finished is kept.
    """
    with explained(Needs.of(job)):
        whole = open_run(Job(**{f.name: getattr(job, f.name) for f in fields(Job)}), observer, stop)
        given = {f.name: getattr(whole, f.name) for f in fields(Run) if f.init}
        run = PartRun(**given, only=range(job.first, job.end))
        with run.workspace.shared():
            warm.prepare(run)
            _clip_stages(run)
            for stage in _window_stages(run):
                if run.stop.asked:
                    raise Interrupted(f"before stage {stage.name}")
                run.do_windows(stage)
                run.observer.progress(stage.name, 1.0, "done")
    record = {"seconds": round(run.budget.elapsed(), 3), "shots": [], "notes": []}
    return JobResult("done", job.inputs.destination, record, run.workspace.folder / "run.json")


def _clip_stages(run: Run) -> None:
    for stage in run.spec.stages:
        if stage.scope is not Scope.CLIP:
            return
        run.do_clip(stage)


def _window_stages(run: Run) -> list[Stage]:
    """The stages on windows that follow those on the clip, up to the next on the clip."""
    found: list[Stage] = []
    for stage in run.spec.stages:
        if stage.scope is Scope.WINDOW:
            found.append(stage)
        elif found:
            break
    return found
