from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import vidinternal
from tests.runner.test_beside import EVENT, SETS, events, film
from vidinternal.core.errors import ConfigError, MaskError, PipelineError, UsageError
from vidinternal.core.timecode import parse_region
from vidinternal.engines import notebook
from vidinternal.media.verify import Limit
from vidinternal.runner.asked_mask import Asked
from vidinternal.runner.job import Job
from vidinternal.runner.verify import verify_files
from vidinternal.stages.base import JobInputs


def clip() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (4, 24, 32, 3), dtype=np.uint8)
    mask = np.zeros((24, 32), dtype=np.uint8)
    mask[8:14, 10:18] = 1
    return frames, mask


def test_arrays_in_arrays_out_and_known_pixels_stay() -> None:
    frames, mask = clip()
    filled = vidinternal.inpaint(frames, mask, "harmonic")
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[:, mask == 0], frames[:, mask == 0])
    assert (filled[:, mask == 1] != frames[:, mask == 1]).any()


def test_tensors_and_floats_give_floats() -> None:
    frames, mask = clip()
    as_float = frames.astype(np.float32) / 255
    tensor = torch.from_numpy(as_float).permute(0, 3, 1, 2)
    assert np.allclose(vidinternal.inpaint(as_float, mask, "telea"), vidinternal.inpaint(tensor, mask, "telea"))


def test_what_is_under_the_mask_does_not_matter() -> None:
    frames, mask = clip()
    other = frames.copy()
    other[:, mask == 1] = 7
    assert np.array_equal(
        vidinternal.inpaint(frames, mask, "propagation"), vidinternal.inpaint(other, mask, "propagation")
    )


def test_methods_that_train_take_settings_and_time() -> None:
    frames, mask = clip()
    filled = vidinternal.inpaint(frames, mask, "dip_vid_flow", iterations=2, depth=2)
    assert filled.shape == frames.shape


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"masks": np.zeros((5, 24, 32))}, MaskError),
        ({"frames": np.zeros((24, 32, 3))}, UsageError),
        ({"method": "tela"}, PipelineError),
        ({"radios": 3}, ConfigError),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, error: type[Exception]) -> None:
    frames, mask = clip()
    with pytest.raises(error):
        vidinternal.inpaint(**{"frames": frames, "masks": mask, "method": "telea", **change})


def test_only_public_names_are_there() -> None:
    with pytest.raises(AttributeError, match="public: dehaze, denoise, inpaint, restore, run"):
        _ = vidinternal.upscail


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that would have been run."""
    jobs: list[Job] = []
    monkeypatch.setattr(notebook, "run_and_report", jobs.append)
    return jobs


def test_every_input_of_a_job_can_be_given_and_is_what_the_command_line_makes_of_it(asked: list[Job]) -> None:
    given = {
        "mask": "m.png",
        "regions": ["1,2,3,4@0-3"],
        "mask_fit": True,
        "objects": ["box=1,2,3,4@0", "dog:point=5,6"],
        "hints": "h.yaml",
        "events": "e.json",
        "subtitles": "s.srt",
        "soft_subs": True,
        "language": "en-GB",
    }
    vidinternal.run("remove_subtitles", "in.mkv", "out.mkv", **given, workspace="w", report="r.html", seed=3)
    assert {"source", "destination", *given} == {f.name for f in fields(JobInputs)}
    (job,) = asked
    assert job.inputs == JobInputs(
        Path("in.mkv"),
        Path("out.mkv"),
        Path("m.png"),
        (parse_region("1,2,3,4@0-3"),),
        mask_fit=True,
        objects=("box=1,2,3,4@0", "dog:point=5,6"),
        hints=Path("h.yaml"),
        events=Path("e.json"),
        subtitles=Path("s.srt"),
        soft_subs=True,
        language="eng",
    )
    assert (job.workspace, job.report, job.seed) == (Path("w"), Path("r.html"), 3)


def test_what_is_left_out_is_as_on_the_command_line_and_one_is_as_good_as_a_list(asked: list[Job]) -> None:
    vidinternal.run("inpaint", "in.mkv", "out.mkv")
    assert asked[0] == Job("inpaint", JobInputs(Path("in.mkv"), Path("out.mkv")))
    vidinternal.run("inpaint", "in.mkv", "out.mkv", regions="1,2,3,4", objects="point=5,6", hints=None, language=None)
    assert asked[1].inputs.regions == (parse_region("1,2,3,4"),)
    assert asked[1].inputs.objects == ("point=5,6",)
    assert asked[1].inputs.hints is None and asked[1].inputs.language is None


def test_what_is_no_language_and_what_no_job_knows_is_refused(asked: list[Job]) -> None:
    with pytest.raises(UsageError, match="en, eng or en-GB"):
        vidinternal.run("remove_subtitles", "in.mkv", "out.mkv", soft_subs=True, language="klingon")
    with pytest.raises(TypeError, match="subtitels"):
        vidinternal.run("remove_subtitles", "in.mkv", "out.mkv", subtitels="s.srt")
    assert not asked


def test_events_given_in_python_are_removed_and_given_back(tmp_path: Path) -> None:
    film(tmp_path)
    result = vidinternal.run(
        "remove_subtitles",
        tmp_path / "film.mkv",
        tmp_path / "clean.mkv",
        events=str(events(tmp_path, EVENT)),
        soft_subs=True,
        language="fr",
        device="cpu",
        settings={name: value for name, _, value in (s.partition("=") for s in SETS)},
    )
    assert result.record["output"]["soft_subs"] == {"texts": 1, "language": "fra"}
    assert verify_files(tmp_path / "clean.mkv", tmp_path / "film.mkv", soft=True).mismatches
    found = verify_files(
        *(tmp_path / "clean.mkv", tmp_path / "film.mkv", Asked(regions=(parse_region("0,30,96,34"),))),
        limit=Limit(least_psnr=40.0),
        soft=True,
    )
    assert found.ok, found.text()
