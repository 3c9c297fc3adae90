"""Scales of pictures as settings take them: one number, or one for rows and one for columns; no torch in here."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

LARGEST = 16.0
"""What a picture may grow by in a direction; beyond that nothing of a result is the source's."""


def _checked(given: Any) -> Any:
    """One line for whatever is wrong; what is right goes on to be typed."""
    parts = given if isinstance(given, list | tuple) else (given,)
    numbers = [p for p in parts if isinstance(p, int | float) and not isinstance(p, bool)]
    pair = len(parts) == 2 or parts is not given
    if len(numbers) != len(parts) or not pair or not all(1 <= p <= LARGEST for p in numbers):
        raise ValueError(f"a scale lies between 1 and {LARGEST:g}, or is two such numbers: (vertical, horizontal)")
    return tuple(map(float, numbers)) if parts is given else float(numbers[0])


Scale = Annotated[float | tuple[float, float], BeforeValidator(_checked)]
"""The type of a setting ``scale``."""


def scale_pair(scale: float | tuple[float, float]) -> tuple[float, float]:
    """The vertical and the horizontal scale."""
    return scale if isinstance(scale, tuple) else (scale, scale)


def scaled_size(height: int, width: int, scale: float | tuple[float, float]) -> tuple[int, int]:
    """Rows and columns after scaling: ``ceil(side * scale)``, as ZSSR has it, whatever a product's last digit is."""
    down, across = scale_pair(scale)
    return math.ceil(height * down - 1e-9), math.ceil(width * across - 1e-9)
