"""The whole pipeline on small clips: what it promises about files, resuming, records and time."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import media_made
from vidinternal.core.budget import Budget
from vidinternal.core.errors import BudgetError, MaskError, MediaError, UserError
from vidinternal.core.timecode import parse_region
from vidinternal.media.composite import touched
from vidinternal.media.decode import ClipReader
from vidinternal.media.picture import picture_format
from vidinternal.media.probe import probe
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.stages.base import JobInputs, Stage, StageContext
from vidinternal.stages.inpaint import Inpaint

LOSSLESS = ("encode.codec=ffv1", "shots.detector=none", "inpaint.method=harmonic")


def job(tmp_path: Path, *sets: str, regions: tuple[str, ...] = ("20,12,16,10",), **source: Any) -> Job:
    clip = media_made.clip(tmp_path / "clip.mkv", **{"size": (64, 48), "frames": 12, **source})
    inputs = JobInputs(clip, tmp_path / "out" / "clean.mkv", None, tuple(parse_region(r) for r in regions))
    return Job("inpaint", inputs, sets=(*LOSSLESS, *sets))


def planes(path: Path) -> list[tuple[np.ndarray, ...]]:
    return [f.planes for f in ClipReader(probe(path)).frames()]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray", "bgr0"])
def test_only_samples_under_the_mask_change(tmp_path: Path, pix_fmt: str) -> None:
    work = job(tmp_path, pix_fmt=pix_fmt, regions=("21,13,15,9@2-9",))
    run_job(work)
    source, result = planes(work.inputs.source), planes(work.inputs.destination)
    hole = np.zeros((48, 64), dtype=bool)
    hole[13:22, 21:36] = True
    assert len(source) == len(result) == 12
    changed = 0
    for index, (before, after) in enumerate(zip(source, result, strict=True)):
        where = touched(hole if 2 <= index < 9 else np.zeros_like(hole), picture_format(pix_fmt))
        for plane, filled, mask in zip(before, after, where, strict=True):
            assert np.array_equal(plane[~mask], filled[~mask])
            changed += int((plane[mask] != filled[mask]).sum())
    assert changed > 0
    assert ClipReader(probe(work.inputs.source)).pts == ClipReader(probe(work.inputs.destination)).pts


def test_what_is_under_the_mask_never_reaches_the_result(tmp_path: Path) -> None:
    work = job(tmp_path, frames=5)
    run_job(work)
    first = planes(work.inputs.destination)
    info = probe(work.inputs.source)
    other = tmp_path / "other.mkv"
    media_made.rewrite(info, other, _scribble)
    again = replace(work, inputs=replace(work.inputs, source=other, destination=tmp_path / "other_clean.mkv"))
    run_job(again)
    for one, two in zip(first, planes(again.inputs.destination), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def _scribble(plane: np.ndarray, x_shift: int, y_shift: int) -> np.ndarray:
    changed = plane.copy()
    region = changed[12 >> y_shift : 22 >> y_shift, 20 >> x_shift : 36 >> x_shift]
    region[...] = 255 - region
    return changed


def test_running_a_finished_job_again_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path)
    first = run_job(work)
    stamp = work.inputs.destination.stat().st_mtime_ns
    monkeypatch.setattr(Inpaint, "run", _must_not_run)
    again = run_job(work)
    assert (first.status, again.status) == ("done", "already done")
    assert work.inputs.destination.stat().st_mtime_ns == stamp
    assert again.record == first.record


def _must_not_run(self: Stage, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
    raise AssertionError("this stage's result should have been taken from the workspace")


def test_a_lost_or_touched_result_is_written_again_without_filling_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(tmp_path)
    run_job(work)
    whole = planes(work.inputs.destination)
    work.inputs.destination.write_bytes(b"broken")
    monkeypatch.setattr(Inpaint, "run", _must_not_run)
    assert run_job(work).status == "done"
    assert all(
        np.array_equal(a, b)
        for one, two in zip(whole, planes(work.inputs.destination), strict=True)
        for a, b in zip(one, two, strict=True)
    )


def test_an_interrupted_job_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path, "shots.window=6", "shots.overlap=1", frames=16)
    original, done = Inpaint.run, []

    def interrupted(self: Inpaint, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(context.this_window().index)
        return original(self, inputs, context)

    monkeypatch.setattr(Inpaint, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_job(work)
    assert not work.inputs.destination.exists()
    counted: list[int] = []

    def counting(self: Inpaint, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        counted.append(context.this_window().index)
        return original(self, inputs, context)

    monkeypatch.setattr(Inpaint, "run", counting)
    assert run_job(work).status == "done"
    assert done == [0, 1]
    assert counted == [2]


def test_fresh_makes_everything_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path)
    run_job(work)
    monkeypatch.setattr(Inpaint, "run", _must_not_run)
    with pytest.raises(AssertionError, match="taken from the workspace"):
        run_job(replace(work, fresh=True))


@pytest.mark.parametrize("change", ["seed", "settings", "regions", "source"])
def test_whatever_a_result_depends_on_makes_it_anew(tmp_path: Path, change: str) -> None:
    work = job(tmp_path)
    run_job(work)
    if change == "seed":
        work = replace(work, seed=1)
    elif change == "settings":
        work = replace(work, sets=(*work.sets, "masks.dilate=2"))
    elif change == "regions":
        work = replace(work, inputs=replace(work.inputs, regions=(parse_region("1,1,9,9"),)))
    else:
        media_made.clip(work.inputs.source, size=(64, 48), frames=12, seed=5)
    assert run_job(work).status == "done"


def test_the_record_says_what_was_done(tmp_path: Path) -> None:
    result = run_job(job(tmp_path))
    record = json.loads(result.record_path.read_text(encoding="utf-8"))
    assert record["settings"]["inpaint"]["method"] == "harmonic"
    assert record["versions"]["torch"]
    assert record["shots"][0]["expected_psnr"] > 10
    low, high = record["shots"][0]["expected_range"]
    assert low < record["shots"][0]["expected_psnr"] < high
    assert record["shots"][0]["masked_pixels"] == 12 * 160
    assert set(record["timings"]) == {"decode", "shots", "masks", "flow", "inpaint", "composite", "encode"}
    assert record["output"]["frames"] == 12


def test_long_shots_are_cross_faded_and_their_seam_is_measured(tmp_path: Path) -> None:
    result = run_job(job(tmp_path, "shots.window=8", "shots.overlap=3", frames=20))
    assert result.record["shots"][0]["seam_codes"] is not None
    assert len(result.record["shots"][0]["windows"]) == 4


def test_full_output_replaces_the_whole_work_area(tmp_path: Path) -> None:
    work = job(tmp_path, "composite.output=full", "inpaint.method=dip_vid", "inpaint.iterations=2", "inpaint.depth=2")
    run_job(work)
    before, after = planes(work.inputs.source)[0][0], planes(work.inputs.destination)[0][0]
    assert (before != after).mean() > 0.5


@pytest.mark.parametrize(("stem", "frame"), [("mask.png", None), ("masks", 3)])
def test_masks_from_files(tmp_path: Path, stem: str, frame: int | None) -> None:
    work = job(tmp_path, regions=())
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[10:20, 10:30] = 255
    if frame is None:
        cv2.imwrite(str(tmp_path / stem), mask)
    else:
        (tmp_path / stem).mkdir()
        for k in range(12):
            cv2.imwrite(str(tmp_path / stem / f"{k:03d}.png"), mask * (k == frame))
    work = replace(work, inputs=replace(work.inputs, mask=tmp_path / stem))
    record = run_job(work).record
    assert record["shots"][0]["masked_pixels"] == 200 * (12 if frame is None else 1)


def test_an_empty_mask_writes_the_clip_unchanged(tmp_path: Path) -> None:
    work = job(tmp_path, regions=())
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((48, 64), dtype=np.uint8))
    work = replace(work, inputs=replace(work.inputs, mask=tmp_path / "mask.png"))
    record = run_job(work).record
    assert record["shots"][0]["masked_pixels"] == 0
    assert any("nothing is masked" in n for n in record["notes"])
    for before, after in zip(planes(work.inputs.source), planes(work.inputs.destination), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("regions", "error", "part"),
    [
        ((), MaskError, "--region X,Y,W,H"),
        (("60,40,16,10",), MaskError, "64x48"),
        (("2,2,9,9@40-50",), MaskError, "12 frames"),
        (("2,2,9,9@0:09-0:10",), MaskError, "12 frames"),
    ],
)
def test_masks_that_cannot_work_are_refused_before_any_work(
    tmp_path: Path, regions: tuple[str, ...], error: type[UserError], part: str
) -> None:
    work = job(tmp_path, regions=regions)
    with pytest.raises(error, match=part):
        run_job(work)
    assert not work.inputs.destination.exists()


def test_a_mask_of_another_size_is_refused_with_both_sizes_unless_fitted(tmp_path: Path) -> None:
    work = job(tmp_path, regions=())
    mask = np.zeros((24, 32), dtype=np.uint8)
    mask[5:10, 5:15] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    work = replace(work, inputs=replace(work.inputs, mask=tmp_path / "mask.png"))
    with pytest.raises(MaskError, match=r"32x24[\s\S]*--mask-fit|64x48[\s\S]*--mask-fit"):
        run_job(work)
    record = run_job(replace(work, inputs=replace(work.inputs, mask_fit=True))).record
    assert record["shots"][0]["masked_pixels"] == 12 * 200


def test_a_budget_too_short_for_anything_says_so_and_leaves_no_file(tmp_path: Path) -> None:
    work = replace(job(tmp_path), budget=0.05)
    with pytest.raises(BudgetError, match="longer --budget"):
        run_job(work)
    assert not work.inputs.destination.exists()


def test_when_time_runs_out_midway_the_rest_is_filled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = replace(
        job(tmp_path, "shots.window=8", "shots.overlap=2", "inpaint.method=internal", frames=20), budget=20.0
    )
    whole = Budget(20.0)
    monkeypatch.setattr("vidinternal.runner.run.Budget", lambda s=None: whole if s == 20.0 else Budget(s))
    original = Inpaint.run

    def time_is_up(self: Inpaint, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        made = original(self, inputs, context)
        whole.seconds = 0.001
        return made

    monkeypatch.setattr(Inpaint, "run", time_is_up)
    windows = run_job(work).record["shots"][0]["windows"]
    assert len(windows) == 3
    assert all(w["iterations"] > 0 for w in windows)


def test_a_budget_ends_training_with_the_best_so_far(tmp_path: Path) -> None:
    work = job(tmp_path, "inpaint.method=dip_vid", "inpaint.depth=2", frames=6)
    record = run_job(replace(work, budget=6.0)).record
    assert record["shots"][0]["windows"][0]["stopped"] == "budget"
    assert record["shots"][0]["windows"][0]["iterations"] > 0


def test_a_file_that_is_no_clip_fails_the_clip(tmp_path: Path) -> None:
    (tmp_path / "poem.mp4").write_text("no video here")
    inputs = JobInputs(tmp_path / "poem.mp4", tmp_path / "o.mp4", regions=(parse_region("0,0,4,4"),))
    with pytest.raises(MediaError, match=r"poem\.mp4"):
        run_job(Job("inpaint", inputs))


def test_the_same_job_gives_the_same_bytes(tmp_path: Path) -> None:
    work = job(tmp_path, "inpaint.method=propagation")
    run_job(work)
    first = work.inputs.destination.read_bytes()
    run_job(replace(work, workspace=tmp_path / "elsewhere"))
    assert work.inputs.destination.read_bytes() == first
