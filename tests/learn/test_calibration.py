import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidinternal.core.contracts import Holdout
from vidinternal.core.seeds import generator
from vidinternal.learn.calibration import Calibration, Doubt, calibrate, depth, picture_errors


def made_up(scale: float, floor: float) -> tuple[torch.Tensor, torch.Tensor, Holdout]:
    """A spread, and a fill whose squared errors follow it."""
    random = generator(5)
    spread = 0.1 * torch.rand((4, 1, 40, 50), generator=random)
    error = (scale * spread.square() + floor).sqrt() * torch.randn((4, 3, 40, 50), generator=random)
    hidden = torch.zeros(4, 1, 40, 50, dtype=torch.bool)
    hidden[:, :, 5:35, 5:45] = True
    truth = torch.full((4, 3, 40, 50), 0.5)
    return spread, truth + error, Holdout(hidden, truth)


@settings(max_examples=10)
@given(st.floats(0.2, 20.0), st.floats(1e-5, 1e-3))
def test_the_law_that_errors_follow_is_found_again(scale: float, floor: float) -> None:
    spread, filled, holdout = made_up(scale, floor)
    found = calibrate(spread, filled, holdout)
    for s in (0.02, 0.05, 0.1):
        expected = math.sqrt(scale * s * s + floor)
        assert float(found.error(torch.tensor([s]))) == pytest.approx(expected, rel=0.25)


def test_a_spread_that_tells_nothing_gives_the_mean_error_everywhere() -> None:
    _, filled, holdout = made_up(0.0, 4e-4)
    found = calibrate(torch.zeros(4, 1, 40, 50), filled, holdout)
    assert float(found.error(torch.tensor([0.0]))) == pytest.approx(0.02, rel=0.1)


def test_what_lies_outside_the_held_out_pixels_is_never_read() -> None:
    spread, filled, holdout = made_up(2.0, 1e-4)
    poisoned = torch.where(holdout.masks, filled, torch.nan)
    assert calibrate(spread, poisoned, holdout) == calibrate(spread, filled, holdout)
    assert picture_errors(poisoned, holdout) == picture_errors(filled, holdout)


def test_errors_grow_with_the_spread_and_stay_in_range() -> None:
    error = Calibration(9.0, 1e-4).error(torch.linspace(0, 5, 50))
    assert bool((error.diff() >= 0).all()) and float(error.max()) <= 1.0


def test_pictures_without_a_held_out_pixel_are_told_apart() -> None:
    _, filled, holdout = made_up(1.0, 1e-4)
    masks = holdout.masks.clone()
    masks[2] = False
    errors = picture_errors(filled, Holdout(masks, holdout.truth))
    assert errors[2] == -1.0 and min(errors[:2]) > 0
    told = Doubt.of(filled, None, masks, Holdout(masks, holdout.truth)).as_dict()
    assert told["told"] == "depth" and told["pictures"][2] is None


def test_depth_grows_away_from_what_is_known_and_a_whole_hole_has_a_bound() -> None:
    masks = torch.zeros(1, 1, 21, 21, dtype=torch.bool)
    masks[..., 3:18, 3:18] = True
    deep = depth(masks)[0, 0]
    assert float(deep[10, 10]) == float(deep.max()) > float(deep[3, 3]) > 0 == float(deep[0, 0])
    assert float(depth(torch.ones(1, 1, 5, 9, dtype=torch.bool)).max()) <= 3.0


def test_the_error_to_expect_is_told_in_the_hole_alone() -> None:
    spread, filled, holdout = made_up(1.0, 1e-4)
    doubt = Doubt.of(filled, spread, holdout.masks, holdout)
    real = torch.zeros_like(holdout.masks)
    real[:, :, :3, :3] = True
    error = doubt.error(spread, real)
    assert bool(((error > 0) == real).all())
