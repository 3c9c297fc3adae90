"""The account of a batch: a row for every clip, kept in ``batch.json`` while it runs and after."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from vidinternal.core.durable import PART, make_folder, write_sealed
from vidinternal.core.errors import UserError
from vidinternal.engines.base import Outcome

Status = Literal["waiting", "running", "done", "already done", "failed", "skipped"]
DONE: tuple[Status, ...] = ("done", "already done")
FINISHED: tuple[Status, ...] = ("done", "already done", "failed", "skipped")
BATCH_VERSION = 1
WORST = 3
"""How many of a clip's weakest places are named."""
EVERY = 2.0
"""Least seconds between two writings of the account while clips are at work."""


@dataclass
class Row:
    """What is known of one clip of a batch.

    Attributes:
        name: Its path below the folder given.
        source: The clip.
        output: Where its result goes.
        status: Where it stands.
        reason: One line: why it failed or is skipped.
        error: The whole message when it failed.
        trace: Where the error is a defect of ours, its traceback.
        exit_code: Of its failure.
        attempts: How often it was tried in this run.
        seconds: Seconds its result took, over all runs of it that were counted.
        expected_psnr: Of every shot, dB; None where it has no score.
        worst: The places with the lowest expected quality: ``{"frames": [first, end], "expected_psnr": dB}``.
        follows: The clips before it in its chain, in order; their weights are there for it to start from.
        started_from: Those of them whose weights were there.
        group: Under which name its own weights are in the bank.
        weights: Of how many windows.
        notes: What a person should know.
        resumed: Why something was made again.
        verified: What was found in the file written.
        bitrate: What its bitrate came to.
        record: Its ``run.json``.
    """

    name: str
    source: str
    output: str
    status: Status = "waiting"
    reason: str = ""
    error: str = ""
    trace: str = ""
    exit_code: int = 0
    attempts: int = 0
    seconds: float = 0.0
    expected_psnr: list[float | None] = field(default_factory=list)
    worst: list[dict[str, Any]] = field(default_factory=list)
    follows: list[str] = field(default_factory=list)
    started_from: list[str] = field(default_factory=list)
    group: str = ""
    weights: int = 0
    notes: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    verified: str = ""
    bitrate: str = ""
    record: str | None = None

    def fail(self, message: str, exit_code: int = 1, trace: str = "") -> None:
        """It failed; the reason is the message's gist in one line."""
        self.status, self.error, self.exit_code, self.trace = "failed", message, exit_code, trace
        self.reason = gist(message)

    def take(self, outcome: Outcome) -> None:
        """Take up how it ended."""
        if outcome.result is None:
            self.fail(outcome.error, outcome.exit_code, outcome.trace)
            return
        record = outcome.result.record
        self.status = "already done" if outcome.result.status == "already done" else "done"
        self.reason = self.error = self.trace = ""
        self.exit_code = 0
        self.seconds = float(record["seconds"])
        self.expected_psnr = [shot["expected_psnr"] for shot in record["shots"]]
        self.worst = worst_places(record["shots"])
        passed_on = record.get("warm_start") or {}
        self.group, self.weights = passed_on.get("group") or "", passed_on.get("windows", 0)
        self.resumed = list(record.get("resumed", [])) if self.status == "done" else []
        self.notes = [*self.notes, *(n for n in record["notes"] if n not in self.notes)]
        self.verified, self.bitrate = record.get("verified", ""), record.get("bitrate", "")
        path = outcome.result.record_path
        self.record = str(path) if path.is_file() else None


def gist(message: str) -> str:
    """An error of several lines in one: what it is about, and what came."""
    lines = [line.strip() for line in message.strip().splitlines()]
    got = next((line.removeprefix("got:").strip() for line in lines if line.startswith("got:")), "")
    return f"{lines[0]}: {got}" if lines and got else (lines[0] if lines else "no reason was given")


def worst_places(shots: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The windows with the lowest expected quality, lowest first."""
    windows = [w for shot in shots for w in shot["windows"] if w.get("expected_psnr") is not None and "frames" in w]
    lowest = sorted(windows, key=lambda w: (w["expected_psnr"], w["frames"]))[:WORST]
    return [{"frames": list(w["frames"]), "expected_psnr": w["expected_psnr"]} for w in lowest]


class Account:
    """Rows, and the file that shows them.

    Args:
        path: ``batch.json``; None keeps no file.
        rows: One a clip.
        facts: What else stands at the head of the file, JSON-ready.

    Attributes:
        trouble: Why the file could not be written the last time; empty when it could.
        publish: Called with the file once it is written; to copy it to where others look for it.
    """

    def __init__(self, path: Path | None, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
        self.path, self.rows, self.facts = path, list(rows), dict(facts)
        self._began, self._next = time.monotonic(), 0.0
        self._made = _now()
        self.trouble = ""
        self.publish: Callable[[Path], None] | None = None

    def counts(self) -> dict[str, int]:
        """How many clips stand where."""
        found = Counter(row.status for row in self.rows)
        return {status: found[status] for status in ("waiting", "running", *FINISHED) if found[status]}

    def as_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "batch_version": BATCH_VERSION,
            "began": self._made,
            "written": _now(),
            "seconds": round(time.monotonic() - self._began, 3),
            **self.facts,
            "counts": self.counts(),
            "clips": [asdict(row) for row in self.rows],
        }

    def write(self, *, now: bool = True) -> None:
        """Write the file whole or not at all; unless it must be ``now``, not more often than it is cheap.

        A disk without room fails clips, each with its reason; the account of that is no further failure.
        """
        if self.path is None or (not now and time.monotonic() < self._next):
            return
        began = time.monotonic()
        try:
            make_folder(self.path.parent)
            write_sealed(self.path, self.as_dict())
            if self.publish is not None:
                self.publish(self.path)
            self.trouble = ""
        except OSError as error:
            self.trouble = f"{self.path} could not be written: {error.strerror or error}"
        except UserError as error:
            self.trouble = error.message
        ended = time.monotonic()
        self._next = ended + max(EVERY, 20 * (ended - began))  # a million rows take seconds to write

    def sweep(self) -> None:
        """Remove what a killed batch left half written; only while the output folder is locked."""
        if self.path is not None:
            for left in self.path.parent.glob(f".{self.path.name}.*{PART}"):
                left.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
