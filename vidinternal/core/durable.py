"""Files that survive a power cut: what is renamed into place has reached the disk before, and so has its name."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PART = ".part"
"""Suffix of files and folders that are being written, hidden by a leading dot; nobody reads them."""


def to_disk(path: Path) -> None:
    """Flush a file's content, or a folder's names, to the disk.

    Raises:
        OSError: It cannot be opened or flushed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def tree_to_disk(folder: Path) -> None:
    """Flush everything inside a folder, and its names, to the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        to_disk(path)
    to_disk(folder)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, their names flushed to the disk; returns it.

    Raises:
        OSError: It cannot be made.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        to_disk(made.parent)
    return folder


def aside(path: Path) -> Path:
    """A hidden name beside ``path`` that nothing else has."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{PART}")


def into_place(written: Path, path: Path) -> None:
    """Give a finished file or folder its name; after a power cut there is the whole of it or what was there before."""
    if written.is_dir():
        tree_to_disk(written)
    else:
        to_disk(written)
    written.replace(path)
    to_disk(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden file to write; it gets the name ``path`` when the block ends, and is gone when the block fails.

    Raises:
        OSError: There is no room or permission.
    """
    written = aside(path)
    try:
        yield written
        into_place(written, path)
    finally:
        written.unlink(missing_ok=True)


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object with a digest of itself under ``seal``; it appears whole or not at all.

    Args:
        path: Where; the folder must exist.
        value: JSON-ready, without a key ``seal``.

    Raises:
        OSError: There is no room or permission.
    """
    with replacing(path) as written:
        written.write_text(json.dumps({**value, "seal": _seal(value)}, indent=2), encoding="utf-8")


def read_sealed(path: Path) -> tuple[dict[str, Any] | None, bool]:
    """Read what :func:`write_sealed` wrote.

    Returns:
        The object, None where there is none or where it is not what was written; and whether it was damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, False
    except (OSError, ValueError):
        return None, True
    if not isinstance(value, dict) or value.pop("seal", None) != _seal(value):
        return None, True
    return value, False


def _seal(value: dict[str, Any]) -> str:
    # through JSON once, so that what is read back (text keys, lists for tuples) has the same seal
    plain = json.loads(json.dumps(value))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
