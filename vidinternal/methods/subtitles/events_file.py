"""The events that were found, as files that a person reads, edits and gives back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidinternal.core.errors import MaskError, nearest, one_line
from vidinternal.core.finding import ClipView
from vidinternal.core.srt import Cue, clock, read_srt, read_text, srt_text
from vidinternal.core.timecode import FrameIndex, Point, parse_point
from vidinternal.methods.subtitles.events import KINDS, Overlay

__all__ = ["apparent_offset", "check_events", "read_events", "read_srt", "to_json", "to_srt"]

VERSION = 1
_WHAT = "an events file as a run writes it (OUTPUT.events.json)"
_KEYS = (
    *("id", "kind", "start", "end", "box", "text", "language", "fade_in", "fade_out", "motion"),
    *("fill", "outline", "score", "behind"),
)
_NEEDED = ("kind", "start", "end", "box")
_TOP = ("version", "source", "about", "events")
_ABOUT = (
    "start and end are frames or HH:MM:SS.mmm, end is the first frame without it; box is X, Y, WIDTH, HEIGHT; change, "
    "add or remove events and give the file back with --events"
)
_SAME_PLACE = 0.5  # share of the smaller box
_FITS = 0.6  # share of a subtitle file's lines that are shown when it says
_NEAR = Fraction(1, 2)
_MOST_PAIRS = 400


def to_json(overlays: Sequence[Overlay], clip: ClipView) -> bytes:
    """The events as JSON, one event a few lines, times as clock times."""
    rows = []
    for o in overlays:
        y0, y1, x0, x1 = o.box
        row: dict[str, Any] = {"id": o.id, "kind": o.kind, "start": _clock(clip, o.start), "end": _clock(clip, o.end)}
        row |= {"box": [x0, y0, x1 - x0, y1 - y0], "text": o.text, "language": o.language}
        row |= {"fade_in": o.fade_in, "fade_out": o.fade_out}
        row |= {"motion": [round(v, 4) for v in o.motion]} if o.moves else {}
        row |= {"fill": o.fill and list(o.fill), "outline": o.outline and list(o.outline), "score": round(o.score, 3)}
        row |= {"behind": list(o.behind)} if o.behind else {}
        fields = [f'"{k}": {json.dumps(v, ensure_ascii=False)}' for k, v in row.items()]
        rows.append("  {" + ",\n   ".join([", ".join(fields[:4]), ", ".join(fields[4:7]), ", ".join(fields[7:])]) + "}")
    head = f'{{"version": {VERSION},\n "about": {json.dumps(_ABOUT)},\n "events": [\n'
    return (head + ",\n".join(rows) + "\n ]\n}\n").encode()


def _clock(clip: ClipView, frame: int) -> str:
    return clock(clip.seconds(frame), ".")


def to_srt(overlays: Sequence[Overlay], clip: ClipView) -> bytes:
    """What texts say, as a SubRip file; lines that come and go together are one; empty where nobody read any."""
    return srt_text(cues_of(overlays, clip)).encode()


def cues_of(overlays: Iterable[Overlay], clip: ClipView) -> list[Cue]:
    """The texts that are known, in order of time; from top to bottom where they come and go together."""
    together: dict[tuple[int, int], list[Overlay]] = {}
    for o in overlays:
        if o.kind == "text" and o.text and o.text.strip():
            together.setdefault((o.start, o.end), []).append(o)
    return [
        Cue(
            clip.seconds(start),
            clip.seconds(end),
            "\n".join(str(o.text).strip() for o in sorted(lines, key=lambda o: (o.box[0], o.box[2]))),
        )
        for (start, end), lines in sorted(together.items())
    ]


@dataclass(frozen=True)
class _Row:
    """One event as it stands in the file.

    Attributes:
        values: Its fields.
        path: The file.
        text: The file's text.
        begin: Where the event begins in it.
        stop: Where it ends.
    """

    values: Mapping[str, Any]
    path: Path
    text: str
    begin: int
    stop: int

    def where(self, key: str = "") -> str:
        """File and line of the event, or of one of its fields."""
        found = re.search(rf'"{re.escape(key)}"\s*:', self.text[self.begin : self.stop]) if key else None
        at = self.begin + (found.start() if found else 0)
        return f"{self.path}:{self.text.count(chr(10), 0, at) + 1}"

    def wrong(self, key: str, expected: str, hint: str = "") -> MaskError:
        """The error about one of its fields."""
        got = f"{key}: {one_line(json.dumps(self.values.get(key), ensure_ascii=False))[:80]}"
        return MaskError(self.where(key), expected=expected, got=got, hint=hint)


def check_events(path: Path) -> None:
    """Refuse an events file that makes no sense whatever the clip is.

    Raises:
        MaskError: Names the line, what is wrong, and the nearest name of a key that is not known.
    """
    _ordered(_rows(path))


def read_events(path: Path, clip: ClipView) -> list[Overlay]:
    """The events of a file, for a clip.

    Args:
        path: The file.
        clip: Whose events they are; turns times into frames.

    Raises:
        MaskError: It makes no sense, or does not fit the clip; names the line.
    """
    rows = _rows(path)
    _ordered(rows)
    frames, names = len(clip), {str(r.values.get("id")) for r in rows}
    found: list[Overlay] = []
    spans: list[tuple[Point, Point]] = []
    for number, row in enumerate(rows):
        start, end = (_frame(_point(row, key), clip) for key in ("start", "end"))
        if start >= frames:
            last = f"a start inside the clip of {frames} frames, {float(clip.seconds(frames)):.3f} s"
            raise row.wrong("start", last)
        end = min(end, frames)
        if end <= start:
            raise row.wrong("end", f"an end after the start, which is frame {start}")
        spans.append((FrameIndex(start), FrameIndex(end)))
        found.append(_overlay(row, start, end, clip.size, number, names))
    _apart(rows, spans)
    return sorted(found, key=lambda o: (o.start, o.box))


def _overlay(row: _Row, start: int, end: int, size: tuple[int, int], number: int, names: set[str]) -> Overlay:
    v = row.values
    x, y, width, height = v["box"]
    if (x + width > size[1] or y + height > size[0]) and not any(v.get("motion") or ()):
        raise row.wrong("box", f"X, Y, WIDTH, HEIGHT inside the {size[1]}x{size[0]} picture")
    behind = tuple(v.get("behind") or ())
    unknown = next((b for b in behind if b not in names), None)
    if unknown is not None:
        raise row.wrong("behind", "names of events of this file", nearest(str(unknown), names))
    motion = v.get("motion") or (0.0, 0.0)
    return Overlay(
        id=str(v.get("id") or f"given{number:04d}"),
        kind=v["kind"],
        start=start,
        end=end,
        box=(y, y + height, x, x + width),
        fade_in=min(v.get("fade_in") or 0, end - start - 1),
        fade_out=min(v.get("fade_out") or 0, end - start - 1),
        motion=(float(motion[0]), float(motion[1])),
        fill=_colour(v.get("fill")),
        outline=_colour(v.get("outline")),
        text=v.get("text"),
        language=v.get("language"),
        score=float(1.0 if v.get("score") is None else v["score"]),
        behind=behind,
    )


def _colour(value: Any) -> tuple[int, int, int] | None:
    return None if value is None else (value[0], value[1], value[2])


def _rows(path: Path) -> list[_Row]:
    """The events of a file, each field of a kind that can be worked with."""
    if path.suffix.lower() == ".srt":
        raise MaskError(
            str(path),
            expected=_WHAT,
            got="a subtitle file, which tells times and not where in the picture",
            hint=f"--subtitles {path}, which has only those times searched",
        )
    text = read_text(path, _WHAT)
    try:
        top = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise MaskError(f"{path}:{error.lineno}", expected="JSON", got=error.msg) from error
    except (ValueError, RecursionError) as error:
        raise MaskError(str(path), expected="JSON with every key once", got=str(error)) from error
    if not isinstance(top, dict) or not isinstance(top.get("events"), list):
        raise MaskError(str(path), expected=_WHAT, got='no list "events"')
    for key in top:
        if key not in _TOP:
            raise MaskError(f"{path}", expected=f"keys {', '.join(_TOP)}", got=repr(key), hint=nearest(key, _TOP))
    if top.get("version", VERSION) != VERSION:
        raise MaskError(str(path), expected=f'"version": {VERSION}', got=repr(top["version"]))
    rows = list(_located(path, text, top["events"]))
    for row in rows:
        _check_row(row)
    return rows


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((k for k in keys if keys.count(k) > 1), None)
    if twice is not None:
        raise ValueError(f"'{twice}' twice in one place")
    return dict(pairs)


def _located(path: Path, text: str, events: list[Any]) -> Iterable[_Row]:
    """Each event with its place in the text."""
    opening = re.search(r'"events"\s*:\s*\[', text)
    at, decoder = (opening.end() if opening else 0), json.JSONDecoder()
    for values in events:
        while text[at] in " \t\r\n,":
            at += 1
        _, stop = decoder.raw_decode(text, at)
        row = _Row(values if isinstance(values, dict) else {}, path, text, at, stop)
        if not isinstance(values, dict):
            raise MaskError(row.where(), expected="an event in braces", got=one_line(text[at:stop])[:80])
        yield row
        at = stop


def _check_row(row: _Row) -> None:
    v = row.values
    for key in v:
        if key not in _KEYS:
            raise MaskError(row.where(key), expected="a key of an event", got=repr(key), hint=nearest(key, _KEYS))
    missing = next((key for key in _NEEDED if key not in v), None)
    if missing:
        raise MaskError(row.where(), expected=f"an event with {', '.join(_NEEDED)}", got=f"none '{missing}'")
    if v["kind"] not in KINDS:
        raise row.wrong("kind", f"one of {', '.join(KINDS)}", nearest(str(v["kind"]), KINDS))
    box = v["box"]
    if not _whole(box, 4) or min(box[2:]) < 1 or (min(box[:2]) < 0 and not any(v.get("motion") or ())):
        raise row.wrong("box", "X, Y, WIDTH, HEIGHT in whole pixels")
    for keys, (fits, expected) in _FIELDS.items():
        for key in keys:
            if v.get(key) is not None and not fits(v[key]):
                raise row.wrong(key, expected)


def _whole(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(type(n) is int and abs(n) < 1 << 31 for n in value)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e6


_FIELDS: Mapping[tuple[str, ...], tuple[Callable[[Any], bool], str]] = {
    ("id", "text", "language"): (lambda v: isinstance(v, str), "text in quotes, or null"),
    ("fade_in", "fade_out"): (lambda v: _whole([v], 1) and v >= 0, "a number of frames"),
    ("fill", "outline"): (lambda v: _whole(v, 3) and min(v) >= 0 and max(v) <= 255, "red, green, blue, each 0 to 255"),
    ("motion",): (
        lambda v: isinstance(v, list) and len(v) == 2 and all(map(_number, v)),
        "rows and columns that it moves each frame",
    ),
    ("score",): (lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    ("behind",): (lambda v: isinstance(v, list) and all(isinstance(b, str) for b in v), "a list of names of events"),
}


def _point(row: _Row, key: str) -> Point:
    value = row.values[key]
    if type(value) is int and 0 <= value < 10**12:
        return FrameIndex(value)
    if isinstance(value, str):
        try:
            return parse_point(value)
        except MaskError:
            pass
    raise row.wrong(key, "a frame such as 120, or a time such as 00:00:05.000")


def _frame(point: Point, clip: ClipView) -> int:
    """The frame nearest to a time; one past the last for its end."""
    if isinstance(point, FrameIndex):
        return point.frame
    low, high = 0, len(clip)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if clip.seconds(middle) < point.seconds else (low, middle)
    before = max(0, low - 1)
    return before if point.seconds - clip.seconds(before) < abs(clip.seconds(low) - point.seconds) else low


def _ordered(rows: Sequence[_Row]) -> None:
    """Refuse reversed and overlapping times, as far as they can be told without the clip."""
    spans = []
    for row in rows:
        start, end = (_point(row, key) for key in ("start", "end"))
        if type(start) is type(end) and _value(end) <= _value(start):
            raise row.wrong("end", f"an end after the start, {row.values['start']}")
        spans.append((start, end))
    _apart(rows, spans)


def _value(point: Point) -> Fraction:
    return Fraction(point.frame) if isinstance(point, FrameIndex) else point.seconds


def _apart(rows: Sequence[_Row], spans: Sequence[tuple[Point, Point]]) -> None:
    """Refuse two events of one kind at the same place and time: they would be the same overlay twice."""
    kinds = {kind: [k for k, row in enumerate(rows) if row.values["kind"] == kind] for kind in KINDS}
    for mine in kinds.values():
        for unit in (True, False):
            alike = [k for k in mine if all(isinstance(p, FrameIndex) is unit for p in spans[k])]
            alike.sort(key=lambda k: _value(spans[k][0]))
            for n, one in enumerate(alike):
                for other in alike[n + 1 :]:
                    if _value(spans[other][0]) >= _value(spans[one][1]):
                        break
                    if _same_place(rows[one], rows[other]):
                        first, late = sorted((one, other))
                        told = f"a time apart from that of the event at {rows[first].where().rpartition(':')[2]}"
                        at = f"{rows[late].values['start']} to {rows[late].values['end']}"
                        raise MaskError(
                            rows[late].where("start"),
                            expected=f"{told}, {rows[first].values['start']} to {rows[first].values['end']}",
                            got=f"{at} at the same place",
                            hint="one event for each text; end the first where the second starts",
                        )


def _same_place(one: _Row, other: _Row) -> bool:
    if any(one.values.get("motion") or ()) or any(other.values.get("motion") or ()):
        return False
    (x, y, w, h), (u, v, r, s) = one.values["box"], other.values["box"]
    across, down = min(x + w, u + r) - max(x, u), min(y + h, v + s) - max(y, v)
    return across > 0 and down > 0 and across * down > _SAME_PLACE * min(w * h, r * s)


def apparent_offset(cues: Sequence[Cue], overlays: Sequence[Overlay], clip: ClipView) -> str | None:
    """A line that says so where a subtitle file is not that of the text in the picture, with its apparent offset.

    Args:
        cues: The file's lines.
        overlays: Texts that were found.
        clip: For their times.

    Returns:
        None where it fits, and where no text was found to compare with.
    """
    if not overlays:
        return None
    shown = sorted((clip.seconds(o.start), clip.seconds(o.end)) for o in overlays)
    few = cues[:: max(1, len(cues) // 100)]
    share = _share(few, shown, Fraction(0))
    if share >= _FITS:
        return None
    steps = shown[:: max(1, len(shown) * len(few) // _MOST_PAIRS)]
    offsets = {start - cue.start for start, _ in steps for cue in few}
    best = max(sorted(offsets), key=lambda by: _share(few, shown, by))
    told = f"the subtitle file does not match: {round(100 * share)} % of its lines stand in the picture when it says"
    if _share(few, shown, best) < _FITS:
        return f"{told}, and no shift makes them fit; all text that was found is taken"
    way = "earlier" if best > 0 else "later"
    return (
        f"{told}; it seems to be {abs(float(best)):.2f} s {way} than the picture: shift it by {float(best):+.2f} s; "
        "all text that was found is taken"
    )


def _share(cues: Sequence[Cue], shown: Sequence[tuple[Fraction, Fraction]], by: Fraction) -> float:
    """Share of the lines that, shifted, begin and end near a text in the picture."""
    near = sum(
        any(abs(start - cue.start - by) <= _NEAR and abs(end - cue.end - by) <= 2 * _NEAR for start, end in shown)
        for cue in cues
    )
    return near / len(cues)
