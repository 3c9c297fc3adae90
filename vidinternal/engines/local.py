"""Many clips on this machine: one after another here, or each in a process of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from signal import SIGUSR1
from signal import Signals as SignalNames

from vidinternal.core.stop import Interrupted, Stop
from vidinternal.engines.attempt import attempt
from vidinternal.engines.base import Event, Outcome
from vidinternal.engines.plain import job_text, outcome_from
from vidinternal.engines.signals import HeldSignals, Signals
from vidinternal.engines.worker import NO_MORE, WorkerSetup, serve
from vidinternal.runner.job import Job, Observer
from vidinternal.runner.memory import SHARE, available_memory
from vidinternal.stages.memory import PROCESS_BYTES

WORKER_BYTES = 2 * PROCESS_BYTES
"""What a worker needs at the least: itself with its libraries, and as much for a window."""
COMFORT_BYTES = 4 << 30
"""What a worker gets where nobody says how many there are to be: enough for windows of large pictures."""


@dataclass
class _Worker:
    """A process and what it is at work on."""

    process: SpawnProcess
    pipe: Connection
    ticket: int | None = None
    leaving: bool = False


class LocalEngine:
    """Processes of this machine, started when they are needed.

    A process that dies loses the job it was at work on and nothing else.

    Args:
        workers: Processes at most.
        threads: Threads of each.
        gpus: Accelerators, by their names in ``CUDA_VISIBLE_DEVICES``; each is one worker's alone.
    """

    name = "local"
    queues = False

    def __init__(self, workers: int, threads: int = 1, gpus: Sequence[str] = ()) -> None:
        self.slots = min(workers, len(gpus)) if gpus else workers
        self.notes: list[str] = []
        if self.slots < workers:
            self.notes.append(f"{self.slots} jobs at a time instead of {workers}: one for each accelerator")
        self._threads, self._gpus = threads, tuple(gpus)
        self._workers: list[_Worker | None] = [None] * self.slots

    def room(self) -> bool:
        """Whether a worker is idle or may be started."""
        return any(w is None or (w.ticket is None and not w.leaving) for w in self._workers)

    def submit(self, ticket: int, job: Job) -> None:
        """Hand a job to an idle worker, or to a new one where none is."""
        idle = next((w for w in self._workers if w is not None and w.ticket is None and not w.leaving), None)
        worker = idle or self._start()
        worker.ticket = ticket
        with suppress(BrokenPipeError, ConnectionResetError):  # it died meanwhile: `events` tells that the job is lost
            worker.pipe.send_bytes(job_text(job).encode())

    def _start(self) -> _Worker:
        place = self._workers.index(None)
        gpu = self._gpus[place] if self._gpus else None
        ours, theirs = connection.Pipe()
        context = get_context("spawn")
        process = context.Process(target=serve, args=(theirs, WorkerSetup(self._threads, gpu)), daemon=True)
        with HeldSignals():  # a request to stop that comes now waits until the worker can hear it
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers[place] = worker
        return worker

    def events(self, seconds: float) -> list[Event]:
        """Everything the workers have said, and which of them are gone."""
        alive = {w.pipe: w for w in self._workers if w is not None}
        found: list[Event] = []
        if not alive:
            time.sleep(seconds)  # a retry may be waiting for its time
            return found
        for pipe in connection.wait(list(alive), seconds):
            assert isinstance(pipe, Connection)
            worker = alive[pipe]
            try:
                while pipe.poll():
                    found += self._heard(worker, json.loads(pipe.recv_bytes()))
            except (EOFError, ConnectionResetError):
                found += self._gone(worker)
        return found

    def _heard(self, worker: _Worker, said: dict) -> list[Event]:
        ticket, kind = worker.ticket, said["kind"]
        if ticket is None:
            return []
        if kind in ("ended", "interrupted"):
            worker.ticket = None
            worker.leaving = kind == "interrupted"
        outcome = outcome_from(said["outcome"]) if kind == "ended" else None
        return [Event(kind, ticket, said.get("stage", ""), said.get("share", 0.0), said.get("text", ""), outcome)]

    def _gone(self, worker: _Worker) -> list[Event]:
        worker.process.join()
        code = worker.process.exitcode or 0
        worker.pipe.close()
        self._workers[self._workers.index(worker)] = None
        if worker.ticket is None:
            return []
        how = f"was ended by {SignalNames(-code).name}" if code < 0 else f"left with exit code {code}"
        return [Event("lost", worker.ticket, text=f"its worker process {how}")]

    def end(self, ticket: int, *, at_once: bool) -> None:
        """Ask the worker of a job to stop, or kill it."""
        for worker in self._workers:
            if worker is not None and worker.ticket == ticket:
                _signal(worker, at_once=at_once)

    def stop(self) -> None:
        """Nothing is left to do: :class:`Signals` hands every request on to all workers as it comes."""

    def close(self) -> None:
        """Idle workers end by themselves; the others are killed, which loses nothing that was kept."""
        for worker in self._workers:
            if worker is not None:
                if worker.ticket is None:
                    with suppress(OSError):  # it is gone already
                        worker.pipe.send_bytes(NO_MORE)
                else:
                    worker.process.kill()
                worker.pipe.close()
        for worker in self._workers:
            if worker is not None:
                worker.process.join(10)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()
        self._workers = [None] * self.slots


def _signal(worker: _Worker, *, at_once: bool) -> None:
    if worker.process.is_alive() and worker.process.pid is not None:
        if at_once:
            worker.process.kill()
        else:
            os.kill(worker.process.pid, SIGUSR1)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def accelerators(device: str) -> tuple[str, ...]:
    """The accelerators that jobs on ``device`` would use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if device == "cpu":
        return ()
    import torch  # noqa: PLC0415 - not needed where only processors compute

    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = chosen.split(",") if chosen else [str(k) for k in range(torch.cuda.device_count())]
    return tuple(name.strip() for name in names[: torch.cuda.device_count()])


def workers_that_fit(wanted: int | None, threads: int, memory: int | None) -> tuple[int, str]:
    """How many workers processors and memory have room for, and a note where they are fewer than wanted.

    Args:
        wanted: Workers; None = as many as fit well.
        threads: Threads of each.
        memory: Bytes for all of them together; what is free when None.
    """
    allowed = int(SHARE * available_memory()) if memory is None else memory
    if wanted is None:
        return max(1, min(cores() // threads, allowed // COMFORT_BYTES)), ""
    room = max(1, allowed // WORKER_BYTES)
    if room >= wanted:
        return wanted, ""
    whose = "--memory" if memory is not None else "the free memory"
    return room, f"{room} jobs at a time instead of {wanted}: {whose} has room for no more"


def run_batch(
    jobs: Sequence[Job],
    watch: Callable[[Job], Observer] | None = None,
    signals: Signals | None = None,
) -> Iterator[Outcome]:
    """Run jobs in this process, one after another, and yield every outcome as it comes.

    Args:
        jobs: The clips.
        watch: Makes an observer for a job.
        signals: Entered by the caller; asks to stop.

    Raises:
        Interrupted: It was asked to stop.
    """
    stop = signals.stop if signals else Stop()
    for job in jobs:
        if stop.asked:
            raise Interrupted(f"before {job.inputs.source.name}")
        yield attempt(job, watch(job) if watch else None, stop)
