"""The terms of separation and watermarks: laws of each."""

import pytest
import torch

from tests.methods.double_dip.pictures import mark, marked, plain
from vidinternal.methods.double_dip.objective import (
    alpha_of,
    alpha_prior,
    l1,
    layers_of_mixtures,
    mark_edges,
    mean_squared,
    mixed,
    shared_edges,
    unclipped_layers,
    unmarked,
)


def test_two_mixtures_give_their_layers_back() -> None:
    first, second = plain(1), plain(2, cells=11)
    for a, b in ((0.8, 0.3), (0.3, 0.8), (0.55, 0.45)):
        shares = torch.tensor([[a, b]])
        one, other = (mixed(shares[:, k].view(-1, 1, 1, 1), first, second) for k in (0, 1))
        found = layers_of_mixtures(one, other, shares)
        assert torch.allclose(found[0], first, atol=1e-5)
        assert torch.allclose(found[1], second, atol=1e-5)


def test_wrong_shares_leave_a_ghost_that_shows() -> None:
    first, second = plain(1), plain(2, cells=11)
    one, other = 0.7 * first + 0.3 * second, 0.35 * first + 0.65 * second
    right, wrong = (shared_edges(*unclipped_layers(one, other, torch.tensor([p]))) for p in ((0.7, 0.35), (0.6, 0.5)))
    assert float(right) < float(wrong) - 0.1


def test_edges_in_common_do_not_depend_on_contrast() -> None:
    first, second = plain(1), plain(2, cells=11)
    faint = 0.1 * second
    assert float(shared_edges(first, second)) == pytest.approx(float(shared_edges(first, faint)), abs=1e-4)
    assert float(shared_edges(first, first)) == pytest.approx(2, abs=1e-4)
    assert float(shared_edges(first, torch.full_like(first, 0.5))) == pytest.approx(0, abs=1e-4)
    assert float(shared_edges(first[..., :1, :1], second[..., :1, :1])) == 0


def test_a_share_is_one_number_of_the_drawing() -> None:
    drawn = torch.zeros(2, 1, 5, 7)
    drawn[1, 0, 2, 3] = 1
    assert alpha_of(drawn).flatten().tolist() == pytest.approx([0.05, 0.95])
    assert float(alpha_prior(torch.tensor([0.5]))) == 0
    assert float(alpha_prior(torch.tensor([0.2, 0.8]))) == pytest.approx(0.09)


def test_errors_are_means() -> None:
    nothing, half = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    assert float(l1(nothing, half)) == 0.5
    assert float(mean_squared(nothing, half)) == 0.25


def test_a_mark_comes_off_by_arithmetic_and_no_further_than_it_lets_through() -> None:
    picture, mask = plain(3), mark()
    seen = mixed(mask, torch.full_like(picture, 0.9), picture)
    assert torch.allclose(unmarked(seen, mask, mask * 0.9, 0.1), picture, atol=1e-5)
    opaque = unmarked(torch.ones_like(picture), torch.ones_like(mask), torch.full_like(picture, 0.95), 0.1)
    assert float(opaque.max()) == pytest.approx(0.5, abs=1e-5), "divided by no less than asked for"


def test_the_fewest_edges_are_left_by_the_true_mark() -> None:
    pictures, mask = torch.cat([plain(k) for k in range(4)]), mark()
    seen = marked(pictures, mask)

    def left(share: float) -> float:
        tried = share * mask
        return float(mark_edges((seen - tried * 0.95) / (1 - tried), tried))

    assert left(1.0) < left(0.7) and left(1.0) < left(1.3) and left(1.0) < left(0.0)


def test_an_even_mark_inside_is_neither_rewarded_nor_punished() -> None:
    picture = plain(5)
    without = float(mark_edges(picture, torch.zeros(1, 1, 48, 72)))
    for m in (0.2, 0.6):
        even = torch.full((1, 1, 48, 72), m)
        clean = (picture - m * 0.5) / (1 - m)
        assert float(mark_edges(clean, even)) == pytest.approx(without, rel=0.02)
    assert float(mark_edges(picture[..., :1, :1], torch.zeros(1, 1, 1, 1))) == 0
