"""Times and regions as people write them: frames or ``HH:MM:SS[.mmm]``, ``X,Y,W,H[@START-END]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from vidinternal.core.errors import MaskError

# Digits are bounded: what is longer is no place in any clip, and Python refuses to read numbers without end.
_CLOCK = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,12})?)")
_FRAME = re.compile(r"[0-9]{1,12}")
_REGION = re.compile(r"([0-9]{1,9}),([0-9]{1,9}),([0-9]{1,9}),([0-9]{1,9})(?:@([^-]*)-([^-]*))?")


@dataclass(frozen=True)
class FrameIndex:
    """A point in a clip given as a frame index."""

    frame: int

    def __str__(self) -> str:
        return f"frame {self.frame}"


@dataclass(frozen=True)
class ClockTime:
    """A point in a clip given as exact seconds from the first frame."""

    seconds: Fraction

    def __str__(self) -> str:
        return f"{float(self.seconds):.3f} s"


Point = FrameIndex | ClockTime


def parse_point(text: str) -> Point:
    """Read ``120`` as a frame index and ``1:02.5`` or ``00:01:02.500`` as a time.

    Raises:
        MaskError: The text is neither.
    """
    text = text.strip()
    if _FRAME.fullmatch(text):
        return FrameIndex(int(text))
    match = _CLOCK.fullmatch(text)
    if not match or Fraction(match[3]) >= 60 or (match[1] and int(match[2]) >= 60):
        raise MaskError(f"time '{text}'", expected="a frame number such as 120, or HH:MM:SS[.mmm]", got=repr(text))
    hours, minutes, seconds = match.groups()
    return ClockTime(Fraction(int(hours or 0) * 3600 + int(minutes) * 60) + Fraction(seconds))


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels, optionally limited in time.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width in pixels.
        height: Height in pixels.
        start: First point covered, or None for the clip's start.
        end: First point no longer covered, or None for the clip's end.
    """

    x: int
    y: int
    width: int
    height: int
    start: Point | None = None
    end: Point | None = None


def parse_region(text: str) -> Region:
    """Read ``X,Y,W,H[@START-END]``; START and END are frames or ``HH:MM:SS``, either may be empty.

    Raises:
        MaskError: The text does not have that form, is empty in area, or ends before it starts.
    """
    match = _REGION.fullmatch(text.strip())
    where = f"--region {text}"
    if not match:
        raise MaskError(
            where,
            expected="X,Y,W,H or X,Y,W,H@START-END in pixels and frames or HH:MM:SS",
            got=repr(text),
            hint="--region 40,400,560,60@00:00:02-00:00:05",
        )
    x, y, width, height = (int(v) for v in match.groups()[:4])
    if width == 0 or height == 0:
        raise MaskError(where, expected="a width and height of at least 1 pixel", got=f"{width}x{height}")
    start = parse_point(match[5]) if match[5] else None
    end = parse_point(match[6]) if match[6] else None
    same_kind = (FrameIndex, FrameIndex), (ClockTime, ClockTime)
    if (type(start), type(end)) in same_kind and _value(end) <= _value(start):
        raise MaskError(where, expected="an end after the start", got=f"{match[5]}-{match[6]}")
    return Region(x, y, width, height, start, end)


def _value(point: Point | None) -> Fraction:
    if isinstance(point, FrameIndex):
        return Fraction(point.frame)
    return point.seconds if point else Fraction(0)
