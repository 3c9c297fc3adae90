"""What is surely the object, and surely not."""

import pytest
import torch

from vidinternal.core.errors import MaskError
from vidinternal.ops.figure import figure, shrunk

HEIGHT, WIDTH = 48, 64
DISC = (slice(16, 34), slice(26, 44))


def _picture() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    ground = 0.4 + 0.1 * torch.sin(0.9 * x + 0.4 * y)
    picture = torch.stack([ground, ground, ground])
    picture[:, DISC[0], DISC[1]] = torch.tensor([0.9, 0.3, 0.1]).view(3, 1, 1)
    return picture.unsqueeze(0)


def _hints(value: float = float("nan")) -> torch.Tensor:
    return torch.full((1, 1, HEIGHT, WIDTH), value)


def _share_in_disc(mask: torch.Tensor) -> float:
    return float(mask[0, 0][DISC].sum() / mask.sum())


def test_what_a_person_says_is_kept() -> None:
    hints = _hints()
    hints[..., 20:30, 30:40], hints[..., :4, :] = 1.0, 0.0
    found = figure(_picture(), hints)
    assert torch.equal(found.inside, hints == 1) and torch.equal(found.outside, hints == 0)


def test_in_a_box_the_object_is_what_is_unlike_all_around_it() -> None:
    hints = _hints(0.0)
    hints[..., 10:40, 18:54] = torch.nan
    found = figure(_picture(), hints)
    assert _share_in_disc(found.inside) > 0.9
    assert bool(found.outside[hints == 0].all())
    guessed = found.outside & hints.isnan()
    assert bool(guessed.any()) and _share_in_disc(guessed) < 0.1
    assert not bool((found.inside & found.outside).any())


def test_of_points_alone_the_rest_is_guessed_where_it_is_unlike() -> None:
    hints = _hints()
    hints[..., 24:26, 34:36] = 1.0
    found = figure(_picture(), hints)
    assert bool(found.outside.any()) and _share_in_disc(found.outside) < 0.05


def test_without_a_hint_it_is_what_stands_out() -> None:
    for hints in (None, _hints()):
        found = figure(_picture(), hints)
        assert found.origin == "what stands out" and not found.lost
        assert _share_in_disc(found.inside) > 0.6
        assert not bool((found.inside & found.outside).any())


def test_of_a_flat_picture_nothing_is_known() -> None:
    assert figure(torch.full((1, 3, 20, 20), 0.5), None).lost


def test_the_mask_before_is_trusted_away_from_its_outline() -> None:
    before = torch.zeros(1, 1, HEIGHT, WIDTH)
    before[..., DISC[0], DISC[1]] = 1.0
    found = figure(_picture(), None, before)
    assert bool((found.inside <= (before > 0.5)).all()) and bool(found.inside.any())
    assert not bool((found.outside & (before > 0.5)).any()) and bool(found.outside.any())
    assert not bool((found.inside | found.outside)[0, 0, 20, 26])


def test_where_the_flow_cannot_be_trusted_the_mask_before_says_nothing() -> None:
    before = torch.zeros(1, 1, HEIGHT, WIDTH)
    before[..., DISC[0], DISC[1]] = 1.0
    valid = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    valid[..., :, :34] = False
    found = figure(_picture(), None, before, valid)
    assert not bool((found.inside | found.outside)[..., :34].any())
    assert bool(found.inside.any()) and bool(found.outside.any())


def test_a_thin_object_is_not_lost_to_its_own_outline() -> None:
    before = torch.zeros(1, 1, HEIGHT, WIDTH)
    before[..., 20, 10:50] = 1.0
    found = figure(_picture(), None, before)
    assert bool(found.inside.any()) and bool((found.inside <= (before > 0.5)).all())


def test_an_empty_mask_before_leaves_nothing_to_look_for_until_there_is_a_hint() -> None:
    empty = torch.zeros(1, 1, HEIGHT, WIDTH)
    assert figure(_picture(), None, empty).lost
    hints = _hints()
    hints[..., 20:24, 30:34] = 1.0
    assert not figure(_picture(), hints, empty).lost


def test_a_hint_goes_before_the_mask_before() -> None:
    before = torch.zeros(1, 1, HEIGHT, WIDTH)
    before[..., DISC[0], DISC[1]] = 1.0
    hints = _hints()
    hints[..., 24:26, 34:36], hints[..., 2, 2] = 0.0, 1.0
    found = figure(_picture(), hints, before)
    assert bool(found.outside[hints == 0].all()) and bool(found.inside[hints == 1].all())
    assert not bool((found.inside & found.outside).any())
    assert bool((found.inside & (before > 0.5)).any())


@pytest.mark.parametrize(("value", "told"), [(1.0, "all is inside"), (0.0, "all is outside")])
def test_hints_that_leave_nothing_open_are_refused(value: float, told: str) -> None:
    with pytest.raises(MaskError, match=told):
        figure(_picture(), _hints(value))


def test_what_is_thinner_than_a_small_pixel_stays() -> None:
    line = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    line[..., 7, 3:9] = True
    assert float(shrunk(line, (5, 5)).sum()) >= 1
    block = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    block[..., :16, :16] = True
    assert float(shrunk(block, (5, 5)).sum()) == 4
