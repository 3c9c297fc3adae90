"""The command line that makes a job again, safe to paste into a shell whatever characters its paths hold."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from vidinternal.core.timecode import ClockTime, FrameIndex, Point, Region
from vidinternal.runner.job import Job

GIVEN = {
    "mask": "--mask",
    "hints": "--hints",
    "events": "--events",
    "subtitles": "--subtitles",
    "language": "--language",
}
"""Options with one value, by the field of a job's inputs that holds it."""
FLAGS = {"mask_fit": "--mask-fit", "soft_subs": "--soft-subs"}
"""Options without a value, likewise."""
REPEATED = {"objects": "--object"}
"""Fields with several words, each with the option before it."""


def quoted(text: str) -> str:
    """A word as a shell takes it; what does not print, or is no UTF-8, is written in ``$'...'`` byte by byte."""
    if text.isprintable():
        return shlex.quote(text)
    letters = []
    for byte in os.fsencode(text):
        plain = 32 <= byte < 127 and byte not in b"\\'"
        letters.append(chr(byte) if plain else f"\\x{byte:02x}")
    return f"$'{''.join(letters)}'"


def region_text(region: Region) -> str:
    """A region as it is typed."""
    area = f"{region.x},{region.y},{region.width},{region.height}"
    if region.start is None and region.end is None:
        return area
    return f"{area}@{_point(region.start)}-{_point(region.end)}"


def _point(point: Point | None) -> str:
    if isinstance(point, FrameIndex):
        return str(point.frame)
    if not isinstance(point, ClockTime):
        return ""
    whole = int(point.seconds)
    rest = _decimals(point.seconds - whole)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{rest}"


def _decimals(share: Fraction) -> str:
    """``.25`` of a quarter; times are typed with at most twelve digits, so nothing is lost."""
    digits = f"{int(share * 10**12):012d}".rstrip("0")
    return f".{digits}" if digits else ""


def command_of(job: Job, report: Path | None = None) -> str:
    """The command line of a job; the number of processes beside it and whether it is private change no result.

    Args:
        job: What was asked.
        report: Where its page is written, if it shall be written again.
    """
    return " ".join(quoted(word) for word in _words(job, report))


def _words(job: Job, report: Path | None) -> Iterator[str]:
    inputs = job.inputs
    yield from ("vidinternal", "run", job.pipeline, str(inputs.source), "-o", str(inputs.destination))
    for name, option in GIVEN.items():
        value = getattr(inputs, name)
        if value is not None:
            yield from (option, str(value))
    for region in inputs.regions:
        yield from ("--region", region_text(region))
    for name, option in REPEATED.items():
        for word in getattr(inputs, name):
            yield from (option, word)
    yield from (option for name, option in FLAGS.items() if getattr(inputs, name))
    for setting in job.sets:
        yield from ("--set", setting)
    yield from ("--seed", str(job.seed))
    yield from _limits(job)
    if report is not None:
        yield from ("--report", str(report))


def _limits(job: Job) -> Iterator[str]:
    if job.device != "auto":
        yield from ("--device", job.device)
    if job.budget is not None:
        yield from ("--budget", f"{job.budget:g}s")
    if job.memory is not None:
        yield from ("--memory", f"{job.memory / 1024:.10g}K")
    if job.workspace is not None:
        yield from ("--workspace", str(job.workspace))
