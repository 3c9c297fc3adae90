"""The terms of Double-DIP: laws of each."""

import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.methods.double_dip.objective import (
    dark_loss,
    exclusion_loss,
    extended_l1,
    gray,
    gray_loss,
    std_loss,
)


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator(11, "objective", *shape))


def _edge(column: int) -> torch.Tensor:
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., column:] = 1.0
    return picture


def test_edges_at_the_same_place_exclude_each_other() -> None:
    together = exclusion_loss(_edge(16), _edge(16), levels=1)
    apart = exclusion_loss(_edge(8), _edge(20), levels=1)
    assert float(together) > 5 * float(apart)


def test_exclusion_is_symmetric_and_blind_to_constants() -> None:
    first, second = _random(1, 3, 24, 24), _random(1, 3, 24, 24).sqrt()
    assert torch.allclose(exclusion_loss(first, second), exclusion_loss(second, first))
    assert torch.allclose(exclusion_loss(first + 0.3, second), exclusion_loss(first, second), atol=1e-6)
    turned = exclusion_loss(first.transpose(-1, -2), second.transpose(-1, -2))
    assert torch.allclose(turned, exclusion_loss(first, second))


def test_exclusion_has_a_slope_where_a_layer_is_flat() -> None:
    flat = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    exclusion_loss(flat, _random(1, 3, 16, 16)).backward()
    assert flat.grad is not None and bool(flat.grad.isfinite().all())


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3)])
def test_exclusion_of_a_few_pixels_is_a_number(size: tuple[int, int]) -> None:
    assert bool(exclusion_loss(_random(1, 3, *size), _random(1, 3, *size)).isfinite())


def test_smoothness_is_nothing_for_what_is_flat_and_the_luma_s_alone() -> None:
    assert float(std_loss(torch.full((1, 3, 12, 12), 0.4))) < 1e-12
    assert float(std_loss(_random(1, 1, 12, 12))) > 1e-3
    colour = _random(1, 3, 12, 12)
    assert torch.allclose(std_loss(colour), std_loss(gray(colour)))
    steep = torch.linspace(0, 1, 12).expand(1, 1, 12, 12)
    assert float(std_loss(0.1 * steep)) < float(std_loss(steep))


def test_a_mask_of_black_and_white_is_the_best_there_is() -> None:
    decided = (_random(1, 1, 10, 10) > 0.5).float()
    assert float(gray_loss(decided)) == pytest.approx(2.0)
    assert float(gray_loss(0.5 + 0.2 * (decided - 0.5))) == pytest.approx(10.0)
    assert bool(gray_loss(torch.full((1, 1, 4, 4), 0.5)).isfinite())


def test_the_error_is_the_mean_under_the_mask() -> None:
    picture, target = _random(1, 3, 9, 9), _random(1, 3, 9, 9) ** 2
    mask = torch.zeros(1, 1, 9, 9)
    mask[..., 2:5, 3:8] = 1.0
    expected = (picture - target).abs()[..., 2:5, 3:8].mean()
    assert torch.allclose(extended_l1(picture, target, mask), expected)
    elsewhere = torch.where(mask > 0, picture, 1 - picture)
    assert torch.allclose(extended_l1(elsewhere, target, mask), expected)
    assert float(extended_l1(picture, target, torch.zeros_like(mask))) == 0.0


def test_the_dark_channel_of_what_has_a_black_colour_everywhere_is_nothing() -> None:
    picture = _random(1, 3, 8, 8) + 0.1
    assert float(dark_loss(picture, 1)) > 0
    picture[:, 1] = 0.0
    assert float(dark_loss(picture, 1)) == 0.0
