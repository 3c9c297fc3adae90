"""How long an iteration takes, and whether there is time for more."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from vidinternal.core.budget import Budget
from vidinternal.core.errors import BudgetError


def require_time(budget: Budget) -> None:
    """Refuse to begin when no time is left.

    Raises:
        BudgetError: The budget is used up.
    """
    if budget.expired():
        raise BudgetError("training", expected="time for one iteration", got="0 s left", hint="a longer --budget")


class Pace:
    """Counts iterations against a cap and a budget; the first iteration is always allowed.

    Args:
        budget: The time allowed.
        cap: Iterations allowed.
    """

    def __init__(self, budget: Budget, cap: int) -> None:
        self.budget, self.cap, self.iteration = budget, cap, 0
        self._start = self._mark = time.monotonic()
        self._per_iteration = self._look = 0.0
        # What came before the first iteration is not part of the schedule.
        self._before = budget.fraction_used()

    def tick(self) -> None:
        """Tell that an iteration has ended."""
        now = time.monotonic()
        spent, self._mark = now - self._mark, now
        # the first iterations are slow (memory, kernels); a running mean forgets them
        self._per_iteration = spent if self.iteration < 2 else 0.9 * self._per_iteration + 0.1 * spent
        self.iteration += 1

    def state(self) -> dict[str, float]:
        """What a resumed fit needs to count on."""
        return {
            "iteration": self.iteration,
            "seconds": self.seconds(),
            "per_iteration": self._per_iteration,
            "before": self._before,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Count on from where a fit was; the time it had taken counts too."""
        self.iteration, self._per_iteration = int(state["iteration"]), float(state["per_iteration"])
        self._before = float(state["before"])
        self._mark = time.monotonic()
        self._start = self._mark - state["seconds"]

    def resume(self) -> None:
        """Tell that something else than an iteration, such as a look, took the time since the last tick."""
        now = time.monotonic()
        self._look, self._mark = now - self._mark, now

    def last_look(self) -> float:
        """What took the time at the last :meth:`resume`, in iterations' worth of it."""
        return self._look / max(1e-9, self._per_iteration)

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def over_cap(self, reserve: int = 0) -> bool:
        """Whether the iterations done and ``reserve`` more use up the cap."""
        return self.iteration > 0 and self.iteration + reserve >= self.cap

    def over_budget(self, reserve: float = 0.0) -> bool:
        """Whether the time left does not hold another iteration and ``reserve`` iterations' worth of other work."""
        return self.iteration > 0 and self.budget.remaining() <= (1.0 + reserve) * self._per_iteration

    def share(self) -> float:
        """Share of the allowance that has been used since the start of the fit, 0 to 1."""
        timed = (self.budget.fraction_used() - self._before) / max(1e-9, 1.0 - self._before)
        return max(min(1.0, self.iteration / self.cap), min(1.0, timed))
