import json
from pathlib import Path

import pytest

from vidinternal.core.errors import PipelineError, UsageError
from vidinternal.runner.spec import find_pipeline, json_schema, load_pipeline, pipeline_names, read_pipeline

GOOD = find_pipeline("inpaint").read_text(encoding="utf-8")


def findings(tmp_path: Path, text: str, *sets: str) -> list[tuple[int | None, str]]:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    spec, found = read_pipeline(str(path), sets)
    assert (spec is None) == bool(found)
    return [(f.line, f.message) for f in found]


def line(text: str, part: str) -> int:
    return next(k for k, row in enumerate(text.splitlines(), 1) if part in row)


@pytest.mark.parametrize("name", pipeline_names())
def test_every_named_pipeline_is_fine(name: str) -> None:
    assert load_pipeline(name).name == name


def test_unknown_stage_field_method_and_type_are_told_with_line_and_nearest_name(tmp_path: Path) -> None:
    text = """version: 1
name: broken
stages:
  - stage: decode
  - stage: shotz
  - stage: masks
    dilate: wide
    hul: 3
  - stage: inpaint
    method: tela
"""
    found = dict(findings(tmp_path, text))
    assert "did you mean 'shots'" in found[5]
    assert "dilate" in found[7]
    assert "'wide'" in found[7]
    assert "did you mean 'hull'" in found[8]
    assert "did you mean 'telea'" in found[10]


def test_a_missing_producer_is_told_with_the_stage_that_makes_it(tmp_path: Path) -> None:
    text = GOOD.replace("  - stage: masks\n", "")
    found = findings(tmp_path, text)
    assert (line(text, "stage: flow"), True) in [(k, "'masks'" in m and "put masks before" in m) for k, m in found]


def test_order_and_doubles_are_told(tmp_path: Path) -> None:
    text = GOOD.replace("  - stage: shots\n", "").replace("  - stage: flow\n", "  - stage: flow\n  - stage: shots\n")
    assert any("'windows'" in m for _, m in findings(tmp_path, text))
    assert any("twice" in m for _, m in findings(tmp_path, GOOD + "  - stage: decode\n"))


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("version: 1", "version: 2", "version: 1"),
        ("name: inpaint", "name: 3", "name: text"),
        ("stages:", "stagez:", "did you mean 'stages'"),
    ],
)
def test_the_head_of_the_file_is_checked(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert any(part in m for _, m in findings(tmp_path, GOOD.replace(old, new, 1)))


def test_strictness_refuses_a_number_written_as_text(tmp_path: Path) -> None:
    text = GOOD.replace("  - stage: masks\n", "  - stage: masks\n    dilate: '4'\n")
    assert any("dilate" in m for _, m in findings(tmp_path, text))


def test_set_overrides_any_field_of_a_stage_or_its_method() -> None:
    spec = load_pipeline("inpaint", ["masks.dilate=3", "inpaint.method=telea", "inpaint.radius=5"])
    settings = spec.settings()
    assert settings["masks"]["dilate"] == 3
    assert settings["inpaint"]["method"] == "telea"
    assert settings["inpaint"]["radius"] == 5


@pytest.mark.parametrize(
    ("text", "part"),
    [("masks.dilate", "stage.field=value"), ("mask.dilate=3", "did you mean 'masks'"), ("=3", "stage.field=value")],
)
def test_malformed_sets_are_refused(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        load_pipeline("inpaint", [text])


def test_a_wrong_set_is_told_like_a_wrong_line() -> None:
    with pytest.raises(PipelineError, match="did you mean 'dilate'"):
        load_pipeline("inpaint", ["masks.dilat=3"])


@pytest.mark.parametrize("scale", ["0.5", ".nan", ".inf", "[2, 2, 2]", "two"])
def test_what_a_setting_may_be_is_told_in_words_of_our_own(scale: str) -> None:
    with pytest.raises(PipelineError, match=r"scale: a scale lies between 1 and 16") as refused:
        load_pipeline("upscale", [f"upscale.scale={scale}"])
    assert "Value error" not in str(refused.value)


def test_flow_strides_follow_the_inpainting_method() -> None:
    wants = load_pipeline("inpaint", ["inpaint.method=dip_vid_flow"]).settings()["flow"]["strides"]
    assert wants == [1, 3, 5]
    assert load_pipeline("inpaint", ["inpaint.method=telea"]).settings()["flow"]["strides"] == []


def test_an_unknown_pipeline_names_the_nearest() -> None:
    with pytest.raises(PipelineError, match="did you mean 'inpaint'"):
        load_pipeline("inpant")
    with pytest.raises(PipelineError, match="existing YAML file"):
        load_pipeline("nowhere/p.yaml")


def test_the_schema_is_json_and_lists_every_stage() -> None:
    text = json.dumps(json_schema())
    for stage in ("decode", "shots", "masks", "flow", "inpaint", "composite", "encode"):
        assert f'"const": "{stage}"' in text
