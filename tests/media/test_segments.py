"""A long clip written in segments: the same bytes whether they are made now or were made before a kill."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import media_made as made
from vidinternal.media import segments
from vidinternal.media.codecs import EncoderPlan, EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.segments import Segment, Stored, cut_evenly, cut_groups, in_segments, segment_length
from vidinternal.media.smart.gops import Gop
from vidinternal.media.smart.rendering import Edited

FRAMES, LENGTH = 24, 6
_H264 = {"codec": "libx264", "options": {"g": "5", "bf": "2", "preset": "ultrafast"}}


def plan(codec: str, *, lossless: bool = False) -> EncoderPlan:
    return EncoderPlan(codec, codec, "yuv420p", {}, "matroska", None, lossless)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of a few frames."""
    monkeypatch.setattr(segments, "_PIXELS", {})
    monkeypatch.setattr(segments, "_LARGE_PACKETS", 0)
    monkeypatch.setattr(segments, "_LEAST", LENGTH)


class Shelf:
    """Keeps segments; ``made`` tells which were not there."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Segment] = {}
        self.made: list[str] = []

    def __call__(self, name: str, fits: str, make: Callable[[], Segment]) -> Segment:
        if (name, fits) not in self.held:
            self.held[name, fits] = make()
            self.made.append(name)
        return self.held[name, fits]


def written(clip: Path, result: Path, codec: Any, keep: Shelf | None, touched: range = range(FRAMES)) -> bytes:
    """The bytes of a clip of which some frames were changed, written with a shelf of segments."""
    info = probe(clip)
    reader = ClipReader(info)
    encode(info, Edited(reader.frames, touched, keep), result, EncodeSettings(codec=codec, crf=None))
    return result.read_bytes()


@pytest.mark.parametrize("frames", [1, 5, 6, 11, 12, 13, 100])
def test_pieces_tile_the_clip_and_none_is_short(frames: int) -> None:
    spans = cut_evenly(frames, LENGTH)
    assert [i for span in spans for i in span] == list(range(frames))
    assert len(spans) == 1 or min(map(len, spans)) >= LENGTH
    gops = [Gop(k, k + 1, k, k + 1) for k in range(frames)]
    lots = list(cut_groups(gops, LENGTH))
    assert [g for lot in lots for g in lot] == gops
    assert all(len(lot) == LENGTH for lot in lots[:-1])


def test_larger_pictures_and_slower_codecs_get_shorter_segments() -> None:
    sizes = (64 * 48, 1280 * 720, 1920 * 1080, 7680 * 4320)
    for codec in ("h264", "hevc", "av1", "vp9", "prores", "ffv1"):
        lengths = [segment_length(plan(codec), size) for size in sizes]
        assert lengths == sorted(lengths, reverse=True)
        assert min(lengths) >= 48
    assert segment_length(plan("hevc"), 1920 * 1080) < segment_length(plan("h264"), 1920 * 1080)
    # packets of a lossless segment are held in memory too
    assert segment_length(plan("h264", lossless=True), sizes[2]) < segment_length(plan("h264"), sizes[2])
    assert segment_length(plan("h264"), 640 * 360) % 250 == 0


def test_a_segment_gives_back_what_it_was_made_of() -> None:
    stored = [Stored(5, None, 0, True, b"abc"), Stored(-3, -7, 2, False, b""), Stored(9, 4, 1, False, bytes(300))]
    assert list(Segment.of(stored)) == stored
    assert Segment.of(stored).times == ([5, -3, 9], [None, -7, 4])


def test_decoding_times_increase_from_segment_to_segment() -> None:
    """An encoder that begins anew counts back from its own first picture; times that differ would then collide."""
    shown = {0: [0, 90, 30, 60], 4: [100, 130, 110, 120]}  # slow pictures first, fast ones then
    decoded = {0: [-30, 0, 30, 60], 4: [90, 100, 110, 120]}
    found = list(
        in_segments(
            [range(4), range(4, 8)],
            "plan",
            Shelf(),
            lambda s: Segment.of(
                Stored(p, d, 10, False, b"x") for p, d in zip(shown[s.start], decoded[s.start], strict=True)
            ),
        )
    )
    due = [dts for _, dts in found]
    assert due == [-30, 0, 30, 60, 90, 100, 110, 120]
    decoded[4] = [60, 80, 100, 110]
    found = list(
        in_segments(
            [range(4), range(4, 8)],
            "plan",
            Shelf(),
            lambda s: Segment.of(
                Stored(p, d, 10, False, b"x") for p, d in zip(shown[s.start], decoded[s.start], strict=True)
            ),
        )
    )
    due = [dts for _, dts in found]
    assert all(a < b for a, b in itertools.pairwise(due))
    assert all(dts <= stored.pts for stored, dts in found)


_CODECS = [("h264", ".mp4"), ("hevc", ".mkv"), ("av1", ".mkv"), ("vp9", ".webm"), ("prores", ".mov"), ("ffv1", ".mkv")]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("codec", "suffix"), [*_CODECS, ("mpeg2video", ".ts"), ("ffv1", ".avi")])
def test_kept_segments_are_not_encoded_again_and_the_bytes_are_the_same(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    pts = [40 * k + (7 if k % 3 else 0) for k in range(FRAMES)] if suffix in (".mkv", ".mp4") else None
    changes = {} if pts is None else {"pts": pts, "time_base": made.Fraction(1, 1000)}
    clip = made.clip(tmp_path / "a.mkv", frames=FRAMES, audio_tracks=suffix == ".mp4", **changes)
    shelf = Shelf()
    whole = written(clip, tmp_path / f"whole{suffix}", codec, shelf)
    names = sorted(name for name, _ in shelf.held)
    assert shelf.made == names
    assert len(names) == FRAMES // LENGTH
    killed = Shelf()
    killed.held = {key: value for key, value in shelf.held.items() if key[0] in names[:2]}
    assert written(clip, tmp_path / f"again{suffix}", codec, killed) == whole
    assert killed.made == names[2:]
    source, result = probe(clip), probe(tmp_path / f"whole{suffix}")
    assert len(frame_pts(result)) == FRAMES
    pairs = list(zip(ClipReader(source).frames(), ClipReader(result).frames(), strict=True))
    if suffix == ".mp4":
        assert all(a.pts * source.time_base == b.pts * result.time_base for a, b in pairs)
    if codec == "ffv1":
        assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in pairs)
    # another quality is another segment
    other = Shelf()
    other.held = dict(shelf.held)
    info = probe(clip)
    if codec in ("h264", "hevc"):
        edited = Edited(ClipReader(info).frames, range(FRAMES), other)
        encode(info, edited, tmp_path / f"c{suffix}", EncodeSettings(codec=codec, crf=40))
        assert other.made == names


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_groups_that_are_encoded_anew_are_kept_too(tmp_path: Path, codec: str) -> None:
    recipe = {**_H264, "codec": codec} if codec == "libx264" else {"codec": codec, "options": {"g": "5", "bf": "0"}}
    clip = made.clip(tmp_path / "a.mkv", frames=FRAMES, **recipe)
    name = "h264" if codec == "libx264" else codec
    shelf, touched = Shelf(), range(6, FRAMES)
    whole = written(clip, tmp_path / "whole.mkv", name, shelf, touched)
    names = [n for n, _ in shelf.held]
    assert len(names) >= 2, "the run of changed groups is longer than a segment"
    killed = Shelf()
    killed.held = dict(list(shelf.held.items())[:1])
    assert written(clip, tmp_path / "again.mkv", name, killed, touched) == whole
    assert killed.made == names[1:]
    before, after = (list(ClipReader(probe(p)).frames()) for p in (clip, tmp_path / "whole.mkv"))
    assert [f.pts for f in after] == [f.pts for f in before]
    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(before[:5], after[:5], strict=True))


@pytest.mark.usefixtures("short")
def test_progress_goes_on_inside_a_segment(tmp_path: Path) -> None:
    clip = made.clip(tmp_path / "a.mkv", frames=FRAMES)
    info, told = probe(clip), []
    edited = Edited(ClipReader(info).frames, range(FRAMES), Shelf())
    encode(
        info,
        edited,
        tmp_path / "b.mkv",
        EncodeSettings(codec="ffv1"),
        progress=lambda share, _text: told.append(share),
    )
    assert told == sorted(told)
    assert len(told) == FRAMES
    assert told[-1] == 1.0


def test_without_a_place_to_keep_them_there_are_none(tmp_path: Path, short: None) -> None:
    del short
    clip = made.clip(tmp_path / "a.mkv", frames=FRAMES)
    asked: list[tuple[int, int | None]] = []
    info = probe(clip)
    reader = ClipReader(info)

    def frames(start: int, end: int) -> Iterator[Any]:
        asked.append((start, end))
        return reader.frames(start, end)

    encode(info, Edited(frames, range(FRAMES)), tmp_path / "b.mkv", EncodeSettings(codec="ffv1"))
    assert asked == [(0, FRAMES)]
