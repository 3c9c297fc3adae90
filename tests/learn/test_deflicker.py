"""The finisher: it learns what pictures have in common and is stopped before it learns what they have not."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.stop import Interrupted
from vidinternal.learn import deflicker
from vidinternal.learn.deflicker import EPOCHS, Crops, Deflicker, flicker_variance, gather, with_places

CONTEXT = FitContext(seed=3, device=torch.device("cpu"))


def crops(count: int = 4) -> Crops:
    picture = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    made = torch.cat([0.6 * picture + 0.02 * k for k in range(count)])
    return Crops(torch.cat([with_places(picture)] * count), made)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the epochs."""
    monkeypatch.setattr(deflicker, "STEPS", 1)


def test_flicker_is_what_the_source_has_not() -> None:
    assert flicker_variance(0.01, 0.03) == pytest.approx(0.01)
    assert flicker_variance(0.03, 0.01) == 0


def test_the_variance_is_that_of_noise_that_differs_from_picture_to_picture() -> None:
    noise = 0.1 * torch.randn(400, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    still = torch.zeros(400, 1, 8, 8)
    errors = [float((x[1:] - x[:-1]).square().mean()) for x in (still, still + noise)]
    assert flicker_variance(errors[0], errors[1]) == pytest.approx(0.01, rel=0.05)


def test_training_stops_at_the_flicker_and_not_before() -> None:
    easy, hard = Deflicker(CONTEXT).fit(crops(), 2e-3), Deflicker(CONTEXT).fit(crops(), 1e-9)
    assert easy.stopped == "flicker level" and easy.error <= 2e-3 and easy.epochs < EPOCHS
    assert hard.stopped == "epochs" and hard.epochs == EPOCHS


def test_few_pictures_have_more_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflicker, "STEPS", 30)
    assert Deflicker(CONTEXT).fit(crops(), 1e-9).epochs == 30
    assert Deflicker(CONTEXT).fit(crops(8), 1e-9).epochs == 25


def test_it_begins_at_the_colour_matrix_that_fits() -> None:
    picture = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    mixed = 0.5 * picture[:, [1, 0, 2]] + 0.2
    network = Deflicker(CONTEXT)
    found = Crops(torch.cat([with_places(picture)] * 4), torch.cat([mixed] * 4))
    assert network.fit(found, 1e-2).epochs == 1


def test_no_time_is_no_training_and_numbers_that_are_none_end_it() -> None:
    late = FitContext(seed=3, device=torch.device("cpu"), budget=Budget(1.0).charge(2.0))
    assert Deflicker(late).fit(crops(), 1e-9).stopped == "budget"
    broken = Crops(crops().source, torch.full((4, 3, 16, 24), torch.nan))
    assert Deflicker(CONTEXT).fit(broken, 1e-9).stopped == "diverged"


def test_the_same_seed_gives_the_same_weights_and_a_window_begins_from_the_one_before() -> None:
    one, other = Deflicker(CONTEXT), Deflicker(CONTEXT)
    one.fit(crops(), 0.02)
    other.fit(crops(), 0.02)
    assert all(torch.equal(a, other.weights[n]) for n, a in one.weights.items())
    following = Deflicker(CONTEXT, one.weights)
    assert all(torch.equal(a, following.weights[n]) for n, a in one.weights.items())


class Dying:
    """Checkpoints of a process that is killed at one of its epochs."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.alive = 3

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.kept.get(piece + fits))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.kept[piece + fits] = copy.deepcopy(dict(state))

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("killed")


def test_killed_in_the_middle_it_ends_with_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflicker, "EPOCHS", 6)
    whole = Deflicker(CONTEXT)
    whole.fit(crops(), 1e-9)
    dying = FitContext(seed=3, device=torch.device("cpu"), checkpoint=Dying())
    with pytest.raises(Interrupted):
        Deflicker(dying).fit(crops(), 1e-9)
    again = Deflicker(dying)
    fitted = again.fit(crops(), 1e-9)
    assert fitted.epochs == 6
    assert all(torch.equal(a, again.weights[n]) for n, a in whole.weights.items())
    finished = Deflicker(dying)
    assert finished.fit(crops(), 1e-9).stopped == "epochs"
    assert all(torch.equal(a, finished.weights[n]) for n, a in whole.weights.items())


def test_large_pictures_are_given_back_piece_by_piece_as_the_whole_is(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Deflicker(CONTEXT)
    network.fit(crops(), 0.02)
    picture = torch.rand(1, 3, 70, 101)
    whole = network.steadied(picture)
    monkeypatch.setattr(deflicker, "_TILE", 32)
    assert torch.allclose(network.steadied(picture), whole, atol=1e-5)
    assert whole.shape == picture.shape and 0 <= float(whole.min()) <= float(whole.max()) <= 1


def test_crops_come_from_all_over_the_window_and_are_not_too_many() -> None:
    asked: list[int] = []

    def pictures(k: int) -> tuple[Tensor, Tensor]:
        asked.append(k)
        return torch.full((1, 3, 120, 130), k / 300), torch.full((1, 3, 120, 130), k / 300)

    found = gather(pictures, 300, 3)
    assert asked == sorted(set(asked)) and asked[0] == 0 and asked[-1] == 299
    assert len(found.source) == len(found.made) <= deflicker.MOST_CROPS
    assert torch.equal(found.source[:, :3], found.made)
    assert found.source.shape[1:] == (5, 96, 96)
    small = gather(lambda _k: (torch.rand(1, 3, 9, 200), torch.rand(1, 3, 9, 200)), 2, 3)
    assert small.source.shape[-2:] == (9, 96)
