import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.scene import box
from vidinternal.core.seeds import generator
from vidinternal.ops.masks import bounding_box, dilate, feather, temporal_hull


def random_masks(seed: int) -> torch.Tensor:
    return torch.rand((5, 1, 16, 20), generator=generator(seed, "masks")) < 0.05


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6))
def test_growing_keeps_the_mask_and_is_monotone(seed: int, radius: int) -> None:
    masks = random_masks(seed)
    assert not (masks & ~dilate(masks, radius)).any()
    assert not (dilate(masks, radius) & ~dilate(masks, radius + 1)).any()


def test_a_point_grows_to_its_radius() -> None:
    point = box(1, 21, 21, slice(10, 11), slice(10, 11))
    grown = dilate(point, 4)[0, 0]
    assert grown[10].nonzero()[[0, -1], 0].tolist() == [6, 14]
    assert grown[:, 10].nonzero()[[0, -1], 0].tolist() == [6, 14]
    assert not grown[6, 6]
    assert torch.equal(dilate(point, 0), point)


def test_feathering_never_leaves_the_mask() -> None:
    masks = box(1, 30, 30, slice(5, 25), slice(5, 25))
    weights = feather(masks, 4)
    assert (weights[~masks] == 0).all()
    assert float(weights[0, 0, 15, 15]) == 1.0
    assert (weights[0, 0, 15, 5:10].diff() > 0).all()
    assert torch.equal(feather(masks, 0), masks.float())


def test_the_hull_reaches_so_many_frames_and_no_further() -> None:
    masks = torch.zeros((7, 1, 2, 2), dtype=torch.bool)
    masks[3] = True
    assert temporal_hull(masks, 2).flatten(1).all(dim=1).tolist() == [False, True, True, True, True, True, False]
    assert torch.equal(temporal_hull(masks, 0), masks)
    assert temporal_hull(masks, 99).all()
    assert int(masks.sum()) == 4


def test_the_box_holds_every_hole() -> None:
    masks = torch.zeros((2, 1, 40, 50), dtype=torch.bool)
    masks[0, 0, 10, 12] = True
    masks[1, 0, 14, 30] = True
    assert bounding_box(masks) == (10, 15, 12, 31)
    assert bounding_box(masks, margin=11) == (0, 26, 1, 42)
    assert bounding_box(torch.zeros_like(masks)) is None


@pytest.mark.parametrize("place", [(0, 0), (20, 25), (39, 49)])
def test_the_box_has_sides_of_the_multiple_asked_for(place: tuple[int, int]) -> None:
    masks = torch.zeros((1, 1, 40, 50), dtype=torch.bool)
    masks[0, 0, place[0], place[1]] = True
    found = bounding_box(masks, margin=3, multiple=8)
    assert found is not None
    top, bottom, left, right = found
    assert (bottom - top) % 8 == 0
    assert (right - left) % 8 == 0
    assert 0 <= top <= place[0] < bottom <= 40
    assert 0 <= left <= place[1] < right <= 50
