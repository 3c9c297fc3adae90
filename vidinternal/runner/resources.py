"""Room on disks and in memory: looked at before the work, and told in one line when it runs out all the same."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidinternal.core.durable import make_folder
from vidinternal.core.errors import ResourceError, UserError
from vidinternal.media.probe import frame_pts
from vidinternal.runner.estimate import output_bytes, remade_bytes, workspace_bytes
from vidinternal.runner.remade import maker_of
from vidinternal.stages.out_of_memory import out_of_memory

if TYPE_CHECKING:
    from vidinternal.runner.job import Job
    from vidinternal.runner.run import Run

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""No room, no more quota, no larger file allowed."""
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENOENT, errno.EEXIST, errno.ELOOP}
"""The folder cannot be made or written to."""
AMPLE = 1.25
"""Room below this many times an estimate is worth a warning."""
TOO_LITTLE = 0.5
"""Room below this share of an estimate is refused; between both the run begins and says so."""


@dataclass(frozen=True)
class Places:
    """The folders a run writes to.

    Attributes:
        output: Of the destination.
        workspace: Of intermediate results.
    """

    output: Path
    workspace: Path


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(p for p in (folder, *folder.parents) if p.exists())


def free_bytes(folder: Path) -> int:
    """Room for us on the disk that holds, or will hold, a folder."""
    return shutil.disk_usage(existing(folder)).free


def check_writable(folder: Path, what: str) -> None:
    """Make a folder, write a file into it and take the file away again.

    Args:
        folder: Made if missing.
        what: ``output`` or ``workspace``.

    Raises:
        ResourceError: It cannot be made or written to, or there is no room for even a few bytes.
    """
    trial = folder / f".vidinternal-{os.getuid()}.part"  # one name: what a killed run left here goes with the next
    try:
        make_folder(folder)
        try:
            with trial.open("wb") as file:
                file.write(b"\0" * 512)
                file.flush()
                os.fsync(file.fileno())
        finally:
            trial.unlink(missing_ok=True)
    except OSError as error:
        raise _told(folder, what, error, 0) from error


def _check_room(folder: Path, what: str, needed: int) -> list[str]:
    free = free_bytes(folder)
    if free < TOO_LITTLE * needed:
        raise ResourceError(
            f"{folder}: not enough room for the {what}",
            expected=f"about {size_text(needed)}",
            got=f"{size_text(free)} free",
            hint=_remedy(what),
        )
    if free < AMPLE * needed:
        return [f"{folder} has {size_text(free)} free and the {what} may take {size_text(needed)}"]
    return []


def size_text(size: int) -> str:
    """Bytes for people, with a unit of 1024."""
    amount, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


def _remedy(what: str) -> str:
    other = "-o on another disk" if what == "output" else "--workspace on another disk"
    return f"free some room, or {other}; then the same command goes on where it stopped"


def _told(folder: Path, what: str, error: OSError, needed: int) -> ResourceError:
    reason = error.strerror or str(error)
    if error.errno in FULL:
        limited = error.errno == errno.EFBIG
        amount = f"room for about {size_text(needed)}" if needed else "room"
        return ResourceError(
            f"{folder}: the {what} cannot be written",
            expected=f"{'files of any size allowed (ulimit -f), and ' if limited else ''}{amount}",
            got=f"{reason}, {size_text(free_bytes(folder))} free",
            hint=_remedy(what),
        )
    option = "-o" if what == "output" else "--workspace"
    return ResourceError(
        f"{folder}: the {what} cannot be written",
        expected="a folder that can be made and written to",
        got=reason,
        hint=f"{option} in a folder of yours, or its permissions changed",
    )


