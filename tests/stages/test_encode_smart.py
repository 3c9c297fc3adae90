"""A run copies the groups of pictures that its masks leave alone, whatever windows it was cut into."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.media.smart.smart_made import clip, decoded, stored, x264
from vidinternal.core.clip import Shot, Window
from vidinternal.core.timecode import parse_region
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.stages.artifacts import Patches, Windows
from vidinternal.stages.base import JobInputs
from vidinternal.stages.encode import patched_frames, touched_frames

SETS = ("shots.detector=none", "inpaint.method=telea", "encode.crf=18", "shots.window=8", "shots.overlap=2")


def run(source: Path, region: str, *sets: str) -> dict[str, Any]:
    """Fill a rectangle; the account of the file written."""
    inputs = JobInputs(source, source.with_name("result.mp4"), None, (parse_region(region),))
    made = run_job(Job("inpaint", inputs, sets=(*SETS, *sets)))
    return dict(made.record["output"])


@pytest.mark.parametrize(
    ("region", "groups"), [("8,8,16,16@13-15", {2}), ("8,8,16,16@0-3", {0}), ("8,8,16,16@5-7", {0, 1})]
)
def test_a_run_copies_what_its_masks_leave_alone(region: str, groups: set[int], tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", x264(bf="3", b_strategy="0"))
    told = run(source, region)
    assert (told["smart"]["gops_copied"], told["smart"]["gops_encoded"]) == (4 - len(groups), len(groups))
    assert told["verification"]["ok"]
    before, after = stored(source), stored(tmp_path / "result.mp4")
    times = sorted(p.pts for p in before)
    kept = {t for k, t in enumerate(times) if k // 6 not in groups}
    assert [p for p in after if p.pts in kept] == [p for p in before if p.pts in kept]
    one, two = decoded(source), decoded(tmp_path / "result.mp4")
    assert all(np.array_equal(one[t], two[t]) for t in kept)


def test_windows_tell_which_frames_they_change_and_give_any_span() -> None:
    windows = Windows((Shot(0, 0, 10),), (Window(0, 0, 0, 6), Window(1, 0, 4, 10, 2)))
    patches = [Patches({1: (None,)}), Patches({5: (None,), 9: (None,)})]
    assert touched_frames(windows, patches) == {1, 5, 9}
    asked: list[tuple[int, int]] = []

    def native(start: int, end: int) -> list[Any]:
        asked.append((start, end))
        return [SimpleNamespace(index=k, planes=(None,), pts=k, duration=1) for k in range(start, end)]

    frames = SimpleNamespace(native=native)
    assert [f.index for f in patched_frames(frames, windows, [Patches({}), Patches({})], 3, 7)] == [3, 4, 5, 6]
    assert asked == [(3, 4), (4, 7)]
