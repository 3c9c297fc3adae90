"""Where groups of pictures begin, when their packets are decoded, and what may not be copied."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import pytest

from tests.media.smart.smart_made import MPEG2, clip, mpeg2, stored, x264, x265
from vidinternal.media.probe import probe
from vidinternal.media.smart.gops import (
    Gop,
    Mpeg2Grammar,
    NalGrammar,
    Track,
    UnsafeError,
    cut,
    decoding_times,
    reorder_room,
)
from vidinternal.media.smart.gops import scan as scan_of
from vidinternal.media.smart.mpeg2_headers import Mpeg2Head, read_head, reheaded, sections
from vidinternal.media.smart.nal import joined, sei_unit, units

CODECS = {"libx264": "h264", "libx265": "hevc", "mpeg2video": "mpeg2video"}


def scan(path: Path, recipe: dict[str, Any]) -> Track:
    return scan_of(probe(clip(path, recipe)), CODECS[recipe["codec"]])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("recipe", [x264(bf="3", b_strategy="0"), x264(preset="ultrafast"), x265()])
def test_groups_tile_the_stream(suffix: str, recipe: dict[str, Any], tmp_path: Path) -> None:
    track = scan(tmp_path / f"clip{suffix}", recipe)
    assert [(g.first, g.last) for g in track.gops] == [(g.start, g.stop) for g in track.gops]
    assert [g.start for g in track.gops] == [0, 6, 12, 18]
    assert track.gops[-1].stop == 24
    assert not any(g.unsafe for g in track.gops)
    assert all(d <= p for d, p in zip(track.dts, track.pts, strict=True))
    assert all(a < b for a, b in itertools.pairwise(track.dts))


@pytest.mark.parametrize(
    "recipe",
    [x264(**{"x264-params": "open-gop=1"}), x265(open_gop=True), mpeg2(options=MPEG2 | {"flags": "+qscale"})],
)
def test_open_groups_are_part_of_the_one_before(recipe: dict[str, Any], tmp_path: Path) -> None:
    track = scan(tmp_path / "clip.mkv", recipe)
    assert sum(p.key for p in stored(tmp_path / "clip.mkv")) > 1
    assert [(g.start, g.stop) for g in track.gops] == [(0, 24)]


def test_a_key_that_something_overtakes_begins_no_group() -> None:
    pts = [0, 2, 1, 3, 6, 5, 4, 9, 7, 8]
    begins = [True, False, False, True, False, True, False, True, False, False]
    # 5 comes behind 6 in the file and before it on screen; 9 has leading pictures, but of its own
    assert [(g.start, g.stop) for g in cut(pts, begins)] == [(0, 3), (3, 7), (7, 10)]
    assert cut(pts, [False, *begins[1:]])[0].unsafe
    assert not cut(pts, begins)[0].unsafe


def test_the_files_own_decoding_times_are_kept_where_they_hold_together() -> None:
    pts = [0, 3, 1, 2, 4]
    assert decoding_times(pts, [-2, -1, 0, 1, 2]) == (-2, -1, 0, 1, 2)
    for broken in ([None, -1, 0, 1, 2], [-2, -2, 0, 1, 2], [0, 1, 2, 3, 4]):
        made = decoding_times(pts, broken)
        assert all(d <= p for d, p in zip(made, pts, strict=True))
        assert all(a < b for a, b in itertools.pairwise(made))
    assert decoding_times([0, 10, 25], [None] * 3) == (0, 10, 25)
    assert decoding_times([7], [None]) == (7,)


@pytest.mark.parametrize(("delay", "room"), [(0, 0), (1, 1), (2, 2), (5, 2), (-1, None)])
def test_the_room_for_reordering_is_what_the_decoding_times_leave(delay: int, room: int | None) -> None:
    pts = tuple(range(12))
    gops = (Gop(0, 6, 0, 6), Gop(6, 12, 6, 12))
    track = Track(pts, tuple(k - delay for k in pts), (1,) * 12, gops, Mpeg2Grammar())
    assert reorder_room(track, {1: True}) == room
    assert reorder_room(track, {}) == 2


def test_what_is_not_a_plain_picture_is_refused(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mkv", x264())
    data = stored(source)[0].data
    with av.open(str(source)) as container:
        header = container.streams.video[0].codec_context.extradata or b""
    for unit, word in (
        (b"\x6f\x42\0\x0a", "layers"),
        (sei_unit(b"\x06", [(0, b"\x80")]), "buffer"),
        (b"\x67\x64\0\x0a\x80", "changes its SPS"),
    ):
        with pytest.raises(UnsafeError, match=word):
            NalGrammar("h264", header).begins(joined([unit, *units(data, 4)], 4))
    assert NalGrammar("h264", header).begins(data)
    assert not NalGrammar("h264", header).begins(stored(source)[1].data)


def test_a_stream_without_parameter_sets_is_refused() -> None:
    with pytest.raises(UnsafeError, match="parameter sets"):
        NalGrammar("h264", b"").check()
    with pytest.raises(UnsafeError, match="sequence header"):
        Mpeg2Grammar().check()


def test_the_headers_of_mpeg2_are_read(tmp_path: Path) -> None:
    heads = [read_head(p.data) for p in stored(clip(tmp_path / "clip.mkv", mpeg2()))]
    first = heads[0]
    assert first.shape == (64, 48, 1)
    assert (first.progressive, first.frame, first.timed, first.low_delay) == (True, True, False, False)
    assert first.sequence.startswith(b"\0\0\1\xb3")
    assert first.group.startswith(b"\0\0\1\xb8")
    starts = [k for k, head in enumerate(heads) if head.sequence]
    assert all(heads[k].temporal == 0 for k in starts)
    assert all(heads[k].sequence == first.sequence for k in starts)
    wide = [read_head(p.data) for p in stored(clip(tmp_path / "wide.mkv", mpeg2(pix_fmt="yuv422p", interlaced="tff")))]
    assert wide[0].shape[2] == 2
    assert not wide[0].progressive


@pytest.mark.parametrize("marks", [b"\x07\x02", b"\xff\xff\xe0\x18" + b"\x55" * 64])
def test_matrices_are_no_part_of_the_sequence_that_is_put_before(marks: bytes, tmp_path: Path) -> None:
    data = stored(clip(tmp_path / "clip.mkv", mpeg2()))[0].data
    (_, header), *_ = sections(data)
    for content in (header, header[:7] + bytes([header[7] | 3]) + marks * 40):
        changed = b"\0\0\1\xb3" + content + data[4 + len(header) :]
        assert read_head(changed).sequence == read_head(data).sequence


def test_a_head_is_put_before_a_group_that_is_marked_closed(tmp_path: Path) -> None:
    packets = [p.data for p in stored(clip(tmp_path / "clip.mkv", mpeg2()))]
    head = read_head(packets[0])
    other = Mpeg2Head(group=head.group[:4] + b"\x12\x34\x56\x20", user=b"\0\0\1\xb2words")
    changed = read_head(reheaded(packets[0], head.sequence, other))
    assert changed.sequence == head.sequence
    assert changed.group == head.group[:4] + b"\x12\x34\x56\x40"
    assert changed.user == other.user
    assert reheaded(packets[1], head.sequence, Mpeg2Head()) == packets[1]
