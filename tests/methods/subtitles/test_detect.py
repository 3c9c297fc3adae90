"""Overlays that come and go by themselves, at the border of a clip, one after another, over bars; and what is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.methods.subtitles.made import SIZE, done, find, laid, letters, masks, moving, recall_precision, texture
from vidinternal.methods.subtitles.detect_steady import Steady

FIRST = letters("The train leaves", (50, 160))
SECOND = letters("at half past nine", (45, 160))


def still(frames: int, seed: int = 3) -> np.ndarray:
    picture = texture(seed)[: SIZE[0], : SIZE[1]]
    return picture + np.random.default_rng(seed).normal(0, 1.5, (frames, *picture.shape))


@pytest.mark.parametrize("pictures", [moving(36), still(36)], ids=["moving", "still"])
@pytest.mark.parametrize("gap", [2, 4])
def test_a_single_frame_without_it_at_the_border_and_short_gaps_are_seen(pictures, gap):
    pictures = pictures.copy()
    truth = laid(pictures, FIRST, 1, 17) | laid(pictures, SECOND, 17 + gap, 35)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events] == [(1, 17), (17 + gap, 35)]
    assert recall_precision(masks(found, clip), truth)[0] >= 0.99


def test_what_the_border_of_the_clip_cuts_short_is_found():
    pictures = still(48)
    laid(pictures, FIRST, 0, 6)
    laid(pictures, SECOND, 15, 48)
    assert [(e.start, e.end) for e in find(done(pictures))[1]] == [(0, 6), (15, 48)]


def test_an_outline_over_a_bar_of_its_colour_is_covered():
    pictures = moving(36)
    pictures[:, 140:] = 0
    truth = laid(pictures, letters("Where is it?", (60, 148), outline=3), 9, 28)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events] == [(9, 28)]
    assert recall_precision(masks(found, clip), truth)[0] >= 0.95


def test_a_still_part_of_the_scene_that_something_fast_hides_is_no_overlay():
    pictures = still(40)
    laid(pictures, letters("||  ////  ||", (60, 100), outline=1), 0, 40)
    cover = texture(8)[: SIZE[0], : SIZE[1]]
    for t in range(18, 40):
        edge = min(SIZE[1], 60 * (t - 17))
        pictures[t, :, :edge] = cover[:, :edge]
    assert find(done(pictures))[1] == []


def test_a_cut_between_still_scenes_brings_no_overlay():
    pictures = still(40)
    laid(pictures, letters("SHOP  1908", (60, 100), outline=1), 0, 20)
    pictures[20:] = still(20, seed=5)
    assert find(done(pictures, cuts=[20]))[1] == []


def test_edges_that_hold_for_all_of_the_clip_are_told_apart_from_slow_ones_of_the_scene():
    pictures = moving(40)
    color, alpha = letters("TV 7", (250, 24), outline=1)
    laid(pictures, (color, 0.35 * alpha), 0, 40)
    steady = Steady(SIZE)
    for picture in done(pictures).pictures:
        steady.look(picture)
    always = [line.box for line in steady.lines() if (line.first, line.last) == (0, 39)]
    assert any(np.abs(np.array(box) - (10, 26, 248, 287)).max() <= 4 for box in always), always


def test_thin_letters_with_a_shadow_over_a_light_ground_are_covered():
    pictures = np.random.default_rng(0).normal(190, 1.5, (40, *SIZE, 3))
    ink, shadow = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    for layer, at in ((ink, (60, 150)), (shadow, (62, 152))):
        cv2.putText(layer, "thin as a thread", at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    alpha = np.maximum(ink, 0.7 * shadow) / 255
    color = np.repeat(np.where(shadow > ink, 30.0, 225.0)[..., None], 3, 2)
    truth = laid(pictures, (color, alpha), 9, 31)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events] == [(9, 31)]
    assert recall_precision(masks(found, clip), truth)[0] >= 0.95
