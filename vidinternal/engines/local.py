"""Many clips on this machine: one after another, or each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from vidinternal.core.errors import UserError
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.engines.signals import HeldSignals, Signals, listen_in_worker
from vidinternal.runner.job import Job, JobResult, Observer


@dataclass(frozen=True)
class Outcome:
    """How one clip of a batch ended.

    Attributes:
        source: The clip.
        result: What was made, or None when it failed.
        error: The message when it failed, else empty.
        exit_code: 0 when done, else the error's.
    """

    source: Path
    result: JobResult | None
    error: str = ""
    exit_code: int = 0


_STOP = Stop()
"""Whether this process was asked to stop; replaced in worker processes by the one their signals ask."""


def attempt(job: Job, observer: Observer | None = None, stop: Stop | None = None) -> Outcome:
    """Run one job; a failure of this clip becomes an outcome instead of ending the batch.

    Raises:
        Interrupted: ``stop`` was asked.
    """
    from vidinternal.runner.run import run_job  # noqa: PLC0415 - worker processes import torch here, after their setup

    try:
        return Outcome(job.inputs.source, run_job(job, observer, stop or _STOP))
    except UserError as error:
        return Outcome(job.inputs.source, None, error.message, error.exit_code)


def _one_process(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    global _STOP  # noqa: PLW0603 - signals belong to the whole process, and jobs come to it as messages
    _STOP = listen_in_worker()


def run_batch(
    jobs: Sequence[Job],
    workers: int,
    watch: Callable[[Job], Observer] | None = None,
    signals: Signals | None = None,
) -> Iterator[Outcome]:
    """Run all jobs and yield every outcome as it comes.

    Args:
        jobs: The clips.
        workers: Processes; with 1 the jobs run here, one after another.
        watch: Makes an observer for a job that runs in this process.
        signals: Entered by the caller; asks to stop.

    Raises:
        Interrupted: It was asked to stop; in other processes, once all of them have come to a stop.
    """
    stop = signals.stop if signals else Stop()
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            if stop.asked:
                raise Interrupted(f"before {job.inputs.source.name}")
            yield attempt(job, watch(job) if watch else None, stop)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _one_process, (threads,))
    with pool:
        with HeldSignals():
            waiting = [pool.submit(attempt, job) for job in jobs]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
