"""Units, bits and parameter sets come apart and together again without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.error import FFmpegError

from tests.media.smart.smart_made import clip, decoded, remuxed, stored, write, x264, x265
from vidinternal.media.smart.gops import NalGrammar
from vidinternal.media.smart.nal import Bits, escaped, joined, sei_messages, sei_unit, ue_bits, unescaped, units
from vidinternal.media.smart.parameter_sets import (
    Codec,
    Sps,
    free_ids,
    parse_sps,
    record,
    record_sets,
    renumbered,
    set_key,
    stays_within,
)


def header(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.extradata or b""


def grammar(path: Path, codec: Codec) -> NalGrammar:
    return NalGrammar(codec, header(path))


def packed(digits: str) -> bytes:
    padded = digits + "0" * (-len(digits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def test_escaping_is_undone_and_leaves_no_start_code() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        content = rng.choice([0, 0, 0, 1, 2, 3, 4, 255], 40).astype(np.uint8).tobytes()
        unit = escaped(content)
        assert unescaped(unit) == content
        assert not any(code in unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@pytest.mark.parametrize("size", [0, 1, 2, 4])
def test_a_packet_is_cut_into_its_units(size: int) -> None:
    parts = [b"\x67\x01", b"\x68" + b"\x05" * 9, b"\x65\x00\x00\x03\x01\x80"]
    assert units(joined(parts, size), size) == parts


def test_padding_before_start_codes_is_no_part_of_a_unit() -> None:
    assert units(b"\0\0\0\1\x09\xf0\0\0\0\0\1\x67\x11\0\0\1\x65\x80\0\0", 0) == [b"\x09\xf0", b"\x67\x11", b"\x65\x80"]


def test_a_length_beyond_the_packet_is_an_error() -> None:
    with pytest.raises(ValueError, match="beyond"):
        units(b"\0\0\0\x09abc", 4)
    with pytest.raises(OverflowError):
        joined([b"x" * 300], 1)


def test_numbers_are_read_as_they_are_written() -> None:
    numbers = [*range(40), 254, 255, 256, 65535]
    bits = Bits(packed("".join(map(ue_bits, numbers))))
    assert [bits.ue() for _ in numbers] == numbers
    assert [Bits(packed(ue_bits(k))).se() for k in range(5)] == [0, 1, -1, 2, -2]
    with pytest.raises(ValueError, match="early"):
        Bits(b"\x80").read(9)


def test_messages_come_through_a_unit() -> None:
    messages = [(4, b"abc"), (137, b"\0" * 24), (300, b"x" * 700), (5, b"")]
    unit = sei_unit(b"\x4e\x01", messages)
    assert unit[:2] == b"\x4e\x01"
    assert list(sei_messages(unescaped(unit[2:]))) == messages


@pytest.mark.parametrize(
    ("recipe", "codec", "told"),
    [
        (x264(), "h264", {"profile": 100, "depth": (8, 8), "chroma": 1, "progressive": True, "reorder": 2}),
        (x264(bf="0", profile="main"), "h264", {"profile": 77, "reorder": 0}),
        (x264(bf="1"), "h264", {"profile": 100, "reorder": 1}),
        (x264(g="1"), "h264", {"reorder": 0}),
        (x264() | {"pix_fmt": "yuv422p10le"}, "h264", {"profile": 122, "depth": (10, 10), "chroma": 2}),
        (x264(**{"x264-params": "cqm=jvt:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900:ref=4"}), "h264", {"reorder": 2}),
        (x264() | {"interlaced": "tff"}, "h264", {"progressive": False}),
        (x265(), "hevc", {"profile": 1, "depth": (8, 8), "chroma": 1, "progressive": True, "reorder": 2}),
        (x265(pix_fmt="yuv422p10le"), "hevc", {"profile": 4, "depth": (10, 10), "chroma": 2}),
        (x265() | {"size": (66, 50)}, "hevc", {"size": (72, 56, 0, 3, 0, 3)}),
    ],
)
def test_a_sequence_parameter_set_says_what_was_asked_for(
    recipe: dict[str, Any], codec: Codec, told: dict[str, Any], tmp_path: Path
) -> None:
    (sps,) = grammar(clip(tmp_path / "clip.mkv", recipe), codec).sequences
    assert {name: getattr(sps, name) for name in told} == told


@pytest.mark.parametrize(("recipe", "codec"), [(x264(), "h264"), (x264() | {"pix_fmt": "yuv420p10le"}, "h264")])
def test_the_record_of_a_header_is_made_as_ffmpeg_makes_it(
    recipe: dict[str, Any], codec: Codec, tmp_path: Path
) -> None:
    data = header(clip(tmp_path / "clip.mp4", recipe))
    sets, size = record_sets(data, codec)
    assert record(sets, codec, size) == data


def test_the_record_of_hevc_holds_the_same_sets(tmp_path: Path) -> None:
    data = header(clip(tmp_path / "clip.mp4", x265()))
    sets, size = record_sets(data, "hevc")
    named = [s for s in sets if set_key(s, "hevc")]
    again = record(named, "hevc", size)
    assert record_sets(again, "hevc") == (tuple(named), 4)
    assert again[1:13] == data[1:13]  # profile, tier, flags, level
    assert again[16:19] == data[16:19]  # chroma and depth


def test_a_record_cut_short_is_an_error(tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, Any], Codec], ...] = ((x264(), "h264"), (x265(), "hevc"))
    for recipe, codec in cases:
        data = header(clip(tmp_path / "clip.mp4", recipe))
        with pytest.raises((ValueError, IndexError)):
            record_sets(data[:-5], codec)


def test_other_ids_change_no_picture(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", x265())
    sets = [s for s in record_sets(header(source), "hevc")[0] if set_key(s, "hevc")]
    ids = free_ids([key for s in sets if (key := set_key(s, "hevc"))], "hevc")
    assert ids is not None
    assert ids == (1, 15)
    moved = [renumbered(s, ids) for s in sets]
    assert [set_key(s, "hevc") for s in moved] == [("vps", 1), ("sps", 1), ("pps", 15)]
    plain, changed = (parse_sps(next(s for s in some if s[0] >> 1 == 33), "hevc") for some in (sets, moved))
    assert changed == Sps(**{**vars(plain), "id": 1})

    def renamed(_number: int, data: bytes) -> bytes:
        return joined([renumbered(u, ids) for u in units(data, 4)], 4)

    twin = remuxed(source, tmp_path / "twin.mp4", renamed, record(moved, "hevc", 4))
    one, two = decoded(source), decoded(twin)
    assert all(np.array_equal(one[t], two[t]) for t in one)
    assert [p.data for p in stored(source)] != [p.data for p in stored(twin)]


def test_without_the_second_set_a_strict_decoder_complains(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", x264())
    result = write(source, tmp_path / "result.mp4", {7}).path
    broken = remuxed(result, tmp_path / "broken.mp4", lambda _number, data: data, header(source))
    with pytest.raises((FFmpegError, AssertionError)):
        decoded(broken)


def test_ids_run_out() -> None:
    assert free_ids([("sps", 0), ("pps", 0), ("pps", 1)], "h264") == (2, 2)
    assert free_ids([("pps", k) for k in range(32)], "h264") is None
    assert free_ids([("sps", k) for k in range(16)], "hevc") is None


SPS = Sps(0, 100, b"\0", 31, 0, 1, (8, 8), (3, 2, 0, 0, 0, 0), 4, 2, True)


@pytest.mark.parametrize(
    ("own", "source", "word"),
    [
        ({}, {}, ""),
        ({"profile": 77}, {}, ""),
        ({"profile": 110}, {}, "profile 110"),
        ({"depth": (10, 10)}, {}, "10 bits"),
        ({"references": 5}, {}, "kept"),
        ({"references": 3}, {}, ""),
        ({"reorder": 1}, {"reorder": 0}, "kept"),
        ({"reorder": 2}, {"reorder": None}, ""),
        ({}, {"color": (0, 1, 1, 1)}, "colour"),
        ({"color": (0, 1, 1, 1)}, {}, ""),
    ],
)
def test_what_the_source_promises_is_kept(own: dict[str, Any], source: dict[str, Any], word: str) -> None:
    why = stays_within(Sps(**{**vars(SPS), **own}), Sps(**{**vars(SPS), **source}), "h264")
    assert word in why
    assert bool(why) == bool(word)
