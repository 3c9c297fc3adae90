"""Whole runs in which every picture is made anew: files of another size, layers, records, resuming, bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import media_made
from vidinternal.core.errors import BudgetError, ConfigError, IntegrityError, MediaError, ResourceError, UsageError
from vidinternal.media.decode import ClipReader
from vidinternal.media.packets import other_streams
from vidinternal.media.probe import probe
from vidinternal.media.verify_samples import Limit, Remade
from vidinternal.methods.dark_channel.method import METHODS as DARK
from vidinternal.methods.resize.method import METHODS as RESIZE
from vidinternal.runner import layers as layer_files
from vidinternal.runner import resources
from vidinternal.runner.compare import compare
from vidinternal.runner.dry_run import dry_run
from vidinternal.runner.estimate import output_bytes, remade_bytes, writing_seconds
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.memory import memory_plan
from vidinternal.runner.run import open_run, run_job
from vidinternal.runner.spec import load_pipeline
from vidinternal.runner.verify import verify_files
from vidinternal.stages import encode as encode_stage
from vidinternal.stages.base import JobInputs
from vidinternal.stages.memory import LEAST_TILE

FAST = ("shots.detector=none",)
LOSSLESS = (*FAST, "encode.codec=ffv1")


def job(tmp_path: Path, pipeline: str = "upscale", *sets: str, to: str = "out/big.mkv", **source: Any) -> Job:
    clip = media_made.clip(tmp_path / "clip.mkv", **{"size": (48, 32), "frames": 6, "smooth": True, **source})
    method = {"upscale": "bicubic", "dehaze": "dark_channel"}[pipeline]
    return Job(pipeline, JobInputs(clip, tmp_path / to), (f"{pipeline}.method={method}", *sets))


def planes(path: Path) -> list[tuple[np.ndarray, ...]]:
    return [f.planes for f in ClipReader(probe(path)).frames()]


def hazy(tmp_path: Path, *sets: str, **source: Any) -> Job:
    return job(tmp_path, "dehaze", *LOSSLESS, *sets, **source)


RICH: dict[str, Any] = {
    "codec": "libx264",
    "rotation": 90,
    "audio_tracks": 2,
    "subtitles": 1,
    "chapters": True,
    "metadata": {"title": "Ärger"},
    "pts": (0, 3, 4, 9, 10, 20),
}


def test_a_film_of_another_size_keeps_all_else(tmp_path: Path) -> None:
    work = job(tmp_path, "upscale", *FAST, "upscale.scale=[2, 1.5]", **RICH)
    record = run_job(work).record
    source, result = probe(work.inputs.source), probe(work.inputs.destination)
    assert (source.width, source.height) == (48, 32) and (result.width, result.height) == (96, 48)
    assert (result.rotation, result.sar, result.pix_fmt) == (90, source.sar, source.pix_fmt)
    assert ClipReader(result).pts == ClipReader(source).pts
    trails = [other_streams(info) for info in (source, result)]
    assert [t.digests for t in trails[0]] == [t.digests for t in trails[1]] and len(trails[0]) == 3
    found = record["output"]["verification"]
    assert found["ok"] and found["least_psnr"] == 48.0 and found["outside"]["psnr"] >= 48
    assert "against the pictures made" in record["verified"] and "says nothing of them" in record["bitrate"]
    assert record["output"]["size"] == [96, 48] and record["output"]["smart"]["whole_because"]
    assert "every picture is 48x96, from 32x48" in record["notes"]
    account = record["shots"][0]["windows"][0]
    assert account["method"] == "bicubic" and account["frames"] == [0, 6]
    assert set(record["citations"]) == {"keys1981cubic"}
    assert any(line.startswith("steadiness, warping error") for line in record["notes"])


def test_the_source_bitrate_is_not_held(tmp_path: Path) -> None:
    record = run_job(job(tmp_path, "upscale", *FAST, codec="libx264", size=(64, 48))).record
    rate = record["output"]["rate"]
    assert rate["holds"] == "quality" and rate["least_psnr"] == 48.0 and rate["expected_ratio"] > 1.2


@pytest.mark.parametrize("pix_fmt", ["yuv422p10le", "gray", "yuva420p", "bgr0"])
def test_samples_are_written_as_they_were_made(tmp_path: Path, pix_fmt: str) -> None:
    work = job(tmp_path, "upscale", *LOSSLESS, pix_fmt=pix_fmt)
    record = run_job(work).record
    assert probe(work.inputs.destination).pix_fmt == pix_fmt
    assert record["output"]["verification"]["outside"]["changed"] == 0
    assert record["verified"].endswith("every sample as it was made")


def test_an_odd_size_is_kept_and_told(tmp_path: Path) -> None:
    work = job(tmp_path, "upscale", *FAST, "upscale.scale=1.5", codec="libx264", size=(34, 22))
    record = run_job(work).record
    result = probe(work.inputs.destination)
    assert (result.width, result.height, result.pix_fmt) == (51, 33, "yuv444p")
    assert any("yuv444p" in n for n in record["notes"]) and any("odd" in n for n in record["notes"])


def test_pictures_that_do_not_grow_go_the_same_way(tmp_path: Path) -> None:
    work = hazy(tmp_path, rotation=90)
    record = run_job(work).record
    assert record["output"]["size"] == [48, 32]
    assert not any(note.startswith("every picture is") for note in record["notes"])
    pairs = zip(planes(work.inputs.source), planes(work.inputs.destination), strict=True)
    assert any((a[0] != b[0]).any() for a, b in pairs)


def test_layers_lie_beside_the_output_upright(tmp_path: Path) -> None:
    work = hazy(tmp_path, rotation=90)
    record = run_job(work).record
    folders = {name: tmp_path / "out" / f"big.{name}" for name in ("transmission", "airlight")}
    assert record["layers"] == {name: str(folder) for name, folder in folders.items()}
    for folder in folders.values():
        assert sorted(p.name for p in folder.iterdir()) == [f"{k:06d}.png" for k in range(6)]
    one = cv2.imread(str(folders["transmission"] / "000003.png"), cv2.IMREAD_UNCHANGED)
    assert one is not None and one.dtype == np.uint16 and one.shape == (48, 32)
    light = cv2.imread(str(folders["airlight"] / "000003.png"), cv2.IMREAD_UNCHANGED)
    assert light is not None and light.shape == (48, 32, 3)
    assert any(note.startswith("layers, 16 bits a sample") for note in record["resumed"])
    assert not list((tmp_path / "out").glob(".*.part"))


def test_layers_that_were_taken_away_are_made_again_from_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = hazy(tmp_path)
    run_job(work)
    assert run_job(work).status == "already done"
    shutil.rmtree(tmp_path / "out" / "big.airlight")
    monkeypatch.setattr(type(DARK[0]), "apply", None)  # no picture is made a second time
    assert run_job(work).status == "done"
    assert len(list((tmp_path / "out" / "big.airlight").glob("*.png"))) == 6


def test_a_folder_of_someone_else_is_kept(tmp_path: Path) -> None:
    work = hazy(tmp_path)
    theirs = tmp_path / "out" / "big.airlight"
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").write_text("mine")
    said = run_job(work).record["resumed"]
    assert (tmp_path / "out" / "big.airlight.1" / "notes.txt").read_text() == "mine"
    assert "kept as big.airlight.1" in " ".join(said)
    assert len(list(theirs.glob("*.png"))) == 6
    run_job(replace(work, fresh=True))  # ours is replaced without a word
    assert not (tmp_path / "out" / "big.airlight.2").exists() and len(list(theirs.glob("*.png"))) == 6


def test_layers_that_cannot_be_written_whole_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_given: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layer_files, "encode_png", fails)
    with pytest.raises((MediaError, ResourceError)):
        run_job(hazy(tmp_path))
    assert not list((tmp_path / "out").glob("*big.*light*")) and not list((tmp_path / "out").glob(".big.*.part"))


def test_a_private_run_keeps_neither_layers_nor_frames(tmp_path: Path) -> None:
    record = run_job(replace(hazy(tmp_path), private=True)).record
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["big.mkv"]
    assert record["layers"] == {}


def test_a_killed_run_goes_on_and_makes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = (*FAST, "shots.window=5")
    whole = run_job(job(tmp_path, "upscale", *sets, to="whole/big.mkv", codec="libx264", frames=13))
    method, calls = RESIZE[0], []
    made: Callable[..., Any] = type(method).apply

    def dies(self: Any, task: Any, config: Any, context: Any) -> Any:
        calls.append(context.seed)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return made(self, task, config, context)

    work = job(tmp_path, "upscale", *sets, to="again/big.mkv", codec="libx264", frames=13)
    monkeypatch.setattr(type(method), "apply", dies)
    with pytest.raises(KeyboardInterrupt):
        run_job(work)
    assert not work.inputs.destination.exists()
    run_job(work)
    assert work.inputs.destination.read_bytes() == whole.destination.read_bytes()
    assert not set(calls[:4]) & set(calls[8:]), "the first window was finished and is not made again"
    assert not list((tmp_path / "again" / ".vidinternal").rglob("scratch"))
    assert run_job(work).status == "already done"


def test_every_window_writes_its_own_frames_alone(tmp_path: Path) -> None:
    work = job(tmp_path, "upscale", *LOSSLESS, "shots.window=5", frames=13)
    run_job(work)
    (tmp_path / "one").mkdir()
    one = job(tmp_path / "one", "upscale", *LOSSLESS, frames=13)
    run_job(one)
    pairs = zip(planes(work.inputs.destination), planes(one.inputs.destination), strict=True)
    assert all(np.array_equal(a, b) for x, y in pairs for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (("upscale.scale=16", "decode.max_pixels=100000"), "decode.max_pixels"),
        (("upscale.scale=2", "encode.codec=hevc", "encode.pix_fmt=nv12"), "yuv420p"),
        (("upscale.scale=2", "encode.codec=prores"), "ends in"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path: Path, sets: tuple[str, ...], told: str) -> None:
    work = job(tmp_path, "upscale", *sets, to="out/big.mp4", codec="libx264")
    with pytest.raises((ConfigError, MediaError)) as caught:
        run_job(work)
    assert told in caught.value.message
    assert not work.inputs.destination.exists() and not list((tmp_path / "out").rglob("upscale-*"))


def test_a_mask_for_what_takes_none_is_refused(tmp_path: Path) -> None:
    work = job(tmp_path)
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((32, 48), 255, np.uint8))
    with pytest.raises(UsageError) as caught:
        run_job(replace(work, inputs=replace(work.inputs, mask=tmp_path / "mask.png")))
    assert caught.value.where == "--mask"


def test_a_dry_run_tells_size_time_memory_and_room(tmp_path: Path) -> None:
    work = job(tmp_path, "upscale", "upscale.scale=2", frames=6)
    plan = dry_run(work)
    assert plan.frames == 6 and "96x64" in plan.made and plan.made in plan.text()
    assert "nothing is masked" not in plan.text()
    assert plan.seconds is not None and plan.seconds > 0
    assert plan.disk == 6 * 96 * 64 * 3 // 2
    assert not work.inputs.destination.exists() and not list((tmp_path / "out").rglob("upscale-*"))


def test_costs_follow_the_pictures_that_are_written(tmp_path: Path) -> None:
    info = probe(job(tmp_path, codec="libx264").inputs.source)
    small, large = (load_pipeline("upscale", ("upscale.method=bicubic", f"upscale.scale={k}")) for k in (1, 4))
    assert remade_bytes(info, 6, large) == 16 * remade_bytes(info, 6, small)
    assert output_bytes(info, large) == pytest.approx(16 * output_bytes(info, small), rel=1e-3)
    assert writing_seconds(info, 1000, large) > 5 * writing_seconds(info, 1000, small)
    layered = load_pipeline("dehaze", ("dehaze.method=dark_channel",))
    assert remade_bytes(info, 6, layered) > remade_bytes(info, 6, small)
    assert remade_bytes(info, 6, load_pipeline("inpaint")) == 0


def test_no_room_for_the_frames_is_found_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "free_bytes", lambda folder: 20_000 if folder.name == ".vidinternal" else 1 << 40)
    with pytest.raises(ResourceError, match="not enough room for the workspace"):
        run_job(job(tmp_path, "upscale", *FAST))


def test_a_budget_too_short_for_anything_is_told(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no time left"):
        run_job(replace(job(tmp_path, "upscale", *FAST), budget=0.05))


def test_memory_bounds_tiles_and_not_windows() -> None:
    spec = load_pipeline("dehaze", ("dehaze.method=dark_channel",))
    card = DARK[0].card
    picture = 3840 * 2160
    ample, scarce = (memory_plan(limit << 30, spec, picture, picture) for limit in (64, 4))
    assert ample.needed(5, 2160, 3840) == ample.needed(80, 2160, 3840)
    if card.tiles == "cut":
        most = ample.tile_pixels()
        least = scarce.tile_pixels()
        assert most is not None and least is not None and LEAST_TILE <= least <= most
    else:
        assert ample.tile_pixels() is None
    assert memory_plan(4 << 30, load_pipeline("inpaint"), picture).tile_pixels() is None


def test_a_larger_output_needs_more_memory() -> None:
    spec = load_pipeline("upscale", ("upscale.method=bicubic",))
    same, large = (memory_plan(8 << 30, spec, 1920 * 1080, k * 1920 * 1080) for k in (1, 4))
    assert large.needed(1, 1080, 1920) > same.needed(1, 1080, 1920) + 3 * 1920 * 1080 * 260 - 1


def test_what_is_learned_at_the_size_that_is_made_is_cut_by_that_size() -> None:
    spec = load_pipeline("upscale", ("upscale.method=dip",))
    picture = 1280 * 720
    same, large = (memory_plan(8 << 30, spec, picture, k * picture).tile_pixels() for k in (1, 16))
    assert same is not None and large is not None and LEAST_TILE <= large < same / 16


def finished(tmp_path: Path) -> tuple[Job, JobResult]:
    work = job(tmp_path, "upscale", *FAST, codec="libx264", audio_tracks=1)
    return work, run_job(work)


def test_verify_holds_a_result_against_what_its_run_made(tmp_path: Path) -> None:
    work, _ = finished(tmp_path)
    result, source = work.inputs.destination, work.inputs.source
    found = verify_files(result, source)
    assert found.ok and found.outside is not None and "against the pictures made" in found.line()
    assert any("pipeline upscale made every picture anew" in n for n in found.notes)
    for folder in (tmp_path / "out" / ".vidinternal").glob("*/upscale-*"):
        shutil.rmtree(folder)
    without = verify_files(result, source)
    assert without.ok and without.outside is None and "every picture made anew" in without.line()


def test_verify_takes_nobodys_word_for_another_file(tmp_path: Path) -> None:
    work, _ = finished(tmp_path)
    other = tmp_path / "out" / "other.mkv"
    shutil.copyfile(work.inputs.destination, other)
    assert verify_files(other, work.inputs.source).ok, "the same bytes under another name"
    lone = tmp_path / "lone" / "big.mkv"
    lone.parent.mkdir()
    shutil.copyfile(other, lone)
    found = verify_files(lone, work.inputs.source)
    assert not found.ok and {i.name for i in found.mismatches} >= {"picture size"}
    assert any("verify --remade" in n for n in found.notes)
    assert verify_files(lone, work.inputs.source, limit=Limit(remade=Remade())).ok
    media_made.clip(lone, size=(96, 64), frames=6, codec="libx264", audio_tracks=1, rate=media_made.Fraction(25))
    assert not verify_files(lone, work.inputs.source, limit=Limit(remade=Remade())).ok, "times differ"


def test_a_result_that_is_not_what_was_made_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is held against the pictures, whatever the encoder says: here they change behind its back."""
    seen = {"count": 0}
    true = encode_stage.patched_frames

    def fickle(*given: Any, **more: Any) -> Any:
        seen["count"] += 1
        for native in true(*given, **more):
            if seen["count"] > 1:
                native.planes[0][:4] ^= 64
            yield native

    monkeypatch.setattr(encode_stage, "patched_frames", fickle)
    work = job(tmp_path, "upscale", *LOSSLESS)
    with pytest.raises(IntegrityError, match="samples of the pictures made"):
        run_job(work)
    assert not work.inputs.destination.exists()


def test_compare_says_plainly_that_sizes_differ(tmp_path: Path) -> None:
    work, result = finished(tmp_path)
    with pytest.raises(UsageError) as caught:
        compare(result.destination, work.inputs.source)
    assert "48x32" in caught.value.expected and "96x64" in caught.value.got and "--remade" in caught.value.hint
    truth = media_made.clip(tmp_path / "truth.mkv", size=(96, 64), frames=6, smooth=True)
    assert compare(result.destination, truth).whole.pixels == 6 * 96 * 64


def test_the_record_is_json_and_opens_again(tmp_path: Path) -> None:
    work, result = finished(tmp_path)
    assert json.loads(json.dumps(result.record))["pipeline"] == "upscale"
    run = open_run(work)
    assert (run.out.width, run.out.height) == (96, 64) and (run.info.width, run.info.height) == (48, 32)
