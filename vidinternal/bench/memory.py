"""Bench ``memory``: peak memory, open files and threads; a long clip beside a short one, and large pictures.

The peak is the kernel's ``VmHWM`` of a fresh process. The long clip has its hole for two seconds of every thirty, as
captions and logos that come and go; everything else in it must cost no training and no memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.memory_child import RATE, MemoryCase, question
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError

COLUMNS = (
    Column("case", "clip"),
    Column("method", "method"),
    Column("frames", "frames"),
    Column("limit_mib", "--memory MiB"),
    Column("peak_mib", "peak MiB"),
    Column("share", "peak / allowed", 2),
    Column("ratio", "peak / that of 20 s", 2),
    Column("files_grown", "more files"),
    Column("threads_grown", "more threads"),
    Column("seconds", "seconds", 0),
)
SHORT_SECONDS = 20
RATIO = 1.3
"""What the long clip may take, in peaks of the short one."""
_QUICK = ("encode.preset=fast",)
_TRAINED = ("inpaint.iterations=20", *_QUICK)


def cases_of(options: BenchOptions) -> tuple[MemoryCase, ...]:
    """The cases; the first two are the short and the long clip."""
    long = round(options.minutes * 60)
    name = f"{options.minutes:g} min"

    def clip(title: str, seconds: int) -> MemoryCase:
        frames = seconds * RATE
        hole, often = (160, 64), (2 * RATE, 30 * RATE)
        return MemoryCase(f"720p {title}", "propagation", (1280, 720), frames, hole, *often, 3 << 30, _QUICK)

    return (
        clip("20 s", SHORT_SECONDS),
        clip(name, long),
        MemoryCase("1080p 40 frames", "internal", (1920, 1080), 40, (480, 120), 40, 40, 3 << 30, _TRAINED),
        MemoryCase("4K 24 frames", "internal", (3840, 2160), 24, (480, 160), 24, 24, 5 << 30, _TRAINED),
    )


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Measure all cases, each in a process of its own.

    Args:
        options: ``minutes`` of the long clip; ``cases`` chooses by words of their names.
        progress: Tells how far it is.

    Raises:
        UsageError: No case has one of the wanted words in its name, or a run failed.
    """
    wanted = [c for c in cases_of(options) if not options.cases or any(word in c.name for word in options.cases)]
    if not wanted:
        known = ", ".join(c.name for c in cases_of(options))
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    rows: list[dict[str, Any]] = []
    for place, case in enumerate(wanted):
        progress(place / len(wanted), case.name)
        rows.append(measured(case))
    progress(1.0, "done")
    short = next((r["peak_mib"] for r in rows if r["case"] == "720p 20 s"), None)
    for row in rows:
        row["share"] = row["peak_mib"] / row["limit_mib"]
        row["ratio"] = row["peak_mib"] / short if short and row["case"].startswith("720p") else None
    notes = (
        f"Allowed: the long clip {RATIO} times the peak of the short one, all of them their --memory. The 720p clips "
        "have a hole of 160x64 pixels for 2 s of every 30 s; the others one of 480x120 and 480x160 throughout.",
    )
    return BenchResult(
        bench="memory",
        options=options.model_dump(mode="json") | {"width": 1280, "height": 720, "frames": rows[-1]["frames"]},
        columns=COLUMNS,
        summary=rows,
        rows=rows,
        notes=notes,
    )


def measured(case: MemoryCase) -> dict[str, Any]:
    """Make a case's clip and run it, each in a fresh process; the row.

    Raises:
        UsageError: The run failed; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="vidinternal-memory-") as name:
        folder = Path(name)
        source = folder / "clip.mp4"
        _child(question(case, source, folder, make=True))
        return _child(question(case, source, folder, make=False))


def _child(asked: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "vidinternal.bench.memory_child"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UsageError("bench memory", expected="a run that ends well", got=last)
    return json.loads(done.stdout)
