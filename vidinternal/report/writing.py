"""Where a page goes: looked at before the work begins, and written whole or not at all."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from vidinternal.core.durable import PART, aside, into_place, make_folder
from vidinternal.core.errors import ResourceError, UsageError
from vidinternal.runner.job import Job

OPTION = "--report"
SUFFIXES = (".html", ".htm")
_TRY = "a path whose folder may be written to, such as --report out/report.html"


def shown(text: object) -> str:
    """A path or other text of the user's for people: what does not print or is no UTF-8 is written as escapes."""
    plain = os.fsencode(str(text)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in plain)


def check_report(path: Path, jobs: Sequence[Job]) -> None:
    """Refuse, before any work, a page that could not be written or would write over something.

    Args:
        path: The HTML file.
        jobs: What is going to be run.

    Raises:
        UsageError: It is a folder, has another suffix, or is a file that the jobs read or write.
        ResourceError: It cannot be written there.
    """
    where = f"{OPTION} {shown(path)}"
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(where, expected="a file ending in .html", got=shown(path.name) or "a folder", hint=_TRY)
    if path.is_dir():
        raise UsageError(where, expected="a file", got="a folder", hint=f"{OPTION} {shown(path / 'report.html')}")
    taken = path.resolve()
    for job in jobs:
        given = [getattr(job.inputs, f.name) for f in fields(job.inputs)]
        if any(isinstance(p, Path) and p.resolve() == taken for p in given):
            raise UsageError(where, expected="a file of its own", got="one that the run reads or writes", hint=_TRY)
    trial = aside(path)
    try:
        make_folder(path.parent)
        trial.write_bytes(b"\0" * 512)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        _remove(trial)


def write_whole(path: Path, pieces: Iterable[str]) -> int:
    """Write a text file that is either whole or not there; its size in bytes.

    Args:
        path: Its folder is made if missing.
        pieces: The text, piece by piece; no more than one is held.

    Raises:
        ResourceError: It cannot be written.
    """
    written = aside(path)
    try:
        make_folder(path.parent)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*{PART}"):
            _remove(left)  # of a run that was killed while it wrote this page
        with written.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            for piece in pieces:
                file.write(piece)
        size = written.stat().st_size
        into_place(written, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        _remove(written)
    return size


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # its folder is no folder: nothing was written


def _unwritable(path: Path, error: OSError) -> ResourceError:
    got = error.strerror or str(error)
    return ResourceError(f"{OPTION} {shown(path)}", expected="a page that can be written", got=got, hint=_TRY)
