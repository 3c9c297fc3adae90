"""A subtitle track that the source does not have: added, found again, and everything else as it was."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition

from tests.media_made import Recipe, make
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.core.srt import Cue
from vidinternal.media.codecs import EncodeSettings, choose
from vidinternal.media.containers import container_name
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.probe import probe
from vidinternal.media.rehearsal import rehearse
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.soft_subs import SoftTrack, language_code, soft_codec
from vidinternal.media.verify import Limit, verify

CUES = (
    Cue(Fraction(1, 24), Fraction(4, 24), "Grüße,\naus Ulm"),
    Cue(Fraction(6, 24), Fraction(11, 24), "Привет 你好 مرحبا"),
)
TRACK = SoftTrack(CUES, "deu")
H264 = {"preset": "ultrafast", "g": "4"}


def written(
    source: ClipInfo, path: Path, track: SoftTrack | None, touched: frozenset[int] = frozenset()
) -> EncodeReport:
    edited = Edited(ClipReader(source).frames, touched, soft=track)
    return encode(source, edited, path, EncodeSettings(codec="auto"))


def packets(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[-1]
        found = []
        for packet in container.demux(stream):
            data = bytes(packet)
            data = data[2:] if stream.codec_context.name == "mov_text" else data
            if packet.size and data and packet.pts is not None:
                tick = Fraction(packet.time_base)
                found.append((packet.pts * tick, (packet.pts + (packet.duration or 0)) * tick, data.decode()))
        return found


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("subtitles", [0, 1])
def test_every_text_is_there_at_its_time_and_all_else_is_kept(suffix: str, subtitles: int, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    options = {"deadline": "realtime", "cpu-used": "8"} if suffix == ".webm" else H264
    recipe = Recipe("s" + suffix, codec=codec, options=options, audio_tracks=1, subtitles=subtitles)
    source = probe(make(recipe, tmp_path))
    result = tmp_path / f"r{suffix}"
    written(source, result, TRACK)
    ms = Fraction(1, 1000)
    for got, cue in zip(packets(result), CUES, strict=True):
        assert abs(got[0] - cue.start) <= ms
        assert abs(got[1] - cue.end) <= ms
        assert got[2] == cue.text
    found = verify(result, source, limit=Limit(least_psnr=30.0, soft=TRACK))
    assert found.ok, found.text()
    assert any(item.name == "added subtitles" for item in found.items)
    with av.open(str(result)) as container:
        texts = container.streams.subtitles
        assert len(texts) == subtitles + 1
        assert texts[-1].metadata["language"] in ("deu", "ger")
        assert bool(texts[-1].disposition & Disposition.default) == (not subtitles)


def test_the_promise_notices_another_text_time_or_language(tmp_path: Path) -> None:
    source = probe(make(Recipe("s.mkv", codec="libx264", options=H264), tmp_path))
    result = tmp_path / "r.mkv"
    written(source, result, TRACK)
    later = Cue(CUES[1].start + Fraction(1, 10), CUES[1].end, CUES[1].text)
    said = Cue(CUES[0].start, CUES[0].end, "something else")
    for other in (
        SoftTrack(CUES[:1], "deu"),
        SoftTrack(CUES, "fra"),
        SoftTrack((CUES[0], later), "deu"),
        SoftTrack((said, CUES[1]), "deu"),
    ):
        assert [i.name for i in verify(result, source, limit=Limit(soft=other)).mismatches] == ["added subtitles"]
    assert not verify(result, source).ok  # a track that nobody promised
    plain = tmp_path / "plain.mkv"
    written(source, plain, None)
    assert "no subtitle track" in verify(plain, source, limit=Limit(soft=TRACK)).line()


def test_a_damaged_copy_is_noticed_beside_an_added_track(tmp_path: Path) -> None:
    source = probe(make(Recipe("s.mkv", codec="libx264", options=H264, audio_tracks=1, subtitles=1), tmp_path))
    other = probe(make(Recipe("o.mkv", codec="libx264", options=H264, audio_tracks=1), tmp_path))
    result = tmp_path / "r.mkv"
    written(other, result, TRACK)
    assert {i.name for i in verify(result, source, limit=Limit(soft=TRACK)).mismatches} >= {"subtitle 0: codec"}


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    recipe = Recipe(
        "s.mkv", codec="libx264", options=H264, time_base=Fraction(1, 1000), pts=[5000 + 40 * i for i in range(12)]
    )
    source = probe(make(recipe, tmp_path))
    result = tmp_path / "r.mkv"
    written(source, result, TRACK)
    assert abs(packets(result)[0][0] - (5 + CUES[0].start)) <= Fraction(1, 1000)
    assert verify(result, source, limit=Limit(soft=TRACK)).ok


def test_the_track_stands_beside_pictures_that_are_encoded_too(tmp_path: Path) -> None:
    source = probe(make(Recipe("s.mp4", codec="libx264", options=H264), tmp_path))
    report = written(source, tmp_path / "r.mp4", TRACK, frozenset({5}))
    assert report.smart.gops_copied
    assert [text for _, _, text in packets(tmp_path / "r.mp4")] == [c.text for c in CUES]


def test_a_rehearsal_with_the_track_loses_nothing(tmp_path: Path) -> None:
    source = probe(make(Recipe("s.mkv", codec="libx264", options=H264, subtitles=1), tmp_path))
    plan = choose(EncodeSettings(codec="auto"), source, tmp_path / "r.mkv")
    plan = type(plan)(**{**plan.__dict__, "soft": SoftTrack((), "deu")})
    assert rehearse(source, plan, ".mkv").names == ()


@pytest.mark.parametrize("suffix", [".avi", ".ts"])
def test_containers_without_text_are_refused(suffix: str) -> None:
    path = Path(f"r{suffix}")
    with pytest.raises(MediaError, match="a container with text tracks") as refused:
        soft_codec(container_name(path), path)
    assert "r.mkv" in refused.value.message


@pytest.mark.parametrize(
    ("given", "code"), [("en", "eng"), ("eng", "eng"), ("pt-BR", "por"), ("ZH", "zho"), ("gsw", "gsw")]
)
def test_languages_are_taken_as_people_write_them(given: str, code: str) -> None:
    assert language_code(given) == code


@pytest.mark.parametrize("given", ["", "english", "e", "xx", "12", "../x"])
def test_what_is_no_language_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--language"):
        language_code(given)
