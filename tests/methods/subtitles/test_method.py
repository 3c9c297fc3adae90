from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.methods.subtitles.made import SIZE, done, find, laid, letters, masks, moving, recall_precision, texture
from vidinternal.core.errors import MaskError
from vidinternal.core.finding import EXTENTS, Asked
from vidinternal.core.timecode import Region
from vidinternal.methods import mask_method
from vidinternal.methods.subtitles import ocr
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.events import cover_name

LOWER = letters("Where is it?", (60, 160))
UPPER = letters("Look up here", (70, 40))
ALL = Config(detector="temporal", kinds=("text", "box", "logo"))


def still(frames: int = 40) -> np.ndarray:
    rng = np.random.default_rng(7)
    picture = texture(3)[: SIZE[0], : SIZE[1]]
    return picture + rng.normal(0, 1.5, (frames, *picture.shape))


@pytest.mark.parametrize("pictures", [moving(), still()], ids=["moving", "still"])
def test_text_is_found_to_the_frame_and_to_the_pixel(pictures):
    pictures = pictures.copy()
    truth = laid(pictures, LOWER, 9, 31)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.kind, e.start, e.end) for e in events] == [("text", 9, 31)]
    recall, precision = recall_precision(masks(found, clip), truth)
    assert recall >= 0.99
    assert precision >= 0.6
    assert not masks(found, clip)[[8, 31]].any()


def test_colours_are_told():
    pictures = moving()
    laid(pictures, LOWER, 9, 31)
    (event,) = find(done(pictures))[1]
    assert event.fill is not None
    assert event.outline is not None
    assert min(event.fill) > 200
    assert max(event.outline) < 60


def test_two_at_once_are_two_events_and_extents_bound_them():
    pictures = moving()
    truth = laid(pictures, LOWER, 9, 31) | laid(pictures, UPPER, 12, 28)
    clip = done(pictures)
    found, events = find(clip)
    assert sorted((e.start, e.end) for e in events) == [(9, 31), (12, 28)]
    assert recall_precision(masks(found, clip), truth)[0] >= 0.99
    for mask, (y0, y1, x0, x1) in zip(masks(found, clip), found.arrays[EXTENTS].tolist(), strict=True):
        outside = mask.copy()
        outside[y0:y1, x0:x1] = False
        assert not outside.any()


def test_lines_that_follow_at_once_are_apart():
    pictures = still(48)
    laid(pictures, LOWER, 6, 24)
    laid(pictures, letters("Over by the tree", (40, 160)), 24, 42)
    assert [(e.start, e.end) for e in find(done(pictures))[1]] == [(6, 24), (24, 42)]


def test_text_over_a_cut_stays_one():
    pictures = moving()
    pictures[20:] = moving(20, (3, 2), seed=9)
    laid(pictures, LOWER, 9, 31)
    assert [(e.start, e.end) for e in find(done(pictures, cuts=[20]))[1]] == [(9, 31)]


def test_a_fade_is_told():
    pictures = still(60)
    laid(pictures, LOWER, 10, 50, fade=6)
    (event,) = find(done(pictures))[1]
    assert abs(event.start - 10) <= 1
    assert abs(event.end - 50) <= 1
    assert abs(event.fade_in - 6) <= 2
    assert abs(event.fade_out - 6) <= 2


def test_nothing_there_is_said_in_one_line():
    clip = done(moving())
    found, events = find(clip)
    assert not events
    assert not masks(found, clip).any()
    assert found.facts["notes"] == ["no burnt-in text, box or logo was found in 40 frames: nothing to remove"]
    assert not found.files


@pytest.mark.parametrize("pause", [False, True], ids=["panned", "panned with a rest"])
def test_a_sign_in_the_scene_is_left_alone(pause):
    sign = texture(5)
    color, alpha = letters("FISH SHOP", (80, 120), 0.8)
    sign[: SIZE[0], : SIZE[1]] = alpha[..., None] * color + (1 - alpha[..., None]) * sign[: SIZE[0], : SIZE[1]]
    steps = [0 if pause and 15 <= t < 30 else 3 for t in range(44)]
    at = np.cumsum(steps)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.5, (44, *SIZE, 3))
    pictures = np.stack([sign[: SIZE[0], x : x + SIZE[1]] for x in at]) + noise
    assert not find(done(pictures))[1]


