"""Images and animations to files: whole folders and files appear at once, untouched images byte for byte."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vidinternal.core.clip import ClipInfo
from vidinternal.core.contracts import Progress
from vidinternal.core.durable import to_disk, tree_to_disk
from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media.part_file import as_media_error, part_file
from vidinternal.media.picture import NativeFrame
from vidinternal.media.stills.animation import animation, is_animation
from vidinternal.media.stills.animation_write import AnimationWriter
from vidinternal.media.stills.clip import images, is_stills, stills_frames, stills_pts
from vidinternal.media.stills.plan import StillPlan, converted
from vidinternal.media.stills.read import still_header
from vidinternal.media.stills.write import StillSource, encode_still


@dataclass
class StillsWritten:
    """What was written.

    Attributes:
        frames: Number of pictures.
        bytes: Size of all files.
        pts_exact: Whether every frame of an animation is shown exactly as long as in the source.
        notes: What a person should know.
        verification: What the check found.
    """

    frames: int
    bytes: int
    pts_exact: bool
    notes: tuple[str, ...]
    verification: Mapping[str, Any] | None = None


@dataclass
class StillsJob:
    """What is to be written.

    Attributes:
        info: The source.
        plan: From :func:`vidinternal.media.still_plan.still_plan`.
        destination: As it was given.
        token: Stands in hidden names; drawn at random when empty.
        progress: Told after every picture.
        check: Looks at the whole result while it still has its hidden name.
    """

    info: ClipInfo
    plan: StillPlan
    destination: Path
    token: str
    progress: Progress
    check: Callable[[Path], Mapping[str, Any]] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def made(self) -> ClipInfo:
        """The clip as its pictures are written."""
        return self.plan.pictures(self.info)

    @property
    def place(self) -> Path:
        """The file or folder that appears."""
        return self.plan.files[0].parent if self.plan.folder else self.plan.files[0]


def write_stills(job: StillsJob, frames: Iterable[NativeFrame]) -> StillsWritten:
    """Write pictures as images or as an animation.

    Raises:
        MediaError: Something cannot be written, or a GIF cannot hold the colours.
        IntegrityError: What was written is not whole.
    """
    with _part_folder(job.place, job.token) if job.plan.folder else part_file(job.place, job.token) as part:
        count = (_write_animation if job.plan.animated else _write_images)(job, frames, part)
        _read_back(job, part, count)
        verification = None if job.check is None else job.check(part)
        size = sum(f.stat().st_size for f in part.iterdir()) if job.plan.folder else part.stat().st_size
    exact = not any("rounded to" in note for note in job.plan.notes if "ticks" in note)
    return StillsWritten(count, size, exact, (*job.plan.notes, *job.notes), verification)


def _tell(job: StillsJob, done: int) -> None:
    count = len(job.plan.files) if job.plan.folder else job.info.frames
    if count:
        job.progress(min(1.0, done / count), f"frame {done} of {count}")


def _with_source(job: StillsJob, frames: Iterable[NativeFrame]) -> Iterator[tuple[NativeFrame, NativeFrame | None]]:
    """Every picture with the source's own where that is of images."""
    own = is_stills(job.info.path)
    source = stills_frames(job.info, 0, len(stills_pts(job.info))) if own else None
    for native in frames:
        yield native, None if source is None else next(source)


def _same(one: NativeFrame, other: NativeFrame | None) -> bool:
    return other is not None and all(map(np.array_equal, one.planes, other.planes))


