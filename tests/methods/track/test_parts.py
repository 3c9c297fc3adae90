"""The parts of the tracker, each by its laws."""

import numpy as np
import pytest

from tests.methods.track.scenes import HEIGHT, SIDE, WIDTH, ground, moving
from vidinternal.methods.track.features import CHANNELS, Colours, landed, own_motion, stack, static
from vidinternal.methods.track.jump import both_ways
from vidinternal.methods.track.refiner import damaged
from vidinternal.methods.track.tracks import working_height


def square(x: int, y: int) -> np.ndarray:
    return moving([(x, y)])[1][0].astype(np.float32)


def test_the_object_lands_where_its_flow_takes_it_and_leaves_nothing_behind() -> None:
    way = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    way[...] = (30, 0)
    found = landed(square(10, 20), way)
    assert found[22:38, 42:58].min() > 0.9
    assert found[22:38, 5:35].max() < 0.05


def test_motion_is_told_from_the_cameras() -> None:
    belief = square(40, 20)
    way = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    way[..., 0], way[..., 1] = 3 + 0.02 * x, -1 + 0.01 * y
    still = own_motion(way, belief)
    assert still.max() < 0.1
    way[belief > 0.5] += (6, 0)
    moved = own_motion(way, belief)
    assert moved[belief > 0.5].min() > 0.6
    assert np.median(moved[belief < 0.5]) < 0.1


def test_colours_of_the_object_are_likelier_than_those_around() -> None:
    frames, masks = moving([(40, 25)])
    colours = Colours()
    colours.learn(frames[0], masks[0].astype(np.float32), 1.0)
    likeness = colours.likeness(frames[0])
    assert likeness[masks[0]].mean() > 0.5
    assert likeness[~masks[0]].mean() < -0.5
    before = colours.object.copy()
    colours.learn(frames[0], np.zeros((HEIGHT, WIDTH), np.float32), 1.0)
    assert np.array_equal(before, colours.object), "nothing is learned from nothing"


def test_the_network_gets_its_channels() -> None:
    likeness = np.zeros((HEIGHT, WIDTH), np.float32)
    for prior in (None, square(10, 10)):
        maps = stack(static(ground()), prior, likeness, likeness)
        assert maps.shape == (CHANNELS, HEIGHT, WIDTH)
        assert np.isfinite(maps).all()


def test_a_far_jump_is_found_and_a_twin_is_not_taken_for_the_object() -> None:
    before, masks = moving([(20, 25)])
    now, _ = moving([(44, 25)])
    there, _ = both_ways(before[0], now[0], masks[0].astype(np.float32))
    assert np.allclose(np.median(there[masks[0]], axis=0), (24, 0), atol=1.5)
    twin = before[0].copy()
    twin[25 : 25 + SIDE, 80 : 80 + SIDE] = before[0][25 : 25 + SIDE, 20 : 20 + SIDE]
    there, _ = both_ways(twin, twin, masks[0].astype(np.float32))
    assert np.abs(there[masks[0]]).max() < 1


def test_damage_is_bounded_and_the_same_for_the_same_chance() -> None:
    mask = square(40, 25)
    first, again = ([damaged(mask, np.random.default_rng(k)) for k in range(12)] for _ in range(2))
    assert any(one is None for one in first)
    for one, other in zip(first, again, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert np.array_equal(one, other)
            assert 0 <= one.min() <= one.max() <= 1
    assert damaged(np.zeros((HEIGHT, WIDTH), np.float32), np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("share", "wanted", "height"), [(0.2, 0, 240), (0.01, 0, 480), (0.2, 100, 100), (0.02, 0, 360)]
)
def test_small_objects_are_followed_at_more_rows(share: float, wanted: int, height: int) -> None:
    assert working_height(1080, wanted, share) == height
    assert working_height(90, wanted, share) == 90
