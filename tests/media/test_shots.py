"""Shots tile the clip, whatever the detector says, and a cut is found at its frame."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests import media_made
from vidinternal.core.clip import Shot
from vidinternal.media import shots
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.shots import ShotSettings, detect_shots, tile


def bounds(found: tuple[Shot, ...]) -> list[tuple[int, int]]:
    return [(s.start, s.end) for s in found]


def assert_tiles(found: tuple[Shot, ...], count: int) -> None:
    assert [s.index for s in found] == list(range(len(found)))
    assert found[0].start == 0
    assert found[-1].end == count
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert all(len(s) > 0 for s in found)


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_a_cut_is_found_at_its_frame(detector: str, tmp_path: Path) -> None:
    info = probe(media_made.awkward("cut", tmp_path))
    found = detect_shots(info, ShotSettings.model_validate({"detector": detector}))
    assert bounds(found) == [(0, 31), (31, 60)]


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_gaps_in_time_and_a_late_start_shift_nothing(detector: str, tmp_path: Path) -> None:
    steps = itertools.cycle((400, 17, 33, 1999))
    pts = list(itertools.accumulate((next(steps) for _ in range(39)), initial=90000))
    path = media_made.clip(
        tmp_path / "vfr.mp4",
        codec="libx264",
        size=(96, 64),
        pts=pts,
        time_base=Fraction(1, 30000),
        speed=1,
        smooth=True,
        cuts=(17,),
        options={"qp": "0"},
    )
    found = detect_shots(probe(path), ShotSettings.model_validate({"detector": detector}))
    assert bounds(found) == [(0, 17), (17, 40)]


def test_many_cuts_are_all_found(tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", size=(96, 64), frames=60, speed=1, smooth=True, cuts=(12, 25, 44))
    assert bounds(detect_shots(probe(path), ShotSettings())) == [(0, 12), (12, 25), (25, 44), (44, 60)]


def test_a_take_without_a_cut_is_one_shot(tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", size=(96, 64), frames=40, speed=1, smooth=True)
    assert bounds(detect_shots(probe(path), ShotSettings())) == [(0, 40)]


def test_none_looks_at_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(media_made.awkward("cut", tmp_path))
    monkeypatch.setattr(shots, "ClipReader", None)
    assert bounds(detect_shots(info, ShotSettings(detector="none"))) == [(0, 60)]


def test_a_threshold_out_of_reach_finds_nothing(tmp_path: Path) -> None:
    info = probe(media_made.awkward("cut", tmp_path))
    assert bounds(detect_shots(info, ShotSettings(detector="content", threshold=200.0))) == [(0, 60)]
    assert len(detect_shots(info, ShotSettings(detector="content", threshold=1.0, min_length=5))) > 5


@pytest.mark.parametrize(
    "name", ["one_frame", "two_frames", "thin", "tall", "ten_bit", "gray", "rgb", "odd_size", "vfr"]
)
def test_awkward_clips_are_tiled(name: str, tmp_path: Path) -> None:
    info = probe(media_made.awkward(name, tmp_path))
    assert_tiles(detect_shots(info, ShotSettings(detector="content", min_length=2)), len(frame_pts(info)))


@given(st.lists(st.integers(-5, 130)), st.integers(1, 120), st.integers(1, 30))
def test_shots_tile_and_none_is_too_short(cuts: list[int], count: int, least: int) -> None:
    found = tile(cuts, count, least)
    assert_tiles(found, count)
    assert len(found) == 1 or min(map(len, found)) >= least
    assert {s.start for s in found[1:]} <= set(cuts)


def test_progress_rises_to_one(tmp_path: Path) -> None:
    info = probe(media_made.awkward("vfr", tmp_path))
    told: list[float] = []
    detect_shots(info, ShotSettings(), lambda share, _text: told.append(share))
    assert told == sorted(told)
    assert (len(told), told[-1]) == (12, 1.0)


@pytest.mark.parametrize("wrong", [{"detector": "magic"}, {"threshold": 0.0}, {"min_length": 0}, {"other": 1}])
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ShotSettings.model_validate(wrong)
