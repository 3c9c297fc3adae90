"""A worker process: takes jobs as JSON from a pipe, one after another, and tells how they go on.

Nothing heavy is imported at the head: what libraries read when they are loaded, such as their number of threads, is set
first.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from vidinternal.core.stop import Interrupted
from vidinternal.engines.signals import end_at_once, listen_in_worker

EVERY = 0.2
"""Seconds between two words about the progress of one stage."""
NO_MORE = b""
"""What a worker is told in place of a job when there are no more. Where processes are forked, a pipe whose owner closed
it is still open in the other workers, and none of them would hear of its end."""


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker process is given.

    Attributes:
        threads: For numerical libraries; results depend on it, so it is the plan's and not the machine's.
        gpu: The only accelerator it sees, as ``CUDA_VISIBLE_DEVICES`` names it; None = all or none.
    """

    threads: int
    gpu: str | None = None


class Reporter:
    """An observer that sends what it is told through a pipe.

    Args:
        pipe: To the parent.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self._stage, self._last = "", 0.0

    def progress(self, stage: str, share: float, text: str) -> None:
        """Tell, but not every time."""
        now = time.monotonic()
        if stage == self._stage and share < 1 and now - self._last < EVERY:
            return
        self._stage, self._last = stage, now
        self.send({"kind": "progress", "stage": stage, "share": share, "text": text})

    def note(self, line: str) -> None:
        """Tell."""
        self.send({"kind": "note", "text": line})

    def send(self, value: dict[str, object]) -> None:
        """Send one message whole; methods may tell from several threads. Where nobody hears it, the worker ends."""
        with self._lock:
            try:
                self._pipe.send_bytes(json.dumps(value).encode())
            except (BrokenPipeError, ConnectionResetError):  # the parent is gone, and its end was not noticed yet
                end_at_once()


def prepare(setup: WorkerSetup) -> None:
    """Set what libraries read when they are loaded; to be called before they are."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(setup.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if setup.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setup.gpu


def serve(pipe: Connection, setup: WorkerSetup) -> None:
    """Do jobs until there are no more, the pipe is closed, or a stop was asked."""
    prepare(setup)
    stop = listen_in_worker()
    from vidinternal.engines.attempt import safe_attempt  # noqa: PLC0415 - loads torch, after the setup
    from vidinternal.engines.plain import job_from, outcome_value  # noqa: PLC0415

    reporter = Reporter(pipe)
    while True:
        try:
            text = pipe.recv_bytes()
        except (EOFError, ConnectionResetError, KeyboardInterrupt):
            return
        if text == NO_MORE:
            return
        try:
            outcome = safe_attempt(job_from(text), reporter, stop)
        except KeyboardInterrupt as stopped:
            told = stopped.message if isinstance(stopped, Interrupted) else "at once"
            reporter.send({"kind": "interrupted", "text": told})
            return
        reporter.send({"kind": "ended", "outcome": outcome_value(outcome)})
