"""Scales as settings take them."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from vidinternal.ops.imresize import output_size
from vidinternal.ops.scale import LARGEST, Scale, scale_pair, scaled_size

TAKEN = TypeAdapter(Scale)


@pytest.mark.parametrize("scale", [1, 2, 1.5, LARGEST, (1, 2.5), [3, 1]])
def test_a_number_or_two_are_a_scale(scale: Any) -> None:
    assert scale_pair(TAKEN.validate_python(scale)) == (
        tuple(scale) if isinstance(scale, tuple | list) else (scale,) * 2
    )


@pytest.mark.parametrize("scale", [0, 0.99, -2, 16.1, math.nan, math.inf, (2, 0.5), (2,), (1, 2, 3), "x", None])
def test_nothing_else_is(scale: Any) -> None:
    with pytest.raises(ValidationError):
        TAKEN.validate_python(scale)


@pytest.mark.parametrize("scale", [1.0, 1.1, 1.37, 2.0, 3.3, (1.1, 7.7)])
@pytest.mark.parametrize("size", [(1, 1), (10, 100), (1080, 1920)])
def test_sizes_are_those_of_the_resize(size: tuple[int, int], scale: Any) -> None:
    assert scaled_size(*size, scale) == output_size(*size, scale)