def _write_images(job: StillsJob, frames: Iterable[NativeFrame], part: Path) -> int:
    """Write one file a picture; those that did not change and keep their kind are copied."""
    plan, copied, widened, count = job.plan, 0, 0, 0
    found = images(job.info.path) if is_stills(job.info.path) and not is_animation(job.info.path) else None
    for native, before in _with_source(job, frames):
        place = part / plan.files[count].name if plan.folder else part
        source = None if found is None else StillSource(found.files[count], found.headers[count], plan.size)
        alike = source is not None and source.header.kind == plan.kind
        if source is not None and alike and _same(native, before):
            with as_media_error(place):
                shutil.copyfile(source.path, place)
            copied += 1
        else:
            planes = converted(native, job.made, plan.pix_fmt, plan.exact)
            data = encode_still(planes, plan.pix_fmt, plan.kind, source, plan.quality)
            with as_media_error(place):
                place.write_bytes(data)
            if source is not None and alike and source.header.indexed:
                widened += not still_header(place).indexed
        count += 1
        _tell(job, count)
    if plan.size is None or copied:
        job.notes.append(f"{copied} of {count} images are copied byte for byte, {count - copied} are written anew")
    if widened:
        job.notes.append(f"{widened} images got colours that their palette lacks and are written as {plan.pix_fmt}")
    return count


def _write_animation(job: StillsJob, frames: Iterable[NativeFrame], part: Path) -> int:
    """Write one file of all pictures; a source of the same kind in which nothing changed is copied."""
    plan, info = job.plan, job.made
    own = animation(info.path) if is_animation(info.path) else None
    alike = own is not None and own.kind == plan.kind
    writer = AnimationWriter(plan, (info.width, info.height))
    count, changed = 0, False
    for native, before in _with_source(job, frames):
        new = _changes(native, before)
        changed = changed or plan.size is not None or bool(new.any())
        writer.add(converted(native, info, plan.pix_fmt, plan.exact), new)
        count += 1
        _tell(job, count)
    if not count:
        raise MediaError(str(info.path), expected="at least one picture to write", got="none")
    source = info.path.read_bytes() if alike else b""
    data = writer.finish(source, own.said if own is not None and alike else None) if changed or not alike else source
    with as_media_error(part):
        part.write_bytes(data)
    if writer.quantised and changed:
        what, rest = ("the picture", "") if plan.size is not None else ("the fill", "; every known colour is kept")
        job.notes.append(
            f"in {writer.quantised} frames {what} has more colours than the palette has room for: they are off by up"
            f" to {writer.furthest} of 255{rest}"
        )
    return count


def _changes(native: NativeFrame, before: NativeFrame | None) -> np.ndarray:
    """Which pixels are not the source's; none are known where there is no source to compare with."""
    if before is None:
        return np.zeros(native.planes[0].shape, bool)
    if native.planes[0].shape != before.planes[0].shape:
        return np.ones(native.planes[0].shape, bool)
    return np.any([a != b for a, b in zip(native.planes, before.planes, strict=True)], axis=0)


def _read_back(job: StillsJob, part: Path, count: int) -> None:
    """Make sure that what was written is there, with the delays it should have."""
    plan = job.plan
    if plan.animated:
        found = animation(part)
        there = (len(found.durations), found.plays, found.width, found.height)
        wanted = (count, plan.plays, job.made.width, job.made.height)
    else:
        heads = [still_header(f) for f in (sorted(part.iterdir()) if plan.folder else [part])]
        there = (len(heads), 0, *{(h.width, h.height) for h in heads}.pop())
        wanted = (len(plan.files), 0, job.made.width, job.made.height)
    if there != wanted:
        raise IntegrityError(
            f"{job.destination}: the result as written",
            expected=f"{wanted[0]} pictures of {wanted[2]}x{wanted[3]}, played {wanted[1]} times",
            got=f"{there[0]} of {there[2]}x{there[3]}, played {there[1]} times",
        )


@contextmanager
def _part_folder(place: Path, token: str) -> Iterator[Path]:
    """A hidden folder beside the one to be, which takes its place at the end, or goes away."""
    place = place.resolve()
    part = place.with_name(f".{place.name}.{token or secrets.token_hex(8)}.part")
    old = part.with_suffix(".old")
    with as_media_error(place):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    try:
        yield part
        with as_media_error(place):
            tree_to_disk(part)
            if place.exists():
                place.rename(old)
            try:
                part.rename(place)
            except BaseException:
                with suppress(OSError):
                    old.rename(place)
                raise
            to_disk(place.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
