"""What stands beside the samples comes through: streams, chapters, tags, colour, turn, shape, fields, HDR data."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition

from tests import media_made
from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.probe import probe
from vidinternal.media.source_facts import source_facts

BT709 = ColorTags(1, 1, 1, False, 1)
HDR = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


def write(source: Path | ClipInfo, destination: Path, frames: Any = None, **settings: Any) -> EncodeReport:
    info = probe(source) if isinstance(source, Path) else source
    frames = ClipReader(info).frames() if frames is None else frames
    return encode(info, frames, destination, EncodeSettings.model_validate(settings))


def tags(path: Path) -> dict[str, str]:
    own = {"encoder", "major_brand", "minor_version", "compatible_brands"}
    with av.open(str(path)) as container:
        return {k.lower(): v for k, v in container.metadata.items() if k.lower() not in own}


def chapters(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    with av.open(str(path)) as container:
        found = [(c["start"], c["end"], c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
    return [(start * Fraction(base or 0), end * Fraction(base or 0), title) for start, end, base, title in found]


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_other_streams_are_copied_packet_for_packet(codec: str, tmp_path: Path) -> None:
    source = media_made.awkward("many_streams", tmp_path)
    report = write(source, tmp_path / "result.mkv", codec=codec)
    before, after = media_made.packets(source), media_made.packets(report.path)
    assert [after[i] for i in (1, 2, 3, 4)] == [before[i] for i in (1, 2, 3, 4)]
    assert probe(report.path).streams[1:] == probe(source).streams[1:]
    with av.open(str(report.path)) as container:
        assert container.streams[5].data == b"a file inside the file\n"  # pyright: ignore[reportAttributeAccessIssue]
    assert report.copied == (
        *("1 audio pcm_s16le", "2 audio pcm_s16le", "3 subtitle subrip", "4 subtitle subrip", "5 attachment"),
    )
    assert chapters(report.path) == chapters(source) != []
    assert tags(report.path) == tags(source)
    assert report.notes == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_mp4_keeps_sound_text_chapters_and_unusual_tags(suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(
        tmp_path / "clip.mp4",
        codec="libx264",
        frames=24,
        audio_tracks=2,
        subtitles=1,
        chapters=True,
        metadata={"title": "film", "com.example.reel": "A7"},
    )
    report = write(source, tmp_path / f"result{suffix}")
    before, after = media_made.packets(source), media_made.packets(report.path)
    assert [after[i] for i in (1, 2)] == [before[i] for i in (1, 2)]
    assert before[1][0][0] < 0  # the sound's priming, before the pictures start
    texts = [[(time, line) for time, line in packets[3] if line.strip(b"\0")] for packets in (before, after)]
    assert texts[0] == texts[1] != []
    assert chapters(report.path) == chapters(source) != []
    assert tags(report.path) == tags(source)
    assert report.notes == ()
    with av.open(str(source)) as old, av.open(str(report.path)) as new:
        for a, b in zip(old.streams, new.streams, strict=True):
            assert (a.type, a.disposition) == (b.type, b.disposition)
            assert a.metadata.get("language", "und") == b.metadata.get("language", "und")


def test_a_transport_stream_keeps_the_times_of_its_sound(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.ts", codec="libx264", frames=24, audio_tracks=1)
    report = write(source, tmp_path / "result.ts")
    before, after = media_made.packets(source)[1], media_made.packets(report.path)[1]
    assert after == before
    assert report.pts_exact


def test_a_stream_that_begins_elsewhere_is_noted(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mp4", codec="libx264", audio_tracks=1)
    report = write(source, tmp_path / "result.avi", codec="ffv1")
    assert any(note.startswith("stream 1 begins +0.021 s") for note in report.notes)


def first_packet(path: Path, index: int) -> bytes:
    with av.open(str(path)) as container:
        return bytes(next(container.demux(container.streams[index])))


def with_cover(folder: Path) -> Path:
    bare = media_made.clip(folder / "bare.mp4", codec="libx264", frames=5, audio_tracks=1)
    painter: Any = av.CodecContext.create("png", "w")
    painter.width = painter.height = 16
    painter.pix_fmt, painter.time_base = "rgb24", Fraction(1, 25)
    picture = av.Packet(bytes(painter.encode(av.VideoFrame(16, 16, "rgb24"))[0]))
    with av.open(str(bare)) as source, av.open(str(folder / "cover.mp4"), "w") as result:
        copies: list[Any] = [result.add_stream_from_template(s, opaque=True) for s in source.streams]
        cover = result.add_mux_stream("png", width=16, height=16)
        cover.disposition = Disposition.attached_pic
        picture.stream, picture.pts, picture.dts, picture.time_base = cover, 0, 0, Fraction(1, 1000)
        picture.is_keyframe = True
        for packet in itertools.chain([picture], (p for p in source.demux() if p.dts is not None)):
            if packet is not picture:
                packet.stream = copies[packet.stream_index]
            result.mux(packet)
    return folder / "cover.mp4"


def test_a_cover_is_carried_from_mp4_to_matroska_and_back(tmp_path: Path) -> None:
    source = with_cover(tmp_path)
    there = write(source, tmp_path / "there.mkv")
    back = write(there.path, tmp_path / "back.mp4")
    for path in (source, there.path, back.path):
        covers = [s for s in probe(path).streams if "cover picture" in s.note]
        assert [s.codec for s in covers] == ["png"]
        assert first_packet(path, covers[0].index) == first_packet(source, 2) != b""
    with pytest.raises(MediaError, match="cover"):
        write(source, tmp_path / "result.mov")


@pytest.mark.parametrize("color", [BT709, ColorTags(9, 16, 9, False, 3), ColorTags(1, 13, 1, True), ColorTags()])
@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mp4"), ("hevc", ".mkv"), ("ffv1", ".mkv")])
def test_colour_tags_are_kept(color: ColorTags, codec: str, suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mp4", codec="libx264", pix_fmt="yuv420p", frames=2, color=color)
    info = probe(source)
    report = write(source, tmp_path / f"result{suffix}", codec=codec)
    found = probe(report.path).color
    assert not any("colour tag" in note for note in report.notes)
    assert (found.primaries, found.transfer, found.matrix) == (color.primaries, color.transfer, color.matrix)
    assert found.full_range == color.full_range or (color.full_range is None and found.full_range is False)
    assert found.chroma_location == info.color.chroma_location


def test_a_lost_colour_tag_is_noted(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mp4", codec="libx264", frames=2, color=BT709)
    report = write(source, tmp_path / "result.mp4", codec="vp9")
    assert any("chroma_location" in note for note in report.notes)


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mp4"), ("ffv1", ".mkv"), ("vp9", ".webm"), ("h264", ".mov")])
def test_the_turn_of_the_picture_is_kept(rotation: int, codec: str, suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mp4", codec="libx264", frames=2, rotation=rotation)
    report = write(source, tmp_path / f"result{suffix}", codec=codec)
    assert probe(source).rotation == probe(report.path).rotation == rotation


@pytest.mark.parametrize(
    ("codec", "suffix"), [("h264", ".mkv"), ("hevc", ".mp4"), ("av1", ".mp4"), ("vp9", ".mp4"), ("prores", ".mov")]
)
def test_the_shape_of_pixels_is_kept(codec: str, suffix: str, tmp_path: Path) -> None:
    source = media_made.awkward("wide_pixels", tmp_path)
    assert probe(write(source, tmp_path / f"result{suffix}", codec=codec).path).sar == Fraction(16, 15)


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mkv"), ("ffv1", ".mkv"), ("prores", ".mov")])
def test_fields_stay_flagged(order: str, codec: str, suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", frames=3, interlaced=order)
    report = write(source, tmp_path / f"result{suffix}", codec=codec)
    assert source_facts(probe(source)).interlaced == source_facts(probe(report.path)).interlaced == order


def test_hdr_mastering_data_is_carried_or_its_loss_noted(tmp_path: Path) -> None:
    source = media_made.clip(
        tmp_path / "hdr.mkv",
        codec="libx265",
        pix_fmt="yuv420p10le",
        frames=3,
        options={"x265-params": f"log-level=none:{HDR}"},
    )
    facts = source_facts(probe(source))
    assert facts.mastering is not None
    assert facts.mastering.luminance == (Fraction(1, 200), Fraction(1000))
    assert facts.light == (1000, 400)
    for codec in ("hevc", "h264", "av1"):
        found = source_facts(probe(write(source, tmp_path / f"{codec}.mkv", codec=codec).path))
        assert found.light == facts.light
        assert found.mastering is not None
        pairs = zip(numbers(found.mastering), numbers(facts.mastering), strict=True)
        assert all(abs(a - b) < Fraction(1, 5000) for a, b in pairs)
    report = write(source, tmp_path / "result.mkv", codec="ffv1")
    assert sum("HDR" in note for note in report.notes) == 2


def numbers(mastering: Any) -> list[Fraction]:
    return [*itertools.chain(*mastering.primaries), *mastering.white, *mastering.luminance]


def test_hevc_in_mp4_has_the_name_that_every_player_takes(tmp_path: Path) -> None:
    source = media_made.awkward("two_frames", tmp_path)
    with av.open(str(write(source, tmp_path / "result.mp4", codec="hevc").path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def labelled(folder: Path) -> Path:
    """A MOV with a time code, titles, handlers, languages and a second sound that is the default."""
    plain = media_made.clip(folder / "plain.mov", codec="libx264", frames=12, rate=Fraction(25), audio_tracks=2)
    path = folder / "labelled.mov"
    with av.open(str(plain)) as source, av.open(str(path), "w") as result:
        copies: list[Any] = [result.add_stream_from_template(s, opaque=True) for s in source.streams]
        copies[0].metadata.update({"timecode": "01:02:03:04", "handler_name": "Camera A", "language": "eng"})
        copies[1].metadata.update({"handler_name": "Director", "language": "fra", "title": "Commentary"})
        copies[1].disposition = 0
        copies[2].metadata.update({"language": "deu"})
        copies[2].disposition = Disposition.default
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                result.mux(packet)
    return path


def labels(path: Path) -> list[tuple[Any, ...]]:
    """What a file says of each stream; data streams aside, whose words repeat the video's."""
    names = ("language", "handler_name", "timecode")
    with av.open(str(path)) as container:
        return [
            (
                s.type,
                s.disposition,
                s.metadata.get("name", s.metadata.get("title")),
                *({k.lower(): v for k, v in s.metadata.items()}.get(n) for n in names),
            )
            for s in container.streams
            if s.type != "data"
        ]


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_what_is_said_of_each_stream_is_kept(suffix: str, tmp_path: Path) -> None:
    source = labelled(tmp_path)
    report = write(source, tmp_path / f"result{suffix}")
    before, after = labels(source), labels(report.path)
    assert before[0][3:] == ("eng", "Camera A", "01:02:03:04")
    assert [row[2] for row in before] == [None, "Commentary", None]
    for old, new in zip(before, after, strict=True):
        assert new[:2] == old[:2]
        assert all(b == a or (a, b) in ((None, "und"), ("und", None)) for a, b in zip(old[2:], new[2:], strict=True))
    assert report.notes == ()
    if suffix != ".mkv":
        with av.open(str(report.path)) as container:  # the track of the time code itself, written anew
            assert [s.metadata["timecode"] for s in container.streams if s.type == "data"] == ["01:02:03:04"]


@pytest.mark.parametrize(("codec", "suffix"), [("hevc", ".mkv"), ("hevc", ".mp4"), ("h264", ".mp4"), ("ffv1", ".mkv")])
def test_hlg_is_carried(codec: str, suffix: str, tmp_path: Path) -> None:
    hlg = ColorTags(9, 18, 9, False, 3)
    options = media_made.SILENT["libx265"]
    source = media_made.clip(
        tmp_path / "hlg.mkv", codec="libx265", frames=2, pix_fmt="yuv420p10le", color=hlg, options=options
    )
    report = write(source, tmp_path / f"result{suffix}", codec=codec)
    assert probe(report.path).color == probe(source).color == hlg
    assert report.notes == ()
