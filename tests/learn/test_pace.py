import time

import pytest

from vidinternal.core.budget import Budget
from vidinternal.core.errors import BudgetError
from vidinternal.learn.pace import Pace, require_time


def test_no_time_at_all_is_refused() -> None:
    budget = Budget(1e-9)
    time.sleep(0.001)
    with pytest.raises(BudgetError, match="longer --budget"):
        require_time(budget)
    require_time(Budget())


def test_the_first_iteration_is_always_allowed() -> None:
    pace = Pace(Budget(1e-9), 1)
    assert not pace.over_budget(100.0)
    assert not pace.over_cap(100)
    pace.tick()
    assert pace.over_budget()
    assert pace.over_cap()


def test_the_cap_counts_the_reserve() -> None:
    pace = Pace(Budget(), 5)
    for _ in range(3):
        pace.tick()
    assert not pace.over_cap(1)
    assert pace.over_cap(2)
    assert pace.share() == pytest.approx(0.6)


def test_time_is_kept_for_the_reserve_and_looks_do_not_count() -> None:
    pace = Pace(Budget(60.0), 1000)
    for _ in range(2):
        time.sleep(0.01)
        pace.tick()
    assert not pace.over_budget(10)
    assert pace.over_budget(10_000)
    time.sleep(0.2)
    pace.resume()
    time.sleep(0.01)
    pace.tick()
    assert not pace.over_budget(700), "the long pause was taken for an iteration"
    assert pace.seconds() >= 0.2
    assert pace.last_look() > 5, "the pause was twenty iterations long"


def test_without_a_budget_time_never_ends() -> None:
    pace = Pace(Budget(), 10)
    pace.tick()
    assert not pace.over_budget(1e12)


def test_time_that_went_before_the_fit_is_no_part_of_its_share() -> None:
    budget = Budget(0.4)
    time.sleep(0.2)
    pace = Pace(budget, 1000)
    pace.tick()
    assert pace.share() < 0.2 < budget.fraction_used()
    resumed = Pace(Budget(0.4), 1000)
    resumed.load_state(pace.state())
    assert resumed.share() <= pace.share()
