"""Hints to objects as people give them: ``--object`` and the hints file.

``[NAME:]KIND=VALUES[@FRAME]``, FRAME a frame index or ``HH:MM:SS``, the first frame where it is left out:

- ``box=X,Y,W,H`` the object lies inside, and all around is not it
- ``point=X,Y`` on the object, ``not=X,Y`` not on it
- ``polygon=X,Y;X,Y;X,Y`` drawn around it by hand
- ``scribble=PATH`` a picture of the clip's size: white or green on the object, red not on it, the rest says nothing
- ``mask=PATH`` a picture of the clip's size: exactly the object is white

Hints without a name belong to one object, ``object``; a name makes another: ``dog:box=10,20,80,60@0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vidinternal.core.errors import MaskError, nearest
from vidinternal.core.timecode import ClockTime, FrameIndex, Point, Region, parse_point
from vidinternal.core.yaml_lines import KeyPath, line_of, parse

Kind = Literal["box", "point", "not", "polygon", "scribble", "mask"]
KINDS: tuple[Kind, ...] = ("box", "point", "not", "polygon", "scribble", "mask")
UNNAMED = "object"
MOST_HINTS = 2000
"""Hints of a job; a person gives a handful."""
_HINT = re.compile(r"(?:([A-Za-z][\w-]{0,31}):)?([a-z]+)=(.*)", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_BARE_TIME = re.compile(r"[:{,\s][0-9]+:[0-9]{1,2}[:.,}\s]?")
_NUMBER = re.compile(r"[0-9]{1,6}")
_FORMS = {
    "box": "box=X,Y,W,H",
    "point": "point=X,Y",
    "not": "not=X,Y",
    "polygon": "polygon=X,Y;X,Y;X,Y",
    "scribble": "scribble=PATH",
    "mask": "mask=PATH",
}
_EXAMPLE = "--object box=120,40,80,160@0"


@dataclass(frozen=True)
class Hint:
    """One hint.

    Attributes:
        name: The object's.
        kind: What it is.
        at: The frame it is given on.
        numbers: Pixels: x, y, width, height of a box; x, y of points, one after the other.
        path: The picture of a scribble or a mask; None for the others.
        where: How a person finds it again: the option, or file and line.
    """

    name: str
    kind: Kind
    at: Point
    numbers: tuple[int, ...] = ()
    path: Path | None = None
    where: str = ""


@dataclass(frozen=True)
class Span:
    """When an object is to be masked.

    Attributes:
        start: First point, or None for the clip's start.
        end: First point no longer, or None for the clip's end.
        where: How a person finds it again.
    """

    start: Point | None
    end: Point | None
    where: str = ""


@dataclass(frozen=True)
class Hints:
    """All hints of a job.

    Attributes:
        hints: In the order given.
        spans: When each object is to be masked, by its name; an object that is not in it always is.
        excluded: Rectangles that are never masked.
    """

    hints: tuple[Hint, ...] = ()
    spans: Mapping[str, tuple[Span, ...]] | None = None
    excluded: tuple[Region, ...] = ()

    def names(self) -> tuple[str, ...]:
        """The objects, in the order in which they are first named."""
        return tuple(dict.fromkeys(h.name for h in self.hints))

    def files(self) -> tuple[Path, ...]:
        """The pictures that hints name."""
        return tuple(h.path for h in self.hints if h.path is not None)


def parse_hint(text: str) -> Hint:
    """Read ``[NAME:]KIND=VALUES[@FRAME]``.

    Raises:
        MaskError: The text does not have that form; the message names the nearest kind.
    """
    where = f"--object {text}"
    match = _HINT.fullmatch(text.strip())
    if not match or match[2] not in KINDS:
        hint = nearest(match[2], KINDS) if match else _EXAMPLE
        raise MaskError(where, expected="[NAME:]KIND=VALUES[@FRAME]", got=repr(text), hint=hint)
    values, _, when = match[3].rpartition("@") if "@" in match[3] else (match[3], "", "")
    kind: Kind = match[2]  # pyright: ignore[reportAssignmentType] - one of KINDS
    at = parse_point(when) if when or match[3].endswith("@") else FrameIndex(0)
    numbers, path = _values(kind, values, where)
    return Hint(match[1] or UNNAMED, kind, at, numbers, path, where)


def _values(kind: Kind, values: str, where: str) -> tuple[tuple[int, ...], Path | None]:
    if kind in ("scribble", "mask"):
        if not values or "\0" in values:
            raise MaskError(where, expected=f"{_FORMS[kind]}[@FRAME]", got="no path")
        return (), Path(values)
    parts = [part.strip() for part in re.split(r"[;,]" if kind == "polygon" else ",", values)]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise MaskError(where, expected=f"{_FORMS[kind]}[@FRAME] in whole pixels", got=repr(values), hint=_EXAMPLE)
    return _checked(kind, tuple(int(part) for part in parts), where), None


def _checked(kind: Kind, numbers: tuple[int, ...], where: str) -> tuple[int, ...]:
    """The numbers of a hint, if there are as many as its kind has.

    Raises:
        MaskError: There are not, or the box is empty.
    """
    count = len(numbers)
    fine = {"box": count == 4, "polygon": count >= 6 and count % 2 == 0}.get(kind, count == 2)
    if not fine:
        raise MaskError(where, expected=f"{_FORMS[kind]}[@FRAME]", got=f"{count} numbers", hint=_EXAMPLE)
    if kind == "box" and 0 in numbers[2:]:
        got = f"{numbers[2]}x{numbers[3]}"
        raise MaskError(where, expected="a box of at least 1 pixel", got=got, hint=_EXAMPLE)
    return numbers


_TOP = ("version", "objects", "exclude")
_OBJECT = ("name", "hints", "spans")
_ENTRY = ("frame", "box", "points", "not", "polygon", "scribble", "mask")
_SPAN = ("from", "to")
_EXCLUDED = ("region", "from", "to")
MOST_BYTES = 1 << 20


def read_hints(path: Path) -> Hints:
    """Read a hints file, YAML or JSON.

    Raises:
        MaskError: It cannot be read, or says something that is not known; with the line and the nearest name.
    """
    if not path.is_file():
        raise MaskError(str(path), expected="a hints file", got="no such file", hint="see methods/track/README.md")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MaskError(str(path), expected=f"at most {MOST_BYTES} bytes", got=f"{path.stat().st_size}")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MaskError(str(path), expected="a hints file in YAML or JSON, UTF-8", got=str(error)) from error
    value, lines = parse(text, str(path), MaskError)
    return _File(path, lines, text.splitlines()).hints(value)


class _File:
    """Turns the values of a hints file into hints; every complaint has a line."""

    def __init__(self, path: Path, lines: Mapping[KeyPath, int], text: Sequence[str]) -> None:
        self.path, self.lines, self.text = path, dict(lines), text

    def hints(self, value: Any) -> Hints:
        """The whole file."""
        top = self.mapping(value, (), _TOP)
        if top.get("version") != 1:
            raise self.error(("version",), "version: 1", repr(top.get("version")))
        hints: list[Hint] = []
        spans: dict[str, tuple[Span, ...]] = {}
        for k, one in enumerate(self.sequence(top.get("objects", []), ("objects",))):
            place: KeyPath = ("objects", k)
            entry = self.mapping(one, place, _OBJECT)
            name = entry.get("name", UNNAMED)
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w-]{0,31}", name):
                raise self.error((*place, "name"), "a name of letters, digits, - and _", repr(name))
            for j, given in enumerate(self.sequence(entry.get("hints", []), (*place, "hints"))):
                hints += self.entry(given, (*place, "hints", j), name)
            own = self.sequence(entry.get("spans", []), (*place, "spans"))
            if own:
                spans[name] = spans.get(name, ()) + tuple(
                    self.span(given, (*place, "spans", j), _SPAN) for j, given in enumerate(own)
                )
        if len(hints) > MOST_HINTS:
            raise self.error(("objects",), f"at most {MOST_HINTS} hints", str(len(hints)))
        excluded = [
            self.excluded(one, ("exclude", k))
            for k, one in enumerate(self.sequence(top.get("exclude", []), ("exclude",)))
        ]
        return Hints(tuple(hints), spans, tuple(excluded))

    def entry(self, value: Any, place: KeyPath, name: str) -> list[Hint]:
        """The hints on one frame."""
        entry = self.mapping(value, place, _ENTRY)
        at = self.point(entry.get("frame", 0), (*place, "frame"))
        found: list[Hint] = []
        for key in _ENTRY[1:]:
            if key not in entry:
                continue
            where, given = self.where((*place, key)), entry[key]
            if key in ("scribble", "mask"):
                if not isinstance(given, str) or not given or "\0" in given:
                    raise self.error((*place, key), "the path of a picture", repr(given))
                found.append(Hint(name, key, at, (), self.path.parent / given, where))
            elif key == "box":
                found.append(
                    Hint(name, key, at, _checked("box", self.numbers(given, (*place, key)), where), None, where)
                )
            else:
                pairs = [self.numbers(p, (*place, key, k)) for k, p in enumerate(self.sequence(given, (*place, key)))]
                for k, pair in enumerate(pairs):
                    if len(pair) != 2:
                        raise self.error((*place, key, k), "two numbers, x and y", f"{len(pair)} numbers")
                if key == "polygon":
                    flat = _checked("polygon", tuple(n for pair in pairs for n in pair), where)
                    found.append(Hint(name, key, at, flat, None, where))
                else:
                    kind: Kind = "point" if key == "points" else "not"
                    found += [Hint(name, kind, at, pair, None, where) for pair in pairs]
        if not found:
            raise self.error(place, f"one of {', '.join(_ENTRY[1:])}", "a frame without a hint")
        return found

    def span(self, value: Any, place: KeyPath, known: Sequence[str]) -> Span:
        """A range of time."""
        entry = self.mapping(value, place, known)
        start, end = (self.point(entry[k], (*place, k)) if k in entry else None for k in _SPAN)
        if isinstance(start, FrameIndex) and isinstance(end, FrameIndex) and end.frame <= start.frame:
            raise self.error(place, "a 'to' after 'from'", f"{start.frame} to {end.frame}")
        if isinstance(start, ClockTime) and isinstance(end, ClockTime) and end.seconds <= start.seconds:
            raise self.error(place, "a 'to' after 'from'", f"{entry['from']} to {entry['to']}")
        return Span(start, end, self.where(place))

    def excluded(self, value: Any, place: KeyPath) -> Region:
        """A rectangle that is never masked."""
        span, entry = self.span(value, place, _EXCLUDED), self.mapping(value, place, _EXCLUDED)
        box = self.numbers(entry.get("region"), (*place, "region"))
        if len(box) != 4 or 0 in box[2:]:
            raise self.error((*place, "region"), "[X, Y, W, H], at least 1 pixel wide and high", str(list(box)))
        return Region(*box, span.start, span.end)

    def point(self, value: Any, place: KeyPath) -> Point:
        """A frame index or a time. YAML makes a number of seconds of a bare 1:02:30, which would pass for a frame."""
        line = line_of(place, self.lines) or 1
        bare = line <= len(self.text) and _BARE_TIME.search(_QUOTED.sub("", self.text[line - 1]))
        if not bare and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12:
            return FrameIndex(value)
        if isinstance(value, str):
            try:
                return parse_point(value)
            except MaskError:
                pass
        raise self.error(place, 'a frame index such as 120, or a time in quotes such as "00:01:02.5"', repr(value))

    def numbers(self, value: Any, place: KeyPath) -> tuple[int, ...]:
        """Whole pixels."""
        given = self.sequence(value, place)
        if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 10**6 for n in given):
            raise self.error(place, "whole pixels", repr(value))
        return tuple(given)

    def sequence(self, value: Any, place: KeyPath) -> Sequence[Any]:
        """A list."""
        if not isinstance(value, list):
            raise self.error(place, "a list", repr(value))
        return value

    def mapping(self, value: Any, place: KeyPath, known: Iterable[str]) -> Mapping[str, Any]:
        """Keys and values, all of them known."""
        names = tuple(known)
        if not isinstance(value, dict):
            raise self.error(place, f"keys {', '.join(names)}", repr(value))
        for key in value:
            if key not in names:
                line = line_of((*place, str(key)), self.lines)
                where = f"{self.path}:{line}"
                raise MaskError(where, expected="a known key", got=repr(key), hint=nearest(str(key), names))
        return value

    def where(self, place: KeyPath) -> str:
        """File and line."""
        return f"{self.path}:{line_of(place, self.lines) or 1}"

    def error(self, place: KeyPath, expected: str, got: str) -> MaskError:
        """A complaint with its line."""
        return MaskError(self.where(place), expected=expected, got=got)


def gather(objects: Sequence[str], path: Path | None) -> Hints:
    """The hints of a job, those typed after those of the file.

    Raises:
        MaskError: One of them cannot be read.
    """
    if len(objects) > MOST_HINTS:
        raise MaskError("--object", expected=f"at most {MOST_HINTS} hints", got=str(len(objects)))
    filed = Hints() if path is None else read_hints(path)
    typed = tuple(parse_hint(text) for text in objects)
    return Hints(filed.hints + typed, filed.spans, filed.excluded)


def frame_of(point: Point, times: Sequence[Any]) -> int | None:
    """The frame shown at a point of the clip; None past its end.

    Args:
        point: A frame index or a time.
        times: Exact second at which every frame is shown, and the clip's end.
    """
    if isinstance(point, FrameIndex):
        return point.frame if point.frame < len(times) - 1 else None
    if point.seconds >= times[-1]:
        return None
    low, high = 0, len(times) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if times[middle] <= point.seconds else (low, middle)
    return low
