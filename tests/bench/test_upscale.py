import pytest

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.upscale import run
from vidinternal.core.errors import UsageError


def options(**more: object) -> BenchOptions:
    return BenchOptions.model_validate({"width": 48, "height": 48, "frames": 2, "cases": ["bunny"], **more})


def test_interpolation_has_rows_and_learns_nothing() -> None:
    result = run(options(methods=["bicubic", "lanczos"]))
    rows = {row["method"]: row for row in result.summary}
    assert list(rows) == ["bicubic", "lanczos"]
    for row in rows.values():
        assert "iterations" not in row and "share" not in row
        assert 15 < row["psnr"] < 60 and row["warping_error_e3"] >= 0
        assert row["truth_e3"] == rows["bicubic"]["truth_e3"]
    assert list(result.pictures) == ["bunny"]
    assert "Mean over 1 clips" in result.text()


def test_learning_is_held_against_every_frame_by_itself() -> None:
    result = run(options(methods=["zssr alone", "zssr"], iterations=2))
    rows = {row["method"]: row for row in result.rows}
    assert rows["zssr alone"]["share"] == 1.0
    assert rows["zssr"]["share"] == pytest.approx(rows["zssr"]["seconds_frame"] / rows["zssr alone"]["seconds_frame"])
    assert "cut short at 2" in result.text()


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'zssr'"):
        run(options(methods=["zsr"]))
    with pytest.raises(UsageError, match="bunny"):
        run(options(cases=["nothing"]))
