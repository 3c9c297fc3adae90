"""A track held against the ground: what was lost comes back, what is ground goes, what is unknown stays."""

from dataclasses import replace

import numpy as np
import pytest

from tests.methods.track.scenes import HEIGHT, SIDE, WIDTH, Clip, ground, moving
from vidinternal.methods.track.ground import against_ground, cameras, difference
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import Track, Writer

PLACES = [(4 + 3 * k, 24) for k in range(26)]


def tracked(beliefs: np.ndarray, anchors: tuple[int, ...] = (0,), name: str = "object") -> Track:
    written = Writer()
    for belief in beliefs:
        written.add(belief.astype(np.float32), 0.5, (3.0, 0.0))
    return Track(name, written.path(len(beliefs)), (HEIGHT, WIDTH), anchors)


def held(frames: np.ndarray, *tracks: Track, cuts: tuple[int, ...] = ()) -> list[np.ndarray]:
    clip = Clip(frames, cuts)
    found = against_ground(SmallFrames(clip, HEIGHT), tracks, clip.shots())
    return [np.stack([t.path.belief(k, t.size) for k in range(len(frames))]) > 0.5 for t in found]


def without_the_top(masks: np.ndarray, rows: int) -> np.ndarray:
    """The masks without their upper rows but on the first frame."""
    short = masks.copy()
    for mask in short[1:]:
        top = np.flatnonzero(mask.any(axis=1))[0]
        mask[top : top + rows] = False
    return short


def test_a_piece_that_was_lost_comes_back() -> None:
    frames, masks = moving(PLACES)
    (found,) = held(frames, tracked(without_the_top(masks, 7)))
    for row in range(1, len(frames)):
        assert (found[row] & masks[row]).sum() > 0.97 * masks[row].sum(), row
        assert (found[row] & ~masks[row]).sum() < 0.1 * masks[row].sum(), row


def test_a_detached_piece_is_masked_for_a_removal_but_is_no_part_of_the_outline() -> None:
    frames, masks = moving(PLACES)
    piece, stray = np.zeros_like(masks), np.zeros_like(masks)
    for k, (x, y) in enumerate(PLACES):
        piece[k, y - 12 : y - 4, x + 6 : x + 14] = True
        stray[k, 62:70, (x + 50) % WIDTH : (x + 50) % WIDTH + 8] = True
    frames[piece | stray] = (30, 40, 220)
    clip = Clip(frames)
    (found,) = against_ground(SmallFrames(clip, HEIGHT), [tracked(masks)], clip.shots())
    beliefs = np.stack([found.path.belief(k, found.size) for k in range(len(frames))])
    inner = range(2, len(frames) - 2)
    assert np.mean([(beliefs[k][piece[k]] > 0.25).mean() for k in inner]) > 0.8
    assert not (beliefs[piece] > 0.5).any()
    assert np.mean([(beliefs[k][stray[k]] > 0.25).mean() for k in inner]) < 0.1


def test_ground_that_was_taken_for_the_object_goes() -> None:
    frames, masks = moving(PLACES)
    fat = masks.copy()
    for mask in fat[1:]:
        y, x = (int(v.min()) for v in np.nonzero(mask))
        mask[y : y + SIDE, max(0, x - 9) : x] = True
    (found,) = held(frames, tracked(fat))
    assert all((found[row] & masks[row]).sum() > 0.95 * masks[row].sum() for row in range(len(frames)))
    assert (found & ~masks).sum() < 0.3 * (fat & ~masks).sum()


def test_a_panning_camera_is_followed() -> None:
    wide = np.concatenate([ground(1), ground(2)], axis=1)
    frames, masks = [], []
    for k in range(26):
        frame, mask = wide[:, 2 * k : 2 * k + WIDTH].copy(), np.zeros((HEIGHT, WIDTH), bool)
        mask[24 : 24 + SIDE, 4 + 3 * k : 4 + 3 * k + SIDE] = True
        frame[mask] = (210, 25, 35)
        frames.append(frame)
        masks.append(mask)
    clip, truth = np.stack(frames), np.stack(masks)
    rows = [m.astype(np.float32) for m in truth]
    small, shot = SmallFrames(Clip(clip), HEIGHT), Clip(clip).shots()[0]
    way = cameras(small, rows, shot).way(3, 13)
    assert way is not None
    middle = way @ np.array([WIDTH / 2, HEIGHT / 2, 1])
    assert np.abs(middle[:2] / middle[2] - (WIDTH / 2 - 20, HEIGHT / 2)).max() < 0.7
    back = cameras(small, rows, shot).way(13, 3)
    assert back is not None and np.allclose(back @ way / (back @ way)[2, 2], np.eye(3), atol=1e-6)
    (found,) = held(clip, tracked(without_the_top(truth, 6)))
    assert (found[13] & truth[13]).sum() > 0.95 * truth[13].sum()


