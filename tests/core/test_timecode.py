from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidinternal.core.errors import MaskError
from vidinternal.core.timecode import ClockTime, FrameIndex, parse_point, parse_region


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59999))
def test_clock_times_are_exact(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}:{minutes:02d}:{milliseconds / 1000:06.3f}"
    assert parse_point(text) == ClockTime(Fraction(hours * 3600 + minutes * 60) + Fraction(milliseconds, 1000))


def test_a_plain_number_is_a_frame_and_never_a_time() -> None:
    assert parse_point("12") == FrameIndex(12)
    assert parse_point("0:12") == ClockTime(Fraction(12))


@pytest.mark.parametrize("text", ["", "1:75", "1:60:00", "-3", "3.5", "soon"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(MaskError, match="expected"):
        parse_point(text)


def test_region_with_open_ends() -> None:
    region = parse_region("1,2,30,40@-0:05")
    assert (region.x, region.y, region.width, region.height) == (1, 2, 30, 40)
    assert region.start is None
    assert region.end == ClockTime(Fraction(5))


@pytest.mark.parametrize("text", ["1,2,3", "1,2,0,4", "1,2,3,4@9-3", "1,2,3,4@0:09-0:03", "a,b,c,d", "1,2,3,4@5"])
def test_bad_regions_are_refused(text: str) -> None:
    with pytest.raises(MaskError, match="--region"):
        parse_region(text)
