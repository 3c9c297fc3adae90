"""Bench ``batch``: clips an hour with one and two workers, what each engine costs a clip, and a model of a large run.

The model is a fluid one: a batch of many equal clips goes as fast as the slowest of what every clip needs: a worker's
time, the driver's time, and the bytes that go to and from shared storage. Before the first clip the plan is made, and
while a chain of clips passes weights on, its clips follow one another. Driver, worker and planning times are measured
here; clip length, bytes and bandwidth are stated with the table.
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError
from vidinternal.core.timecode import parse_region
from vidinternal.engines.account import Account, Row
from vidinternal.engines.base import Event, Outcome
from vidinternal.engines.batch import Batch, Entry
from vidinternal.engines.chains import MOST_DESCRIBED, describe_clip
from vidinternal.engines.many import Many, Piece, run_many
from vidinternal.engines.receipts import Receipts
from vidinternal.media.synthetic import moving_texture
from vidinternal.runner.job import Job, JobResult
from vidinternal.stages.base import JobInputs

COLUMNS = (
    Column("case", "what"),
    Column("workers", "workers"),
    Column("clips", "clips"),
    Column("per_hour", "clips/hour", 0),
    Column("speedup", "speed-up", 2),
    Column("overhead", "overhead s/clip", 3),
    Column("bound", "bound by"),
)
CLIPS = 6
EMPTY = 1000
"""Clips of nothing by which the driver's own time is measured."""
SETS = ("encode.codec=ffv1", "shots.detector=none", "inpaint.method=harmonic")


@dataclass(frozen=True)
class Model:
    """A large run.

    Attributes:
        clip: Seconds a worker takes for a clip, all of it.
        overhead: Seconds a worker takes beside its clip's work.
        driver: Seconds the driver takes for a clip.
        plan: Seconds to look at a clip for its place in a chain.
        moved: Bytes a clip moves to and from shared storage.
        bandwidth: Bytes a second of that storage.
        chain: Clips of a chain.
    """

    clip: float = 600.0
    overhead: float = 0.1
    driver: float = 0.001
    plan: float = 0.05
    moved: float = 400e6
    bandwidth: float = 1.25e9
    chain: int = 8

    def rates(self, workers: int) -> dict[str, float]:
        """Clips a second that each of what a clip needs could do."""
        return {
            "workers": workers / (self.clip + self.overhead),
            "driver": 1 / self.driver,
            "storage": self.bandwidth / self.moved,
        }

    def run(self, workers: int, clips: int) -> dict[str, Any]:
        """How long a batch takes and what bounds it.

        Args:
            workers: Jobs at the same time.
            clips: Clips, all alike.

        Returns:
            ``seconds``, ``per_hour``, ``bound``, and for each need its share in use, ``used``.
        """
        chains = math.ceil(clips / self.chain)
        rates = self.rates(min(workers, chains))
        bound = min(rates, key=lambda need: rates[need])
        # the last chains run out together: on average half a chain of work for which nobody is left
        tail = self.chain * (self.clip + self.overhead) / 2 if chains > workers else 0.0
        seconds = self.plan * min(clips, MOST_DESCRIBED) + clips / rates[bound] + tail
        used = {need: rates[bound] / rate for need, rate in rates.items()}
        return {"seconds": seconds, "per_hour": 3600 * clips / seconds, "bound": bound, "used": used}

    def saturates(self) -> tuple[str, int]:
        """What else than workers is used up first when there are more and more of them, and at how many."""
        rates = {need: rate for need, rate in self.rates(1).items() if need != "workers"}
        first = min(rates, key=lambda need: rates[need])
        return first, math.ceil(rates[first] * (self.clip + self.overhead))


class _Nothing:
    """An engine whose jobs are done as soon as they are handed over."""

    name, queues, slots = "nothing", False, 64

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._jobs: list[tuple[int, Job]] = []

    def room(self) -> bool:
        return len(self._jobs) < self.slots

    def submit(self, ticket: int, job: Job) -> None:
        self._jobs.append((ticket, job))

    def events(self, seconds: float) -> list[Event]:
        del seconds
        done, self._jobs = self._jobs, []
        record = {"seconds": 0.0, "shots": [], "notes": []}
        return [
            Event("ended", t, outcome=Outcome(j.inputs.source, JobResult("done", j.inputs.destination, record, Path())))
            for t, j in done
        ]

    def end(self, ticket: int, *, at_once: bool) -> None:
        del ticket, at_once

    def stop(self) -> None:
        return

    def close(self) -> None:
        return


