"""The cases of a bench: a sample clip, a hole, and the truth under it that no method sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.holes import HOLES
from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe
from vidinternal.ops.measures import flow_of
from vidinternal.ops.resample import destroy


@dataclass(frozen=True)
class Sample:
    """A piece of a sample clip.

    Attributes:
        name: In the table.
        file: In the folder of clips.
        start: First frame.
        pan: Whether a window moves over the picture, as a camera would, instead of standing still.
    """

    name: str
    file: str
    start: int = 0
    pan: bool = False


SAMPLES = (
    Sample("flower", "flower.mp4"),
    Sample("flower-pan", "flower.mp4", pan=True),
    Sample("person", "person.mp4", start=6),
    Sample("person-pan", "person.mp4", start=6, pan=True),
    Sample("bottles", "bottles.mp4", start=4),
)
"""All of them; each clip has a camera that stands still, so two are also seen through a moving window."""

_PAN_ZOOM = 0.72
"""Share of the picture's sides that the moving window sees."""


@dataclass(frozen=True)
class Case:
    """One clip with one hole.

    Attributes:
        name: ``clip/hole``.
        truth: ``T 3 H W``, for judging alone.
        masks: ``T 1 H W`` bool.
        input: ``T 3 H W``; the hole has the mean known colour.
    """

    name: str
    truth: Tensor
    masks: Tensor
    input: Tensor

    @cached_property
    def motion(self) -> tuple[Tensor, Tensor]:
        """Flow of the truth from each frame to the next and where it can be believed, for the warping error."""
        return flow_of(self.truth)


def view(height: int, width: int, shape: tuple[int, int], share: float | None) -> tuple[slice, slice]:
    """The part of a ``height`` by ``width`` picture that a case sees.

    Args:
        height: Rows of the picture.
        width: Columns of the picture.
        shape: Rows and columns of the case; the part has their ratio.
        share: How far the moving window has come, 0 to 1; None for the largest part in the middle.
    """
    scale = min(height / shape[0], width / shape[1]) * (1.0 if share is None else _PAN_ZOOM)
    rows, columns = int(shape[0] * scale), int(shape[1] * scale)
    if share is None:
        top, left = (height - rows) // 2, (width - columns) // 2
    else:
        top = round((height - rows) * (0.5 + 0.4 * math.sin(math.pi * share)))
        left = round((width - columns) * share)
    return slice(top, top + rows), slice(left, left + columns)


def read_sample(sample: Sample, options: BenchOptions) -> Tensor:
    """Return ``T 3 H W`` RGB at the bench's size.

    Raises:
        UsageError: The clip is not there, or has too few frames.
    """
    path = options.clips / sample.file
    if not path.is_file():
        raise UsageError(str(path), expected="a sample clip", got="no such file", hint="give the folder of the clips")
    info = probe(path)
    reader = ClipReader(info)
    end = sample.start + options.frames
    if len(reader) < end:
        raise UsageError(
            f"{sample.name}: {options.frames} frames",
            expected=f"at most {len(reader) - sample.start}",
            got=str(options.frames),
        )
    shape = (options.height, options.width)
    frames = []
    for row, native in enumerate(reader.frames(sample.start, end)):
        share = row / (options.frames - 1) if sample.pan else None
        rows, columns = view(info.height, info.width, shape, share)
        seen = torch.from_numpy(np.ascontiguousarray(to_rgb(native, info)[:, rows, columns]))
        frames.append(nn_functional.interpolate(seen[None].float(), shape, mode="area")[0])
    # 8 bits, as a file would have them
    return (torch.stack(frames) * 255).round().div(255).clamp(0, 1)


def cases(options: BenchOptions) -> Iterator[Case]:
    """All cases that the options ask for, one in memory at a time.

    Raises:
        UsageError: No case has one of the wanted words in its name.
    """
    wanted = [(s, h) for s in SAMPLES for h in HOLES if _wanted(f"{s.name}/{h}", options)]
    if not wanted:
        known = ", ".join(f"{s.name}/{h}" for s in SAMPLES for h in HOLES)
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    for sample in SAMPLES:
        holes = [h for s, h in wanted if s == sample]
        truth = read_sample(sample, options) if holes else None
        for hole in holes:
            if truth is not None:
                yield make_case(f"{sample.name}/{hole}", truth, HOLES[hole](*_extent(truth)))


def make_case(name: str, truth: Tensor, masks: Tensor) -> Case:
    """Hide ``truth`` under ``masks``."""
    return Case(name, truth, masks, destroy(truth, masks))


def count(options: BenchOptions) -> int:
    """How many cases :func:`cases` gives."""
    return sum(_wanted(f"{s.name}/{h}", options) for s in SAMPLES for h in HOLES)


def _wanted(name: str, options: BenchOptions) -> bool:
    return not options.cases or any(word in name for word in options.cases)


def _extent(truth: Tensor) -> tuple[int, int, int]:
    return len(truth), truth.shape[-2], truth.shape[-1]