@dataclass
class Needs:
    """What the lines about a shortage name; filled in as the run learns it.

    Attributes:
        where: The clip.
        places: Folders written to.
        memory: Bytes allowed for the process.
        output: Bytes expected of the output.
        workspace: Bytes expected of the workspace.
        reads: Files that a person named; trouble with them is none with the folders they may lie in.
    """

    where: str
    places: Places
    memory: int | None = None
    output: int = 0
    workspace: int = 0
    reads: frozenset[Path] = frozenset()

    @classmethod
    def of(cls, job: Job) -> Needs:
        """What is known before anything has been opened."""
        inputs = job.inputs
        given = (inputs.source, inputs.mask, inputs.hints, inputs.events, inputs.subtitles)
        reads = frozenset(path.absolute() for path in given if path is not None)
        return cls(str(inputs.source), Places(inputs.destination.parent, job.workspace_root()), job.memory, reads=reads)

    def check_places(self) -> None:
        """Refuse folders that cannot be written to.

        Raises:
            ResourceError: One of them.
        """
        check_writable(self.places.output, "output")
        check_writable(self.places.workspace, "workspace")

    def learn(self, run: Run) -> list[str]:
        """Take up what an opened run knows; refuse an output that will surely not fit on its disk.

        Returns:
            Notes about one that may not.

        Raises:
            ResourceError: There is room for less than half of what is expected.
        """
        self.memory = run.memory.limit if run.memory else None
        self.output = output_bytes(run.info, run.spec)
        notes = _check_room(self.places.output, "output", self.output)
        made = maker_of(run.spec)
        if made is None or run.workspace.any(made.name, run.keys[made.name]):
            return notes  # or taken up again: what is there already needs no more room
        self.workspace = remade_bytes(run.info, len(frame_pts(run.info)), run.spec) + self.output
        return notes + _check_room(self.places.workspace, "workspace", self.workspace)

    def check_workspace(self, run: Run) -> list[str]:
        """Refuse intermediate results that will not fit on their disk; to be asked once the masks are known.

        Returns:
            Notes about ones that may not.

        Raises:
            ResourceError: There is room for less than half of what is expected.
        """
        flow = run.spec.stage("flow")
        strides = len(flow.config.strides or ()) if flow else 0
        if any(run.workspace.any(name, run.keys[name]) for name in ("flow", "inpaint") if name in run.keys):
            return []  # taken up again: what is there already needs no more room
        windows, filled = run.windows(), 0
        for window in windows.windows:
            track = run.read("masks", window)
            self.workspace += workspace_bytes(track, strides)
            filled += 0 if track.box is None else len(windows.owned(window))
        # what is encoded anew is kept in segments until the output is whole
        self.workspace += self.output * filled // max(w.end for w in windows.windows)
        return _check_room(self.places.workspace, "workspace", self.workspace)


@contextmanager
def explained(needs: Needs) -> Iterator[Needs]:
    """Turn what memory and disks say when they are full into one clear error; everything else passes.

    Raises:
        ResourceError: Memory or room ran out, or a folder cannot be written to.
    """
    try:
        yield needs
    except (UserError, OSError, MemoryError, RuntimeError, *_library_errors()) as error:
        shortage = _shortage(error, needs)
        if shortage is None:
            raise
        raise shortage from error


def _library_errors() -> Sequence[type[Exception]]:
    import cv2  # noqa: PLC0415 - with safetensors, the libraries that report a full disk or memory in their own way
    from safetensors import SafetensorError  # noqa: PLC0415

    return (cv2.error, SafetensorError)


def _shortage(error: BaseException, needs: Needs) -> ResourceError | None:
    if isinstance(error, ResourceError):
        return None
    for cause in _causes(error):
        if out_of_memory(cause) or (isinstance(cause, OSError) and cause.errno in _no_memory()):
            return _short_of_memory(needs)
        os_error = _os_error(cause)
        if os_error is not None and os_error.errno in FULL:
            return _disk(error, os_error, needs)
        if os_error is not None and os_error.errno in CLOSED and _writes_there(os_error, needs):
            return _disk(error, os_error, needs)
    return None


def _no_memory() -> set[int]:
    """Codes that mean memory; under ``ulimit -v`` that threads find no room for their stacks is one of them."""
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    return {errno.ENOMEM, errno.EAGAIN} if limited else {errno.ENOMEM}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _os_error(error: BaseException) -> OSError | None:
    """The system's error behind an error; safetensors and torch only quote it in their text."""
    if isinstance(error, OSError):
        return error
    for code in FULL | {errno.EROFS}:
        if f"os error {code})" in str(error) or (isinstance(error, RuntimeError) and os.strerror(code) in str(error)):
            return OSError(code, os.strerror(code))
    return None


def _writes_there(error: OSError, needs: Needs) -> bool:
    """Whether an error about permissions is about one of our folders, not about the clip or a mask."""
    if error.errno == errno.EROFS or error.filename is None:
        return error.errno == errno.EROFS
    path = Path(os.fsdecode(error.filename)).absolute()
    places = (needs.places.output, needs.places.workspace)
    return path not in needs.reads and any(place.absolute() in (path, *path.parents) for place in places)


def _disk(error: BaseException, cause: OSError, needs: Needs) -> ResourceError:
    named = Path(os.fsdecode(cause.filename)).absolute() if cause.filename else None
    inside = named is not None and needs.places.workspace.absolute() in (named, *named.parents)
    # an encoder's error names no file, or the part file beside the destination; all else is the workspace's
    encoder = isinstance(error, UserError) or (named is not None and not inside)
    if encoder:
        return _told(needs.places.output, "output", cause, needs.output)
    return _told(needs.places.workspace, "workspace", cause, needs.workspace)


def _short_of_memory(needs: Needs) -> ResourceError:
    allowed = needs.memory or 0
    return ResourceError(
        f"{needs.where}: out of memory",
        expected=f"{size_text(allowed)} for this process, as planned" if allowed else "more memory",
        got="less: the system refused to give more",
        hint=f"--memory {max(1, allowed >> 21)}M for shorter windows, fewer --jobs, or other programs closed",
    )