def test_a_logo_is_told_and_left_unless_asked_for():
    pictures = moving()
    truth = laid(pictures, letters("TV 7", (250, 30), 0.6), 0, 40)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.kind, e.start, e.end) for e in events] == [("logo", 0, 40)]
    assert not masks(found, clip).any()
    assert "masks.kinds=[text,box,logo]" in found.facts["notes"][0]
    found, _ = find(clip, ALL)
    assert recall_precision(masks(found, clip, ALL), truth)[0] >= 0.99
    assert found.facts["notes"] == []


def test_text_that_never_leaves_is_text():
    pictures = moving()
    laid(pictures, LOWER, 0, 40)
    assert [(e.kind, e.start, e.end) for e in find(done(pictures))[1]] == [("text", 0, 40)]


def test_a_region_narrows_the_search():
    pictures = moving()
    laid(pictures, LOWER, 9, 31)
    laid(pictures, UPPER, 12, 28)
    low = Region(0, 120, SIZE[1], 60)
    assert [e.start for e in find(done(pictures), regions=(low,))[1]] == [9]


def test_an_events_file_replaces_the_search(tmp_path):
    pictures = moving()
    truth = laid(pictures, LOWER, 9, 31)
    laid(pictures, UPPER, 12, 28)
    clip = done(pictures)
    found, events = find(clip)
    path = tmp_path / "events.json"
    path.write_bytes(found.files["events.json"])
    again, told = find(clip, events=path)
    assert [(e.start, e.end, e.kind) for e in told] == [(e.start, e.end, e.kind) for e in events]
    low = np.zeros(SIZE, bool)
    low[110:] = True
    recall, _ = recall_precision(masks(again, clip) & low, truth)
    assert recall >= 0.95


def test_a_subtitle_file_narrows_the_search_in_time(tmp_path):
    pictures = moving(60)
    laid(pictures, LOWER, 5, 25)
    laid(pictures, UPPER, 32, 52)
    path = tmp_path / "film.srt"
    path.write_text("1\n00:00:00,200 --> 00:00:01,000\nWhere is it?\n", encoding="utf-8")
    found, events = find(done(pictures), subtitles=path)
    assert [(e.start, e.end) for e in events] == [(5, 25)]
    assert "film.srt" in found.facts["notes"][0]


def test_both_need_the_extra(monkeypatch):
    monkeypatch.setattr(ocr, "installed", lambda: False)
    with pytest.raises(MaskError, match="extra 'ocr'"):
        mask_method("subtitles").check(Asked(Path("a.mkv"), Path("b.mkv")), Config(detector="both"))
    mask_method("subtitles").check(Asked(Path("a.mkv"), Path("b.mkv")), Config())


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips_and_a_mask_given_beside(frames):
    clip = done(moving(frames))
    found, events = find(clip)
    assert not events
    assert found.arrays[EXTENTS].shape == (frames, 4)
    assert found.facts["scan"]["frames"] == frames


def test_covers_fit_their_boxes():
    pictures = moving()
    laid(pictures, LOWER, 9, 31)
    found, (event,) = find(done(pictures))
    cover = found.arrays[cover_name(event.id)]
    y0, y1, x0, x1 = event.box
    assert cover.dtype == torch.uint8
    assert tuple(cover.shape) == (y1 - y0, x1 - x0)
    assert cover.max() == 255


def test_text_over_most_of_the_frame():
    pictures = np.random.default_rng(0).normal(90, 1.5, (40, *SIZE, 3))
    truth = np.zeros(pictures.shape[:3], bool)
    for row in range(5):
        truth |= laid(pictures, letters("All of it is text", (24, 30 + 30 * row), 0.7), 9, 31)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events] == [(9, 31)]
    recall, precision = recall_precision(masks(found, clip), truth)
    assert recall >= 0.99
    assert precision >= 0.6


def test_white_text_on_a_white_picture():
    pictures = np.random.default_rng(0).normal(245, 1.5, (40, *SIZE, 3))
    truth = laid(pictures, LOWER, 9, 31)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events] == [(9, 31)]
    assert recall_precision(masks(found, clip), truth)[0] >= 0.99
