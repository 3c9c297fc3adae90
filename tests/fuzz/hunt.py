"""Broken inputs handed to worker processes of limited memory and time, so that crashes and hangs have a name."""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import seeds, texts
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import judge

SECONDS = 10.0
"""Longest any input may take."""
MEMORY = 4 << 30
"""Address space of a worker in bytes; what the libraries map at their start counts too."""


@dataclass(frozen=True)
class Case:
    """One broken input.

    Attributes:
        kind: Name of the target.
        name: The seed file, the number of the case and how it was broken.
        path: Where it is.
    """

    kind: str
    name: str
    path: Path


@dataclass
class Account:
    """How a hunt ended.

    Attributes:
        cases: Number of inputs.
        outcomes: ``ok`` and ``refused`` by what was told first, counted.
        defects: Crashes, hangs and foreign exceptions: the case and what happened.
        slowest: Seconds the slowest input took.
    """

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[dict[str, str]] = field(default_factory=list)
    slowest: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; without the times, which differ from run to run."""
        kept = asdict(self)
        del kept["slowest"]
        return {**kept, "outcomes": dict(sorted(self.outcomes.items()))}


def media_cases(folder: Path, count: int, seed: int) -> Iterator[Case]:
    """Write ``count`` broken clips, one for each of the sound ones in turn."""
    yield from _broken("clip", seeds.media(_made(folder / "sound")), folder, count, seed)


def mask_cases(folder: Path, count: int, seed: int) -> Iterator[Case]:
    """Write ``count`` broken masks."""
    yield from _broken("mask", seeds.masks(_made(folder / "sound")), folder, count, seed)


def text_cases(folder: Path, count: int, seed: int) -> Iterator[Case]:
    """Write ``count`` broken pipelines, settings, regions, times and budgets, in turn."""
    from vidinternal.runner.spec import PIPELINES

    whole = [p.read_text(encoding="utf-8") for p in sorted(PIPELINES.glob("*.yaml"))]
    groups: tuple[tuple[str, Sequence[str]], ...] = (
        *(("pipeline", whole), ("set", texts.SETS), ("pipeline", whole), ("region", texts.REGIONS)),
        *(("pipeline", whole), ("time", texts.TIMES), ("pipeline", whole), ("budget", texts.BUDGETS)),
    )
    for number in range(count):
        random = np.random.default_rng([seed, number])
        kind, pool = groups[number % len(groups)]
        text = texts.mutate_text(pool[int(random.integers(len(pool)))], random, pool)
        path = folder / f"{number:05d}.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        yield Case(kind, f"{kind} {number}", path)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _broken(kind: str, sound: Sequence[seeds.Seed], folder: Path, count: int, seed: int) -> Iterator[Case]:
    others = [s.data for s in sound]
    for number in range(count):
        random = np.random.default_rng([seed, number])
        one = sound[number % len(sound)]
        data, ways = mutate(one.data, random, others)
        path = folder / f"{number:05d}{Path(one.name).suffix}"
        path.write_bytes(data)
        yield Case(kind, f"{one.name} {number} {ways}", path)


def hunt(cases: Sequence[Case], seconds: float = SECONDS, memory: int = MEMORY) -> Account:
    """Judge every case in worker processes; a worker that dies or stalls is named with its case and replaced."""
    account, at = Account(), 0
    while at < len(cases):
        at = _with_worker(cases, at, account, (seconds, memory))
    return account


def _with_worker(cases: Sequence[Case], at: int, account: Account, limits: tuple[float, int]) -> int:
    """Judge cases from ``at`` on in one worker; returns the first that is left."""
    command = [sys.executable, "-m", "tests.fuzz.worker", str(limits[1])]
    # Libraries are talkative: a pipe that nobody empties would stall the worker.
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.readline()  # it is ready
        for number in range(at, len(cases)):
            began = time.monotonic()
            line = _ask(worker, cases[number], limits[0])
            account.cases += 1
            account.slowest = max(account.slowest, time.monotonic() - began)
            if line is None:
                stalled = worker.poll() is None
                worker.kill()
                worker.wait()
                errors.seek(0)
                said = errors.read()
                what = f"no answer in {limits[0]:.0f} s" if stalled else f"died: {said.decode(errors='replace')[-400:]}"
                account.defects.append({"case": cases[number].name, "what": what})
                return number + 1
            outcome, told = json.loads(line)
            account.outcomes[outcome] += 1
            if outcome == "defect":
                account.defects.append({"case": cases[number].name, "what": told})
        worker.stdin.close()
    return len(cases)


def _ask(worker: subprocess.Popen[bytes], case: Case, seconds: float) -> bytes | None:
    """Hand a case over; its answer, or None when none comes."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(json.dumps([case.kind, str(case.path)]).encode() + b"\n")
        worker.stdin.flush()
    except BrokenPipeError:
        worker.wait()
        return None
    ready, _, _ = select.select([worker.stdout], [], [], seconds)
    line = worker.stdout.readline() if ready else b""
    if not line and ready:
        worker.wait()
    return line or None


def serve(memory: int) -> None:
    """The worker: answer each line on standard input with one on standard output."""
    from vidinternal.runner.spec import load_pipeline

    load_pipeline("inpaint")  # what is imported later would count against the first case
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        kind, path = json.loads(line)
        try:
            outcome, told = judge(kind, Path(path))
        except Exception:  # noqa: BLE001 - finding these is what a hunt is for
            outcome, told = "defect", traceback.format_exc()[-1500:]
        sys.stdout.write(json.dumps([outcome, told]) + "\n")
        sys.stdout.flush()
