"""Ctrl-C and SIGTERM: the first asks to stop where nothing is lost, the second stops at once.

A run in this process looks at :attr:`Signals.stop`. Worker processes turn a deaf ear to the terminal and get each
request from their parent as SIGUSR1, so that one Ctrl-C, which the terminal sends to all of them, counts once. A worker
whose parent is gone ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import NoReturn

from vidinternal.core.stop import GRACE, Stop

ASKING = (signal.SIGINT, signal.SIGTERM)
_HELD = {*ASKING, signal.SIGUSR1}


class Signals:
    """While it is entered, signals ask to stop; outside the main thread it does nothing.

    Whoever asked is on the way out, with the exit code of that: from then on further signals change nothing.

    Attributes:
        stop: Whether somebody asked.
    """

    def __init__(self) -> None:
        self.stop = Stop()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._heard) for number in ASKING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.stop.asked else handler)  # pyright: ignore[reportArgumentType]

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        tell_workers()
        if self.stop.asked:
            raise KeyboardInterrupt
        self.stop.ask()
        if sys.stderr.isatty():
            # straight to the terminal: a handler must not enter a buffered writer that may be at work
            line = (
                f"\nstopping: the window at work is finished or saved within about {GRACE:.0f} s; Ctrl-C again: now\n"
            )
            os.write(sys.stderr.fileno(), line.encode())


def tell_workers() -> None:
    """Hand a request to stop on to every worker process."""
    for worker in multiprocessing.active_children():
        if worker.pid is not None and worker.is_alive():
            os.kill(worker.pid, signal.SIGUSR1)


class HeldSignals:
    """While it is entered, requests wait: processes that are started meanwhile have no handlers yet."""

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def listen_in_worker() -> Stop:
    """Make this worker process heed its parent alone, and end when the parent is gone."""
    stop = Stop()

    def heard(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.ask()

    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, heard)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
    threading.Thread(target=_end_with_parent, daemon=True, name="end-with-parent").start()
    return stop


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        end_at_once()


def end_at_once() -> NoReturn:
    """End this process without a word, as a crash would: what was kept is whole at every moment."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(1)  # never reached: nothing outlives that signal
