"""Looking for clips in a folder, in depth: what is taken, what is left out and why, what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from vidinternal.engines.sidecar import MASK, VIDEOS, is_mask_of
from vidinternal.media.stills.animation import is_animation
from vidinternal.media.stills.image_sequence import IMAGE_SUFFIXES, images_in

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg"),
        *("wmv", "flv", "ogv", "3gp", "mxf", "vob", "gif", "apng"),
    )
)
"""What is taken from a folder, and animated WebP; a file named outright is taken whatever its suffix."""


@dataclass
class Choice:
    """Which clips of a folder are meant, and what was left out.

    Attributes:
        include: Patterns such as ``*.mkv`` or ``season1/*``; empty = all. ``*`` matches any characters, ``/`` too; a
            pattern without ``/`` is held against names, one with ``/`` against paths below the folder given.
        exclude: The same for what is left out; the name of a folder leaves out all in it.
        output: Where results go: never searched for clips.
        chosen_away: How many clips the patterns left out.
        problems: What looks like a clip and cannot be used, with the reason: ``(path, path below the folder, reason)``.
        skipped: What looks like a clip and is none, with the reason.
        notes: What else a person should know.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    output: Path | None = None
    chosen_away: int = 0
    problems: list[tuple[Path, Path, str]] = field(default_factory=list)
    skipped: list[tuple[Path, Path, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def takes(self, relative: PurePath) -> bool:
        """Whether the patterns want a clip."""
        wanted = not self.include or any(_matches(relative, pattern) for pattern in self.include)
        taken = wanted and not any(_matches(relative, pattern) for pattern in self.exclude)
        self.chosen_away += not taken
        return taken


def _matches(relative: PurePath, pattern: str) -> bool:
    """Whether a pattern is about a path or about one of the folders it lies in."""
    pattern = pattern.rstrip("/")
    places = [relative, *(p for p in relative.parents if p.name)]
    texts = (p.as_posix() if "/" in pattern else p.name for p in places)
    return any(fnmatchcase(text, pattern) for text in texts)


def clips_in(folder: Path, choice: Choice) -> dict[Path, Path]:
    """The videos in a folder, in depth; where there is none, its images as one clip, or each folder of images in it.

    Hidden files and folders, masks of clips beside them, and the output folder are left out; links to folders are not
    followed, so that none can lead round in circles, and are told.
    """
    files, folders = _walk(folder, choice)
    names = {
        (p.parent, p.stem) for p in files if not _is_mask_name(p) and p.suffix.lower() in {*VIDEO_SUFFIXES, ".webp"}
    }
    videos: dict[Path, Path] = {}
    for path in files:
        relative = path.relative_to(folder)
        if _is_mask_name(path):
            _orphan(path, relative, names, choice)
        elif _looks_like_clip(path) and choice.takes(relative):
            reason = _unusable(path)
            if reason:
                choice.problems.append((path, relative, reason))
            elif path.suffix.lower() in VIDEO_SUFFIXES or is_animation(path):
                videos[path] = relative
    if videos or any(_looks_like_clip(p) for p in files):
        return videos
    if images_in(folder):
        return {folder: Path(folder.resolve().name)}
    inner = [p for p in folders if not p.name.endswith(MASK) and images_in(p)]
    return {p: p.relative_to(folder) for p in inner if choice.takes(p.relative_to(folder))}


def _walk(folder: Path, choice: Choice) -> tuple[list[Path], list[Path]]:
    """All files and folders below one, by path."""
    own = None if choice.output is None else choice.output.resolve()
    files: list[Path] = []
    folders: list[Path] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for entry in _entries(here, folder, choice):
            path = here / entry.name
            if entry.name.startswith("."):
                continue
            if not entry.is_dir(follow_symlinks=False):
                if entry.is_symlink() and path.is_dir():
                    choice.notes.append(f"{path}: a link to a folder is not followed; name it as an input of its own")
                else:
                    files.append(path)
            elif own is None or path.resolve() != own:
                folders.append(path)
                if not (entry.name.endswith(MASK) and _has_clip(path)):
                    waiting.append(path)
    return sorted(files), sorted(folders)


def _entries(here: Path, folder: Path, choice: Choice) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(here) as found:
            yield from sorted(found, key=lambda e: e.name)
    except OSError as error:
        relative = here.relative_to(folder) if here != folder else Path(folder.name)
        choice.problems.append((here, relative, f"the folder cannot be read: {error.strerror or error}"))


def _has_clip(mask_folder: Path) -> bool:
    """Whether a folder ``clip.mask`` lies beside a clip ``clip.mp4`` or a folder of images ``clip``."""
    stem = mask_folder.name.removesuffix(MASK)
    beside = mask_folder.parent
    return (beside / stem).is_dir() or any(
        p.stem == stem and p.suffix.lower() in VIDEO_SUFFIXES for p in beside.iterdir() if p.is_file()
    )


def _is_mask_name(path: Path) -> bool:
    suffixes = (*VIDEOS, *IMAGE_SUFFIXES)
    return path.suffix.lower() in suffixes and path.stem.endswith(MASK) and path.stem != MASK


def _orphan(path: Path, relative: Path, names: set[tuple[Path, str]], choice: Choice) -> None:
    """Tell of a mask whose clip is not there."""
    stem = path.stem.removesuffix(MASK)
    known = (path.parent, stem) in names or (path.parent / stem).is_dir()
    if not (known and is_mask_of(path, stem)):
        choice.skipped.append((path, relative, f"a mask by its name, and no clip '{stem}' is beside it"))


def _looks_like_clip(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES or (path.suffix.lower() == ".webp" and _animated(path))


def _animated(path: Path) -> bool:
    return path.is_file() and is_animation(path)


def _unusable(path: Path) -> str:
    """Why a file cannot be a clip, before it is opened as one; empty when it may be."""
    try:
        if not path.is_file():
            path.stat()
            return "no file: a pipe or device"
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""
