"""An object pointed at and removed, from file to file; what is told of it; what its results depend on."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from tests.methods.track.scenes import SIDE, moving
from vidinternal.core.errors import MaskError
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe
from vidinternal.runner.dry_run import dry_run
from vidinternal.runner.job import Job
from vidinternal.runner.run import open_run, run_job
from vidinternal.stages.base import JobInputs

FRAMES = 6
SETS = (
    "masks.first_steps=12",
    "masks.steps=1",
    "inpaint.method=propagation",
    "encode.codec=ffv1",
)
BOX = f"box=8,22,{SIDE + 6},{SIDE + 6}@0"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mkv", "yuv444p")


def write_clip(path: Path, pix_fmt: str) -> Path:
    """An object that walks through a still scene."""
    frames, _ = moving([(11 + 12 * t, 25) for t in range(FRAMES)])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pix_fmt
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def job(source: Path, folder: Path, *objects: str, pipeline: str = "remove_object") -> Job:
    sets = SETS if pipeline == "remove_object" else SETS[2:]
    inputs = JobInputs(source, folder / "out.mkv", objects=objects)
    return Job(pipeline, inputs, sets, workspace=folder / "work")


def test_the_object_is_gone_and_everything_else_is_as_it_was(source: Path, tmp_path: Path) -> None:
    result = run_job(job(source, tmp_path, BOX))
    record = result.record
    assert record["found"]["objects"][0]["name"] == "object"
    assert record["mask"]["objects"] == [BOX]
    assert isinstance(record["leftovers"], list)
    assert "perazzi2017masktrack" in record["citations"]
    before, after = (
        np.stack([to_rgb(f, info) for f in ClipReader(info).frames(0, FRAMES)])
        for info in (probe(source), probe(tmp_path / "out.mkv"))
    )
    red = (before[:, 0] > 0.7) & (before[:, 1] < 0.25)
    assert red.sum() > 1000
    left = (after[:, 0] > 0.7) & (after[:, 1] < 0.25) & red
    assert left.sum() < 0.05 * red.sum()
    assert run_job(job(source, tmp_path, BOX)).status == "already done"


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_leftovers_are_looked_for_among_the_sources_own_pixels(
    pix_fmt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("vidinternal.runner.leftovers.leftovers", lambda *given: seen.append(given) or {})
    path = write_clip(tmp_path / "clip.mkv", pix_fmt)
    run_job(job(path, tmp_path, BOX))
    ((result, masks),) = seen
    info = probe(path)
    whole = torch.stack([torch.from_numpy(to_rgb(f, info)) for f in ClipReader(info).frames(0, FRAMES)])
    assert masks.shape[-2:] == whole.shape[-2:]
    assert masks.any()
    # where nothing is filled nothing is hidden either, be it beside the mask
    assert ((result - whole).abs() * ~masks).max() < 1e-3
    assert ((result - whole).abs() * masks).max() > 0.1


def test_a_dry_run_shows_what_would_be_removed(source: Path, tmp_path: Path) -> None:
    plan = dry_run(job(source, tmp_path, BOX))
    assert plan.windows[0].frames == FRAMES
    assert any("sheet.png" in note for note in plan.notes)
    assert list(tmp_path.rglob("*overlay.webp"))


def test_a_hint_that_does_not_fit_is_refused_and_nothing_is_written(source: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="inside the 112x72 picture"):
        run_job(job(source, tmp_path, "box=100,22,26,26@0"))
    assert not (tmp_path / "out.mkv").exists()


def test_hints_to_a_pipeline_that_follows_nothing_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="follows objects"):
        run_job(job(source, tmp_path, BOX, pipeline="inpaint"))


def test_results_depend_on_the_pictures_that_hints_name(source: Path, tmp_path: Path) -> None:
    picture = tmp_path / "mask.png"

    def key(value: int) -> str:
        cv2.imwrite(str(picture), np.full((72, 112), value, np.uint8))
        return open_run(job(source, tmp_path, f"mask={picture}@0")).keys["find"]

    assert key(0) != key(255)
    assert key(0) == key(0)
    hints = tmp_path / "hints.yaml"
    hints.write_text("version: 1\nobjects: [{hints: [{mask: mask.png}]}]\n", encoding="utf-8")
    plain = job(source, tmp_path)

    def filed(value: int) -> str:
        cv2.imwrite(str(picture), np.full((72, 112), value, np.uint8))
        return open_run(replace(plain, inputs=replace(plain.inputs, hints=hints))).keys["find"]

    assert filed(0) != filed(255)
