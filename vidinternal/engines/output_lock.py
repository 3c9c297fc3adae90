"""One batch at a time on one output folder."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from vidinternal.core.durable import make_folder
from vidinternal.core.errors import UsageError
from vidinternal.runner.workspace import Holder

LOCK = "batch.lock"


@contextmanager
def locked_output(folder: Path, inner: Path) -> Iterator[None]:
    """Keep other batches out of an output folder; the system lets go of the lock when this process ends, however.

    Args:
        folder: The output folder.
        inner: A folder of ours in it, where the lock's file is.

    Raises:
        UsageError: Another batch is at work there; says which.
    """
    make_folder(inner)
    path = inner / LOCK
    with _locked(path, folder) as handle:
        handle.truncate(0)
        handle.write(json.dumps(asdict(Holder.this())))
        handle.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is held: who opened it meanwhile sees that it is gone


@contextmanager
def _locked(path: Path, folder: Path) -> Iterator[TextIO]:
    while True:
        with path.open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _refusal(handle, folder) from error
            if _still(handle, path):
                yield handle
                return


def _still(handle: TextIO, path: Path) -> bool:
    """Whether the file that was locked still has its name: a batch that ended has removed its own."""
    try:
        return os.fstat(handle.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _refusal(handle: TextIO, folder: Path) -> UsageError:
    handle.seek(0)
    try:
        held = f"it is held by {Holder(**json.load(handle))}"
    except (ValueError, TypeError):
        held = "one that has only just begun"
    return UsageError(
        f"-o {folder}",
        expected="no other batch at work on this output folder",
        got=held,
        hint="wait until it is done: the same command then goes on with what it left; or another -o",
    )
