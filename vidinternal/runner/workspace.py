"""The workspace of a clip: every stage's result under a digest of all it depends on, written atomically."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TextIO, overload

from vidinternal.core.durable import PART, aside, into_place, make_folder, read_sealed, write_sealed
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.media.stills.image_sequence import names_many, sequence_files
from vidinternal.stages.artifacts import KINDS, Artifact

CODE_PACKAGES = ("core", "media", "ops", "nets", "learn", "methods", "stages")
"""The packages whose code decides what a stage makes."""


def digest(value: Any) -> str:
    """16 hex digits that tell JSON-ready values apart."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """16 hex digits of a file's content, or of names and contents of all files in a folder or of a sequence.

    Raises:
        MediaError: The path cannot be read.
    """
    try:
        if path.is_dir():
            return digest([[p.name, file_digest(p)] for p in sorted(path.iterdir()) if p.is_file()])
        if names_many(path):
            return digest([[p.name, file_digest(p)] for p in sequence_files(path)])
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise MediaError(str(path), expected="a readable file", got=error.strerror or str(error)) from error


@cache
def code_digest() -> str:
    """16 hex digits of the code that makes artifacts; changed code makes them anew."""
    root = Path(__file__).resolve().parents[1]
    files = sorted(p for package in CODE_PACKAGES for p in (root / package).rglob("*.py"))
    return digest([[str(p.relative_to(root)), file_digest(p)] for p in files])


MANIFEST = "manifest.json"
"""Written last into a result's folder: size and digest of every file in it."""


class HeldError(UsageError):
    """Somebody else is at work there."""


@dataclass(frozen=True)
class Holder:
    """Who works in a workspace.

    Attributes:
        pid: Process.
        host: Machine.
        since: When it began, local time.
        command: What was called.
    """

    pid: int
    host: str
    since: str
    command: str

    @classmethod
    def this(cls) -> Holder:
        """This process."""
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}: {self.command}"


