"""Bench ``track`` on figures pasted into the sample clips, and its cases from files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.media_made import clip as make_clip
from vidinternal.bench import names, run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.track_cases import ArrayView, Labelled, labelled
from vidinternal.bench.track_rows import by_flow, by_grab_cut, frozen
from vidinternal.core.errors import UsageError

SMALL: dict[str, Any] = {"width": 96, "height": 56, "frames": 3}


def test_the_table_has_every_row_and_something_to_look_at() -> None:
    assert {"track", "object_removal"} <= set(names())
    result = run_bench("track", BenchOptions(**SMALL, cases=("flower",)))
    assert {r["method"] for r in result.summary} == {"track", "frozen box", "flow alone", "GrabCut per frame"}
    assert len(result.rows) == 8
    assert all(0 <= r["j"] <= 1 and 0 <= r["f"] <= 1 for r in result.rows)
    assert set(result.pictures) == {"flower+figure from a box", "flower+figure from a mask"}
    assert "Mean over 1 clips" in result.text()


def test_rows_begin_with_what_they_were_given() -> None:
    frames = np.zeros((3, 40, 60, 3), np.uint8)
    truth = np.zeros((3, 40, 60), bool)
    truth[:, 5:15, 5:15] = truth[:, 20:35, 30:50] = True
    truth[:, 2, 57] = True
    frames[truth] = 200
    case = Labelled("two", frames, truth)
    assert sorted(case.boxes()) == [(5, 5, 10, 10), (30, 20, 20, 15)], "a speck gets no box"
    assert np.array_equal(frozen(case, truth[0])[2], frozen(case, truth[0])[0])
    for follow in (by_flow, by_grab_cut):
        found = follow(case, truth[0])
        assert np.array_equal(found[0], truth[0])
        assert found.shape == truth.shape


def test_an_array_is_a_clip() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 20, 30, 3)).astype(np.uint8)
    clip = ArrayView(frames)
    assert clip.size == (20, 30)
    assert clip.small([1, 3], 10).shape == (2, 10, 15, 3)
    assert np.array_equal(clip.small([2]), frames[2:3])
    part = clip.rgb(1, 3, (2, 8, 4, 10))
    assert np.array_equal((part * 255).round().byte().permute(0, 2, 3, 1).numpy(), frames[1:3, 2:8, 4:10])
    assert clip.shots()[0].end == 4
    assert clip.seconds(1) > 0


def test_clips_without_masks_and_unknown_cases_are_refused(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="no clip with a mask"):
        labelled(BenchOptions(**SMALL, clips=tmp_path, masks=tmp_path))
    with pytest.raises(UsageError, match="a part of one of: flower"):
        labelled(BenchOptions(**SMALL, cases=("nothing",)))


def test_object_removal_counts_what_is_listed() -> None:
    options = BenchOptions(**SMALL, cases=("flower",), methods=("harmonic",), copies=0)
    result = run_bench("object_removal", options)
    assert {r["case"] for r in result.rows} == {"flower/figure", "flower-pan/figure"}
    assert 0 <= result.summary[0]["listed"] <= 100
    assert "listed_of_the_truth" in result.facts
    with pytest.raises(UsageError, match="a clip with hole figure"):
        run_bench("object_removal", BenchOptions(**SMALL, cases=("flower/box",)))
