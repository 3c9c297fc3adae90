"""A folder of finished windows' weights that any number of processes may write to at once.

``entries/NAME.json`` is the index, a sealed file an entry; ``weights/NAME-DIGEST.safetensors`` what it speaks of. Both
appear by rename, weights first, so that an entry is whole or not there, and whoever is killed leaves at most weights
that nobody speaks of. The first to write a name wins: the same name is the same work. Only removal takes a lock. When
the bank is larger than its bound, what has not been used for longest goes first, unless somebody has pinned it: a job
what it starts from, a batch what its plan still needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from vidinternal.core.durable import PART, make_folder, read_sealed, replacing, write_sealed
from vidinternal.core.errors import MediaError, UsageError

DEFAULT_LIMIT = 2 << 30
"""Bytes of weights a bank holds unless told otherwise."""
PIN_SECONDS = 7 * 86400.0
"""Age from which a pin no longer counts: its job was given up."""
STRAY_SECONDS = 3600.0
"""Age from which weights that no entry speaks of are left over from a killed writer."""
_GROUP = re.compile(r"w[0-9a-f]{16}")  # a letter first: 16 digits would be a number in a pipeline file
_NAME = re.compile(r"w[0-9a-f]{16}-\d{4,}")


@dataclass(frozen=True)
class Entry:
    """What is known of a finished window without reading its weights.

    Attributes:
        group: ``w`` and 16 hex digits of the work that the window was part of, one for each clip and its settings.
        window: Index of the window in its clip.
        method: The method that was trained.
        signature: ``FitResult.signature``.
        size: Height and width it worked at, pixels.
        description: What the window shows (:func:`vidinternal.learn.warm_start.describe.describe`).
        digest: 16 hex digits of the weights' file; empty until it is written.
        bytes: Size of that file.
        made: Nanoseconds since 1970 at which it was put.
    """

    group: str
    window: int
    method: str
    signature: str
    size: tuple[int, int]
    description: tuple[float, ...]
    digest: str = ""
    bytes: int = 0
    made: int = 0

    @property
    def name(self) -> str:
        """Its name in the bank."""
        return f"{self.group}-{self.window:04d}"

    @property
    def file(self) -> str:
        """Name of its weights' file."""
        return f"{self.name}-{self.digest}.safetensors"


_ENTRY = TypeAdapter(Entry)


