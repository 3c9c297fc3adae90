"""The whole program on a case of bench ``subtitles``: from the lossy file to a file, told nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.subtitles.cases import BurntCase
from vidinternal.bench.subtitles.draw import Box
from vidinternal.bench.subtitles.rows import FoundEvent, Removed
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.runner.workspace import Workspace, part_name
from vidinternal.stages.base import JobInputs

PIPELINE = "remove_subtitles"
SETS = ("encode.codec=ffv1",)
"""The result is written losslessly, so that what is judged is the picture that was made."""
KINDS = ("masks.kinds=[text, box, logo]",)
"""Logos are left alone unless asked for."""


@dataclass(frozen=True)
class Searched:
    """What a run kept of its search.

    Attributes:
        masks: ``T H W`` bool.
        facts: ``Found.facts``.
    """

    masks: np.ndarray
    facts: Mapping[str, Any]

    @property
    def events(self) -> tuple[FoundEvent, ...]:
        """What was found."""
        return tuple(_event(value) for value in self.facts.get("events", ()))

    @property
    def scan(self) -> float | None:
        """Frames per second at which it looked."""
        return self.facts.get("scan", {}).get("frames_per_second")


def _event(value: Mapping[str, Any]) -> FoundEvent:
    y0, y1, x0, x1 = value["box"]
    return FoundEvent(value["kind"], value["start"], value["end"], (y0, y1, x0, x1), value.get("text"))


def searched(record: Mapping[str, Any]) -> Searched:
    """Read masks and events of a finished run out of its workspace.

    Args:
        record: As ``run.json``.
    """
    workspace, keys = Workspace(Path(record["workspace"])), record["keys"]
    windows: Any = workspace.load("shots", keys["shots"], part_name(None), "windows")
    found: Any = workspace.load("find", keys["find"], part_name(None), "found")
    parts = []
    for window in windows.windows:
        part = part_name(window.index)
        track: Any = workspace.load("masks", keys["masks"], part, "masks")
        again: Any = workspace.load("residue", keys["residue"], part, "again") if "residue" in keys else None
        # what was made once more has masks of its own
        track = track if again is None or again.masks is None else again.masks
        kept = windows.owned(window)
        parts.append(track.masks[kept.start - window.start : kept.stop - window.start, 0].numpy())
    return Searched(np.concatenate(parts), found.found.facts)


def changed_samples(source: Path, result: Path, frames: Sequence[int]) -> int:
    """Samples of some frames, in the files' own planes, that differ."""
    one, other = ClipReader(probe(source)), ClipReader(probe(result))
    count = 0
    for index in frames:
        before, after = next(iter(one.frames(index, index + 1))), next(iter(other.frames(index, index + 1)))
        pairs = zip(before.planes, after.planes, strict=True)
        count += sum(int((a != b).sum()) if a.shape == b.shape else a.size for a, b in pairs)
    return count


def read_area(path: Path, area: Box) -> torch.Tensor:
    """``T 3 h w`` float32 RGB of a file inside a box."""
    y0, y1, x0, x1 = area
    info = probe(path)
    frames = [to_rgb(native, info)[:, y0:y1, x0:x1].astype(np.float32) for native in ClipReader(info).frames()]
    return torch.from_numpy(np.stack(frames))


def run_ours(case: BurntCase, source: Path, folder: Path, options: BenchOptions) -> Removed:
    """Run the program.

    Args:
        case: Tells where to judge, and nothing to the program.
        source: Its input.
        folder: For its output and workspace.
        options: Seed, device, and ``seconds`` for what trains.

    Raises:
        UserError: The program refuses.
    """
    sets = (*SETS, *(KINDS if any(o.kind == "logo" for o in case.overlays) else ()))
    inputs = JobInputs(source, folder / "output.mkv")
    job = Job(
        PIPELINE,
        inputs,
        sets=sets,
        device=options.device,
        seed=options.seed,
        budget=options.seconds if case.overlays else None,
        workspace=folder / "workspace",
    )
    began = time.monotonic()
    done = run_job(job)
    seconds = time.monotonic() - began
    kept = searched(done.record)
    clear = [i for i, touched in enumerate(case.touched) if not touched.any()]
    height, width = case.size
    return Removed(
        read_area(done.destination, case.area if case.overlays else (0, height, 0, width)),
        seconds,
        masks=kept.masks,
        events=kept.events,
        changed=changed_samples(source, done.destination, clear),
        scan=kept.scan,
        notes=tuple(done.record["notes"]),
    )
