"""The workspace of a clip: every stage's result under a digest of all it depends on, written atomically."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, overload

from vidinternal.core.errors import MediaError, UsageError
from vidinternal.stages.artifacts import KINDS, Artifact

CODE_PACKAGES = ("core", "media", "ops", "nets", "learn", "methods", "stages")
"""The packages whose code decides what a stage makes."""


def digest(value: Any) -> str:
    """16 hex digits that tell JSON-ready values apart."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """16 hex digits of a file's content, or of names and contents of all files in a folder.

    Raises:
        MediaError: The path cannot be read.
    """
    try:
        if path.is_dir():
            return digest([[p.name, file_digest(p)] for p in sorted(path.iterdir()) if p.is_file()])
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


class Workspace:
    """A folder that keeps the artifacts of one clip.

    Args:
        folder: Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other jobs out while this one works.

        Raises:
            UsageError: Another job is at work here.
        """
        with (self.folder / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"workspace {self.folder}",
                    expected="no other job at work on this clip",
                    got="one that holds its lock",
                    hint="wait for it, or give this job another --workspace",
                ) from error
            yield

    def _place(self, stage: str, key: str, part: str) -> Path:
        return self.folder / f"{stage}-{key}" / part

    def has(self, stage: str, key: str, part: str) -> bool:
        """Whether a result is there, whole."""
        return self._place(stage, key, part).is_dir()

    def save(self, stage: str, key: str, part: str, made: Mapping[str, Artifact]) -> None:
        """Keep a stage's artifacts: written aside, flushed, then renamed into place."""
        place = self._place(stage, key, part)
        aside = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
        aside.mkdir(parents=True)
        try:
            for name, artifact in made.items():
                (aside / name).mkdir()
                artifact.save(aside / name)
            if place.exists():
                shutil.rmtree(place)
            aside.rename(place)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def load(self, stage: str, key: str, part: str, artifact: str) -> Artifact:
        """Read one artifact back."""
        kind = KINDS[artifact]
        if kind is None:
            raise RuntimeError(f"'{artifact}' is a handle and is never stored")
        return kind.load(self._place(stage, key, part) / artifact)

    def forget(self, keys: Mapping[str, str]) -> None:
        """Remove the results of these stages, ``{stage: key}``; for ``--fresh``."""
        for stage, key in keys.items():
            shutil.rmtree(self.folder / f"{stage}-{key}", ignore_errors=True)

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file atomically into the workspace."""
        path = self.folder / name
        aside = path.with_name(f".{name}.{os.getpid()}.part")
        aside.write_text(json.dumps(value, indent=2), encoding="utf-8")
        aside.replace(path)
        return path

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the workspace, None where there is none."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


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
