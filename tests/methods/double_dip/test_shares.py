"""Shares of two mixtures, searched."""

import pytest
import torch

from tests.methods.double_dip.pictures import plain
from vidinternal.methods.double_dip.shares import LEAST_APART, judge, search_shares


def mixtures(a: float, b: float, size: tuple[int, int] = (48, 72)) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = plain(1, *size), plain(2, *size, cells=11)
    return tuple((s * first + (1 - s) * second).mul(255).round().div(255) for s in (a, b))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("true", [(0.7, 0.35), (0.85, 0.2), (0.6, 0.45)])
def test_the_shares_are_found(true: tuple[float, float]) -> None:
    one, other = mixtures(*true)
    found = search_shares(one, other)
    assert found == pytest.approx(true, abs=0.02)
    assert judge(one, other, found) <= judge(one, other, (0.9, 0.1))


def test_shares_of_the_pictures_before_are_mended() -> None:
    one, other = mixtures(0.7, 0.35)
    assert search_shares(one, other, (0.68, 0.37)) == pytest.approx((0.7, 0.35), abs=0.02)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 40)])
def test_tiny_pictures_give_some_shares(size: tuple[int, int]) -> None:
    a, b = search_shares(*mixtures(0.7, 0.35, size))
    assert 0 < b <= a - LEAST_APART < 1
