"""Events as a person reads, edits and gives them back."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.methods.subtitles.still_clip import Still
from vidinternal.core.errors import MaskError
from vidinternal.core.srt import Cue, parse_srt
from vidinternal.methods.subtitles.events import Overlay
from vidinternal.methods.subtitles.events_file import apparent_offset, check_events, read_events, to_json, to_srt

CLIP = Still(torch.zeros(240, 3, 80, 120))
TEXT = Overlay("e0001", "text", 10, 40, (60, 70, 20, 100), 2, 3, text="Hello", language="en", fill=(255, 255, 0))
BOX = Overlay("e0002", "box", 10, 40, (56, 74, 16, 104), behind=("e0001",), score=0.75)
LOGO = Overlay("e0003", "logo", 0, 240, (4, 14, 90, 116), outline=(0, 0, 0))
ROLL = Overlay("e0004", "text", 50, 90, (-6, 70, 0, 110), motion=(-1.5, 0.0))
ALL = [LOGO, TEXT, BOX, ROLL]


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "film.events.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def edited(tmp_path: Path, **changes: Any) -> Path:
    value = json.loads(to_json([TEXT, BOX], CLIP))
    value["events"][0] |= changes
    return written(tmp_path, json.dumps(value, indent=1))


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = written(tmp_path, to_json(ALL, CLIP))
    check_events(path)
    assert read_events(path, CLIP) == sorted(ALL, key=lambda o: (o.start, o.box))


def test_times_may_be_frames_and_names_may_be_missing(tmp_path: Path) -> None:
    path = written(tmp_path, '{"events": [{"kind": "text", "start": 3, "end": "00:00:01", "box": [1, 2, 30, 40]}]}')
    (only,) = read_events(path, CLIP)
    assert (only.start, only.end, only.box) == (3, 24, (2, 42, 1, 31))


def test_an_end_behind_the_clip_is_its_end(tmp_path: Path) -> None:
    assert read_events(edited(tmp_path, end="00:01:00"), CLIP)[-1].end in (40, 240)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "00:00:02", "end": "00:00:01"}, "an end after the start"),
        ({"start": 20, "end": 20}, "an end after the start"),
        ({"start": 30, "end": "00:00:01"}, "an end after the start"),
        ({"start": "00:01:00", "end": "00:02:00"}, "a start inside the clip"),
        ({"start": -1}, "a frame such as 120"),
        ({"end": "later"}, "a frame such as 120"),
        ({"box": [0, 0, 10]}, "X, Y, WIDTH, HEIGHT"),
        ({"box": [0, 0, 0, 10]}, "X, Y, WIDTH, HEIGHT"),
        ({"box": [100, 0, 30, 10]}, "inside the 120x80 picture"),
        ({"box": [0.5, 0, 30, 10]}, "in whole pixels"),
        ({"kind": "txt"}, "did you mean 'text'"),
        ({"kind": ["text"]}, "one of text, box, logo"),
        ({"txet": "x"}, "did you mean 'text'"),
        ({"text": 5}, "text in quotes"),
        ({"fade_in": -1}, "a number of frames"),
        ({"fill": [1, 2, 300]}, "red, green, blue"),
        ({"motion": [1]}, "rows and columns"),
        ({"score": 2}, "from 0 to 1"),
        ({"behind": ["e0009"]}, "names of events of this file"),
        ({"behind": "e0001"}, "a list of names"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = edited(tmp_path, **changes)
    with pytest.raises(MaskError, match=message) as refused:
        read_events(path, CLIP)
    line = int(refused.value.where.rpartition(":")[2])
    key = next(iter(changes)) if "start" not in changes or "clip" in message or changes["start"] == -1 else "end"
    assert f'"{key}"' in path.read_text().splitlines()[line - 1]


def test_the_same_place_at_the_same_time_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    later = replace(TEXT, id="e0009", start=30, end=60)
    path = written(tmp_path, to_json([TEXT, later], CLIP))
    with pytest.raises(MaskError, match="a time apart from that of the event at 4") as refused:
        check_events(path)
    assert refused.value.where.endswith(":7")
    for fine in (replace(later, start=40), replace(later, box=(5, 15, 20, 100)), replace(later, kind="box")):
        check_events(written(tmp_path, to_json([TEXT, fine], CLIP)))


def test_overlaps_are_found_when_times_are_of_two_kinds(tmp_path: Path) -> None:
    rows = '{"kind": "text", "start": 0, "end": 50, "box": [1, 2, 30, 40]}'
    path = written(tmp_path, f'{{"events": [{rows}, {rows.replace("0,", chr(34) + "00:00:01" + chr(34) + ",", 1)}]}}')
    with pytest.raises(MaskError, match="at the same place"):
        read_events(path, CLIP)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON"),
        ("{", "film.events.json:1"),
        ('{"events": [\n{"kind": "text",}\n]}', "film.events.json:2"),
        ("[]", 'no list "events"'),
        ('{"events": [3]}', "an event in braces"),
        ('{"events": [{"kind": "text", "kind": "box"}]}', "'kind' twice"),
        ('{"events": [{"start": 0, "end": 2, "box": [0, 0, 9, 9]}]}', "none 'kind'"),
        ('{"events": [], "evnts": []}', "did you mean 'events'"),
        ('{"events": [], "version": 7}', '"version": 1'),
        ("[" * 100_000, "JSON"),
    ],
)
def test_what_is_no_events_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=message):
        check_events(written(tmp_path, text))


def test_a_subtitle_file_is_sent_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nx\n")
    with pytest.raises(MaskError, match="--subtitles"):
        check_events(path)


def test_the_srt_holds_what_was_read_lines_together() -> None:
    lower = replace(TEXT, id="e0005", box=(71, 79, 20, 100), text="world")
    cues = parse_srt(to_srt([lower, TEXT, LOGO, replace(ROLL, text=None)], CLIP).decode(), "x")
    assert [(c.start, c.end, c.text) for c in cues] == [(Fraction(417, 1000), Fraction(1667, 1000), "Hello\nworld")]
    assert to_srt([LOGO, ROLL], CLIP) == b""


def shown(*starts: int) -> list[Overlay]:
    return [replace(TEXT, id=f"e{k}", start=s, end=s + 24) for k, s in enumerate(starts)]


def told(by: Fraction, *starts: int) -> list[Cue]:
    return [Cue(Fraction(s, 24) - by, Fraction(s + 24, 24) - by, "x") for s in starts]


def test_a_subtitle_file_that_fits_is_not_spoken_of() -> None:
    assert apparent_offset(told(Fraction(1, 8), 24, 77, 180), shown(24, 77, 180), CLIP) is None
    assert apparent_offset(told(Fraction(0), 24), [], CLIP) is None


@pytest.mark.parametrize("by", [Fraction(-5, 2), Fraction(12, 5), Fraction(60)])
def test_the_offset_of_one_that_does_not_is_told(by: Fraction) -> None:
    line = apparent_offset(told(by, 24, 77, 180), shown(24, 77, 180), CLIP)
    assert line is not None
    assert f"{float(by):+.2f} s" in line
    assert ("earlier" if by > 0 else "later") in line


def test_one_of_another_film_is_told() -> None:
    cues = [Cue(Fraction(k * k, 3), Fraction(k * k, 3) + 9, "x") for k in range(9)]
    line = apparent_offset(cues, shown(24, 77, 180), CLIP)
    assert line is not None
    assert "no shift" in line
