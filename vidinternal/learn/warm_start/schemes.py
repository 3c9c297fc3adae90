"""The schemes of *DIP with Transfer Learning*, as we define them; its text gives none (``samrsabri_transfer``).

A scheme makes one set of start weights from those that finished windows ended with, oldest first:

=========  ==================================================================================================
cold       none: weights drawn from the seed
previous   the last
nearest    the one whose window is most like this one (:func:`vidinternal.learn.warm_start.describe.distance`)
mean       the mean of all: ``m_n = m_{n-1} + (w_n - m_{n-1}) / n``
ema        ``e_1 = w_1``, ``e_n = (1 - 0.5) e_{n-1} + 0.5 w_n``
last_k     the mean of the last three
meta       none of them: weights learned on the sample clips (:mod:`vidinternal.learn.warm_start.meta`)
=========  ==================================================================================================

Only weights of the same method and network signature are ever put together. The optimiser starts anew with every
window, its moments and its schedule included: the paper's Adam has a constant step size, and moments of another picture
point elsewhere. Batch norm keeps no running averages here (it is in training mode at inference too, as published), so
only its scale and shift are averaged, like any weight; a buffer of whole numbers is taken from the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from vidinternal.core.errors import ConfigError

Scheme = Literal["cold", "previous", "nearest", "mean", "ema", "last_k", "meta"]
SCHEMES: tuple[Scheme, ...] = ("cold", "previous", "nearest", "mean", "ema", "last_k", "meta")
EMA = 0.5
"""What the newest weights count in ``ema``."""
LAST = 3
"""How many ``last_k`` averages."""

Weights = Mapping[str, Tensor]


def running_mean(sets: Iterable[Weights]) -> dict[str, Tensor]:
    """Mean of all, one set in memory beside it at a time.

    Raises:
        ConfigError: Two sets differ in names or shapes.
        ValueError: There is none.
    """
    return _folded(sets, lambda n: 1.0 / n)


def moving_average(sets: Iterable[Weights], newest: float = EMA) -> dict[str, Tensor]:
    """Exponential moving average, oldest first.

    Raises:
        ConfigError: Two sets differ in names or shapes.
        ValueError: There is none.
    """
    return _folded(sets, lambda n: 1.0 if n == 1 else newest)


def needed(scheme: Scheme, distances: Sequence[float]) -> tuple[int, ...]:
    """Which sets a scheme wants, as indices, oldest first.

    Args:
        scheme: The scheme.
        distances: For each set, how unlike its window is; oldest first.
    """
    count = len(distances)
    if not count or scheme in ("cold", "meta"):
        return ()
    if scheme == "previous":
        return (count - 1,)
    if scheme == "nearest":
        return (min(range(count), key=lambda k: (distances[k], -k)),)  # of equals the later
    return tuple(range(max(0, count - LAST), count)) if scheme == "last_k" else tuple(range(count))


def combine(scheme: Scheme, sets: Iterable[Weights]) -> dict[str, Tensor]:
    """The start weights from the sets that :func:`needed` named.

    Raises:
        ConfigError: Two sets differ in names or shapes.
        ValueError: There is none.
    """
    return moving_average(sets) if scheme == "ema" else running_mean(sets)


def _folded(sets: Iterable[Weights], share: Callable[[int], float]) -> dict[str, Tensor]:
    result: dict[str, Tensor] = {}
    for number, weights in enumerate(sets, 1):
        if number == 1:
            result = {name: tensor.clone() for name, tensor in weights.items()}
            continue
        _check(result, weights)
        for name, tensor in weights.items():
            if tensor.is_floating_point():
                mean = torch.lerp(result[name].double(), tensor.double(), share(number))
                result[name] = mean.to(result[name].dtype)
            else:
                result[name] = tensor.clone()
    if not result:
        raise ValueError("no weights to combine")
    return result


def _check(one: Weights, other: Weights) -> None:
    for name in [*one, *other]:
        shapes = [tuple(w[name].shape) if name in w else None for w in (one, other)]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"weights to average, '{name}'",
                expected=f"shape {shapes[0]}" if shapes[0] is not None else "no such tensor",
                got=f"shape {shapes[1]}" if shapes[1] is not None else "no such tensor",
                hint="only weights of equal signature can be averaged",
            )
