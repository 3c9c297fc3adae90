"""The cases of a bench: a sample clip, a hole, and the truth under it that no method sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.bench.base import SAMPLE_CLIPS, BenchOptions
from vidinternal.bench.holes import GLASS, HOLES, glass, logo
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
    Sample("bunny", "bunny.mp4"),
    Sample("snow", "snow.mp4", start=8),
)
"""All of them; each clip has a camera that stands still, so two are also seen through a moving window."""

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
"""Endings of videos."""

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
        seen: ``T 3 H W`` as a file would show it, where the hole lies under something half-transparent; else None.
    """

    name: str
    truth: Tensor
    masks: Tensor
    input: Tensor
    seen: Tensor | None = None

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


def read_frames(path: Path, start: int, count: int | None) -> Tensor:
    """Return ``T 3 H W`` float32 RGB of ``count`` frames (None = all) from ``start`` on, at the clip's own size.

    Raises:
        UsageError: The clip is not there, or has too few frames.
    """
    if not path.is_file():
        raise UsageError(str(path), expected="a sample clip", got="no such file", hint="give the folder of the clips")
    info = probe(path)
    reader = ClipReader(info)
    end = len(reader) if count is None else start + count
    if len(reader) < end:
        raise UsageError(f"{path.name}: {count} frames", expected=f"at most {len(reader) - start}", got=str(count))
    return torch.from_numpy(np.stack([to_rgb(native, info) for native in reader.frames(start, end)])).float()


def read_sample(sample: Sample, options: BenchOptions) -> Tensor:
    """Return ``T 3 H W`` RGB at the bench's size.

    Raises:
        UsageError: The clip is not there, or has too few frames.
    """
    natives = read_frames(options.clips / sample.file, sample.start, options.frames)
    shape = (options.height, options.width)
    frames = []
    for row, native in enumerate(natives):
        share = row / (options.frames - 1) if sample.pan else None
        rows, columns = view(native.shape[-2], native.shape[-1], shape, share)
        frames.append(nn_functional.interpolate(native[None, :, rows, columns], shape, mode="area")[0])
    # 8 bits, as a file would have them
    return (torch.stack(frames) * 255).round().div(255).clamp(0, 1)


def samples(options: BenchOptions) -> tuple[Sample, ...]:
    """The sample clips, or every video of another folder.

    Raises:
        UsageError: There is no video in the folder.
    """
    if options.clips.resolve() == SAMPLE_CLIPS.resolve():
        return SAMPLES
    found = sorted(p for p in options.clips.glob("*") if p.suffix.lower() in VIDEOS and "_mask" not in p.stem)
    if not found:
        raise UsageError(str(options.clips), expected=f"videos ({', '.join(VIDEOS)})", got="none")
    return tuple(Sample(p.stem, p.name) for p in found)


def tracks(options: BenchOptions) -> tuple[Path, ...]:
    """The mask videos of moving objects.

    Raises:
        UsageError: A folder was given and there is none in it.
    """
    if options.masks is None:
        return ()
    found = tuple(sorted(p for p in options.masks.glob("*") if p.suffix.lower() in VIDEOS))
    if not found:
        raise UsageError(str(options.masks), expected=f"mask videos ({', '.join(VIDEOS)})", got="none")
    return found


def read_track(path: Path, frames: int, height: int, width: int) -> Tensor:
    """``T 1 H W`` bool, an object's masks scaled to the size and repeated forth and back to the length."""
    grey = read_frames(path, 0, None).mean(dim=1, keepdim=True)
    there = list(range(len(grey)))
    order = (there + there[-2:0:-1]) * (1 + frames // max(1, 2 * len(there) - 2))
    return nn_functional.interpolate(grey[order[:frames]], (height, width), mode="area") > 0.4


def plan(options: BenchOptions) -> list[tuple[Sample, str]]:
    """Clip and hole of every case that the options ask for.

    Raises:
        UsageError: No case has one of the wanted words in its name.
    """
    holes = (*HOLES, GLASS, *(("object",) if tracks(options) else ()))
    every = [(s, h) for s in samples(options) for h in holes]
    wanted = [(s, h) for s, h in every if not options.cases or any(word in f"{s.name}/{h}" for word in options.cases)]
    if not wanted:
        known = ", ".join(f"{s.name}/{h}" for s, h in every)
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    return wanted


def cases(options: BenchOptions) -> Iterator[Case]:
    """All cases that the options ask for, one in memory at a time.

    Raises:
        UsageError: No case has one of the wanted words in its name.
    """
    wanted, objects = plan(options), tracks(options)
    for number, sample in enumerate(samples(options)):
        holes = [h for s, h in wanted if s == sample]
        truth = read_sample(sample, options) if holes else None
        for hole in holes:
            if truth is None:
                continue
            extent = len(truth), truth.shape[-2], truth.shape[-1]
            if hole == GLASS:
                masks, seen = logo(*extent), under_glass(truth)
            elif hole == "object":
                masks, seen = read_track(objects[number % len(objects)], *extent), None
            else:
                masks, seen = HOLES[hole](*extent), None
            yield make_case(f"{sample.name}/{hole}", truth, masks, seen)


def under_glass(truth: Tensor) -> Tensor:
    """``T 3 H W`` with a half-transparent logo laid over it, in 8 bits."""
    opacity, color = glass(truth.shape[-2], truth.shape[-1])
    return ((1 - opacity) * truth + opacity * color).mul(255).round().div(255)


def make_case(name: str, truth: Tensor, masks: Tensor, seen: Tensor | None = None) -> Case:
    """Hide ``truth`` under ``masks``; ``seen`` is what shows it half-transparently."""
    return Case(name, truth, masks, destroy(truth, masks), seen)


def count(options: BenchOptions) -> int:
    """How many cases :func:`cases` gives."""
    return len(plan(options))