class Bank:
    """Weights under method, network signature, working size and a description of the picture.

    Args:
        folder: Made by the first :meth:`put`.
        limit: Bytes of weights to hold.

    Attributes:
        damaged: Names of entries found damaged since it was opened; they are passed over.

    Raises:
        UsageError: The folder is a file.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder, self.limit = folder, limit
        self.damaged: list[str] = []
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"weight bank {folder}", expected="a folder", got="a file")

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first."""
        found = [e for p in (self.folder / "entries").glob("*.json") if (e := self._read(p)) is not None]
        return tuple(sorted(found, key=lambda e: (e.made, e.name)))

    def group(self, name: str) -> tuple[Entry, ...]:
        """The entries of one clip's work, by window; none where nobody has put any.

        Raises:
            UsageError: It is no name of a group.
        """
        if not _GROUP.fullmatch(name):
            raise UsageError(
                f"group '{name}' of weight bank {self.folder}", expected="w and 16 hex digits, as in run.json", got=name
            )
        paths = (self.folder / "entries").glob(f"{name}-*.json")
        return tuple(sorted((e for p in paths if (e := self._read(p)) is not None), key=lambda e: e.window))

    def holds(self, group: str, windows: int) -> bool:
        """Whether so many windows of a clip's work are there, and whole."""
        return sum(self.whole(e) for e in self.group(group)) >= windows

    def get(self, name: str) -> Entry | None:
        """The entry of that name, or None."""
        return self._read(self._entry(name)) if _NAME.fullmatch(name) else None

    def whole(self, entry: Entry) -> bool:
        """Whether its weights are what was written; what is not is remembered in :attr:`damaged`."""
        path = self.folder / "weights" / entry.file
        try:
            found = path.stat()
            fine = _digest_of(path, found.st_mtime_ns, found.st_size) == entry.digest
        except OSError:
            fine = False
        if not fine:
            self._tell(entry.name)
        return fine

    def put(self, entry: Entry, weights: Mapping[str, Tensor]) -> Entry | None:
        """Keep a window's weights; whoever put the same name before was right.

        Args:
            entry: What is known of them; ``digest``, ``bytes`` and ``made`` are filled in.
            weights: Named tensors.

        Returns:
            The entry as it is kept, or None where it alone is larger than the bank may be.

        Raises:
            UsageError: The group's name is none.
            OSError: There is no room or permission.
        """
        if not _GROUP.fullmatch(entry.group):
            raise UsageError("weight bank", expected="a group: w and 16 hex digits", got=entry.group)
        there = self.get(entry.name)
        if there is not None and self.whole(there):
            self.touch(there)
            return there
        data = save_tensors({name: t.detach().cpu().contiguous() for name, t in weights.items()})
        if len(data) > self.limit:
            return None
        digest = hashlib.sha256(data).hexdigest()[:16]
        kept = replace(entry, digest=digest, bytes=len(data), made=time.time_ns())
        self._write(kept, data)
        self._shrink(keep=kept.name)
        return kept

    def load(self, entry: Entry) -> dict[str, Tensor]:
        """Read an entry's weights, which is using it.

        Raises:
            MediaError: They are gone or damaged.
        """
        path = self.folder / "weights" / entry.file
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest()[:16] != entry.digest:
                raise SafetensorError("other bytes than were written")
            tensors = load_tensors(data)
        except (OSError, SafetensorError) as error:
            raise MediaError(
                str(path),
                expected=f"the weights of entry {entry.name} as they were put into the bank",
                got=str(getattr(error, "strerror", None) or error),
                hint="run the same command again: it looks again at what the bank holds",
            ) from error
        self.touch(entry)
        return tensors

    def touch(self, entry: Entry) -> None:
        """Tell that an entry was used."""
        try:
            os.utime(self._entry(entry.name))
        except OSError:
            return  # removed, or on a file system that is read-only: then nothing is removed either

    def export(self, group: str, folder: Path) -> int:
        """Copy a group into another bank; returns how many entries were new there.

        Raises:
            UsageError: It is no name of a group, or the folder cannot be made.
            OSError: There is no room or permission.
        """
        other, count = Bank(folder, self.limit), 0
        for entry in self.group(group):
            if other.get(entry.name) is None and self.whole(entry):
                other._write(entry, (self.folder / "weights" / entry.file).read_bytes())
                count += 1
        other._shrink(keep="")
        return count

    def pin(self, who: str, names: Sequence[str], *, lapses: bool = True) -> None:
        """Keep entries from removal until :meth:`unpin`.

        Args:
            who: A word that names the job, letters, digits, ``-`` and ``_`` alone.
            names: Entries, those among them that are yet to be put.
            lapses: Whether the pin counts for a week alone, because nobody may be left to give it up.
        """
        path = self._pin(who)
        make_folder(path.parent)
        write_sealed(path, {"names": list(names), "since": time.time() if lapses else None})

    def unpin(self, who: str) -> None:
        """Give up a pin; one that is not there is fine."""
        self._pin(who).unlink(missing_ok=True)

    def unpin_all(self, prefix: str, *, but: bool = False) -> None:
        """Give up every pin whose name begins so; or, with ``but``, every other one."""
        for path in (self.folder / "pins").glob("*.json"):
            if path.name.startswith(prefix) != but:
                path.unlink(missing_ok=True)

    def over_full(self) -> bool:
        """Whether it holds more than it should, because of pins."""
        return self._weigh() > self.limit

    def sweep(self, older: float = STRAY_SECONDS) -> None:
        """Remove what killed writers left; what younger writers than ``older`` seconds are at work on stays.

        Whoever knows that nobody else writes, such as a batch that has just locked its output folder, gives 0.
        """
        if self.folder.is_dir():
            with self._locked():
                self._sweep(older)

    def size(self) -> int:
        """Bytes of weights that entries speak of."""
        return sum(e.bytes for e in self.entries())

    def _pin(self, who: str) -> Path:
        if not re.fullmatch(r"[\w-]{1,80}", who):
            raise UsageError("pin of a weight bank", expected="letters, digits, - and _", got=who)
        return self.folder / "pins" / f"{who}.json"

    def _entry(self, name: str) -> Path:
        return self.folder / "entries" / f"{name}.json"

    def _read(self, path: Path) -> Entry | None:
        value, damaged = read_sealed(path)
        if value is None:
            if damaged:
                self._tell(path.stem)
            return None
        try:
            entry = _ENTRY.validate_python(value)
        except ValidationError:
            self._tell(path.stem)
            return None
        try:
            fits = (self.folder / "weights" / entry.file).stat().st_size == entry.bytes
        except OSError:
            fits = False
        # another name inside than outside: a file that somebody copied or renamed
        if not fits or entry.name != path.stem or not _NAME.fullmatch(entry.name):
            if path.exists():  # not just removed by somebody
                self._tell(path.stem)
            return None
        return entry

    def _tell(self, name: str) -> None:
        if name not in self.damaged:
            self.damaged.append(name)

    def _write(self, entry: Entry, data: bytes) -> None:
        for part in ("entries", "weights"):
            make_folder(self.folder / part)
        path = self.folder / "weights" / entry.file
        with replacing(path) as written:
            written.write_bytes(data)
        value: dict[str, Any] = asdict(entry)
        write_sealed(self._entry(entry.name), value)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _shrink(self, keep: str) -> None:
        """Remove what has not been used for longest until the bank is within its bound, and what killed writers left.

        Args:
            keep: An entry that stays whatever its age: it was put just now.
        """
        if self._weigh() <= self.limit:
            return
        with self._locked():
            self._sweep(STRAY_SECONDS)
            entries, pinned = self.entries(), self._pinned()
            total = sum(e.bytes for e in entries)
            for entry in sorted(entries, key=lambda e: (self._used(e), e.name)):
                if total <= self.limit:
                    return
                if entry.name in pinned or entry.name == keep:
                    continue
                self._entry(entry.name).unlink(missing_ok=True)  # the index first: nobody speaks of what is gone
                (self.folder / "weights" / entry.file).unlink(missing_ok=True)
                total -= entry.bytes

    def _weigh(self) -> int:
        """Bytes in the folder of weights, whoever speaks of them."""
        return sum(_status(p)[0] for p in (self.folder / "weights").glob("*"))

    def _used(self, entry: Entry) -> float:
        return _status(self._entry(entry.name))[1]

    def _pinned(self) -> frozenset[str]:
        names: set[str] = set()
        for path in (self.folder / "pins").glob("*.json"):
            value, _ = read_sealed(path)
            if value is None:
                continue
            if value["since"] is not None and time.time() - value["since"] > PIN_SECONDS:
                path.unlink(missing_ok=True)
            else:
                names |= set(value["names"])
        return frozenset(names)

    def _sweep(self, older: float) -> None:
        spoken = {e.file for e in self.entries()}
        now = time.time()
        for part in ("weights", "entries", "pins"):
            for path in (self.folder / part).glob("*"):
                stray = path.name.endswith(PART) or (part == "weights" and path.name not in spoken)
                if stray and now - _status(path)[1] > older:
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, changed: int, size: int) -> str:
    """Digest of a file, read once for as long as its time and size stay the same."""
    del changed, size
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _status(path: Path) -> tuple[int, float]:
    """Size and time of last use; nothing and now for what somebody has just removed."""
    try:
        found = path.stat()
    except OSError:
        return 0, time.time()
    return found.st_size, found.st_mtime
