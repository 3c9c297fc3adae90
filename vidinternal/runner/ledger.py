"""What is remembered of a job from run to run: what its results were made of, its time, its making anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vidinternal.core.durable import PART, make_folder, read_sealed, write_sealed
from vidinternal.runner.job import Job
from vidinternal.runner.workspace import digest


@dataclass
class Ledger:
    """The memory of one job: one source to one destination, whatever its settings.

    Attributes:
        path: Its file.
        parts: What the results of the last run depended on, by stage.
        again: How often ``--fresh`` has made everything anew.
        pending: The number of the making anew that is not finished, or None.
        spent: Seconds that unfinished runs with a budget have taken, by digest of what they make.
        workspace: The clip's workspace at the last run.
        starts: What the job's windows may start from: the groups wanted, the entries, the making anew it belongs to.
        damaged: Whether the file was there and could not be used.
    """

    path: Path
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    again: int = 0
    pending: int | None = None
    spent: Mapping[str, float] = field(default_factory=dict)
    workspace: str = ""
    starts: Mapping[str, Any] = field(default_factory=dict)
    damaged: bool = False

    @classmethod
    def of(cls, job: Job) -> Ledger:
        """The memory of a job, empty where there is none."""
        path = job.workspace_root() / "jobs" / f"{job_name(job)}.json"
        value, damaged = read_sealed(path)
        known = {f.name for f in fields(cls)} - {"path", "damaged"}
        return cls(path, damaged=damaged, **{k: v for k, v in (value or {}).items() if k in known})

    def save(self) -> None:
        """Write it, atomically and through to the disk."""
        make_folder(self.path.parent)
        for left in self.path.parent.glob(f".{self.path.name}.*{PART}"):
            left.unlink(missing_ok=True)  # of a run that was killed; the workspace's lock keeps others out
        write_sealed(self.path, {k: v for k, v in asdict(self).items() if k not in ("path", "damaged")})

    def generation(self, fresh: bool) -> int:
        """Which making anew a run of the job works on."""
        return self.pending if fresh and self.pending is not None else self.again


def job_name(job: Job) -> str:
    """16 hex digits that stay the same for one source and one destination."""
    return digest([str(job.inputs.source.resolve()), str(job.inputs.destination.resolve())])
