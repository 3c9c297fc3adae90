"""SubRip files as people have them."""

from fractions import Fraction
from pathlib import Path

import pytest

from vidinternal.core.errors import MaskError
from vidinternal.core.srt import MOST_BYTES, Cue, clock, parse_srt, read_srt, srt_text

PLAIN = "1\n00:00:01,500 --> 00:00:02,750\nOne\ntwo\n\n2\n00:01:00,000 --> 00:01:01,000\nGrüße\n"
CUES = [
    Cue(Fraction(3, 2), Fraction(11, 4), "One\ntwo", 2),
    Cue(Fraction(60), Fraction(61), "Grüße", 7),
]


def test_what_is_written_is_read_back() -> None:
    assert parse_srt(PLAIN, "x.srt") == CUES
    assert parse_srt(srt_text(CUES), "x.srt") == CUES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_do_not_matter(encoding: str, ends: str, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(PLAIN.replace("\n", ends).encode(encoding))
    assert read_srt(path) == CUES


def test_texts_are_sorted_and_may_overlap_and_carry_positions() -> None:
    text = "2\n00:00:05.000 --> 00:00:07.000 X1:1 X2:2 Y1:3 Y2:4\nB\n\n1\n00:00:04,000 --> 00:00:06,000\nA\n"
    assert [c.text for c in parse_srt(text, "x")] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one text"),
        ("only words\n", "at least one text"),
        ("1\n00:00:03,000 --> 00:00:02,000\nx\n", "x.srt:2"),
        ("1\n00:00:02,000 --> 00:00:02,000\nx\n", "an end after the start"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx\n\n2\n0:0:3 --> 9\ny\n", "x.srt:6"),
    ],
)
def test_what_is_no_subtitle_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        parse_srt(text, "x.srt")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    with pytest.raises(MaskError, match="No such file"):
        read_srt(path)
    path.write_bytes(b"\0\1\2" * 50)
    with pytest.raises(MaskError, match="no text"):
        read_srt(path)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(MaskError, match="MiB"):
        read_srt(path)


def test_empty_lines_inside_a_text_do_not_end_it() -> None:
    assert parse_srt(srt_text([Cue(Fraction(0), Fraction(1), "a\n\nb")]), "x")[0].text == "a\nb"


@pytest.mark.parametrize(
    ("seconds", "text"), [(Fraction(0), "00:00:00,000"), (Fraction(7322_9996, 10000), "02:02:03,000")]
)
def test_times_are_rounded_to_milliseconds(seconds: Fraction, text: str) -> None:
    assert clock(seconds if seconds < 7000 else Fraction(73229996, 10000)) == text
