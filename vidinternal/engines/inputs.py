"""Files, folders and globs turned into pairs of source and destination."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from errno import EACCES, ELOOP, ENAMETOOLONG
from pathlib import Path
from stat import S_IFIFO, S_ISDIR, S_ISREG

from vidinternal.core.errors import UsageError
from vidinternal.media.stills.animation import is_animation
from vidinternal.media.stills.clip import is_sequence
from vidinternal.media.stills.image_sequence import (
    image_kind,
    images_in,
    is_pattern,
    names_many,
    number_of,
    number_text,
    pattern_of,
    sequence_files,
    shape,
)

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg"),
        *("wmv", "flv", "ogv", "3gp", "mxf", "vob", "gif", "apng"),
    )
)
"""What is taken from a folder, and animated WebP; a file named outright is taken whatever its suffix."""


def expand(given: Sequence[str]) -> list[tuple[Path, Path]]:
    """Find the clips meant.

    Args:
        given: Files, folders, globs and printf patterns of images. A folder is searched in depth for videos and
            animations; where there is none, the numbered images in it are one clip.

    Returns:
        Pairs of a clip and its path relative to the folder it was found in, sorted, without doubles.

    Raises:
        UsageError: Something given matches nothing.
    """
    found: dict[Path, Path] = {}
    for text in given:
        path = Path(text)
        check_kept(text, path)
        if path.is_file():
            hits = {path: Path(path.name)}
        elif path.is_dir():
            hits = _in_folder(path)
        elif names_many(path) and (is_pattern(path) or all(map(_is_image, _matches(text)))):
            hits = {path: Path(path.resolve().parent.name)} if is_pattern(path) or _matches(text) else {}
        else:
            hits = {p: Path(p.name) for p in _matches(text)}
        if not hits:
            expected = "a folder with videos or images" if path.is_dir() else "an existing file, folder or glob"
            raise UsageError(f"input '{text}'", expected=expected, got="no match")
        for source, relative in hits.items():
            found.setdefault(source, relative)
    return list(_gathered(found).items())


def _matches(text: str) -> list[Path]:
    # Path.glob refuses absolute patterns, which people do give.
    return [Path(p) for p in sorted(glob.glob(text, recursive=True)) if Path(p).is_file()]  # noqa: PTH207


def _in_folder(folder: Path) -> dict[Path, Path]:
    """The videos in a folder, in depth; where there is none, its images as one clip, or each folder of images in it."""
    videos = {p: p.relative_to(folder) for p in sorted(folder.rglob("*")) if _is_clip(p, folder)}
    if videos:
        return videos
    if images_in(folder):
        return {folder: Path(folder.resolve().name)}
    inner = [p for p in sorted(folder.rglob("*")) if p.is_dir() and not _hidden(p, folder) and images_in(p)]
    return {p: p.relative_to(folder) for p in inner}


def _gathered(found: dict[Path, Path]) -> dict[Path, Path]:
    """Numbered images that were named one by one, as a shell writes out a glob, become the sequence they are of.

    Raises:
        UsageError: Only some of a sequence's images were named.
        MediaError: Numbers are missing in the sequence.
    """
    kin: dict[tuple[Path, object], list[Path]] = {}
    for path in found:
        if _is_image(path) and number_text(path):
            kin.setdefault((path.parent, shape(path)), []).append(path)
    gathered = dict(found)
    for files in (group for group in kin.values() if len(group) > 1):
        pattern = pattern_of(min(files, key=number_of))
        whole = set(sequence_files(pattern))
        if whole != set(files):
            raise UsageError(
                f"images {pattern}",
                expected=f"all {len(whole)} images of the sequence",
                got=f"{len(files)} of them",
                hint=f"{pattern} for all, or a folder of their own for some",
            )
        gathered = {p: r for p, r in gathered.items() if p not in whole}
        gathered[pattern] = Path(pattern.resolve().parent.name)
    return gathered


def _is_image(path: Path) -> bool:
    return image_kind(path) is not None and path.is_file() and not is_animation(path)


def mirrors(given: Sequence[str], clips: Sequence[tuple[Path, Path]]) -> bool:
    """Whether a folder was given to look for clips in, rather than one that is a clip: a sequence of images."""
    own = {source for source, _ in clips}
    return any(Path(text).is_dir() and Path(text) not in own for text in given)


def check_kept(text: str, path: Path) -> None:
    """Refuse what can be read once at most, and paths that lead nowhere.

    Args:
        text: The input as it was given.
        path: The same.

    Raises:
        UsageError: It is ``-``, a pipe, a device, a loop of links, or no path at all.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if text != "-":
            if getattr(error, "errno", None) in (None, ELOOP, ENAMETOOLONG, EACCES):
                got = getattr(error, "strerror", None) or str(error)
                raise UsageError(f"input '{text}'", expected="an existing file, folder or glob", got=got) from error
            return
        mode = S_IFIFO
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        raise UsageError(
            f"input '{text}'",
            expected="a file: a clip is read more than once, and a pipe or device cannot be",
            got="a pipe or device",
            hint="save it to a file first, e.g. cat > clip.mkv",
        )


def _is_clip(path: Path, root: Path) -> bool:
    if _hidden(path, root) or not path.is_file():
        return False
    return path.suffix.lower() in VIDEO_SUFFIXES or (path.suffix.lower() == ".webp" and is_animation(path))


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def destinations(clips: Sequence[tuple[Path, Path]], output: Path, *, folder: bool) -> list[tuple[Path, Path]]:
    """Pair every clip with where its result goes.

    Args:
        clips: From :func:`expand`.
        output: A file for a single input file, else a folder; for a single sequence of images the folder or printf
            pattern of the new images, or a file.
        folder: Whether a folder was given whose layout is to be mirrored, from :func:`mirrors`.

    Raises:
        UsageError: A result would overwrite its source, or two results would have one name.
    """
    one_sequence = len(clips) == 1 and is_sequence(clips[0][0])
    as_folder = folder or len(clips) > 1 or (output.is_dir() and not one_sequence)
    pairs = [(source, output / relative if as_folder else output) for source, relative in clips]
    taken: dict[Path, Path] = {}
    for source, destination in pairs:
        if _same(destination, source):
            raise UsageError(
                f"-o {output}",
                expected="a result beside or away from the source",
                got=f"the source {source} itself",
                hint=f"-o {source.with_stem(source.stem + '.clean')}",
            )
        if destination in taken:
            raise UsageError(
                f"-o {output}",
                expected="a different name for every result",
                got=f"{taken[destination]} and {source} would both become {destination}",
            )
        taken[destination] = source
    return pairs


def _same(destination: Path, source: Path) -> bool:
    """Whether writing one would overwrite the other, by whatever name.

    Raises:
        UsageError: The destination cannot be looked at: a loop of links, a name too long.
    """
    try:
        return destination.exists() and os.path.samefile(destination, source)  # noqa: PTH121 - both exist
    except OSError as error:
        raise UsageError(f"-o {destination}", expected="a path that can be written", got=str(error.strerror)) from error
