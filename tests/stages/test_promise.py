"""A run looks at the file it wrote before the file gets its name, and refuses or rewrites what is not as promised."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import media_made
from vidinternal.core.errors import IntegrityError
from vidinternal.core.timecode import parse_region
from vidinternal.media import rate
from vidinternal.media.picture import NativeFrame
from vidinternal.media.rate import choose_rate
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.stages import encode as encode_stage
from vidinternal.stages.base import JobInputs

FILL = ("shots.detector=none", "inpaint.method=telea")


def job(tmp_path: Path, *sets: str, suffix: str = ".mkv", **source: Any) -> Job:
    clip = media_made.clip(tmp_path / f"clip{suffix}", **{"size": (64, 48), "frames": 12, **source})
    inputs = JobInputs(clip, tmp_path / "out" / f"clean{suffix}", None, (parse_region("20,12,16,10@2-9"),))
    return Job("inpaint", inputs, sets=(*FILL, *sets))


def left_behind(work: Job) -> list[str]:
    folder = work.inputs.destination.parent
    return [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []


@pytest.mark.parametrize("output", ["composite", "full"])
@pytest.mark.parametrize("more", [{}, {"interlaced": "tff"}, {"pix_fmt": "yuv422p10le"}])
def test_a_run_is_verified_and_says_so(more: dict[str, Any], output: str, tmp_path: Path) -> None:
    work = job(tmp_path, "encode.codec=ffv1", f"composite.output={output}", **more)
    record = run_job(work).record
    found = record["output"]["verification"]
    assert found["ok"]
    assert found["outside"]["changed"] == 0
    assert (found["outside"]["samples"] > 0) == (output == "composite")  # the work area is the whole small picture
    assert record["verified"].startswith("12 frames, every time equal")
    assert "kbit/s" in record["bitrate"]
    json.dumps(record)


def test_a_sample_changed_outside_the_mask_fails_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path, "encode.codec=ffv1")
    honest = encode_stage.patched_frames

    def slipping(*arguments: Any) -> Iterator[NativeFrame]:
        for native in honest(*arguments):
            if native.index == 5:
                planes = [p.copy() for p in native.planes]
                planes[1][0, 0] ^= 1
                yield replace(native, planes=tuple(planes))
            else:
                yield native

    monkeypatch.setattr(encode_stage, "patched_frames", slipping)
    with pytest.raises(IntegrityError, match="samples outside the mask: expected 0 changed, got 1 of") as caught:
        run_job(work)
    assert caught.value.exit_code == 1
    assert left_behind(work) == []


def test_a_frame_too_few_fails_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path, "encode.codec=ffv1")
    honest = encode_stage.patched_frames
    monkeypatch.setattr(encode_stage, "patched_frames", lambda *a: (f for f in honest(*a) if f.index != 11))
    with pytest.raises(IntegrityError, match="frames: expected 12, got 11"):
        run_job(work)
    assert left_behind(work) == []


def test_a_bitrate_that_missed_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x264 = {"codec": "libx264", "options": {"crf": "20"}, "frames": 30, "size": (160, 96)}
    work = job(tmp_path, suffix=".mp4", **x264)

    honest = rate._Look.ratio
    monkeypatch.setattr(rate._Look, "ratio", lambda look, trial: 1.6 * honest(look, trial))
    record = run_job(work).record
    (why,) = record["output"]["rewritten"]
    assert "written again with crf" in why
    assert why in record["bitrate"]
    assert abs(record["output"]["verification"]["bitrate"]["ratio"] - 1) <= 0.2


def test_below_fifty_decibels_the_result_says_what_fifty_would_cost(tmp_path: Path) -> None:
    x264 = {"codec": "libx264", "options": {"crf": "26"}, "frames": 30, "size": (160, 96)}
    record = run_job(job(tmp_path, suffix=".mp4", **x264)).record
    assert record["output"]["verification"]["outside"]["psnr"] < 50
    assert "less than 50; --set encode.rate=quality gives 50 dB at about" in record["bitrate"]
    assert "dB outside the mask" in record["verified"]


def test_a_dark_corner_of_the_clip_is_judged_by_what_the_quality_affords_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x264 = {"codec": "libx264", "options": {"crf": "26"}, "frames": 30, "size": (160, 96)}
    work = job(tmp_path, suffix=".mp4", **x264)

    def hopeful(*arguments: Any, **more: Any) -> Any:
        return replace(choose_rate(*arguments, **more), least_psnr=49.9)

    monkeypatch.setattr(encode_stage, "choose_rate", hopeful)
    found = run_job(work).record["output"]["verification"]
    assert found["ok"]
    assert found["least_psnr"] < found["outside"]["psnr"] < 49.9


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_of_a_transport_stream_goes_into_containers_that_keep_its_header_apart(
    suffix: str, tmp_path: Path
) -> None:
    x264 = {"codec": "libx264", "options": {"crf": "20", "g": "6"}, "frames": 24, "audio_tracks": 1}
    work = job(tmp_path, suffix=".ts", **x264)
    work = replace(work, inputs=replace(work.inputs, destination=tmp_path / "out" / f"clean{suffix}"))
    record = run_job(work).record
    assert "1 audio track packet for packet" in record["verified"]
    assert record["output"]["smart"]["gops_copied"] > 0


def test_where_nothing_is_masked_all_is_copied_and_no_quality_is_chosen(tmp_path: Path) -> None:
    work = job(tmp_path, suffix=".mp4", codec="libx264", options={"crf": "20", "g": "6"})
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((48, 64), np.uint8))
    work = replace(work, inputs=replace(work.inputs, mask=tmp_path / "black.png", regions=()))
    record = run_job(work).record
    assert record["output"]["rate"]["trials"] == 0
    assert record["output"]["verification"]["outside"]["changed"] == 0
    assert record["bitrate"].endswith("(+0 %), all copied")
