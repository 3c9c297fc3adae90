"""One measured run in a process of its own: ``python -m vidinternal.bench.memory_child`` with a case as JSON on stdin.

A process's peak can only be asked for from its beginning on, so that every case needs a fresh one.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vidinternal.core.timecode import parse_region
from vidinternal.media.synthetic import moving_texture
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.stages.base import JobInputs

RATE = 25
"""Frames per second of the clips made here."""


@dataclass(frozen=True)
class MemoryCase:
    """A clip to make and to run.

    Attributes:
        name: In the table.
        method: Of stage ``inpaint``.
        size: Width and height, pixels.
        frames: How many.
        hole: Width and height of the hole, pixels.
        on: Frames the hole is there, of every ``every``.
        every: Frames from one beginning of the hole to the next.
        memory: ``--memory`` in bytes, or None for the default.
        sets: Settings of the pipeline.
    """

    name: str
    method: str
    size: tuple[int, int]
    frames: int
    hole: tuple[int, int]
    on: int
    every: int
    memory: int | None = None
    sets: tuple[str, ...] = ()


@dataclass
class Watch:
    """What the process holds, looked at whenever a stage tells how far it is.

    Attributes:
        stages: By stage, open files and threads at its first and at its last report.
    """

    stages: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def progress(self, stage: str, share: float, text: str) -> None:
        """Look."""
        del text
        seen = self.stages.setdefault(stage, [])
        now = (len(list(Path("/proc/self/fd").iterdir())), _status("Threads"))
        if share < 1.0 or not seen:
            seen[1 if seen else 0 :] = [now]

    def note(self, line: str) -> None:
        """Nothing."""

    def growth(self) -> tuple[int, int]:
        """Most files and threads that a stage had more at its last report than at its first."""
        grown = [(s[-1][0] - s[0][0], s[-1][1] - s[0][1]) for s in self.stages.values()]
        return max(g[0] for g in grown), max(g[1] for g in grown)


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) if found else 0


def make_clip(case: MemoryCase, path: Path) -> Path:
    """Write a case's clip."""
    return moving_texture(path, case.size, case.frames, RATE)


def job_of(case: MemoryCase, source: Path, folder: Path) -> Job:
    """The job of a case."""
    (width, height), (w, h) = case.size, case.hole
    place = f"{(width - w) // 2},{int(0.8 * (height - h))},{w},{h}"
    spans = [(start, min(start + case.on, case.frames)) for start in range(0, case.frames, case.every)]
    regions = tuple(parse_region(f"{place}@{a}-{b}") for a, b in spans)
    inputs = JobInputs(source, folder / "clean.mp4", regions=regions)
    sets = (f"inpaint.method={case.method}", *case.sets)
    return Job("inpaint", inputs, sets=sets, device="cpu", memory=case.memory, workspace=folder / "work")


def measure(case: MemoryCase, source: Path, folder: Path) -> dict[str, Any]:
    """Run a case here and tell what it took."""
    watch, began = Watch(), time.monotonic()
    result = run_job(job_of(case, source, folder), watch)
    files, threads = watch.growth()
    windows = [w for shot in result.record["shots"] for w in shot["windows"]]
    return {
        "case": case.name,
        "method": case.method,
        "frames": case.frames,
        "peak_mib": round(_status("VmHWM") / 1024),
        "limit_mib": result.record["memory"]["limit"] >> 20,
        "files_grown": files,
        "threads_grown": threads,
        "windows_filled": len(windows),
        "notes": [n for n in result.record["notes"] if "--memory" in n],
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Read ``{"case", "source", "folder", "make"}``; make the clip, or run it and write the row."""
    asked = json.loads(sys.stdin.read())
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in asked["case"].items()}
    case, source = MemoryCase(**given), Path(asked["source"])
    row = {"made": str(make_clip(case, source))} if asked["make"] else measure(case, source, Path(asked["folder"]))
    sys.stdout.write(json.dumps(row))


def question(case: MemoryCase, source: Path, folder: Path, *, make: bool) -> str:
    """What :func:`main` reads."""
    return json.dumps({"case": asdict(case), "source": str(source), "folder": str(folder), "make": make})


if __name__ == "__main__":
    main()
