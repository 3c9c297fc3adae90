"""Files, folders and globs turned into pairs of source and destination."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from errno import EACCES, ELOOP, ENAMETOOLONG
from pathlib import Path
from stat import S_IFIFO, S_ISDIR, S_ISREG

from vidinternal.core.errors import UsageError
from vidinternal.engines.folders import Choice, clips_in
from vidinternal.media.stills.animation import is_animation
from vidinternal.media.stills.clip import is_sequence
from vidinternal.media.stills.image_sequence import (
    image_kind,
    is_pattern,
    names_many,
    number_of,
    number_text,
    pattern_of,
    sequence_files,
    shape,
)


def expand(given: Sequence[str], choice: Choice | None = None) -> list[tuple[Path, Path]]:
    """Find the clips meant.

    Args:
        given: Files, folders, globs and printf patterns of images. A folder is searched in depth for videos and
            animations; where there is none, the numbered images in it are one clip.
        choice: Which clips of folders are meant; it is told what was left out.

    Returns:
        Pairs of a clip and its path relative to the folder it was found in, sorted, without doubles.

    Raises:
        UsageError: Something given matches nothing, or the choice leaves nothing of it.
    """
    choice = choice or Choice()
    found: dict[Path, Path] = {}
    for text in given:
        path = Path(text)
        check_kept(text, path)
        if path.is_file():
            hits = {path: Path(path.name)}
        elif path.is_dir():
            hits = clips_in(path, choice)
            if not hits and _left_out(text, path, choice):
                continue
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


def _left_out(text: str, folder: Path, choice: Choice) -> bool:
    """Whether all clips of a folder are among the problems.

    Raises:
        UsageError: The patterns leave none.
    """
    if any(folder in (path, *path.parents) for path, _, _ in choice.problems):
        return True
    if choice.chosen_away:
        patterns = " ".join(
            [*(f"--include '{p}'" for p in choice.include), *(f"--exclude '{p}'" for p in choice.exclude)]
        )
        raise UsageError(
            f"input '{text}'",
            expected="patterns that leave at least one clip",
            got=f"{patterns}: all {choice.chosen_away} clips are left out",
        )
    return False


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
