"""What is done with one broken input: all that a run does with it before any picture is changed.

A target ends in ``ok`` or in one of our errors, which is ``refused``; every other exception is a defect.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

from vidinternal.core.budget import parse_seconds
from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.errors import UserError
from vidinternal.core.timecode import parse_point, parse_region
from vidinternal.media.decode import ClipReader
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.refusals import DamagedError

LONGEST_LINE = 600
_CLIP = ClipInfo(Path("clip.mkv"), 48, 32, "yuv420p", Fraction(1, 24), Fraction(24), 4, 4 / 24)


def read_clip(path: Path) -> str:
    """Probe a clip, tell its times, decode all of it; where it is damaged, once more as ``repair`` reads it."""
    try:
        info = probe(path)
        read = sum(1 for _ in ClipReader(info).frames())
    except DamagedError:
        info = probe(path, ReadPolicy(damage="repair"))
        reader = ClipReader(info)
        read, damaged = sum(1 for _ in reader.frames()), len(reader.damage.frames)
        if read != len(frame_pts(info)):
            raise AssertionError(f"{read} pictures for {len(frame_pts(info))} times") from None
        return f"ok, repaired: {damaged} of {read} damaged"
    if read != len(frame_pts(info)):
        raise AssertionError(f"{read} pictures for {len(frame_pts(info))} times")
    return "ok"


def read_mask(path: Path) -> str:
    """Open a mask, fit it to a clip and read all of it."""
    source = open_masks(path)
    masks = source.read(0, 4, check_fits(source, _CLIP, 4, True))
    if masks.shape != (4, 32, 48):
        raise AssertionError(f"masks of shape {masks.shape}")
    return "ok"


def read_pipeline(path: Path) -> str:
    """Check a pipeline file."""
    from vidinternal.runner.spec import load_pipeline

    load_pipeline(str(path))
    return "ok"


def read_setting(path: Path) -> str:
    """Check a pipeline with a ``--set``."""
    from vidinternal.runner.spec import load_pipeline

    load_pipeline("inpaint", [_text(path)])
    return "ok"


def read_region(path: Path) -> str:
    """Read a ``--region``."""
    parse_region(_text(path))
    return "ok"


def read_time(path: Path) -> str:
    """Read a time."""
    parse_point(_text(path))
    return "ok"


def read_budget(path: Path) -> str:
    """Read a ``--budget``."""
    parse_seconds(_text(path))
    return "ok"


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


TARGETS: Mapping[str, Callable[[Path], str]] = {
    "clip": read_clip,
    "mask": read_mask,
    "pipeline": read_pipeline,
    "set": read_setting,
    "region": read_region,
    "time": read_time,
    "budget": read_budget,
}
SELF_TESTS: Mapping[str, Callable[[Path], str]] = {
    "self-test hang": lambda _: time.sleep(3600) or "",
    "self-test crash": lambda _: os.abort(),
    "self-test bug": lambda _: {}[""],
}
"""What a hunt must notice."""


def judge(kind: str, path: Path) -> tuple[str, str]:
    """Run a target on a file.

    Returns:
        ``ok`` or ``refused``, and what it told: the error's class and first line.

    Raises:
        AssertionError: The refusal is not in the house form.
        Exception: Anything that is not an error of ours: a defect.
    """
    try:
        return "ok", (SELF_TESTS.get(kind) or TARGETS[kind])(path)
    except UserError as error:
        lines = error.message.splitlines()
        findings = len(lines) - sum(line.startswith(("  expected: ", "  got:      ", "  try:      ")) for line in lines)
        if not lines[0].strip() or (findings > 1 and not error.many_lines) or "Traceback" in error.message:
            raise AssertionError(f"not the form of an error: {error.message!r}") from error
        return "refused", f"{type(error).__name__}: {lines[0].replace(str(path), 'FILE')[:LONGEST_LINE]}"


def judge_bytes(kind: str, data: bytes, suffix: str) -> tuple[str, str]:
    """:func:`judge` on bytes, through a file that is gone afterwards."""
    handle, name = tempfile.mkstemp(suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return judge(kind, Path(name))
    finally:
        Path(name).unlink()
