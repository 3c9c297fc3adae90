"""What a fill is worth where nobody knows the truth: a number from the hidden copies, and how far to believe it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vidinternal.core.contracts import PartError, decibels

OTHER_CONTENT = 2.5
"""Standard deviation, dB, between a hole and its copies however alike these are among themselves; measured."""
ALONE = 3.0
"""Standard deviation, dB, assumed between copies of a part of which there is one alone."""
EIGHTY = 1.2816
"""Standard deviations to each side that hold four in five."""


@dataclass(frozen=True)
class Estimate:
    """Expected PSNR in the hole, dB.

    Attributes:
        psnr: From the hidden copies, every part of the hole counting as its own area does.
        low: Four holes in five are thought to lie between this ...
        high: ... and this.
    """

    psnr: float
    low: float
    high: float


def estimate(errors: Sequence[PartError], factors: Sequence[float] | None = None) -> Estimate:
    """Judge a fill.

    The interval is ``psnr -+ 1.28 sqrt(s_0^2 + sum_k a_k^2 s_k^2 / n_k)``: ``a_k`` the part's share of the hole,
    ``s_k`` the spread of its ``n_k`` copies in dB, ``s_0`` what a hole differs from its copies anyway. A part without
    a copy counts as one copy of the rest.

    Args:
        errors: From :meth:`~vidinternal.core.contracts.Holdout.errors`; at least one part has a copy.
        factors: What squared errors on the copies of each part take on in the hole, from
            :func:`~vidinternal.learn.difficulty.harder`; None = 1.
    """
    factors = [1.0] * len(errors) if factors is None else factors
    known = [(e.area, mean * f) for e, f in zip(errors, factors, strict=True) if (mean := e.mean()) is not None]
    total = sum(e.area for e in errors)
    psnr = decibels(sum(a * e for a, e in known) / sum(a for a, _ in known))
    variance = OTHER_CONTENT**2
    for part in errors:
        variance += (part.area / total) ** 2 * _variance(part) / max(1, len(part.copies))
    width = EIGHTY * math.sqrt(variance)
    return Estimate(psnr, psnr - width, psnr + width)


def _variance(part: PartError) -> float:
    """Of the copies of a part, dB squared."""
    levels = [decibels(e) for _, e in part.copies]
    if len(levels) < 2:
        return ALONE**2
    mean = sum(levels) / len(levels)
    return sum((x - mean) ** 2 for x in levels) / (len(levels) - 1)
