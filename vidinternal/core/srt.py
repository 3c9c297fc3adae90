"""Subtitle texts with their times, and SubRip files (.srt), in which people keep them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidinternal.core.errors import MaskError, one_line

_TIME = r"([0-9]{1,4}):([0-9]{2}):([0-9]{2})[,.]([0-9]{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
MOST_BYTES = 16 << 20
"""Size from which a text file is taken for something else."""


@dataclass(frozen=True)
class Cue:
    """One text on the screen.

    Attributes:
        start: Seconds from the clip's first frame at which it appears.
        end: Seconds at which it has gone.
        text: What it says; lines are parted by line feeds.
        line: Line of the file with its times, from 1; 0 where it came from none.
    """

    start: Fraction
    end: Fraction
    text: str
    line: int = 0


def read_text(path: Path, what: str) -> str:
    """The text of a file that a person may have saved in any usual encoding of Unicode.

    Args:
        path: The file.
        what: What it should be, for the message.

    Raises:
        MaskError: It cannot be read, is far too large, or is no text.
    """
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise MaskError(str(path), expected=what, got=error.strerror or str(error)) from error
    if size > MOST_BYTES:
        raise MaskError(str(path), expected=what, got=f"{size >> 20} MiB")
    for encoding in ("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise MaskError(str(path), expected=what, got="a file that is no text")


def read_srt(path: Path) -> list[Cue]:
    """Read a SubRip file; texts may overlap, as those of two speakers do.

    Raises:
        MaskError: It is none, holds no text, or a text ends before it begins; names the line.
    """
    return parse_srt(read_text(path, "a subtitle file (.srt)"), str(path))


def parse_srt(text: str, where: str) -> list[Cue]:
    """The texts of a SubRip file, in order of time.

    Args:
        text: The file's text.
        where: Its name in errors.

    Raises:
        MaskError: It is none, holds no text, or a text ends before it begins; names the line.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[Cue] = []
    at = 0
    while at < len(lines):
        match = _TIMES.fullmatch(lines[at])
        if match is None:
            if "-->" in lines[at]:
                raise MaskError(
                    f"{where}:{at + 1}", expected="00:01:02,500 --> 00:01:04,000", got=repr(one_line(lines[at].strip()))
                )
            at += 1
            continue
        start, end = (_seconds(match.groups()[k : k + 4]) for k in (0, 4))
        if end <= start:
            raise MaskError(f"{where}:{at + 1}", expected="an end after the start", got=lines[at].strip())
        said, first = [], at + 1
        at += 1
        while at < len(lines) and lines[at].strip():
            said.append(lines[at].strip())
            at += 1
        found.append(Cue(start, end, "\n".join(said), first))
    if not found:
        raise MaskError(where, expected="a subtitle file (.srt) with at least one text", got="no line with times")
    return sorted(found, key=lambda cue: (cue.start, cue.end))


def _seconds(parts: tuple[str, ...]) -> Fraction:
    hours, minutes, seconds, rest = parts
    return Fraction(int(hours) * 3600 + int(minutes) * 60 + int(seconds)) + Fraction(int(rest), 10 ** len(rest))


def clock(seconds: Fraction, mark: str = ",") -> str:
    """``HH:MM:SS,mmm``, to the nearest millisecond; ``mark`` parts seconds from thousandths."""
    total = int(seconds * 1000 + Fraction(1, 2))
    return f"{total // 3600000:02}:{total // 60000 % 60:02}:{total // 1000 % 60:02}{mark}{total % 1000:03}"


def srt_text(cues: Iterable[Cue]) -> str:
    """A SubRip file."""
    parts = [
        f"{number}\n{clock(cue.start)} --> {clock(cue.end)}\n{_without_gaps(cue.text)}\n"
        for number, cue in enumerate(cues, start=1)
    ]
    return "\n".join(parts)


def _without_gaps(text: str) -> str:
    """A text without empty lines, which would end it."""
    return "\n".join(line for line in text.splitlines() if line.strip())