class Workspace:
    """A folder that keeps the artifacts of one clip.

    Args:
        folder: Made if missing.

    Attributes:
        damaged: Results that are not what was written, as ``stage, part``, found since it was opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[str] = []
        self._whole: set[Path] = set()
        make_folder(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other jobs out while this one works, and clear away what killed ones left half written.

        Raises:
            HeldError: Another job is at work here; says which.
        """
        with (self.folder / ".lock").open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HeldError(
                    f"workspace {self.folder}",
                    expected="no other job at work on this clip",
                    got=_holder(handle),
                    hint="wait for it, or give this job another --workspace",
                ) from error
            handle.truncate(0)
            handle.write(json.dumps(asdict(Holder.this())))
            handle.flush()
            self._sweep()
            try:
                yield
            finally:
                handle.truncate(0)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work here beside others that do, each on windows of its own; keeps out jobs on the whole clip.

        Raises:
            HeldError: A job on the whole clip is at work here; says which.
        """
        with (self.folder / ".lock").open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HeldError(
                    f"workspace {self.folder}", expected="no other job at work on this clip", got=_holder(handle)
                ) from error
            yield

    def _sweep(self) -> None:
        """Remove what a killed job had not finished writing; nobody else writes here while the lock is held."""
        for path in [p for p in self.folder.rglob(f".*{PART}") if p.name.startswith(".")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _place(self, stage: str, key: str, part: str) -> Path:
        return self.folder / f"{stage}-{key}" / part

    def has(self, stage: str, key: str, part: str) -> bool:
        """Whether a result is there, whole; its files are read once to be sure."""
        place = self._place(stage, key, part)
        if place in self._whole:
            return True
        if not place.is_dir():
            return False
        if not _is_whole(place):
            told = f"{part.replace('-', ' ')} of stage {stage}"
            self.damaged += [told] if told not in self.damaged else []
            return False
        self._whole.add(place)
        return True

    def any(self, stage: str, key: str) -> bool:
        """Whether anything of a stage is there: a result, or the state of a training."""
        folder = self.folder / f"{stage}-{key}"
        return folder.is_dir() and any(folder.iterdir())

    def save(self, stage: str, key: str, part: str, made: Mapping[str, Artifact], *, with_state: bool = False) -> None:
        """Keep a stage's artifacts: written aside, flushed to the disk, then renamed into place.

        Args:
            stage: The stage.
            key: Its key.
            part: The window, or the clip.
            made: Its artifacts by name.
            with_state: Whether the state from which they were made stays, until :meth:`forget_state`.
        """
        place = self._place(stage, key, part)
        written = aside(place)
        make_folder(written.parent)
        written.mkdir()
        try:
            for name, artifact in made.items():
                (written / name).mkdir()
                artifact.save(written / name)
            write_sealed(written / MANIFEST, {"files": _measured(written)})
            if place.exists():
                shutil.rmtree(place)
            into_place(written, place)
        except BaseException:
            shutil.rmtree(written, ignore_errors=True)
            raise
        self._whole.add(place)
        if not with_state:
            self.forget_state(stage, key, part)

    def checkpoint_folder(self, stage: str, key: str, part: str) -> Path:
        """Where the state of a training lies until its result is kept."""
        return self._place(stage, key, part).with_name(f"{part}.checkpoint")

    def load(self, stage: str, key: str, part: str, artifact: str) -> Artifact:
        """Read one artifact back.

        Raises:
            MediaError: It is not there whole; :meth:`has` tells before.
        """
        kind = KINDS[artifact]
        if kind is None:
            raise RuntimeError(f"'{artifact}' is a handle and is never stored")
        if not self.has(stage, key, part):
            raise MediaError(
                f"{self._place(stage, key, part)}",
                expected=f"the '{artifact}' that stage {stage} made",
                got="files that are missing or damaged",
                hint="run the same command again: it makes them again",
            )
        return kind.load(self._place(stage, key, part) / artifact)

    def forget_state(self, stage: str, key: str, part: str) -> None:
        """Remove the state from which a result was made."""
        shutil.rmtree(self.checkpoint_folder(stage, key, part), ignore_errors=True)

    def folder_of(self, stage: str, key: str, part: str, artifact: str) -> Path:
        """Where one artifact lies, for who reads a part of it; :meth:`has` tells whether it is there, whole."""
        return self._place(stage, key, part) / artifact

    def parts(self, stage: str, key: str) -> list[str]:
        """Names of a stage's results that are there, sorted."""
        folder = self.folder / f"{stage}-{key}"
        there = sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
        return [part for part in there if not part.startswith(".") and self.has(stage, key, part)]

    def forget_result(self, stage: str, key: str, part: str) -> None:
        """Remove one result, but not the state from which it may be made again."""
        place = self._place(stage, key, part)
        self._whole.discard(place)
        shutil.rmtree(place, ignore_errors=True)

    def forget(self, keys: Mapping[str, str]) -> int:
        """Remove the results of these stages, ``{stage: key}``; the bytes that were freed."""
        freed = 0
        for stage, key in keys.items():
            folder = self.folder / f"{stage}-{key}"
            freed += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            self._whole = {p for p in self._whole if folder not in p.parents}
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def write_json(self, name: str, value: dict[str, Any]) -> Path:
        """Write a JSON object into the workspace, atomically and sealed with a digest of itself."""
        write_sealed(self.folder / name, value)
        return self.folder / name

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Read a JSON object of the workspace; None where there is none, or none whole."""
        value, damaged = read_sealed(self.folder / name)
        self.damaged += [name] if damaged and name not in self.damaged else []
        return value


def _holder(handle: TextIO) -> str:
    handle.seek(0)
    try:
        return f"it is held by {Holder(**json.load(handle))}"
    except (ValueError, TypeError):
        return "one that has only just begun"


def _measured(folder: Path) -> dict[str, list[Any]]:
    """Size and digest of every file below a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    return {str(p.relative_to(folder)): [p.stat().st_size, file_digest(p)] for p in files}


def _is_whole(place: Path) -> bool:
    manifest, _ = read_sealed(place / MANIFEST)
    if manifest is None:
        return False
    sizes = {str(p.relative_to(place)): p.stat().st_size for p in place.rglob("*") if p.is_file()}
    sizes.pop(MANIFEST, None)
    if sizes != {name: size for name, (size, _) in manifest["files"].items()}:
        return False
    try:
        return all(file_digest(place / name) == found for name, (_, found) in manifest["files"].items())
    except MediaError:
        return False


class Series(Sequence[Artifact]):
    """One artifact of every window, read from the workspace when asked for; nothing is kept in memory.

    Args:
        workspace: Where they are.
        stage: The stage that wrote them.
        key: Its key.
        artifact: Their name.
        count: How many windows there are.
    """

    def __init__(self, workspace: Workspace, stage: str, key: str, artifact: str, count: int) -> None:
        self._read = lambda index: workspace.load(stage, key, part_name(index), artifact)
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Artifact: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Artifact]: ...
    def __getitem__(self, index: int | slice) -> Artifact | Sequence[Artifact]:
        if isinstance(index, slice):
            return [self._read(k) for k in range(self._count)[index]]
        return self._read(range(self._count)[index])


def part_name(window: int | None) -> str:
    """Folder of a window's result, or of the clip's."""
    return "clip" if window is None else f"window-{window:04d}"
