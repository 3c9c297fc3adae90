"""What a window may start from, and what a scheme makes of it once the method knows its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vidinternal.core.contracts import Start
from vidinternal.learn.warm_start.bank import Bank, Entry
from vidinternal.learn.warm_start.describe import distance, size_distance
from vidinternal.learn.warm_start.meta import meta_start
from vidinternal.learn.warm_start.schemes import Scheme, combine, needed

MOST = 32
"""Sets of weights, the newest, that ``mean`` and ``ema`` average; more would be gigabytes to read for every window."""


@dataclass(frozen=True)
class Finished:
    """A finished window, of this clip or of another.

    Attributes:
        name: For a person.
        method: The method that was trained.
        signature: ``FitResult.signature``.
        size: Height and width it worked at.
        description: What it shows.
        load: Reads its weights.
    """

    name: str
    method: str
    signature: str
    size: tuple[int, int]
    description: tuple[float, ...]
    load: Callable[[], Mapping[str, Tensor]]

    @classmethod
    def of(cls, bank: Bank, entry: Entry) -> Finished:
        """An entry of a bank."""
        return cls(entry.name, entry.method, entry.signature, entry.size, entry.description, lambda: bank.load(entry))


@dataclass(frozen=True)
class Pool:
    """The finished windows that a window may start from, oldest first; fulfils ``contracts.Starts``.

    Attributes:
        scheme: What is made of them.
        finished: The windows.
        method: The method at work; weights of others are passed over.
        size: Height and width it works at.
        description: What the window shows.
    """

    scheme: Scheme
    finished: Sequence[Finished]
    method: str
    size: tuple[int, int]
    description: tuple[float, ...]

    def has(self, signature: str) -> bool:
        """Whether there is anything for a network of that signature."""
        return meta_start(signature) is not None if self.scheme == "meta" else bool(self._fit(signature))

    def _fit(self, signature: str) -> list[Finished]:
        return [f for f in self.finished if (f.method, f.signature) == (self.method, signature)]

    def of(self, signature: str) -> Start | None:
        """The start for a network of that signature; None where there is none.

        Raises:
            MediaError: Weights are gone or damaged.
        """
        if self.scheme == "meta":
            learned = meta_start(signature)
            return None if learned is None else Start(learned, "weights learned on the sample clips")
        fit = self._fit(signature)
        fit = fit[-MOST:] if self.scheme in ("mean", "ema") else fit
        away = [distance(self.description, f.description) + size_distance(self.size, f.size) for f in fit]
        chosen = needed(self.scheme, away)
        if not chosen:
            return None
        names = [fit[k].name for k in chosen]
        told = names[0] if len(names) == 1 else f"{len(names)} windows from {names[0]} to {names[-1]}"
        detail = f", distance {away[chosen[0]]:.2f}" if self.scheme == "nearest" else ""
        return Start(combine(self.scheme, (fit[k].load() for k in chosen)), f"{self.scheme}: {told}{detail}")
