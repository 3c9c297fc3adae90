"""Laws of overlap and outline."""

import numpy as np

from vidinternal.ops.regions import boundary_f, jaccard, outline


def square(y: int, x: int, side: int = 20) -> np.ndarray:
    mask = np.zeros((80, 100), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_the_same_is_one_and_nothing_in_common_is_nothing() -> None:
    mask, empty = square(10, 10), np.zeros((80, 100), bool)
    for measure in (jaccard, boundary_f):
        assert measure(mask, mask) == 1.0
        assert measure(empty, empty) == 1.0
        assert measure(mask, square(50, 60)) == 0.0
        assert measure(mask, empty) == measure(empty, mask) == 0.0


def test_overlap_is_the_share_of_areas() -> None:
    assert jaccard(square(10, 10), square(10, 20)) == 200 / 600


def test_an_outline_may_be_off_by_a_little_and_no_more() -> None:
    assert boundary_f(square(10, 10), square(11, 11)) == 1.0
    assert boundary_f(square(10, 10), square(18, 18)) < 0.5


def test_the_picture_has_no_outline() -> None:
    assert not outline(np.ones((10, 10), bool)).any()
    assert outline(square(10, 10)).sum() == 4 * 20 - 4
