import pytest
import torch

from vidinternal.core.errors import UsageError
from vidinternal.learn.objective import Objective


def test_the_total_is_the_weighted_sum_and_values_are_unweighted() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    objective = Objective({"L_a": 1.0, "L_b": 0.5})
    total = objective.total({"L_a": lambda: x**2, "L_b": lambda: 3 * x})
    total.backward()
    assert float(total.detach()) == pytest.approx(4 + 3)
    assert float(x.grad or 0) == pytest.approx(4 + 1.5)
    assert objective.values() == {"L_a": 4.0, "L_b": 6.0}


def test_a_term_without_weight_is_not_computed() -> None:
    def explode() -> torch.Tensor:
        raise AssertionError("computed")

    objective = Objective({"L_a": 1.0, "L_b": 0.0})
    assert float(objective.total({"L_a": lambda: torch.tensor(1.0), "L_b": explode})) == 1.0
    assert objective.values() == {"L_a": 1.0}


def test_terms_that_do_not_apply_keep_their_last_value() -> None:
    objective = Objective({"L_a": 1.0, "L_b": 1.0})
    objective.total({"L_a": lambda: torch.tensor(1.0), "L_b": lambda: torch.tensor(2.0)})
    objective.total({"L_a": lambda: torch.tensor(5.0)})
    assert objective.values() == {"L_a": 5.0, "L_b": 2.0}


def test_an_unknown_term_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'L_flow'"):
        Objective({"L_flow": 1.0}).total({"L_flaw": lambda: torch.tensor(1.0)})


def test_nothing_to_minimise_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one term"):
        Objective({"L_a": 0.0}).total({"L_a": lambda: torch.tensor(1.0)})
