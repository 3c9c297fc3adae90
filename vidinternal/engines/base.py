"""What an engine is: something that runs jobs somewhere and says how they go on.

An engine makes attempts. Which job comes when, what is tried again, how long one may take and what is told to people is
the batch's (:mod:`vidinternal.engines.batch`), so that every engine behaves alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vidinternal.runner.job import Job, JobResult

Kind = Literal["progress", "note", "ended", "lost", "interrupted"]


@dataclass(frozen=True)
class Outcome:
    """How one clip of a batch ended.

    Attributes:
        source: The clip.
        result: What was made, or None when it failed.
        error: The message when it failed, else empty.
        exit_code: 0 when done, else the error's.
        trace: Where the error is a defect of ours, its traceback.
        held: Whether it failed only because another process is at work on this clip.
    """

    source: Path
    result: JobResult | None
    error: str = ""
    exit_code: int = 0
    trace: str = ""
    held: bool = False


@dataclass(frozen=True)
class Event:
    """Something an engine says of a job.

    Attributes:
        kind: ``progress``; ``note``; ``ended`` with its outcome; ``lost`` where the process or machine at work on it is
            gone; ``interrupted`` where it came to a stop on request, everything done being kept.
        ticket: Which job, as it was submitted.
        stage: The stage at work.
        share: Share of that stage that is done, 0 to 1.
        text: What is told; for ``lost`` why, for ``interrupted`` where it stands.
        outcome: How it ended.
    """

    kind: Kind
    ticket: int
    stage: str = ""
    share: float = 0.0
    text: str = ""
    outcome: Outcome | None = None


class Engine(Protocol):
    """Runs jobs; used from one thread."""

    name: str
    """As ``--engine`` takes it."""
    slots: int
    """How many jobs run at the same time at most, as far as is known."""
    queues: bool
    """Whether a job that was submitted may have to wait; its time then begins with its first word."""
    notes: list[str]
    """What a person should know of how it was set up."""

    def room(self) -> bool:
        """Whether another job may be submitted now."""
        ...

    def submit(self, ticket: int, job: Job) -> None:
        """Start a job; ``ticket`` names it in events."""
        ...

    def events(self, seconds: float) -> list[Event]:
        """What has happened since the last call; waits up to ``seconds`` for something to happen."""
        ...

    def end(self, ticket: int, *, at_once: bool) -> None:
        """Ask one job to come to a stop, or take its process away."""
        ...

    def stop(self) -> None:
        """Ask all jobs to come to a stop where nothing is lost."""
        ...

    def close(self) -> None:
        """Let go of everything; what still runs is ended at once."""
        ...
