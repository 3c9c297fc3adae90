"""Step sizes: the published rule, which watches the reconstruction of the picture itself, and a cosine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from vidinternal.methods.zssr.objective import slope_and_error

TEST_EVERY = 50
"""Iterations between two reconstructions of the whole picture."""
CHECK_EVERY = 60
"""Iterations between two looks at their slope."""
LEAST = 256
"""Iterations of a step size, and how far back the slope looks."""
RATIO = 1.5
"""The slope must be steeper than its standard error divided by this."""
LOWEST = 9e-6
"""The step size below which training ends."""


class Rule(Protocol):
    """A step size for every iteration, and when to end."""

    rate: float

    def tested(self, iteration: int, error: float) -> None:
        """Tell the mean squared error of the reconstruction."""
        ...

    def over(self, iteration: int, share: float) -> bool:
        """Set ``rate`` for the next iteration; whether there is to be none.

        Args:
            iteration: How many have been done.
            share: How much of iterations or time, whichever ends first, has been used, 0 to 1.
        """
        ...

    def state(self) -> dict[str, Any]:
        """All that is remembered, as a tree."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        ...


class SlopeRule:
    """A tenth of the step size where the reconstruction no longer improves for certain.

    Every :data:`CHECK_EVERY` iterations, once :data:`LEAST` have gone by since the last change, a line is laid through
    the last ``LEAST // TEST_EVERY`` reconstruction errors. Where ``-1.5 slope < standard error of the slope``, the step
    size is divided by ten; below :data:`LOWEST` training ends.

    Args:
        rate: The first step size.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.steps: list[int] = []
        self.errors: list[float] = []
        self.changes: list[int] = [0]

    def tested(self, iteration: int, error: float) -> None:
        """Tell the mean squared error of the reconstruction."""
        self.steps.append(iteration)
        self.errors.append(error)

    def over(self, iteration: int, share: float) -> bool:
        """Whether the step size has become too small, after looking whether it is time to lower it."""
        del share
        window = LEAST // TEST_EVERY
        due = iteration > 0 and iteration % CHECK_EVERY == 0 and iteration - self.changes[-1] > LEAST
        if due and len(self.steps) >= window:
            slope, error = slope_and_error(self.steps[-window:], self.errors[-window:])
            if -RATIO * slope < error:
                self.rate /= 10
                self.changes.append(iteration)
        return self.rate < LOWEST

    def state(self) -> dict[str, Any]:
        """All that is remembered, as a tree."""
        return {"rate": self.rate, "steps": self.steps, "errors": self.errors, "changes": self.changes}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.rate, self.steps = state["rate"], list(state["steps"])
        self.errors, self.changes = list(state["errors"]), list(state["changes"])


class CosineRule:
    """Up along a line for a few iterations, then down along half a cosine to a hundredth.

    Args:
        rate: The largest step size.
        iterations: Over how many.
        warm_up: Iterations on the way up.
    """

    def __init__(self, rate: float, iterations: int, warm_up: int = 10) -> None:
        self.peak, self.iterations, self.warm_up = rate, iterations, min(warm_up, iterations // 10)
        self.rate = rate / (self.warm_up + 1)

    def tested(self, iteration: int, error: float) -> None:
        """Nothing depends on it."""
        del iteration, error

    def over(self, iteration: int, share: float) -> bool:
        """Whether the iterations are done."""
        up = min(1.0, (iteration + 1) / (self.warm_up + 1))
        self.rate = self.peak * up * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
        return iteration >= self.iterations

    def state(self) -> dict[str, Any]:
        """Nothing: it follows from the iteration."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing to take up."""
        del state


class ConstantRule:
    """One step size all along, as for the later frames of a clip.

    Args:
        rate: The step size.
        iterations: How many.
    """

    def __init__(self, rate: float, iterations: int) -> None:
        self.rate, self.iterations = rate, iterations

    def tested(self, iteration: int, error: float) -> None:
        """Nothing depends on it."""
        del iteration, error

    def over(self, iteration: int, share: float) -> bool:
        """Whether the iterations are done."""
        del share
        return iteration >= self.iterations

    def state(self) -> dict[str, Any]:
        """Nothing: it follows from the iteration."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing to take up."""
        del state
