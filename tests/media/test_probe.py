"""What a file holds is told as it is; its times are those that decoding yields."""

import re
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests import media_made as made
from vidinternal.core.clip import ColorTags
from vidinternal.core.errors import MediaError
from vidinternal.media import probe as module
from vidinternal.media.probe import fraction, frame_pts, probe, time_table

_B_FRAMES = {"codec": "libx264", "options": {"qp": "30", "bf": "3", "b-adapt": "0", "g": "12", "preset": "fast"}}


def decoded(path: Path) -> list[Any]:
    """Times as a plain decoding loop of PyAV gives them."""
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


def remux(source: Path, target: Path, change) -> Path:
    """Copy a file packet by packet; ``change`` may alter or drop (None) each of them."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [p for p in old.demux(video=0) if p.size]
        for i, packet in enumerate(packets):
            packet.stream = stream
            changed = change(i, packet)
            if changed is not None:
                new.mux_one(changed)
    return target


def test_a_plain_clip_is_described(tmp_path):
    info = probe(made.clip(tmp_path / "a.mkv", size=(65, 47), pix_fmt="yuv422p10le", rate=Fraction(30000, 1001)))
    assert (info.width, info.height, info.pix_fmt) == (65, 47, "yuv422p10le")
    assert abs(info.rate - Fraction(30000, 1001)) < Fraction(1, 5)
    assert info.time_base == Fraction(1, 1000)
    assert isinstance(info.time_base, Fraction)
    assert isinstance(info.sar, Fraction)
    assert info.duration == pytest.approx(12 * 1001 / 30000, abs=0.05)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_clockwise(tmp_path, rotation):
    path = made.clip(tmp_path / "a.mp4", codec="libx264", rotation=rotation, frames=2)
    assert probe(path).rotation == rotation


def test_pixel_shape_and_frame_count(tmp_path):
    info = probe(made.clip(tmp_path / "a.mp4", codec="libx264", sar=Fraction(16, 15), frames=5))
    assert (info.sar, info.frames) == (Fraction(16, 15), 5)
    assert probe(made.clip(tmp_path / "b.mkv", frames=5)).frames is None


@pytest.mark.parametrize(
    "tags", [ColorTags(9, 16, 9, False, 3), ColorTags(1, 1, 1, True, 2), ColorTags(6, 6, 6, False, 1)]
)
def test_colour_tags_are_read(tmp_path, tags):
    path = made.clip(tmp_path / "a.mp4", codec="libx264", pix_fmt="yuv420p10le", color=tags, frames=2)
    assert probe(path).color == tags


def test_untagged_colour_stays_unknown(tmp_path):
    color = probe(made.clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv444p", frames=2)).color
    assert (color.primaries, color.transfer, color.matrix, color.full_range) == (2, 2, 2, None)


def test_yuvj_is_full_range(tmp_path):
    path = made.clip(tmp_path / "a.mkv", codec="mjpeg", pix_fmt="yuvj420p", color=ColorTags(full_range=True), frames=2)
    info = probe(path)
    assert info.pix_fmt == "yuvj420p"
    assert info.color.full_range is True
    assert info.color.chroma_location == 2  # JPEG centres its chroma


def test_all_streams_are_listed(tmp_path):
    info = probe(made.awkward("many_streams", tmp_path))
    assert [s.kind for s in info.streams] == ["video", "audio", "audio", "subtitle", "subtitle", "attachment"]
    assert [s.note for s in info.streams[1:]] == ["eng", "fra", "eng", "fra", "letters.txt, text/plain"]
    assert [s.codec for s in info.streams][:4] == ["ffv1", "pcm_s16le", "pcm_s16le", "subrip"]
    assert info.video_index == 0


def cover_first(folder: Path) -> Path:
    """A film behind a cover picture: the cover is the first video stream."""
    film = made.clip(folder / "film.mp4", codec="libx264", frames=3)
    with av.open(str(folder / "cover.mp4"), "w") as new, av.open(str(film)) as old:
        cover = new.add_stream("mjpeg", rate=1, width=16, height=16, pix_fmt="yuvj420p")
        cover.disposition = Disposition.attached_pic
        copied = new.add_stream_from_template(old.streams.video[0])
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24").reformat(format="yuvj420p")
        for packet in [*cover.encode(picture), *cover.encode(None)]:
            new.mux(packet)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = copied
                new.mux(packet)
    return folder / "cover.mp4"


def test_a_cover_picture_is_not_the_film(tmp_path):
    info = probe(cover_first(tmp_path))
    notes = {s.index: s.note for s in info.streams}
    assert "cover picture" in [n for i, n in notes.items() if i != info.video_index]
    assert "cover picture" not in notes[info.video_index]
    assert (info.width, info.height) == (64, 48)
    assert len(frame_pts(info)) == 3


def test_webm_alpha_is_kept(tmp_path):
    path = made.clip(
        tmp_path / "a.webm", codec="libvpx-vp9", pix_fmt="yuva420p", options={"deadline": "realtime"}, frames=3
    )
    assert probe(path).pix_fmt == "yuva420p"


def test_odd_names_are_no_protocols_or_patterns(tmp_path):
    for name in ("http:film.mkv", "100%03d done.mkv", "it's «ä».mkv"):
        path = made.clip(tmp_path / "plain.mkv", frames=2).rename(tmp_path / name)
        assert len(frame_pts(probe(path))) == 2


def refused(path: Path, words: str) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        probe(path)
    assert str(path) in caught.value.message


def test_files_that_are_no_clips_are_refused(tmp_path):
    refused(tmp_path / "none.mp4", "does not exist")
    refused(tmp_path, "is a folder")
    for name, words in (("empty", "is empty"), ("not_media", "cannot be opened"), ("headless", "cannot be opened")):
        refused(made.awkward(name, tmp_path), words)


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = made.clip(tmp_path / "a.mkv", frames=1)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(path, "Permission denied")


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    refused(path, r"no video stream[\s\S]*audio")


def test_a_palette_clip_is_refused(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25, width=8, height=8, pix_fmt="pal8")
        frame = av.VideoFrame(8, 8, "pal8")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(MediaError, match="palette"):
        probe(path)


@pytest.mark.parametrize(
    "name",
    ["vfr", "vfr_fine", "start_late", "negative_start", "b_frames", "ten_bit", "one_frame", "two_frames", "interlaced"],
)
def test_times_are_those_of_decoding(tmp_path, name):
    path = made.awkward(name, tmp_path)
    info = probe(path)
    assert list(frame_pts(info)) == decoded(path)
    recipe = made.RECIPES[name]
    assert isinstance(recipe, made.Recipe)
    wanted = [p * recipe.ticks for p in recipe.times]
    told = [p * info.time_base for p in frame_pts(info)]
    assert [t - told[0] for t in told] == pytest.approx([w - wanted[0] for w in wanted], abs=0.0011)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("a.ts", {**_B_FRAMES, "time_base": Fraction(1, 90000)}),
        ("a.mpg", {"codec": "mpeg2video", "options": {"bf": "2", "g": "10"}}),
        ("a.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "10"}}),
        ("a.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "8", "deadline": "realtime"}}),
        ("b.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}}),
        ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        ("a.gif", {"codec": "gif", "pix_fmt": "gray", "time_base": Fraction(1, 100), "pts": range(0, 96, 4)}),
        ("a.nut", {"codec": "rawvideo", "pix_fmt": "rgb24"}),
    ],
)
def test_times_are_those_of_decoding_in_every_container(tmp_path, name, recipe):
    path = made.clip(tmp_path / name, frames=24, **recipe)
    assert list(frame_pts(probe(path))) == decoded(path)
    assert len(decoded(path)) == 24


def test_pictures_before_an_edit_are_not_counted(tmp_path):
    path = made.clip(tmp_path / "cut.mp4", frames=20, pts=range(-5, 15), time_base=Fraction(1, 24), **_B_FRAMES)
    with av.open(str(path)) as container:
        assert any(p.is_discard for p in container.demux(video=0))
    info = probe(path)
    assert list(frame_pts(info)) == decoded(path)
    assert len(frame_pts(info)) == 15


def test_pictures_that_miss_their_key_are_not_counted(tmp_path):
    whole = made.clip(tmp_path / "whole.ts", frames=24, time_base=Fraction(1, 90000), **_B_FRAMES)
    path = remux(whole, tmp_path / "tail.ts", lambda i, p: p if i > 2 else None)
    info = probe(path)
    assert module._by_packets(info) == module._by_decoding(info)
    assert list(frame_pts(info)) == decoded(whole)[12:]


def test_pictures_before_the_first_key_are_not_counted(tmp_path):
    """An open group of pictures, cut off at its key: the pictures shown before it cannot be decoded."""
    options = {"x264-params": "open-gop=1:bframes=2:b-adapt=0:scenecut=0:keyint=8:min-keyint=8"}
    whole = made.clip(tmp_path / "a.ts", frames=24, codec="libx264", options=options, time_base=Fraction(1, 90000))
    with av.open(str(whole)) as container:
        packets = [(p.is_keyframe, p.pts) for p in container.demux(video=0) if p.size]
    key = next(i for i, (is_key, _) in enumerate(packets) if is_key and i)
    assert min(pts or 0 for _, pts in packets[key:]) < (packets[key][1] or 0)
    path = remux(whole, tmp_path / "tail.ts", lambda i, p: p if i >= key else None)
    info = probe(path)
    assert module._by_packets(info) == module._by_decoding(info)
    assert list(frame_pts(info)) == [t for t in decoded(whole) if t >= (packets[key][1] or 0)]
    assert len(frame_pts(info)) < len(packets) - key


def test_pictures_stamped_before_the_first_key_are_not_counted(tmp_path):
    whole = made.clip(tmp_path / "a.ts", frames=12, time_base=Fraction(1, 90000), **_B_FRAMES)
    times = decoded(whole)

    def change(i, packet):
        packet.pts = packet.pts if i else times[2] + 1
        return packet

    path = remux(whole, tmp_path / "late.ts", change)
    info = probe(path)
    assert module._by_packets(info) == module._by_decoding(info)
    assert len(frame_pts(info)) == len(times) - 2


def test_interlaced_pictures_are_decoded_to_be_counted(tmp_path):
    path = made.clip(tmp_path / "a.mkv", codec="libx264", interlaced="tff", frames=6)
    info = probe(path)
    assert module._by_packets(info) is None
    assert list(frame_pts(info)) == decoded(path)


def test_packets_are_counted_without_decoding(tmp_path, monkeypatch):
    info = probe(made.awkward("b_frames", tmp_path))

    def never(*_args):
        raise AssertionError("decoded although every packet tells its time")

    monkeypatch.setattr(module, "_by_decoding", never)
    assert len(frame_pts(info)) == 30


def test_a_stream_without_times_gets_them_from_its_rate(tmp_path):
    path = made.clip(tmp_path / "raw.h264", frames=8, **_B_FRAMES)
    info = probe(path)
    table = time_table(info)
    assert decoded(path) == [None] * 8
    assert [p * info.time_base for p in table.pts] == [i / info.rate for i in range(8)]
    assert (table.stamped, table.keys) == (False, ())


def test_times_stamped_in_the_wrong_order_are_put_in_order(tmp_path):
    whole = made.clip(tmp_path / "whole.mkv", frames=12, **_B_FRAMES)
    with av.open(str(whole)) as container:
        stamps = [p.pts for p in container.demux(video=0) if p.size]
    late, early = stamps[1], max(t for t in stamps if t is not None and t < (stamps[1] or 0))
    swap = {late: early, early: late}

    def change(_, packet):
        packet.pts = swap.get(packet.pts, packet.pts)
        return packet

    path = remux(whole, tmp_path / "swapped.mkv", change)
    assert decoded(path) != sorted(decoded(path))
    assert list(frame_pts(probe(path))) == sorted(decoded(path))


def test_times_follow_a_file_that_changes(tmp_path):
    path = made.clip(tmp_path / "a.mkv", frames=3)
    info = probe(path)
    assert len(frame_pts(info)) == 3
    shutil.copy(made.clip(tmp_path / "b.mkv", frames=5), path)
    assert len(frame_pts(info)) == 5


def test_damage_found_while_counting_is_told(tmp_path):
    path = made.clip(tmp_path / "a.avi", codec="mpeg4", frames=12, options={"g": "6"}, size=(160, 128))
    data = path.read_bytes()
    chunks = [m.start() for m in re.finditer(b"00dc", data[: data.index(b"idx1")])]
    path.write_bytes(data[: chunks[7] + 40] + b"\xff" * 40 + data[chunks[7] + 80 :])
    info = probe(path)
    with pytest.raises(MediaError, match=r"a.avi: damaged at .*[\s\S]*decode.damage=repair"):
        frame_pts(info)


class _Ratio:
    """What PyAV 19 gives instead of None: a rational of 0/1 or 0/0 that is not a Fraction."""

    def __init__(self, numerator, denominator):
        self.numerator, self.denominator = numerator, denominator


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(_Ratio(1, 25), Fraction(1, 25)), (_Ratio(0, 1), None), (_Ratio(0, 0), None), (None, None), (25, Fraction(25))],
)
def test_rationals_become_fractions_at_the_door(given, wanted):
    assert fraction(given) == wanted
