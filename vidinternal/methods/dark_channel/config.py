"""Settings of ``dark_channel``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from vidinternal.core.config import StrictModel


def odd(value: int) -> int:
    """The value, if it is odd.

    Raises:
        ValueError: It is even.
    """
    if value % 2 == 0:
        raise ValueError("an odd number of pixels, so that a neighbourhood has a middle")
    return value


class Config(StrictModel):
    """What is taken as haze; the defaults are the paper's."""

    patch: Annotated[int, Field(ge=1, le=255), AfterValidator(odd)] = 15
    """Side of the neighbourhood whose darkest colour tells the haze, odd, pixels."""
    airlight_share: float = Field(default=0.001, gt=0.0, le=0.5)
    """Share of the pixels, those most opaque with haze, that the haze's colour is taken from."""
    omega: float = Field(default=0.95, gt=0.0, le=1.0)
    """Share of the haze that is taken away; a little left keeps distance visible."""
    least_transmission: float = Field(default=0.1, gt=0.0, le=1.0)
    """Transmission that is never gone below: less would raise noise and blocks of the codec."""
    radius: int = Field(default=60, ge=0, le=1024)
    """Radius of the guided filter that fits the transmission to the picture's edges, pixels; 0 leaves it blocky."""
    epsilon: float = Field(default=1e-3, gt=0.0, le=1.0)
    """Variance of colour below which the guided filter smooths instead of following an edge."""
