"""Bench ``speed``: from file to file by the command itself, and how soon there is something to look at.

Every run is a fresh process, so that starting Python, reading, copying, training, writing and verifying all count. The
clip is played forth and back until it is as long as asked for.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn_functional
from PIL import Image
from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import Sample, read_frames, samples, view
from vidinternal.bench.holes import caption
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe
from vidinternal.media.synthetic import lossy_film
from vidinternal.ops.measures import hole_psnr
from vidinternal.runner.job import pick_device
from vidinternal.runner.run import PREVIEW

METHODS = ("internal", "propagation")
SIZES = {"432x240": (432, 240), "1080p": (1920, 1080)}
"""Width and height, pixels."""
FRAMES = 80
RATE = Fraction(25)
CRF = 14.0
"""Of the source; what a good source looks like."""
COLUMNS = (
    Column("case", "clip"),
    Column("method", "method"),
    Column("frames", "frames"),
    Column("seconds", "seconds, file to file", 1),
    Column("preview", "first look after, s", 1),
    Column("hole_psnr", "hole PSNR dB", 2),
)
_LOOK = 0.1


@dataclass(frozen=True)
class SpeedCase:
    """A clip with a caption of two lines.

    Attributes:
        sample: Where its pictures come from.
        size: A key of :data:`SIZES`.
        frames: How many.
    """

    sample: Sample
    size: str
    frames: int

    @property
    def name(self) -> str:
        """As in the table."""
        return f"{self.sample.name} {self.size}"


def cases_of(options: BenchOptions) -> tuple[SpeedCase, ...]:
    """The cases asked for; else the first clip small, and large too where there is a GPU.

    Raises:
        UsageError: No case has one of the wanted words in its name, or there is no clip.
    """
    every = tuple(SpeedCase(s, size, FRAMES) for size in SIZES for s in samples(options) if not s.pan)
    if not options.cases:
        sizes = tuple(SIZES) if pick_device(options.device).type == "cuda" else ("432x240",)
        return tuple(next(c for c in every if c.size == size) for size in sizes)
    wanted = tuple(c for c in every if any(word in c.name for word in options.cases))
    if not wanted:
        known = ", ".join(c.name for c in every)
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    return wanted


def pictures(case: SpeedCase, options: BenchOptions) -> Iterator[Tensor]:
    """``3 H W`` RGB in [0, 1], the clip forth and back, one picture at a time."""
    natives = read_frames(options.clips / case.sample.file, case.sample.start, None)
    width, height = SIZES[case.size]
    rows, columns = view(natives.shape[-2], natives.shape[-1], (height, width), None)
    there = list(range(len(natives)))
    order = (there + there[-2:0:-1]) * (1 + case.frames // max(1, 2 * len(there) - 2))
    for index in order[: case.frames]:
        picture = natives[index : index + 1, :, rows, columns]
        larger = picture.shape[-1] < width
        how: dict[str, Any] = {"mode": "bicubic", "align_corners": False} if larger else {"mode": "area"}
        yield nn_functional.interpolate(picture, (height, width), **how)[0].clamp(0, 1)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run the command on every case.

    Args:
        options: ``cases`` chooses by words of ``CLIP SIZE``; ``methods``, ``clips``, ``device``, ``seed``.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing, no case fits, or a run failed.
    """
    wanted, methods = cases_of(options), options.methods or METHODS
    rows: list[dict[str, Any]] = []
    for place, case in enumerate(wanted):
        with tempfile.TemporaryDirectory(prefix="vidinternal-speed-") as name:
            folder = Path(name)
            masks = write(case, folder, options)
            for k, method in enumerate(methods):
                progress((place + k / len(methods)) / len(wanted), f"{case.name}: {method}")
                row = timed(method, folder, options)
                row["hole_psnr"] = _judge(case, folder / f"{method}.mp4", masks, options)
                rows.append({"case": case.name, "method": method, "frames": case.frames, **row})
    progress(1.0, "done")
    width, height = SIZES[wanted[0].size]
    return BenchResult(
        bench="speed",
        options=options.model_dump(mode="json") | {"width": width, "height": height, "frames": wanted[0].frames},
        columns=COLUMNS,
        summary=rows,
        rows=rows,
        notes=("`vidinternal run inpaint` in a process of its own, a caption of two lines in every frame.",),
    )


def write(case: SpeedCase, folder: Path, options: BenchOptions) -> Tensor:
    """Write clip and mask; the masks, ``T 1 H W``."""
    width, height = SIZES[case.size]
    mask = caption(1, height, width)
    burnt = (p.masked_fill(mask[0], 0.98).numpy() for p in pictures(case, options))
    lossy_film(folder / "clip.mp4", burnt, RATE, CRF)
    Image.fromarray(mask[0, 0].numpy().astype(np.uint8) * 255).save(folder / "mask.png")
    return mask.expand(case.frames, -1, -1, -1)


def timed(method: str, folder: Path, options: BenchOptions, *more: str) -> dict[str, Any]:
    """Run the command; seconds until it ended and until the first look lay there.

    Args:
        method: Of stage ``inpaint``.
        folder: Holds ``clip.mp4`` and ``mask.png``; the result appears in it as ``METHOD.mp4``.
        options: Device and seed.
        more: Further arguments.

    Raises:
        UsageError: It failed; with what it said.
    """
    place = folder / f"{method}.work"
    command = [sys.executable, "-m", "vidinternal.cli.main", "run", "inpaint", str(folder / "clip.mp4")]
    command += ["--mask", str(folder / "mask.png"), "-o", str(folder / f"{method}.mp4"), "--workspace", str(place)]
    command += ["--set", f"inpaint.method={method}", "--device", options.device, "--seed", str(options.seed), *more]
    said, preview = folder / f"{method}.txt", None
    with said.open("w", encoding="utf-8") as out:
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            while child.poll() is None:
                time.sleep(_LOOK)
                if preview is None and any(place.rglob(PREVIEW)):
                    preview = time.monotonic() - began
        finally:
            child.kill()
        seconds = time.monotonic() - began
    if child.returncode:
        last = (said.read_text(encoding="utf-8").strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise UsageError("bench speed", expected="a run that ends well", got=last)
    return {"seconds": seconds, "preview": preview}


def _judge(case: SpeedCase, result: Path, masks: Tensor, options: BenchOptions) -> float:
    """Hole PSNR of a file against the pictures before the caption, in dB."""
    info = probe(result)
    made = torch.from_numpy(np.stack([to_rgb(native, info) for native in ClipReader(info).frames()])).float()
    return hole_psnr(made, torch.stack(list(pictures(case, options))), masks)
