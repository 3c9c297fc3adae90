import math

import pytest
import torch
from torch import Tensor

from vidinternal.core.contracts import PartError
from vidinternal.learn.stopping import BestOfParts, BestSoFar


def offer(best: BestSoFar, iteration: int, score: float | None) -> bool:
    return best.offer(iteration, torch.full((1,), float(iteration)), score, lambda: {"w": torch.tensor(iteration)})


def test_the_best_output_and_its_weights_are_kept_not_the_last() -> None:
    best = BestSoFar()
    assert [offer(best, k, s) for k, s in enumerate([20.0, 24.0, 22.0])] == [True, True, False]
    assert float(best.kept()) == 1.0
    assert int(best.weights["w"]) == best.iteration == 1
    assert best.score == 24.0


def test_what_is_kept_is_a_copy() -> None:
    best, frames = BestSoFar(), torch.zeros(2)
    best.offer(1, frames, 1.0, dict)
    frames += 1
    assert torch.equal(best.kept(), torch.zeros(2))


def test_weights_are_only_asked_for_when_kept() -> None:
    best = BestSoFar()
    offer(best, 0, 5.0)

    def explode() -> dict[str, Tensor]:
        raise AssertionError("asked for")

    assert not best.offer(1, torch.zeros(1), 4.0, explode)


def test_without_scores_the_latest_is_kept_and_patience_never_ends() -> None:
    best = BestSoFar(patience=1)
    for k in range(4):
        assert offer(best, k, None)
    assert float(best.kept()) == 3.0
    assert not best.exhausted


def test_nan_never_wins_and_uses_up_patience() -> None:
    best = BestSoFar(patience=2)
    assert offer(best, 0, math.nan), "something is better than nothing"
    assert offer(best, 1, 10.0)
    assert not offer(best, 2, math.nan)
    assert not offer(best, 3, math.inf)
    assert best.exhausted
    assert best.score == 10.0


def test_patience_counts_looks_without_a_better_score() -> None:
    best = BestSoFar(patience=2)
    states = []
    for k, score in enumerate([1.0, 0.5, 2.0, 1.9, 1.8]):
        offer(best, k, score)
        states.append(best.exhausted)
    assert states == [False, False, False, False, True]


def test_small_gains_are_kept_but_do_not_renew_patience() -> None:
    best = BestSoFar(patience=2, gain=0.5)
    for k, score in enumerate([1.0, 1.2, 1.4]):
        offer(best, k, score)
    assert best.exhausted
    assert best.score == 1.4


def test_asking_before_any_offer_is_refused() -> None:
    with pytest.raises(ValueError, match="no iterate"):
        BestSoFar().kept()


PARTS = torch.tensor([0, 1, 2, -1], dtype=torch.int8).view(1, 1, 1, 4)


def of_parts(best: BestOfParts, iteration: int, *decibels: float | None) -> bool:
    errors = [PartError(10, () if d is None else ((5, 10 ** (-d / 10)),)) for d in decibels]
    frames = torch.full((1, 3, 1, 4), float(iteration))
    return best.offer(iteration, frames, errors, lambda: {"w": torch.tensor(iteration)})


def test_every_part_is_taken_from_its_own_best_look() -> None:
    best = BestOfParts(PARTS)
    looks = [(30, 20, 25), (29, 24, 25), (20, 10, 26)]
    assert [of_parts(best, k, *levels) for k, levels in enumerate(looks)] == [True, True, True]
    assert best.kept()[0, 0, 0].tolist() == [0, 1, 2, 0]
    assert best.iterations == [0, 1, 2] and best.iteration == 2
    assert int(best.weights["w"]) == 2
    assert best.score == pytest.approx(-10 * math.log10((10**-3 + 10**-2.4 + 10**-2.6) / 3))
    assert not of_parts(best, 3, 29, 23, 25)


def test_while_one_part_improves_there_is_patience() -> None:
    best = BestOfParts(PARTS, patience=2, gain=0.1)
    for k, levels in enumerate([(30, 20, 25), (29, 21, 24), (28, 22, 24), (28, 22.05, 24)]):
        of_parts(best, k, *levels)
        assert not best.exhausted
    of_parts(best, 4, 30.05, 22.04, 25)
    assert best.exhausted, "less than the gain is none"
    assert best.iterations == [4, 3, 0]


def test_a_part_without_a_copy_follows_the_score_of_all() -> None:
    best = BestOfParts(PARTS)
    for k, levels in enumerate([(30, 20, None), (29, 25, None), (30.1, 19, None)]):
        of_parts(best, k, *levels)
    assert best.iterations == [2, 1, 1]


def test_the_best_of_parts_goes_on_from_its_state() -> None:
    whole, first, second = (BestOfParts(PARTS, 3, 0.02) for _ in range(3))
    looks = [(30.0, 20.0, None), (29.0, 25.0, None), (31.0, 19.0, None), (31.0, 19.0, None)]
    for k, levels in enumerate(looks):
        of_parts(whole, k, *levels)
        of_parts(first if k < 2 else second, k, *levels)
        if k == 1:
            second.load_state(first.state())
    assert torch.equal(whole.kept(), second.kept())
    assert {k: v for k, v in whole.state().items() if k not in ("frames", "weights")} == {
        k: v for k, v in second.state().items() if k not in ("frames", "weights")
    }


def test_nothing_offered_is_nothing_kept() -> None:
    with pytest.raises(ValueError, match="offered"):
        BestOfParts(PARTS).kept()
    assert BestOfParts(PARTS).score is None
