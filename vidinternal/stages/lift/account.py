"""What an image method tells of its groups, put together into the account of a window."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vidinternal.core.contracts import HistoryPoint
from vidinternal.core.imaging import ImageResult

MOST_NOTES = 12
"""Kinds of notes that are kept of a window; the account says how many more there were."""
MOST_LOOKS = 200
"""Looks at a fit that are kept: those at the first fit of the window."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass
class Account:
    """What groups and tiles told so far; plain values alone, so that it can be kept.

    Attributes:
        groups: Groups made.
        runs: Calls of the method: groups times tiles.
        tiles: Tiles of a picture.
        iterations: Optimiser steps.
        seconds: Wall seconds inside the method.
        warm: Calls that began from weights that were trained before.
        stopped: Why calls ended, counted.
        notes: Kinds of notes with the first of its kind and how often it came.
        numbers: Sum, count, least and most of each number that was told.
        texts: How often each other finding was told.
        history: Looks at the first fit.
    """

    groups: int = 0
    runs: int = 0
    tiles: int = 0
    iterations: int = 0
    seconds: float = 0.0
    warm: int = 0
    stopped: dict[str, int] = field(default_factory=dict)
    notes: dict[str, list[Any]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    texts: dict[str, dict[str, int]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: ImageResult) -> None:
        """Take in what one call told."""
        self.runs += 1
        self.iterations += result.iterations
        self.seconds += result.seconds
        self.warm += bool(result.warm)
        self.stopped[result.stopped] = self.stopped.get(result.stopped, 0) + 1
        for note in result.notes:
            self.note(note)
        for name, value in result.facts.items():
            self._fact(name, value)
        if not self.history:
            self.history = [_look(point) for point in result.history[:MOST_LOOKS]]

    def note(self, text: str) -> None:
        """Take in a note; those that differ in numbers alone are one."""
        kind = _NUMBER.sub("#", text)
        if kind in self.notes:
            self.notes[kind][1] += 1
        else:
            self.notes[kind] = [text, 1]

    def told(self) -> list[str]:
        """The notes for people, each kind once."""
        lines = [text if count == 1 or self.runs < 2 else f"{text} ({count} times)" for text, count in self._notes()]
        more = len(self.notes) - len(lines)
        return [*lines, *([f"and {more} more kinds of notes"] if more > 0 else [])]

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        stopped = max(self.stopped, key=lambda k: (self.stopped[k], k)) if self.stopped else "done"
        found: dict[str, Any] = {
            "groups": self.groups,
            "tiles": self.tiles,
            "iterations": self.iterations,
            "seconds": round(self.seconds, 3),
            "stopped": stopped,
            "warm": self.warm > 0,
            "warm_share": round(self.warm / self.runs, 3) if self.runs else 0.0,
            "notes": self.told(),
            "history": self.history,
        }
        if len(self.stopped) > 1:
            found["stopped_how_often"] = dict(sorted(self.stopped.items()))
        for name, (total, count, least, most) in self.numbers.items():
            mean = {"mean": round(total / count, 5), "min": round(least, 5), "max": round(most, 5)}
            found[name] = round(total, 5) if count == 1 else mean
        for name, counted in self.texts.items():
            only = next(iter(counted))
            found[name] = {"True": True, "False": False}.get(only, only) if len(counted) == 1 else counted
        return found

    def as_tree(self) -> dict[str, Any]:
        """Everything, to be kept."""
        return dict(vars(self))

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Account:
        """Undo :meth:`as_tree`."""
        return cls(**kept)

    def _notes(self) -> list[tuple[str, int]]:
        return [(text, count) for text, count in list(self.notes.values())[:MOST_NOTES]]

    def _fact(self, name: str, value: Any) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            total, count, least, most = self.numbers.get(name, [0.0, 0, value, value])
            self.numbers[name] = [total + value, count + 1, min(least, value), max(most, value)]
        else:
            counted = Counter(self.texts.get(name, {}))
            counted[str(value)] += 1
            self.texts[name] = dict(counted)


def _look(point: HistoryPoint) -> dict[str, Any]:
    return {
        "iteration": point.iteration,
        "seconds": round(point.seconds, 2),
        "terms": {k: float(v) for k, v in point.terms.items()},
        "holdout_psnr": None if point.holdout_psnr is None else round(point.holdout_psnr, 3),
    }


def told(value: Tensor) -> Any:
    """A finding for the record: small ones as numbers, others by their shape."""
    return value.tolist() if value.numel() <= 12 else f"{'x'.join(map(str, value.shape))} numbers"
