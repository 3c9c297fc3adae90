import pytest

from vidinternal.core.budget import Budget, parse_seconds
from vidinternal.core.errors import UsageError


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "fast", "10 minutes", "-5", "0", "5d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        parse_seconds(text)


def test_unlimited_never_expires_and_shares_stay_unlimited() -> None:
    budget = Budget()
    assert not budget.expired()
    assert budget.remaining() == float("inf")
    assert budget.share(0.5).seconds is None


def test_shares_are_of_what_is_left() -> None:
    budget = Budget(100.0)
    share = budget.share(0.25).seconds
    assert share is not None
    assert 24.0 < share <= 25.0
    assert Budget(1e-9).expired()