@pytest.mark.parametrize("frames", [1, 3])
def test_a_shot_too_short_to_show_its_ground_stays_as_it_was(frames: int) -> None:
    clip, masks = moving(PLACES[:frames])
    short = without_the_top(masks, 7)
    (found,) = held(clip, tracked(short))
    assert np.array_equal(found, short)


def test_an_object_that_stands_still_stays_as_it_was() -> None:
    frames, masks = moving([(40, 24)] * 26)
    short = without_the_top(masks, 4)
    (found,) = held(frames, tracked(short))
    assert (found & short).sum() == short.sum()


def test_a_hints_own_frame_and_shots_without_a_hint_stay_as_they_were() -> None:
    frames, masks = moving(PLACES)
    short = without_the_top(masks, 7)
    short[0] = short[1]
    (found,) = held(frames, tracked(short, anchors=(0, 9)))
    assert np.array_equal(found[0], short[0])
    assert np.array_equal(found[9], short[9])
    (found,) = held(frames, tracked(short, anchors=(0,)), cuts=(13,))
    assert np.array_equal(found[13:], short[13:])


def test_what_was_cut_out_of_a_box_is_completed_inside_the_box_alone() -> None:
    frames, masks = moving(PLACES)
    short = without_the_top(masks, 7)
    short[0] = masks[0]
    short[0, 24:31] = False
    short[0, 40:44, 2:4] = True  # too much of it stays: on its own frame a hint is believed
    room = np.zeros((HEIGHT, WIDTH), bool)
    room[27:46, 2:26] = True
    (found,) = held(frames, replace(tracked(short), opened={0: room}))
    assert not found[0, :27].any()
    assert found[0, 27:31, 4:24].mean() > 0.95
    assert found[0][short[0]].all()
    assert (found[0] & ~masks[0] & ~short[0]).sum() < 10


def test_one_object_is_not_taken_for_a_piece_of_another() -> None:
    frames, first = moving(PLACES)
    second = np.zeros_like(first)
    for k, (x, y) in enumerate(PLACES):
        second[k, y : y + SIDE, x + SIDE : x + SIDE + 8] = True
        frames[k][second[k]] = (20, 30, 220)
    one, other = held(frames, tracked(first, name="one"), tracked(second, name="other"))
    for row in range(1, len(PLACES) - 4):
        assert not (one[row] & second[row]).any(), row
        assert not (other[row] & first[row]).any(), row


def test_ground_that_does_not_fit_says_nothing() -> None:
    frames, masks = moving(PLACES)
    flicker = np.random.default_rng(0).integers(0, 255, frames.shape).astype(np.uint8)
    frames = np.where(masks[..., None], frames, flicker)
    small, shot = SmallFrames(Clip(frames), HEIGHT), Clip(frames).shots()[0]
    rows = [m.astype(np.float32) for m in masks]
    assert difference(small, rows, cameras(small, rows, shot), shot, 13) is None


def test_a_shadow_is_neither_added_nor_kept() -> None:
    frames, masks = moving(PLACES)
    fat = masks.copy()
    for k, (x, y) in enumerate(PLACES):
        rows, columns = slice(y + SIDE, y + SIDE + 8), slice(x, x + SIDE)
        frames[k][rows, columns] = (frames[k][rows, columns] * 0.6).astype(np.uint8)
        if k:
            fat[k, rows, columns] = True
    for given in (masks, fat):
        (found,) = held(frames, tracked(given))
        extra = [(found[k] & ~masks[k]).sum() / masks[k].sum() for k in range(2, len(PLACES))]
        assert np.mean(extra) < 0.12
