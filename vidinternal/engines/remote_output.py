"""An output folder at a URL: its lock, its receipts and its account, worked on here and kept there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread

from vidinternal.core.errors import UsageError, UserError
from vidinternal.engines.remote import Place
from vidinternal.runner.workspace import Holder

BEAT = 20.0
"""Seconds between two signs of life of a batch in its lock."""
SILENT = 3 * BEAT
"""Seconds without one after which a batch counts as dead; measured here, so that no clock needs to be right."""


@contextmanager
def locked_url(output: Place) -> Iterator[None]:
    """Keep other batches out of an output folder at a URL.

    Raises:
        UsageError: Another batch is at work there and shows signs of life; says which.
    """
    lock = output.below(".vidinternal/batch.lock")
    holder = asdict(Holder.this())
    if not lock.write_text(_sign(holder, 0), new=True):
        _wait_for_silence(lock, output)
    lock.write_text(_sign(holder, 0))
    over = Event()

    def beat() -> None:
        number = 0
        while not over.wait(BEAT):
            number += 1
            with suppress(UserError):  # the next sign of life may come through
                lock.write_text(_sign(holder, number))

    thread = Thread(target=beat, daemon=True, name="sign-of-life")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        lock.remove()


def _sign(holder: dict[str, object], number: int) -> str:
    return json.dumps({**holder, "sign_of_life": number})


def _wait_for_silence(lock: Place, output: Place) -> None:
    """Return when the lock's batch is dead.

    Raises:
        UsageError: It is alive.
    """
    first = lock.read_text()
    if first is None or _died_here(first):
        return
    until = time.monotonic() + SILENT
    while time.monotonic() < until:
        time.sleep(min(1.0, BEAT / 10))
        now = lock.read_text()
        if now is None:
            return
        if now != first:
            raise UsageError(
                f"-o {output.url}",
                expected="no other batch at work on this output folder",
                got=f"it is held by {_holder(now)}",
                hint="wait until it is done: the same command then goes on with what it left; or another -o",
            )


def _holder(text: str) -> str:
    try:
        told = json.loads(text)
        return str(Holder(told["pid"], told["host"], told["since"], told["command"]))
    except (ValueError, KeyError, TypeError):
        return "one that cannot be told"


def _died_here(text: str) -> bool:
    """Whether the lock is of a process of this machine that is gone."""
    try:
        told = json.loads(text)
        own = told["host"] == Holder.this().host
        return own and not Path(f"/proc/{int(told['pid'])}").exists()
    except (ValueError, KeyError, TypeError):
        return False


def fetch_state(output: Place, folder: Path) -> None:
    """Bring receipts and plan of an output folder here, where this machine has none."""
    kept = output.below(".vidinternal/batch")
    with suppress(UsageError):
        for name, url in kept.names().items():
            to = folder / name
            if not to.exists():
                Place(url).fetch(to)
