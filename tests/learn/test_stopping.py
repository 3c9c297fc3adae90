import math

import pytest
import torch
from torch import Tensor

from vidinternal.learn.stopping import BestSoFar


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
