"""The hidden file that grows beside a destination and takes its name once it is whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error

from vidinternal.core.durable import make_folder, to_disk
from vidinternal.core.errors import MediaError
from vidinternal.media.stills.image_sequence import is_pattern
from vidinternal.media.stream import reason


def _part_name(destination: Path, token: str) -> Path:
    if is_pattern(destination):
        destination = destination.parent.resolve()
    return destination.with_name(f".{destination.stem}.{token}.part{destination.suffix}")


def remove_part(destination: Path, token: str) -> None:
    """Remove what a killed run with this token left beside the destination."""
    part = _part_name(destination, token)
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


@contextmanager
def part_file(destination: Path, token: str) -> Iterator[Path]:
    """A hidden file beside the destination that takes its place at the end, or goes away."""
    part = _part_name(destination, token or secrets.token_hex(8))
    with as_media_error(destination):
        make_folder(destination.parent)
    try:
        yield part
        with as_media_error(destination):
            to_disk(part)
            part.replace(destination)
            to_disk(destination.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def as_media_error(path: Path) -> Iterator[None]:
    """Tell what went wrong with writing as an error of the user's; never wrapped around the making of pictures."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        where = f"{path.parent}: cannot be written to"
        raise MediaError(where, expected="a folder with room and permission", got=reason(error)) from error
