"""Files, folders and globs turned into pairs of source and destination."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from vidinternal.core.errors import UsageError

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg"),
        *("wmv", "flv", "ogv", "3gp", "mxf", "vob"),
    )
)
"""What is taken from a folder; a file named outright is taken whatever its suffix."""


def expand(given: Sequence[str]) -> list[tuple[Path, Path]]:
    """Find the clips meant.

    Args:
        given: Files, folders (searched in depth for video files) and globs.

    Returns:
        Pairs of a clip and its path relative to the folder it was found in, sorted, without doubles.

    Raises:
        UsageError: Something given matches nothing.
    """
    found: dict[Path, Path] = {}
    for text in given:
        path = Path(text)
        if path.is_file():
            hits = {path: Path(path.name)}
        elif path.is_dir():
            hits = {p: p.relative_to(path) for p in sorted(path.rglob("*")) if _is_clip(p, path)}
        else:
            # Path.glob refuses absolute patterns, which people do give.
            hits = {Path(p): Path(Path(p).name) for p in sorted(glob.glob(text, recursive=True)) if Path(p).is_file()}  # noqa: PTH207
        if not hits:
            expected = "a folder with video files" if path.is_dir() else "an existing file, folder or glob"
            raise UsageError(f"input '{text}'", expected=expected, got="no match")
        for source, relative in hits.items():
            found.setdefault(source, relative)
    return list(found.items())


def _is_clip(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.is_file() and not hidden and path.suffix.lower() in VIDEO_SUFFIXES


def destinations(clips: Sequence[tuple[Path, Path]], output: Path, *, folder: bool) -> list[tuple[Path, Path]]:
    """Pair every clip with where its result goes.

    Args:
        clips: From :func:`expand`.
        output: A file for a single input file, else a folder.
        folder: Whether a folder or more than one thing was given.

    Raises:
        UsageError: A result would overwrite its source, or two results would have one name.
    """
    as_folder = folder or len(clips) > 1 or output.is_dir()
    pairs = [(source, output / relative if as_folder else output) for source, relative in clips]
    taken: dict[Path, Path] = {}
    for source, destination in pairs:
        if destination.resolve() == source.resolve():
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
