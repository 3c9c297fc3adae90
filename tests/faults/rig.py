"""Runs that are killed: a process without threads that forks a child for every run and kills it where it is told.

``python -m tests.faults.rig SCRATCH`` reads lines, each a JSON list of runs, and answers each with a JSON list of what
came of them. A child counts *events* of each stage: it begins or ends, tells its progress, takes a training step,
flushes a file or gives one its name. At the event it is told it sends itself SIGKILL; a power cut also takes away what
was not flushed before.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vidinternal.core.timecode import parse_region
from vidinternal.learn.resume import CheckpointSettings
from vidinternal.media import segments, verify_samples
from vidinternal.media.writer import Writer
from vidinternal.methods import inpaint_method
from vidinternal.runner import run as runner
from vidinternal.runner.job import Job, Silent
from vidinternal.runner.keys import stage_parts
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages import stage_class
from vidinternal.stages.base import JobInputs, Stage

SEGMENT = 3
"""Frames of a segment of the file written; long clips have far longer ones."""
STAGES = ("decode", "shots", "masks", "flow", "inpaint", "composite", "encode")


class Disk:
    """Remembers what has been flushed, and takes the rest away.

    Args:
        root: Everything below is looked after; what is there now counts as flushed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: set[tuple[int, int, int]] = set()
        self.names: dict[int, dict[str, int]] = {}
        for folder, _, files in os.walk(root):
            self.names[Path(folder).stat().st_ino] = self._listing(Path(folder))
            self.files |= {self._content(Path(folder) / name) for name in files}

    @staticmethod
    def _listing(folder: Path) -> dict[str, int]:
        return {p.name: p.stat().st_ino for p in folder.iterdir()}

    @staticmethod
    def _content(path: Path | int) -> tuple[int, int, int]:
        found = os.fstat(path) if isinstance(path, int) else path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def flushed(self, handle: int) -> None:
        """A file or folder has been flushed."""
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            self.names[path.stat().st_ino] = self._listing(path)
        else:
            self.files.add(self._content(handle))

    def cut(self) -> None:
        """Empty every file that was not flushed, and remove every name that was not."""
        for folder, folders, files in os.walk(self.root, topdown=True):
            here = Path(folder)
            known = self.names.get(here.stat().st_ino, {})
            for name in [*folders, *files]:
                path = here / name
                if known.get(name) != path.stat().st_ino:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    if name in folders:
                        folders.remove(name)
                elif path.is_file() and self._content(path) not in self.files:
                    path.write_bytes(b"")


