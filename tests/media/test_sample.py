"""Samples are the pictures asked for, whoever reads them."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import media_made
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import UsageError
from vidinternal.media import sample
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.sample import Samples, sample_frames

CLIPS = (
    "vfr",
    "vfr_fine",
    "start_late",
    "negative_start",
    "b_frames",
    "ten_bit",
    "yuv444",
    "full_range",
    "gray",
    "rgb",
)
CLIPS += ("odd_size", "one_frame", "two_frames", "two_audio", "cut", "thin", "wide_pixels", "many_streams")


@pytest.fixture
def without_decord(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)


def smooth(name: str, folder: Path) -> Path:
    """An awkward clip whose chroma can be scaled in more than one way without much difference."""
    recipe = media_made.RECIPES[name]
    assert isinstance(recipe, media_made.Recipe)
    return media_made.make(replace(recipe, smooth=True), folder)


def truth(info: ClipInfo) -> np.ndarray:
    """``T H W 3`` in codes of 0 to 255."""
    return np.stack([to_rgb(f, info) for f in ClipReader(info).frames()]).transpose(0, 2, 3, 1) * 255.0


def nearest(sampled: np.ndarray, frames: np.ndarray) -> list[int]:
    """Which frame each sample looks like most."""
    return [int(np.argmin(np.abs(frames - picture).mean(axis=(1, 2, 3)))) for picture in sampled.astype(float)]


def some_indices(info: ClipInfo) -> list[int]:
    count = len(frame_pts(info))
    return [count - 1, 0, count // 2, count // 3, 0]


@pytest.mark.parametrize("name", CLIPS)
def test_decord_or_its_stand_in_gives_the_frames_asked_for(name: str, tmp_path: Path) -> None:
    info = probe(smooth(name, tmp_path))
    indices = some_indices(info)
    samples = sample_frames(info, indices)
    assert samples.backend.split()[0] in ("decord", "pyav")
    check(samples, info, indices)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.usefixtures("without_decord")
def test_pyav_gives_the_frames_asked_for(name: str, tmp_path: Path) -> None:
    info = probe(smooth(name, tmp_path))
    indices = some_indices(info)
    samples = sample_frames(info, indices)
    assert samples.backend == "pyav (decord is not installed)"
    check(samples, info, indices)


def check(samples: Samples, info: ClipInfo, indices: list[int]) -> None:
    frames = truth(info)
    assert samples.frames.dtype == np.uint8
    assert samples.frames.shape == (len(indices), info.height, info.width, 3)
    assert nearest(samples.frames, frames) == indices
    # scalers place chroma a little differently; the colours themselves must agree
    assert np.abs(samples.frames - frames[indices]).mean() < 6


def test_decord_is_used_where_it_can_be(tmp_path: Path) -> None:
    info = probe(smooth("b_frames", tmp_path))
    assert sample_frames(info, [29, 3, 11]).backend == "decord"


@pytest.mark.parametrize("height", [12, 24, 32, 48])
@pytest.mark.parametrize("name", ["b_frames", "cut", "odd_size"])
def test_samples_are_as_high_as_asked(name: str, height: int, tmp_path: Path) -> None:
    info = probe(smooth(name, tmp_path))
    frames = sample_frames(info, [0, 1], height).frames
    assert frames.shape == (2, height, round(info.width * height / info.height), 3)
    assert frames.std() > 5


def test_both_ways_agree_on_small_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(smooth("b_frames", tmp_path))
    one = sample_frames(info, [7, 20], 20)
    monkeypatch.setitem(sys.modules, "decord", None)
    other = sample_frames(info, [7, 20], 20)
    assert one.backend != other.backend
    assert np.abs(one.frames.astype(int) - other.frames).mean() < 2


class Pretender:
    """A decord whose reader is off in one way."""

    DECORDError = RuntimeError

    def __init__(self, count: int, late: float = 0.0, shape: tuple[int, ...] = (48, 64, 3)) -> None:
        self.count, self.late, self.shape = count, late, shape

    def VideoReader(self, _path: str, **_options: Any) -> "Pretender":
        return self

    def __len__(self) -> int:
        return self.count

    def get_frame_timestamp(self, indices: list[int]) -> np.ndarray:
        times = np.array(indices) / 24 + self.late * (np.array(indices) > 0)
        return np.stack([times, times], axis=1)

    def get_batch(self, indices: list[int]) -> "Pretender":
        self.asked = len(indices)
        return self

    def asnumpy(self) -> np.ndarray:
        if self.shape == ():
            raise RuntimeError("it breaks\nin the middle")
        return np.zeros((self.asked, *self.shape), np.uint8)


@pytest.mark.parametrize(
    ("pretender", "why"),
    [
        (Pretender(29), "counts 29 pictures, not 30"),
        (Pretender(30, late=0.04), "disagrees about times"),
        (Pretender(30, shape=(48, 64, 4)), "pictures of shape"),
        (Pretender(30, shape=()), "in the middle"),
    ],
)
def test_a_reader_that_is_off_is_not_believed(
    pretender: Pretender, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(smooth("b_frames", tmp_path))
    monkeypatch.setattr(sample, "_decord", lambda: pretender)
    samples = sample_frames(info, [5, 9])
    assert samples.backend.startswith("pyav (")
    assert why in samples.backend
    assert nearest(samples.frames, truth(info)) == [5, 9]


@pytest.mark.parametrize(("height", "shape"), [(None, (64, 48)), (32, (32, 24))])
def test_a_turned_clip_is_shown_upright(height: int | None, shape: tuple[int, int], tmp_path: Path) -> None:
    info = probe(smooth("rotated", tmp_path))
    samples = sample_frames(info, [4], height)
    assert samples.frames.shape == (1, *shape, 3)
    assert sample_frames(info, [], height).frames.shape == (0, *shape, 3)
    stored = np.ascontiguousarray(np.rot90(samples.frames, 1, axes=(1, 2)))
    step = 48 // stored.shape[1]
    assert nearest(stored, truth(info)[:, ::step, ::step]) == [4]


def test_nothing_asked_for_is_nothing(tmp_path: Path) -> None:
    info = probe(smooth("two_frames", tmp_path))
    assert sample_frames(info, [], 24).frames.shape == (0, 24, 32, 3)


@pytest.mark.parametrize(("indices", "height"), [([2], None), ([-1], None), ([0], 0)])
def test_what_is_not_there_is_an_error(indices: list[int], height: int | None, tmp_path: Path) -> None:
    info = probe(smooth("two_frames", tmp_path))
    with pytest.raises(UsageError):
        sample_frames(info, indices, height)
