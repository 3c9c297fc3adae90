"""Parts that have not moved since an exact mask: no ground is taken from them, and they come back."""

from dataclasses import replace

import numpy as np
import pytest

from tests.methods.track.scenes import HEIGHT, SIDE, Clip, context, moving
from tests.methods.track.test_ground import held, tracked
from vidinternal.methods import mask_method
from vidinternal.methods.track.standing import standing
from vidinternal.ops.objects.frames import SmallFrames

PLACES = [(4 + 3 * k, 6) for k in range(26)]
STILL = np.s_[44:64, 80:100]
"""Rows and columns of the part that stands still."""


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """One object of two squares of the same colours: one walks, one stands still; frames and masks."""
    frames, masks = moving(PLACES)
    twin, where = moving([(80, 44)])
    frames[:, where[0]] = twin[0][where[0]]
    return frames, masks | where[0]


def still(_source: int, _target: int) -> np.ndarray:
    """The way of a camera that does not move."""
    return np.eye(3)


def without_the_still_one(masks: np.ndarray, first: int) -> np.ndarray:
    """The masks, which lose the part that stands still from a frame on."""
    short = masks.copy()
    short[first:, 44:64, 80:100] = False
    return short


def test_a_part_that_was_lost_where_it_stands_comes_back_after_a_mask_alone(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    frames, masks = pair
    track = tracked(without_the_still_one(masks, 3))
    (boxed,) = held(frames, track)
    (masked,) = held(frames, replace(track, exact=(0,)))
    assert not boxed[(slice(6, None), *STILL)].any()
    for row in range(1, len(frames)):
        assert (masked[row] & masks[row]).sum() > 0.9 * masks[row].sum(), row
        assert (masked[row] & ~masks[row]).sum() < 0.25 * masks[row].sum(), row


def test_a_part_is_not_taken_for_ground_because_other_frames_lost_it(pair: tuple[np.ndarray, np.ndarray]) -> None:
    frames, masks = pair
    track = tracked(without_the_still_one(masks, 10))
    before = (slice(1, 10), *STILL)
    assert held(frames, track)[0][before].mean() < 0.5
    assert held(frames, replace(track, exact=(0,)))[0][before].mean() > 0.9


def test_where_an_object_went_away_nothing_stands() -> None:
    frames, masks = moving(PLACES)
    clip = Clip(frames)
    beliefs = list(masks.astype(np.float32))
    found = standing(SmallFrames(clip, HEIGHT), beliefs, {0}, still, clip.shots()[0])
    assert found[1].any()
    assert not any(stands.any() for stands in found[10:])


def test_ground_of_the_objects_colours_that_came_into_its_place_does_not_stand() -> None:
    frames, masks = moving(PLACES)
    # what comes to light has the object's two colours, the other way round
    for row in range(12, len(frames)):
        frames[row, 6:26, 4:24] = (245, 235, 60)
        frames[row, 10:15, 9:15] = (210, 25, 35)
    clip = Clip(frames)
    found = standing(SmallFrames(clip, HEIGHT), list(masks.astype(np.float32)), {0}, still, clip.shots()[0])
    assert not any(stands.any() for stands in found[12:])


def test_nothing_is_said_without_a_mask_or_where_the_camera_is_not_known(pair: tuple[np.ndarray, np.ndarray]) -> None:
    frames, masks = pair
    clip = Clip(frames)
    small, beliefs, shot = SmallFrames(clip, HEIGHT), list(masks.astype(np.float32)), clip.shots()[0]
    for exact, way in ((set(), np.eye(3)), ({0}, None)):
        found = standing(small, beliefs, exact, lambda _a, _b, way=way: way, shot)
        assert len(found) == len(frames)
        assert not any(stands.any() for stands in found)


def test_a_mask_counts_as_exact_and_a_box_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = moving([(8 + 7 * k, 25) for k in range(5)])
    seen = []
    monkeypatch.setattr(
        "vidinternal.methods.track.method.against_ground", lambda _frames, tracks, _shots: seen.extend(tracks) or tracks
    )
    method = mask_method("track")
    config = method.card.config.model_validate({"first_steps": 2, "steps": 0})
    picture = np.repeat(np.where(masks[2], 255, 0).astype(np.uint8)[..., None], 4, axis=2)
    texts = ("a:box=5,22,26,26@0", "a:mask=m.png@2", f"b:box=5,22,{SIDE + 6},26@0")
    method.find(Clip(frames), config, context(texts, image=lambda _path: picture))
    assert {t.name: (t.anchors, t.exact) for t in seen} == {"a": ((0, 2), (2,)), "b": ((0,), ())}
    assert {t.name: sorted(t.opened) for t in seen} == {"a": [0], "b": [0]}
    room = seen[1].opened[0]
    assert np.array_equal(np.argwhere(room)[[0, -1]], [[22, 5], [47, 30]])
    assert room.sum() == 26 * 26
