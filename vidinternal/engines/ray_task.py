"""What runs on a node of a Ray cluster: one job from its JSON, and the board where it says how it gets on.

Nothing heavy is imported at the head: threads are set before libraries are loaded.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from vidinternal.core.stop import Interrupted, Stop
from vidinternal.engines.worker import WorkerSetup, prepare

EVERY = 0.5
"""Seconds between two words of a job to the board."""


class Board:
    """An actor beside the driver: jobs leave word here, and read whether they are to stop."""

    def __init__(self) -> None:
        self._said: list[dict[str, Any]] = []
        self._ending: set[int] = set()
        self._all = False

    def tell(self, words: list[dict[str, Any]], ticket: int) -> bool:
        """Leave word; whether to stop."""
        self._said += words
        return self._all or ticket in self._ending

    def read(self) -> list[dict[str, Any]]:
        """Everything since the last time."""
        said, self._said = self._said, []
        return said

    def end(self, ticket: int) -> None:
        """Ask one job to stop."""
        self._ending.add(ticket)

    def begin(self, ticket: int) -> None:
        """A job is submitted anew."""
        self._ending.discard(ticket)

    def stop(self) -> None:
        """Ask all jobs to stop."""
        self._all = True


class BoardReporter:
    """An observer that gathers what it is told and leaves word every so often.

    Args:
        board: Handle of the :class:`Board` actor.
        ticket: The job's.
        stop: Asked when the board says so.
        where: Told first: the node.
    """

    def __init__(self, board: Any, ticket: int, stop: Stop, where: str = "") -> None:
        self._board, self._ticket, self._stop = board, ticket, stop
        self._lock, self._over = threading.Lock(), threading.Event()
        self._last: dict[str, Any] = {"kind": "progress", "ticket": ticket, "stage": "", "share": 0.0, "text": where}
        self._notes: list[dict[str, Any]] = [self._last]
        self._thread = threading.Thread(target=self._leave_word, daemon=True, name="leave-word")

    def __enter__(self) -> BoardReporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def progress(self, stage: str, share: float, text: str) -> None:
        """Remember the last."""
        with self._lock:
            self._last = {"kind": "progress", "ticket": self._ticket, "stage": stage, "share": share, "text": text}

    def note(self, line: str) -> None:
        """Remember all."""
        with self._lock:
            self._notes.append({"kind": "note", "ticket": self._ticket, "text": line})

    def _leave_word(self) -> None:
        import ray  # noqa: PLC0415 - an extra
        from ray.exceptions import RayError  # noqa: PLC0415

        while True:
            with self._lock:
                words, self._notes = [*self._notes, self._last], []
            try:
                if ray.get(self._board.tell.remote(words, self._ticket), timeout=30):
                    self._stop.ask()
            except RayError:
                pass  # nobody listens just now; the result does not depend on it
            if self._over.wait(EVERY):
                return


def run_on_node(job: str, ticket: int, board: Any, threads: int, code: str) -> str:
    """Do one job.

    Args:
        job: As :func:`vidinternal.engines.plain.job_text` writes it.
        ticket: Names it on the board.
        board: Handle of the :class:`Board` actor.
        threads: Threads of numerical libraries.
        code: Digest of the driver's code; a node with other code would make other bytes.

    Returns:
        JSON: ``{"kind": "ended", "outcome": ...}`` or ``{"kind": "interrupted", "text": ...}``.
    """
    # Ray shows a job without GPUs none by this variable; it must not be set to what another job left
    prepare(WorkerSetup(threads, os.environ.get("CUDA_VISIBLE_DEVICES")))
    import ray  # noqa: PLC0415 - an extra
    import torch  # noqa: PLC0415

    from vidinternal.engines.attempt import safe_attempt  # noqa: PLC0415
    from vidinternal.engines.base import Outcome  # noqa: PLC0415
    from vidinternal.engines.plain import job_from, outcome_value  # noqa: PLC0415
    from vidinternal.runner.workspace import code_digest  # noqa: PLC0415

    torch.set_num_threads(threads)
    made, stop = job_from(job), Stop()
    node = ray.get_runtime_context().get_node_id()
    with BoardReporter(board, ticket, stop, f"on node {node}") as reporter:
        if code_digest() != code:
            told = (
                f"{made.inputs.source}: the node {os.uname().nodename} runs another version of vidinternal\n"
                "  expected: the code of the machine that gave the command\n  got:      other code\n"
                "  try:      the same image on all nodes, or pip install of the same version"
            )
            return json.dumps({"kind": "ended", "outcome": outcome_value(Outcome(made.inputs.source, None, told, 2))})
        try:
            outcome = safe_attempt(made, reporter, stop)
        except KeyboardInterrupt as stopped:
            said = stopped.message if isinstance(stopped, Interrupted) else "at once"
            return json.dumps({"kind": "interrupted", "text": said})
    return json.dumps({"kind": "ended", "outcome": outcome_value(outcome)})