class Watcher(Silent):
    """Counts events by stage, and kills the process at one of them.

    Args:
        kill: ``(stage, number)`` of the event to die at, or None.
        disk: Loses what was not flushed at that moment; None for a process that dies alone.
    """

    def __init__(self, kill: tuple[str, int] | None, disk: Disk | None) -> None:
        self.kill, self.disk = kill, disk
        self.stage = "decode"
        self.events: Counter[str] = Counter()
        self.steps = 0
        self.segments = 0
        self.windows: list[str] = []
        self.counted: type[torch.optim.Optimizer] = torch.optim.Adam

    def event(self) -> None:
        """Something happened."""
        self.events[self.stage] += 1
        if self.kill == (self.stage, self.events[self.stage]):
            if self.disk is not None:
                self.disk.cut()
            os.kill(os.getpid(), signal.SIGKILL)

    def progress(self, stage: str, share: float, text: str) -> None:
        self.event()

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Count an event before a call."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.event()
            return real(*arguments, **options)

        return call

    def install(self, every: float) -> None:
        """Hook in; the process ends with the run, so nothing is put back."""
        for name in STAGES:
            self._watch_stage(stage_class(name))

        def sync(handle: int) -> None:
            # a kill leaves the system's memory as it is, and what a power cut leaves is the disk's to say
            self.event()
            if self.disk is not None:
                self.disk.flushed(handle)

        os.fsync = sync
        Path.replace = self.before(Path.replace)
        segments._PIXELS, segments._LARGE_PACKETS, segments._LEAST = {}, 0, SEGMENT
        verify_samples.LONG = 0
        real_segment = Writer._segment

        def segment(own: Writer, *arguments: Any) -> Any:
            self.segments += 1
            return real_segment(own, *arguments)

        Writer._segment = segment  # pyright: ignore[reportAttributeAccessIssue]
        torch.optim.Adam.step = self._step(torch.optim.Adam.step)  # AdamW's too
        runner.CheckpointSettings = partial(CheckpointSettings, every=every)  # pyright: ignore

    def _step(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(own: torch.optim.Optimizer, *arguments: Any, **options: Any) -> Any:
            self.event()
            made = real(own, *arguments, **options)
            self.steps += isinstance(own, self.counted)
            return made

        return step

    def _watch_stage(self, stage: type[Stage]) -> None:
        real = stage.run

        def run(own: Stage, inputs: Any, context: Any) -> Any:
            self.stage = own.name
            window = "" if context.window is None else f" {context.window.index}"
            self.windows.append(f"{own.name}{window}")
            self.event()
            made = real(own, inputs, context)
            self.event()
            return made

        stage.run = run  # pyright: ignore[reportAttributeAccessIssue]


def job(asked: dict[str, Any]) -> Job:
    """The job of one entry of a plan."""
    inputs = JobInputs(Path(asked["source"]), Path(asked["out"]), regions=(parse_region("12,8,16,10"),))
    return Job("inpaint", inputs, sets=tuple(asked["sets"]), device="cpu", fresh=asked.get("fresh", False))


def child(asked: dict[str, Any], report: Path) -> None:
    """Do one run; its account is in ``report`` unless it was killed."""
    torch.set_num_threads(1)
    kill = tuple(asked["kill"]) if asked.get("kill") else None
    watcher = Watcher(kill, Disk(Path(asked["root"])) if asked.get("power_cut") else None)
    if "inpaint.method=internal" in asked["sets"]:
        watcher.counted = torch.optim.AdamW  # its generator's; the short fits of a look are done anew with the look
    watcher.install(asked.get("every", 0.0))
    steps = os.open(report.with_suffix(".steps"), os.O_WRONLY | os.O_CREAT)
    told = watcher.event

    def counted() -> None:
        os.pwrite(steps, f"{watcher.steps:8d}".encode(), 0)
        told()

    watcher.event = counted
    result = runner.run_job(job(asked), watcher)
    account = {
        "status": result.status,
        "events": watcher.events,
        "windows": watcher.windows,
        "segments": watcher.segments,
    }
    report.write_text(json.dumps(account | {"said": result.record["resumed"]}))


def do(asked: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """Fork a child for one run and wait for it."""
    report = scratch / "report.json"
    report.unlink(missing_ok=True)
    report.with_suffix(".steps").unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            child(asked, report)
        except BaseException:  # noqa: BLE001 - the child must not run on into the parent's code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    found = json.loads(report.read_text()) if report.is_file() else {}
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    steps = report.with_suffix(".steps")
    return {"killed": killed, "failed": bool(os.WIFEXITED(status) and os.WEXITSTATUS(status)), **found} | {
        "steps": int(steps.read_text() or 0) if steps.is_file() else 0
    }


def main() -> None:
    """Do the runs of every line's plan, one after another, and answer each with a line."""
    scratch = Path(sys.argv[1])
    # what is read here once is there for all children; nothing is run, for a process with threads cannot be forked
    for module in ("scipy.optimize", "scenedetect", "kornia", "torch._dynamo"):
        importlib.import_module(module)
    for line in sys.stdin:
        plan = json.loads(line)
        for asked in plan:
            spec = load_pipeline("inpaint", asked["sets"])
            inpaint_method(spec.settings()["inpaint"]["method"])
            stage_parts(job(asked), spec, "cpu")
        sys.stdout.write(json.dumps([do(asked, scratch) for asked in plan]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
