"""Clips whose display matrix is written as it is, and a short way to fill one without loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests import media_made
from vidinternal.core.timecode import parse_region
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import Orientation
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.run import run_job
from vidinternal.stages.base import JobInputs

ONE = 1 << 16
SETS = ("encode.codec=ffv1", "shots.detector=none", "inpaint.copies=0")


def matrix_of(turn: Orientation) -> tuple[int, ...]:
    """The display matrix of an orientation."""
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn.turns]
    right = (-c, -s) if turn.mirrored else (c, s)
    return (right[0] * ONE, right[1] * ONE, 0, -s * ONE, c * ONE, 0, 0, 0, 1 << 30)


def with_matrix(plain: Path, path: Path, matrix: tuple[int, ...]) -> Path:
    """A copy of a clip's video with another display matrix."""
    with av.open(str(plain)) as source, av.open(str(path), "w") as result:
        stream = source.streams.video[0]
        copy: Any = result.add_stream_from_template(stream)
        copy.set_display_matrix(matrix)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                result.mux(packet)
    return path


def made_of(path: Path, recipe: media_made.Recipe, planes: list[tuple[np.ndarray, ...]]) -> Path:
    """A clip of these pictures."""
    height, width = planes[0][0].shape
    recipe = replace(recipe, name=path.name, size=(width, height), frames=len(planes))
    natives = [NativeFrame(p, t, 1, i) for i, (p, t) in enumerate(zip(planes, recipe.times, strict=True))]
    return media_made.make(recipe, path.parent, natives)


def planes_of(path: Path) -> list[tuple[np.ndarray, ...]]:
    """What a clip holds."""
    return [f.planes for f in ClipReader(probe(path)).frames()]


def job_of(clip: Path, *regions: str, sets: tuple[str, ...] = (), mask: Path | None = None) -> Job:
    """A job that fills rectangles or a mask."""
    result = clip.parent / "out" / f"{clip.stem}_clean.mkv"
    inputs = JobInputs(clip, result, mask, tuple(parse_region(r) for r in regions))
    return Job("inpaint", inputs, sets=(*SETS, *sets))


def fill(clip: Path, *regions: str, sets: tuple[str, ...] = (), mask: Path | None = None) -> JobResult:
    """Run such a job."""
    return run_job(job_of(clip, *regions, sets=sets, mask=mask))
