"""Hints as people type them and as files hold them."""

from fractions import Fraction
from pathlib import Path

import pytest

from vidinternal.core.errors import MaskError
from vidinternal.core.hints import MOST_HINTS, frame_of, gather, parse_hint, read_hints
from vidinternal.core.timecode import ClockTime, FrameIndex


def test_every_kind_is_read() -> None:
    box = parse_hint("box=1,2,30,40@7")
    assert (box.name, box.kind, box.numbers, box.at) == ("object", "box", (1, 2, 30, 40), FrameIndex(7))
    assert parse_hint("dog:point=5,6").name == "dog"
    assert parse_hint("not=5,6@0:01.5").at == ClockTime(Fraction(3, 2))
    assert parse_hint("polygon=1,1;9,1;9,9@3").numbers == (1, 1, 9, 1, 9, 9)
    assert parse_hint("scribble=a@b.png@3").path == Path("a@b.png")
    assert parse_hint("mask=a b.png").at == FrameIndex(0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bax=1,2,3,4", "did you mean 'box'"),
        ("box=1,2,3", "3 numbers"),
        ("box=1,2,3,x", "whole pixels"),
        ("box=1,2,0,4", "0x4"),
        ("polygon=1,1;2,2", "4 numbers"),
        ("point=1,2@later", "frame number"),
        ("point=1,2@", "frame number"),
        ("mask=", "no path"),
        ("just words", "box=120"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_way_out(text: str, says: str) -> None:
    with pytest.raises(MaskError, match=says):
        parse_hint(text)


FILE = """\
version: 1
objects:
  - name: dog
    spans: [{from: 2, to: "0:00:05"}]
    hints:
      - {frame: 3, box: [1, 2, 30, 40], points: [[5, 6]], not: [[7, 8], [9, 9]]}
      - {frame: "0:01", scribble: lines.png}
  - hints: [{polygon: [[1, 1], [9, 1], [9, 9]]}]
exclude:
  - {region: [0, 0, 10, 10], from: 4, to: 8}
"""


def test_a_file_says_the_same_as_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "hints.yaml"
    path.write_text(FILE, encoding="utf-8")
    hints = read_hints(path)
    assert hints.names() == ("dog", "object")
    assert [h.kind for h in hints.hints] == ["box", "point", "not", "not", "scribble", "polygon"]
    assert hints.files() == (tmp_path / "lines.png",)
    assert hints.hints[0].where == f"{path}:6"
    assert hints.spans is not None
    assert hints.spans["dog"][0].start == FrameIndex(2)
    assert hints.excluded[0].width == 10
    typed = gather(["cat:point=1,1@2"], path)
    assert typed.names() == ("dog", "object", "cat")


def test_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    path.write_text('{"version": 1, "objects": [{"hints": [{"frame": 0, "box": [1, 1, 4, 4]}]}]}', encoding="utf-8")
    assert read_hints(path).hints[0].numbers == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("points:", "pints:", 6, "did you mean 'points'"),
        ("exclude:", "exlude:", 9, "did you mean 'exclude'"),
        ("name: dog", "nam: dog", 3, "did you mean 'name'"),
        ("version: 1", "version: 2", 1, "version: 1"),
        ("box: [1, 2, 30, 40]", "box: [1, 2, 30]", 6, "3 numbers"),
        ("box: [1, 2, 30, 40]", "box: [1, 2, 30, 4.5]", 6, "whole pixels"),
        ("frame: 3", "frame: -3", 6, "a frame index"),
        ('to: "0:00:05"', "to: 0:00:05", 4, "in quotes"),
        ("from: 4, to: 8", "from: 8, to: 4", 10, "after 'from'"),
        ("[0, 0, 10, 10]", "[0, 0, 0, 10]", 10, "at least 1 pixel"),
        ("name: dog", "name: '../dog'", 3, "letters"),
        ("[[5, 6]]", "[[5, 6, 7]]", 6, "x and y"),
        ("scribble: lines.png", "scribble: 7", 7, "path"),
        ("{frame: 3, box: [1, 2, 30, 40], points: [[5, 6]], not: [[7, 8], [9, 9]]}", "{frame: 3}", 6, "without a hint"),
    ],
)
def test_every_mistake_in_a_file_has_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert FILE.count(old) >= 1
    path = tmp_path / "hints.yaml"
    path.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MaskError, match=says) as refused:
        read_hints(path)
    assert refused.value.where == f"{path}:{line}"


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"{", b"version: 1\nversion: 1\n", b"- 1\n", b"!!python/object:x {}"]
)
def test_what_is_no_hints_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hints.yaml"
    path.write_bytes(content)
    with pytest.raises(MaskError):
        read_hints(path)


def test_a_file_that_is_not_there_and_too_many_hints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="no such file"):
        read_hints(tmp_path / "none.yaml")
    with pytest.raises(MaskError, match="at most"):
        gather(["point=1,1"] * (MOST_HINTS + 1), None)


def test_points_of_time_become_frames() -> None:
    times = [Fraction(k, 10) for k in range(6)]
    assert frame_of(FrameIndex(4), times) == 4
    assert frame_of(FrameIndex(5), times) is None
    assert frame_of(ClockTime(Fraction(1, 4)), times) == 2
    assert frame_of(ClockTime(Fraction(0)), times) == 0
    assert frame_of(ClockTime(Fraction(1, 2)), times) is None
