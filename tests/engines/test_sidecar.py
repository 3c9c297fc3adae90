"""Sidecars and masks by name: found, taken before the command line's, refused with line and nearest name."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from vidinternal.core.errors import PipelineError, UsageError
from vidinternal.core.hints import parse_hint
from vidinternal.core.timecode import FrameIndex, parse_region
from vidinternal.engines.sidecar import find_mask, find_sidecar, read_sidecar, with_sidecar, with_sidecars
from vidinternal.runner.job import Job
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages.base import JobInputs


def job(folder: Path, name: str = "clip.mp4", **changes) -> Job:
    (folder / name).touch()
    inputs = JobInputs(folder / name, folder / "out" / name, changes.pop("mask", None), (parse_region("1,1,4,4"),))
    return Job("inpaint", inputs, **changes)


def sidecar(folder: Path, text: str, name: str = "clip.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_what_it_says_counts_before_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "other.png").touch()
    sidecar(
        tmp_path,
        "mask: other.png\nmask_fit: true\nregions: ['2,2,8,8@3-9', '0,0,4,4']\nbudget: 20m\nseed: 7\n"
        "settings:\n  masks.dilate: 9\n  inpaint:\n    method: harmonic\n",
    )
    made, notes = with_sidecar(job(tmp_path, sets=("masks.dilate=1",), budget=5.0))
    assert made.inputs.mask == tmp_path / "other.png" and made.inputs.mask_fit
    assert made.inputs.regions == (parse_region("2,2,8,8@3-9"), parse_region("0,0,4,4"))
    assert (made.budget, made.seed) == (1200.0, 7)
    settings = load_pipeline(made.pipeline, made.sets).settings()
    assert settings["masks"]["dilate"] == 9 and settings["inpaint"]["method"] == "harmonic"
    assert notes == ("settings of its own: clip.yaml",)


def test_files_of_a_sidecar_lie_in_its_folder_and_all_inputs_can_be_said(tmp_path: Path) -> None:
    sidecar(
        tmp_path,
        "hints: h.yaml\nevents: sub/e.json\nsubtitles: /abs/s.srt\nsoft_subs: true\nlanguage: de\n"
        "objects: ['box=1,2,3,4@0', 'dog:mask=m.png@3', 'scribble=s.png', 'cat:mask=/abs/m.png@2']\n"
        "mask: m.mkv\nmask_fit: true\nregions: 1,1,2,2\n",
    )
    made, _ = with_sidecar(job(tmp_path))
    inputs = made.inputs
    assert inputs.hints == tmp_path / "h.yaml"
    assert inputs.events == tmp_path / "sub" / "e.json"
    assert inputs.subtitles == Path("/abs/s.srt")
    assert (inputs.soft_subs, inputs.language) == (True, "deu")
    folder = str(tmp_path)
    assert inputs.objects == (
        "box=1,2,3,4@0",
        f"dog:mask={folder}/m.png@3",
        f"scribble={folder}/s.png@0",
        "cat:mask=/abs/m.png@2",
    )
    plain = JobInputs(inputs.source, inputs.destination)
    unsaid = [f.name for f in fields(JobInputs) if getattr(inputs, f.name) == getattr(plain, f.name)]
    assert unsaid == ["source", "destination"]


def test_the_hints_of_a_folder_whose_name_looks_like_a_frame_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "take@7"
    folder.mkdir()
    sidecar(folder, "objects: mask=m.png\n")
    (text,) = with_sidecar(job(folder))[0].inputs.objects
    hint = parse_hint(text)
    assert hint.path == folder / "m.png" and hint.at == FrameIndex(0)


def test_what_a_sidecar_leaves_out_is_as_on_the_command_line_and_what_it_says_counts(tmp_path: Path) -> None:
    plain = job(tmp_path)
    told = replace(plain.inputs, events=Path("e.json"), soft_subs=True, language="eng", objects=("point=1,1",))
    sidecar(tmp_path, "seed: 1\n")
    assert with_sidecar(replace(plain, inputs=told))[0].inputs == told
    sidecar(tmp_path, "soft_subs: false\nobjects: []\nevents: mine.json\n")
    made = with_sidecar(replace(plain, inputs=told))[0].inputs
    assert made == replace(told, soft_subs=False, objects=(), events=tmp_path / "mine.json")


def test_nothing_beside_a_clip_changes_nothing_and_an_empty_file_neither(tmp_path: Path) -> None:
    plain = job(tmp_path)
    assert with_sidecar(plain) == (plain, ())
    sidecar(tmp_path, "# nothing yet\n")
    assert with_sidecar(plain)[0] == plain


def test_a_pipeline_that_is_called_like_the_clip_is_no_sidecar(tmp_path: Path) -> None:
    own = sidecar(tmp_path, "version: 1\nname: own\nstages: []\n")
    made = replace(job(tmp_path), pipeline=str(own))
    assert with_sidecar(made) == (made, ())


@pytest.mark.parametrize("name", ["clip.yaml", "clip.vidinternal.yaml"])
def test_both_names_are_found_and_two_at_once_are_refused(tmp_path: Path, name: str) -> None:
    assert find_sidecar(job(tmp_path).inputs.source) is None
    path = sidecar(tmp_path, "seed: 1\n", name)
    assert find_sidecar(tmp_path / "clip.mp4") == path
    sidecar(tmp_path, "", "clip.yaml")
    sidecar(tmp_path, "", "clip.vidinternal.yaml")
    with pytest.raises(UsageError, match="one sidecar file"):
        find_sidecar(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("seed: 1\nbudgit: 5m\n", 2, "unknown key 'budgit'; did you mean 'budget'"),
        ("regions:\n  - 1,1,4,4\n  - 1,1\n", 3, "X,Y,W,H"),
        ("regions: 7\n", 1, "a list of X,Y,W,H"),
        ("budget: soon\n", 1, "a duration"),
        ("seed: yes\n", 1, "a whole number"),
        ("mask: [a]\n", 1, "a path"),
        ("mask_fit: 3\n", 1, "true or false"),
        ("settings:\n  dilate: 3\n", 2, "stage.field"),
        ("hints: [a]\n", 1, "hints: expected a path"),
        ("seed: 1\nevents: 3\n", 2, "events: expected a path"),
        ("subtitles: {a: b}\n", 1, "subtitles: expected a path"),
        ("soft_subs: 1\n", 1, "true or false"),
        ("language: klingon\n", 1, "en, eng or en-GB"),
        ("language: 3\n", 1, "en, eng or en-GB"),
        ("objects: 7\n", 1, "a list of [NAME:]KIND"),
        ("objects:\n  - box=1,2,3,4\n  - bok=1,2,3,4\n", 3, "did you mean 'box'"),
        ("objects:\n  - box=1,2,3\n", 2, "box=X,Y,W,H"),
        ("objects:\n  - 4\n", 2, "KIND=VALUES"),
        ("subtitle: a.srt\n", 1, "did you mean 'subtitles'"),
        ("settings: 4\n", 1, "stage.field: value"),
        ("- a\n", 1, "a mapping with mask"),
        ("seed: [\n", 2, "plain YAML"),
        ("seed: 1\nseed: 2\n", 2, "every key once"),
        ("seed: 1\nsettings:\n  masks.dilat: 2\n", 3, "did you mean 'dilate'"),
        ("settings:\n  mask.dilate: 2\n", None, "did you mean 'masks'"),
        ("settings:\n  masks:\n    dilate: many\n", 3, "masks.dilate"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, part: str) -> None:
    path = sidecar(tmp_path, text)
    with pytest.raises(PipelineError, match=r"clip\.yaml") as told:
        with_sidecar(job(tmp_path))
    assert part in str(told.value)
    assert told.value.exit_code == 2
    if line is not None:
        assert f"{path}:{line}" in str(told.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PipelineError, match="UTF-8"):
        read_sidecar(tmp_path / "clip.yaml")


def test_everything_wrong_in_a_folder_is_told_at_once(tmp_path: Path) -> None:
    jobs = [job(tmp_path, name) for name in ("a.mp4", "b.mp4", "c.mp4")]
    sidecar(tmp_path, "maks: 1\n", "a.yaml")
    sidecar(tmp_path, "sed: 1\n", "c.yaml")
    with pytest.raises(PipelineError) as told:
        with_sidecars(jobs)
    assert "a.yaml:1" in str(told.value) and "c.yaml:1" in str(told.value)
    assert "'mask'" in str(told.value) and "'seed'" in str(told.value)


@pytest.mark.parametrize("name", ["clip.mask.mp4", "clip.mask.mkv", "clip.mask.png", "clip.mask.PNG", "clip.mask"])
def test_a_mask_is_found_by_its_name_where_nobody_names_one(tmp_path: Path, name: str) -> None:
    plain = job(tmp_path)
    (tmp_path / name).mkdir() if name == "clip.mask" else (tmp_path / name).touch()
    made, notes = with_sidecar(plain)
    assert made.inputs.mask == tmp_path / name
    assert notes == (f"mask by its name: {name}",)
    named = job(tmp_path, mask=tmp_path / "given.png")
    assert with_sidecar(named)[0].inputs.mask == tmp_path / "given.png"
    sidecar(tmp_path, "mask: own.png\n")
    assert with_sidecar(named)[0].inputs.mask == tmp_path / "own.png"


def test_names_that_only_look_alike_are_no_masks_and_two_masks_are_refused(tmp_path: Path) -> None:
    for name in ("clip.mask.txt", "clip2.mask.png", "clip.masks.png", "aclip.mask.png"):
        (tmp_path / name).touch()
    assert find_mask(tmp_path / "clip.mp4") is None
    for name in ("clip.mask.png", "clip.mask.mkv"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="one mask by its name"):
        find_mask(tmp_path / "clip.mp4")
