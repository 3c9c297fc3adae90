import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from vidinternal import bench
from vidinternal.bench.base import BenchOptions, BenchResult, Column, load, newest, render, results_folder, slug
from vidinternal.core.errors import UsageError


def result(**changes) -> BenchResult:
    given = {
        "bench": "inpaint",
        "options": BenchOptions().model_dump(mode="json"),
        "columns": (Column("method", "method"), Column("hole_psnr", "dB", 2), Column("failures", "failures")),
        "summary": [{"method": "a", "hole_psnr": 23.456, "failures": 0}, {"method": "b", "failures": 1}],
        "rows": [],
        "notes": ("One note.",),
        "made": "2026-01-02T03:04:05+00:00",
    }
    return BenchResult(**(given | changes))


def test_the_benches_are_found_by_name() -> None:
    assert bench.names() == (
        "batch",
        "denoise",
        "dip",
        "double_dip",
        "fusion",
        "inpaint",
        "kernelgan",
        "memory",
        "modes",
        "object_removal",
        "quality",
        "scaling",
        "speed",
        "subtitles",
        "track",
        "upscale",
        "warm_start",
        "zssr",
    )
    with pytest.raises(UsageError, match="did you mean 'inpaint'"):
        bench.run_bench("inpant", BenchOptions())


def test_the_table_shows_every_row_and_a_dash_for_what_is_missing() -> None:
    text = result().text()
    assert "| method | dB | failures |" in text
    assert "| a | 23.46 | 0 |" in text
    assert "| b | – | 1 |" in text
    assert text.endswith("One note.")
    assert "2026-01-02" in text and "20 frames of 192x112" in text


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    made = result(rows=[{"case": "x", "method": "a"}], pictures={"Case/One": b"png"})
    path = made.save(tmp_path)
    assert path.name.startswith("2026-01-02--inpaint--")
    record = load(path)
    assert render(record) == made.text()
    assert record["rows"] == [{"case": "x", "method": "a"}]
    for key in ("schema", "machine", "versions", "commit", "code", "options", "made"):
        assert key in record
    assert record["machine"]["cpu"] and record["versions"]["torch"]
    assert not {"clips", "masks"} & record["options"].keys()  # paths of a machine
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert [p.read_bytes() for p in made.save_pictures(tmp_path / "look")] == [b"png"]


def test_the_newest_result_is_the_one_made_last(tmp_path: Path) -> None:
    result(made="2026-03-01T00:00:00+00:00").save(tmp_path)
    last = result(made="2026-04-01T00:00:00+00:00").save(tmp_path)
    result(made="2026-05-01T00:00:00+00:00", bench="modes").save(tmp_path)
    assert newest("inpaint", tmp_path) == last
    with pytest.raises(UsageError, match="vidinternal bench other"):
        newest("other", tmp_path)


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content in ("no json", json.dumps({"schema": 99}), "[1]"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(UsageError, match="bench result"):
            load(path)
    with pytest.raises(UsageError, match="bench result"):
        load(tmp_path / "missing.json")


def test_options_are_checked() -> None:
    with pytest.raises(ValidationError):
        BenchOptions(frames=1)
    with pytest.raises(ValidationError):
        BenchOptions.model_validate({"sedd": 3})


def test_results_of_a_checkout_stay_with_the_package() -> None:
    assert results_folder() == Path(bench.__file__).parent / "results"
    assert slug("Intel Xeon @ 2.1, 8 cores") == "intel-xeon-2-1-8-cores"


def test_kept_results_can_be_read() -> None:
    for path in results_folder().glob("*.json"):
        assert render(load(path)).count("|") > 10
