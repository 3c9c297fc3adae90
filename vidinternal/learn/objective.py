"""A weighted sum of named terms, logged by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from vidinternal.core.errors import UsageError, nearest


class Objective:
    """What a fit minimises: ``sum_k w_k L_k``.

    Args:
        weights: Weight of each term by its name in the paper; a weight of 0 turns a term off.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = dict(weights)
        self._latest: dict[str, Tensor] = {}

    def total(self, terms: Mapping[str, Callable[[], Tensor]]) -> Tensor:
        """Evaluate the terms whose weight is not 0 and return their weighted sum, a scalar.

        Args:
            terms: What computes each term; those that do not apply to the present batch may be left out.

        Raises:
            UsageError: A term has no weight, or no term with a weight is given.
        """
        for name in terms:
            if name not in self.weights:
                raise UsageError(f"objective term '{name}'", expected="a weight", hint=nearest(name, self.weights))
        values = {name: compute() for name, compute in terms.items() if self.weights[name] != 0.0}
        if not values:
            raise UsageError("objective", expected="at least one term with a weight above 0", got=str(self.weights))
        self._latest.update({name: value.detach() for name, value in values.items()})
        return torch.stack([self.weights[name] * value for name, value in values.items()]).sum()

    def load_values(self, values: Mapping[str, float]) -> None:
        """Take up the latest values of a fit that is resumed."""
        self._latest = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}

    def values(self) -> dict[str, float]:
        """The latest unweighted value of every term evaluated so far."""
        return {name: float(value) for name, value in self._latest.items()}
