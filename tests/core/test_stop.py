from vidinternal.core.budget import Budget
from vidinternal.core.stop import Interrupted, Stop


def test_the_first_request_gives_time_and_the_time_ends() -> None:
    at_once, later = Stop(grace=0.0), Stop(grace=1000.0)
    assert not at_once.asked
    assert not at_once.overdue
    for stop in (at_once, later):
        stop.ask()
        assert stop.asked
    assert at_once.overdue
    assert not later.overdue


def test_a_stop_is_no_failure() -> None:
    assert not issubclass(Interrupted, Exception)
    assert Interrupted("here").message == "here"


def test_time_of_an_earlier_run_counts() -> None:
    budget = Budget(10.0).charge(7.0)
    assert budget.elapsed() >= 7.0
    assert budget.remaining() <= 3.0
    assert budget.fraction_used() >= 0.7
