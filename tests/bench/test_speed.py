from pathlib import Path

import pytest

from vidinternal.bench import run_bench, speed
from vidinternal.bench.base import BenchOptions
from vidinternal.core.errors import UsageError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES", {"432x240": (64, 48), "1080p": (96, 64)})
    monkeypatch.setattr(speed, "FRAMES", 6)


@pytest.mark.usefixtures("small")
def test_the_command_is_timed_from_file_to_file_and_its_result_judged() -> None:
    result = run_bench("speed", BenchOptions(methods=("telea",), device="cpu"))
    (row,) = result.rows
    assert row["case"] == "flower 432x240"
    assert row["preview"] is None and row["seconds"] > 0
    assert 10 < row["hole_psnr"] < 60


@pytest.mark.usefixtures("small")
def test_the_first_look_comes_before_the_end(tmp_path: Path) -> None:
    (case,) = speed.cases_of(BenchOptions(device="cpu"))
    speed.write(case, tmp_path, BenchOptions())
    row = speed.timed("internal", tmp_path, BenchOptions(device="cpu"), "--set", "inpaint.iterations=5")
    assert 0 < row["preview"] < row["seconds"]


@pytest.mark.usefixtures("small")
def test_a_run_that_fails_says_so() -> None:
    with pytest.raises(UsageError, match="a run that ends well"):
        run_bench("speed", BenchOptions(methods=("nothing",), device="cpu"))


def test_large_clips_are_run_where_asked_for(tmp_path: Path) -> None:
    assert [c.name for c in speed.cases_of(BenchOptions(device="cpu"))] == ["flower 432x240"]
    assert {c.size for c in speed.cases_of(BenchOptions(cases=("bunny",), device="cpu"))} == {"432x240", "1080p"}
    with pytest.raises(UsageError, match="flower 1080p"):
        speed.cases_of(BenchOptions(cases=("nothing",), device="cpu"))
    with pytest.raises(UsageError, match="videos"):
        speed.cases_of(BenchOptions(clips=tmp_path, device="cpu"))


def test_a_clip_is_played_forth_and_back_until_it_is_long_enough() -> None:
    case = next(c for c in speed.cases_of(BenchOptions(cases=("snow 432",), device="cpu")))
    frames = list(speed.pictures(case, BenchOptions()))
    assert len(frames) == speed.FRAMES
    assert frames[0].shape == (3, 240, 432)
    assert bool((frames[24] == frames[22]).all())  # 24 pictures from its start on
