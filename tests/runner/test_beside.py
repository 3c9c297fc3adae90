"""Burnt-in text told by an events file, removed and given back; the files for people beside the output."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.media_made import Recipe, make, packets, pictures
from vidinternal.core.errors import MaskError, MediaError, UsageError
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.runner.beside import place_of
from vidinternal.runner.dry_run import dry_run
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.run import run_job
from vidinternal.stages.base import JobInputs

RECIPE = Recipe(
    "film.mkv",
    size=(96, 64),
    frames=12,
    codec="libx264",
    options={"preset": "ultrafast", "crf": "4", "g": "4"},
    audio_tracks=1,
    smooth=True,
)
SETS = (
    "inpaint.method=harmonic",
    "inpaint.copies=0",
    "masks.context=16",
    "shots.detector=none",
    "masks.detector=temporal",
)
EVENT: dict[str, Any] = {
    "kind": "text",
    "start": 4,
    "end": 8,
    "box": [20, 40, 56, 14],
    "text": "Hallo",
    "language": "de",
}


def film(folder: Path, recipe: Recipe = RECIPE) -> Path:
    """A clip with thick white bars with a black edge in frames 4 to 7."""
    natives = []
    for native in pictures(recipe):
        luma = native.planes[0].copy()
        if 4 <= native.index < 8:
            for x in range(24, 72, 12):
                luma[42:52, x - 2 : x + 6] = 16
                luma[44:50, x : x + 4] = 235
        natives.append(NativeFrame((luma, *native.planes[1:]), native.pts, native.duration, native.index))
    return make(recipe, folder, natives)


def events(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps({"version": 1, "events": list(rows)}))
    return path


def job(folder: Path, output: str = "clean.mkv", **inputs: Any) -> Job:
    source = folder / "film.mkv"
    if not source.exists():
        film(folder)
    return Job("remove_subtitles", JobInputs(source, folder / "out" / output, **inputs), sets=SETS, device="cpu")


def removed(folder: Path, *rows: dict[str, Any], **inputs: Any) -> JobResult:
    return run_job(job(folder, events=events(folder, *rows), **inputs))


def luma(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="gray") for f in container.decode(video=0)])


def test_text_is_removed_and_given_back_as_a_track(tmp_path: Path) -> None:
    result = removed(tmp_path, EVENT, soft_subs=True)
    before, after = luma(tmp_path / "film.mkv"), luma(result.destination)
    assert (before[5, 44:50, 24:28] > 220).all()
    assert not (after[5, 40:54, 20:76] > 220).any()
    assert np.abs(before[0].astype(int) - after[0]).max() == 0
    with av.open(str(result.destination)) as container:
        (track,) = container.streams.subtitles
        assert track.metadata["language"] == "deu"
        (said,) = packets(result.destination)[track.index]
    assert abs(said[0] - Fraction(4, 24)) <= Fraction(1, 1000)
    assert said[1] == b"Hallo"
    beside = tmp_path / "out"
    assert b"Hallo" in (beside / "clean.srt").read_bytes()
    assert (beside / "clean.sheet.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((beside / "clean.events.json").read_text())["events"][0]["text"] == "Hallo"
    assert any("1 texts were added" in n for n in result.record["notes"])
    assert result.record["output"]["soft_subs"] == {"texts": 1, "language": "deu"}
    assert [p.name for p in beside.iterdir() if p.name.endswith(".part")] == []


def test_text_before_a_still_picture_is_not_filled_but_seen(tmp_path: Path) -> None:
    still = replace(RECIPE, speed=0)
    truth = make(replace(still, name="truth.mkv"), tmp_path)
    film(tmp_path, still)
    result = removed(tmp_path, EVENT)
    (shot,) = result.record["shots"]
    assert shot["masked_pixels"] > 0
    assert any("of the masked pixels are known: bare before or after" in n for n in result.record["notes"])
    off = luma(result.destination)[4:8, 42:52, 22:72].astype(int) - luma(truth)[4:8, 42:52, 22:72]
    assert np.sqrt(np.mean(off**2)) < 4


def test_what_was_written_can_be_given_back_and_is_then_left_alone(tmp_path: Path) -> None:
    removed(tmp_path, EVENT)
    written = tmp_path / "out" / "clean.events.json"
    value = json.loads(written.read_text())
    value["events"][0]["text"] = "Servus"
    written.write_text(json.dumps(value))
    mine = written.read_bytes()
    run_job(job(tmp_path, events=written))
    assert written.read_bytes() == mine
    assert b"Servus" in (tmp_path / "out" / "clean.srt").read_bytes()


def test_a_file_that_a_person_changed_is_kept_under_another_name(tmp_path: Path) -> None:
    removed(tmp_path, EVENT)
    written = tmp_path / "out" / "clean.srt"
    written.write_text("mine")
    result = removed(tmp_path, {**EVENT, "text": "Servus"})
    assert (tmp_path / "out" / "clean.1.srt").read_text() == "mine"
    assert "Servus" in written.read_text()
    assert any("kept as clean.1.srt" in n for n in result.record["resumed"])


def test_no_text_known_means_no_track_and_that_is_said(tmp_path: Path) -> None:
    result = removed(tmp_path, {**EVENT, "text": None}, soft_subs=True)
    with av.open(str(result.destination)) as container:
        assert not container.streams.subtitles
    assert any("no text was recognised" in n for n in result.record["notes"])
    assert not (tmp_path / "out" / "clean.srt").exists()


def test_without_any_event_the_output_is_the_input(tmp_path: Path) -> None:
    result = removed(tmp_path)
    own = probe(result.destination).video_index
    assert packets(result.destination)[own] == packets(tmp_path / "film.mkv")[own]
    assert any("nothing" in n for n in result.record["notes"])


def test_a_dry_run_writes_the_files_to_look_at(tmp_path: Path) -> None:
    found = dry_run(job(tmp_path, events=events(tmp_path, EVENT)))
    assert (tmp_path / "out" / "clean.sheet.png").is_file()
    assert not (tmp_path / "out" / "clean.mkv").exists()
    assert any("clean.events.json" in n for n in found.notes)


def test_a_private_run_leaves_nothing_but_the_output(tmp_path: Path) -> None:
    asked = job(tmp_path, events=events(tmp_path, EVENT))
    run_job(Job(**{**asked.__dict__, "private": True}))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["clean.mkv"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"soft_subs": True}, "--soft-subs"),
        ({"events": Path("x.json")}, "--events"),
        ({"subtitles": Path("x.srt")}, "--subtitles"),
    ],
)
def test_options_of_the_search_are_refused_elsewhere(inputs: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "x.srt").write_text("1")
    given: dict[str, Any] = {k: tmp_path / v if isinstance(v, Path) else v for k, v in inputs.items()}
    asked = job(tmp_path, **given)
    other = Job(**{**asked.__dict__, "pipeline": "inpaint", "sets": ()})
    with pytest.raises(UsageError, match=message) as refused:
        run_job(other)
    assert "remove_subtitles" in refused.value.message


@pytest.mark.parametrize("name", ["events", "subtitles"])
def test_a_file_that_is_not_there_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "out"):
        with pytest.raises(MaskError, match="none here") as refused:
            given: dict[str, Any] = {name: place / "none here"}
            run_job(job(tmp_path, **given))
        assert "No such file" in refused.value.message


def test_a_language_without_a_track_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--soft-subs with it"):
        run_job(job(tmp_path, events=events(tmp_path, EVENT), language="deu"))


def test_a_container_without_text_is_refused_before_any_work(tmp_path: Path) -> None:
    asked = job(tmp_path, "clean.ts", events=events(tmp_path, EVENT), soft_subs=True)
    with pytest.raises(MediaError):
        run_job(asked)
    assert not (tmp_path / "out").exists() or not [p for p in (tmp_path / "out").iterdir() if p.suffix]


def test_files_lie_beside_the_output_and_beside_a_folder_of_images() -> None:
    assert place_of(Path("a/clean.mkv"), "sheet.png") == Path("a/clean.sheet.png")
    assert place_of(Path("a/clean.mkv"), "events.srt") == Path("a/clean.srt")
    assert place_of(Path("a/shots/%05d.png"), "events.json") == Path("a/shots.events.json")