def driver_seconds(folder: Path, clips: int = EMPTY) -> float:
    """Seconds that the driver takes for a clip: hand over, take back, receipt, account."""
    source = folder / "source"
    source.write_bytes(b"x")
    entries = []
    for k in range(clips):
        job = Job("inpaint", JobInputs(source, folder / "none" / f"{k}.mkv"))
        entries.append(Entry(job, Row(f"{k}.mkv", str(source), str(job.inputs.destination))))
    account = Account(folder / "batch.json", [e.row for e in entries], {})
    began = time.perf_counter()
    Batch(entries, _Nothing(), account, Receipts(folder / "receipts")).run()
    return (time.perf_counter() - began) / clips


def _pieces(folder: Path, out: Path, device: str) -> list[Piece]:
    region = (parse_region("12,8,16,10"),)
    pieces = []
    for path in sorted(folder.glob("*.mkv")):
        inputs = JobInputs(path, out / path.name, regions=region)
        pieces.append(Piece(path.name, Job("inpaint", inputs, sets=SETS, device=device)))
    return pieces


def measured(folder: Path, engine: str, workers: int, device: str) -> dict[str, Any]:
    """Run all clips once; the row.

    Raises:
        UsageError: A clip failed.
    """
    out = folder / f"{engine}-{workers}"
    began = time.monotonic()
    account = run_many(_pieces(folder, out, device), Many(out, engine, jobs=workers, chain=1, account=False))
    seconds = time.monotonic() - began
    failed = next((row for row in account.rows if row.status != "done"), None)
    if failed is not None:
        raise UsageError("bench batch", expected="clips that are done", got=failed.reason or failed.status)
    count = len(account.rows)
    at_work = sum(row.seconds for row in account.rows) / workers
    return {
        "case": f"{engine}, measured",
        "workers": workers,
        "clips": count,
        "per_hour": 3600 * count / seconds,
        "overhead": max(0.0, seconds - at_work) * workers / count,
        "seconds": seconds,
    }


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Measure the engines and run the model.

    Args:
        options: ``width``, ``height`` and ``frames`` of the clips; ``cases`` chooses engines.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip failed.
    """
    engines = ["local", *(["ray"] if importlib.util.find_spec("ray") else [])]
    engines = [e for e in engines if not options.cases or e in options.cases]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="vidinternal-batch-") as name:
        folder = Path(name)
        for k in range(CLIPS):
            moving_texture(folder / f"{k}.mkv", (options.width, options.height), options.frames, 24)
        for place, engine in enumerate(engines):
            for workers in (1, 2):
                progress((2 * place + workers - 1) / (2 * len(engines) + 1), f"{engine}, {workers} workers")
                rows.append(measured(folder, engine, workers, options.device))
            rows[-1]["speedup"] = rows[-1]["per_hour"] / rows[-2]["per_hour"]
        progress(0.95, "the driver")
        driver = driver_seconds(folder)
        began = time.perf_counter()
        described = describe_clip(folder / "0.mkv")
        plan = time.perf_counter() - began
    facts: Mapping[str, Any] = {"driver_seconds": driver, "plan_seconds": plan, "described": described is not None}
    overhead = min((row["overhead"] for row in rows), default=0.1)
    model = Model(driver=driver, plan=plan, overhead=overhead)
    rows += [modelled(model, workers) for workers in (1, 10, 100, 1000, 10_000)]
    progress(1.0, "done")
    return BenchResult(
        bench="batch",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=rows,
        rows=rows,
        facts=facts,
        notes=_notes(model),
    )


def modelled(model: Model, workers: int, clips: int = 1_000_000) -> dict[str, Any]:
    """A row of the model."""
    found = model.run(workers, clips)
    alone = model.run(1, clips)
    return {
        "case": "model",
        "workers": workers,
        "clips": clips,
        "per_hour": found["per_hour"],
        "speedup": alone["seconds"] / found["seconds"],
        "bound": found["bound"],
        "used": found["used"],
    }


def _notes(model: Model) -> tuple[str, ...]:
    first, at = model.saturates()
    return (
        "Overhead: a worker's time beside the clips' own, its start included, which many clips share.",
        f"Model: a clip takes a worker {model.clip:.0f} s and moves {model.moved / 1e6:.0f} MB; shared storage moves "
        f"{model.bandwidth / 1e9:.2f} GB/s; chains of {model.chain}; measured: driver {1000 * model.driver:.2f} ms a "
        f"clip, a look at a clip for the plan {1000 * model.plan:.0f} ms, at most {MOST_DESCRIBED} looks.",
        f"What is used up first beside the workers: {first}, at about {at} of them.",
    )
