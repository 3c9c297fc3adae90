"""Why a file is refused, in words a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from av.container import InputContainer

from vidinternal.core.errors import MediaError

# Sample entries of protected tracks: common encryption (audio and video) and the two of Apple's store.
_PROTECTED = (b"encv", b"drmi", b"drms")
_HEADER = 1 << 20


class DamagedError(MediaError):
    """A file whose pictures do not decode; a tolerant reading may go on where this one stops."""


def reason(error: Exception) -> str:
    """FFmpeg's own words for what went wrong, without our path and its error numbers."""
    log = getattr(error, "log", None)
    words = [getattr(error, "strerror", None) or str(error)]
    if log:
        words.append(str(log[-1]).strip())  # (level, part of FFmpeg, words)
    return "; ".join(words)


def no_video(path: Path, container: InputContainer) -> MediaError:
    """The error of a file without a film."""
    kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
    covers = "; its only picture is a cover" if container.streams.video else ""
    return MediaError(f"{path}: no video stream", expected="at least one video stream", got=f"streams: {kinds}{covers}")


def too_large(path: Path, got: str, most: int) -> MediaError:
    """The error of a picture that would take more memory than was allowed."""
    return MediaError(
        f"{path}: the picture is too large",
        expected=f"at most {most} pixels (decode.max_pixels)",
        got=got,
        hint="if it is meant to be that large, --set decode.max_pixels=N, with the memory for it",
    )


def protected(path: Path) -> MediaError:
    """The error of encrypted samples."""
    return MediaError(
        f"{path}: is protected (DRM)",
        expected="a clip that plays without a licence",
        got="encrypted samples",
        hint="get the clip in an unprotected form",
    )


def names_protection(path: Path) -> bool:
    """Whether a sample entry of a protected track stands at either end of the file, where the index is."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
        file.seek(max(0, path.stat().st_size - _HEADER))
        tail = file.read(_HEADER)
    return any(name in part for name in _PROTECTED for part in (head, tail))


def damaged(path: Path, places: Sequence[str], got: str) -> DamagedError:
    """The error of a file whose pictures do not decode.

    Args:
        path: The file.
        places: Where it is damaged, such as ``frame 12, 0.500 s``; the first found first.
        got: What the decoder said.
    """
    also = f" (then {'; '.join(places[1:])})" if places[1:] else ""
    return DamagedError(
        f"{path}: damaged at {places[0]}{also}",
        expected="pictures that decode without errors",
        got=got,
        hint="--set decode.damage=repair to have damaged frames filled, or decode.damage=keep to take them as they are",
    )
