"""An object through frames."""

import numpy as np
import pytest
import torch

from vidinternal.ops.objects.path import Writer, leaves, stretches

HEIGHT, WIDTH = 40, 60


def square(x: int, y: int) -> np.ndarray:
    belief = np.zeros((HEIGHT, WIDTH), np.float32)
    belief[y : y + 12, x : x + 12] = 1
    return belief


def written() -> Writer:
    found = Writer()
    for k, belief in enumerate([square(10, 10) * 0.8, np.zeros((HEIGHT, WIDTH), np.float32), square(40, 20)]):
        found.add(belief, 0.5, (k, -k))
    return found


def test_a_path_gives_back_what_was_written() -> None:
    path = written().path(3)
    for k, belief in enumerate([square(10, 10) * 0.8, np.zeros((HEIGHT, WIDTH), np.float32), square(40, 20)]):
        assert np.abs(path.belief(k, (HEIGHT, WIDTH)) - belief).max() < 1 / 255
    assert path.motion[2].tolist() == [2, -2]


def test_a_path_that_goes_on_is_the_path_written_at_once() -> None:
    whole = written().path(3)
    begun = Writer.of(whole.cut(2))
    begun.add(square(40, 20), 0.5, (2, -2))
    again = begun.path(3)
    for name in ("boxes", "pixels", "confidence", "motion"):
        assert torch.equal(getattr(whole, name), getattr(again, name)), name
    assert whole.cut(1).left == 1


def test_stretches_without_the_object() -> None:
    assert stretches([False, True, False, False, True]) == [(0, 0), (2, 3)]
    assert stretches([True, True]) == []
    assert stretches([]) == []


@pytest.mark.parametrize(
    ("x", "way", "gone"), [(48, (0, 0), True), (40, (9, 0), True), (25, (3, 0), False), (1, (-2, 0), True)]
)
def test_what_is_at_the_border_leaves(x: int, way: tuple[int, int], gone: bool) -> None:
    assert leaves(square(x, 14), np.array(way)) == gone
    assert not leaves(np.zeros((HEIGHT, WIDTH)), np.array(way))
