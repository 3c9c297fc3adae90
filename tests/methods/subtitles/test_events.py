from __future__ import annotations

import json

import numpy as np

from vidinternal.methods.subtitles.events import Overlay, cover_at, cover_name, draw, extents, numbered, placed

STILL = Overlay("a", "text", 4, 10, (2, 6, 3, 9), fade_in=1, fade_out=2, fill=(255, 255, 0), behind=("b",))


def test_json_and_back():
    moving = Overlay("m", "logo", 0, 3, (0, 2, 0, 2), motion=(-1.5, 0.0), slices=(0, 2), text="Ä", language="de")
    for overlay in (STILL, moving):
        assert Overlay.from_json(json.loads(json.dumps(overlay.to_json()))) == overlay


def test_strength_rises_stays_and_falls():
    assert [STILL.strength(f) for f in (3, 4, 5, 6, 7, 8, 9, 10)] == [0, 0.5, 1, 1, 1, 2 / 3, 1 / 3, 0]


def test_one_that_moves_leaves_the_picture_piece_by_piece():
    overlay = Overlay("m", "text", 0, 6, (0, 2, 0, 4), motion=(0.0, 2.0))
    covers = {cover_name("m"): np.full((2, 4), 9, np.uint8)}
    masks = draw([overlay], covers, range(6), (4, 8))
    assert masks.sum((1, 2)).tolist() == [8, 8, 8, 4, 0, 0]
    assert extents([overlay], 6, (4, 8))[4].tolist() == [4, 0, 8, 0]


def test_slices_change_the_cover():
    overlay = Overlay("s", "text", 2, 8, (0, 1, 0, 2), slices=(2, 5))
    cover = np.array([[[1, 0]], [[1, 1]]], np.uint8)
    assert [int((cover_at(overlay, cover, f) > 0).sum()) for f in (2, 4, 5, 7)] == [1, 1, 2, 2]


def test_extents_bound_what_is_drawn():
    covers = {cover_name("a"): np.ones((4, 6), np.uint8)}
    drawn, bounds = draw([STILL], covers, range(12), (8, 12)), extents([STILL], 12, (8, 12))
    for mask, (y0, y1, x0, x1) in zip(drawn, bounds, strict=True):
        assert mask.sum() == mask[y0:y1, x0:x1].sum() == max(0, y1 - y0) * max(0, x1 - x0)


def test_names_follow_time_and_keep_what_they_point_at():
    late = Overlay("x", "box", 9, 12, (0, 2, 0, 2), behind=("a",))
    names = {before.id: after for before, after in numbered([late, STILL])}
    assert names["a"].id == "e0001"
    assert names["x"].behind == ("e0001",)
    assert names["a"].behind == ()


def test_outside_the_picture_is_no_place():
    assert placed((-5, 0, 0, 4), (8, 8)) is None
    assert placed((-1, 2, 6, 9), (8, 8)) == ((slice(0, 2), slice(6, 8)), (slice(1, 3), slice(0, 2)))
