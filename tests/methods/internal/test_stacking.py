import numpy as np
import pytest
import torch

from tests.ops.scene import box
from vidinternal.core.contracts import Holdout
from vidinternal.core.seeds import generator
from vidinternal.methods.internal.stacking import (
    BINS,
    Stack,
    apply_stack,
    bins,
    convex,
    first_alone,
    fit_stack,
    held_back,
)

HOLE = box(2, 40, 60, slice(5, 35), slice(20, 55))
NOTHING = torch.zeros_like(HOLE)


def test_bins_part_depth_and_what_nobody_saw() -> None:
    seen, unseen = bins(HOLE, NOTHING), bins(HOLE, HOLE)
    assert set(seen[HOLE].tolist()) == {0, 1, 2}
    assert torch.equal(unseen[HOLE], seen[HOLE] + 3)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_weights_are_found_where_the_truth_is_a_mixture(share: float) -> None:
    random = generator(0)
    first, second = torch.rand((2, 2, 3, 40, 60), generator=random)
    truth = (1 - share) * first + share * second
    stack = fit_stack({"fused": first, "generated": second}, bins(HOLE, NOTHING), Holdout(HOLE, truth))
    assert stack.weights[:3, 1] == pytest.approx(share, abs=0.05)
    result = apply_stack(stack, {"fused": first, "generated": second}, bins(HOLE, NOTHING), HOLE)
    where = HOLE.expand_as(truth)
    assert float((result - truth)[where].abs().max()) < 0.1


def test_without_evidence_the_first_is_trusted_where_it_was_seen() -> None:
    pictures = {"fused": torch.zeros((2, 3, 40, 60)), "generated": torch.ones((2, 3, 40, 60))}
    for holdout in (None, Holdout(box(2, 40, 60, slice(0, 2), slice(0, 2)), torch.zeros((2, 3, 40, 60)))):
        weights = fit_stack(pictures, bins(HOLE, NOTHING), holdout).weights
        assert weights[:3].tolist() == [[1, 0]] * 3
        assert weights[3:].tolist() == [[0.5, 0.5]] * 3


def test_convex_weights_stay_on_the_simplex() -> None:
    random = np.random.default_rng(0)
    values = random.random((300, 3))
    weights = convex(values, 2 * values[:, 0] - values[:, 1], np.full(3, 1 / 3))
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    assert weights[0] > 0.8


def test_every_part_of_the_hole_has_weights_of_its_own() -> None:
    parts = torch.zeros(HOLE.shape, dtype=torch.int8)
    parts[..., 38:] = 1
    random = generator(3)
    first, second = torch.rand((2, 2, 3, 40, 60), generator=random)
    truth = torch.where(parts == 0, first, second)
    pictures = {"fused": first, "generated": second}
    index = bins(HOLE, NOTHING, parts)
    stack = fit_stack(pictures, index, Holdout(HOLE, truth))
    assert len(stack.weights) == 2 * BINS
    assert stack.weights[:3, 0] == pytest.approx(1, abs=0.05)
    assert stack.weights[BINS : BINS + 3, 1] == pytest.approx(1, abs=0.05)


def test_a_part_without_a_hidden_pixel_leans_on_all() -> None:
    parts = torch.zeros(HOLE.shape, dtype=torch.int8)
    parts[..., 38:] = 1
    first, second = torch.rand((2, 2, 3, 40, 60), generator=generator(3))
    hidden = HOLE & (parts == 0)
    stack = fit_stack({"fused": first, "generated": second}, bins(HOLE, NOTHING, parts), Holdout(hidden, second))
    assert stack.weights[BINS:, 1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("doubt", "wandered", "weight"),
    [
        (1.0, 0.3, 0.5),  # it stands stiller than where it was judged: as it was
        (1.0, 5.0, 0.1),  # five times as restless
        (0.2, 1.0, 0.1),  # the candidates agree five times as well: the fusion is better here
        (5.0, 1.0, 0.5),
        (5.0, 2.0, 0.25),
        (0.5, 2.0, 0.125),
    ],
)
def test_weights_fall_where_the_hole_is_unlike_its_copies(doubt: float, wandered: float, weight: float) -> None:
    stack = Stack(("fused", "generated"), np.full((2 * BINS, 2), 0.5))
    held = held_back(stack, [1.0, doubt], [1.0, wandered])
    assert held.weights[:BINS].tolist() == [[0.5, 0.5]] * BINS
    assert held.weights[BINS:] == pytest.approx(np.tile([1 - weight, weight], (BINS, 1)))
    assert stack.weights[-1].tolist() == [0.5, 0.5]
    alone = first_alone(("fused", "generated"), 2)
    assert held_back(alone, [0.2, 0.2], [9.0, 9.0]).weights.tolist() == alone.weights.tolist()
