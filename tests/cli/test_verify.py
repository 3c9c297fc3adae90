"""``vidinternal verify``: a table or JSON, and an exit code that can be relied on."""

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner, Result

from tests import media_made
from vidinternal.cli.main import app
from vidinternal.core.errors import UserError
from vidinternal.core.srt import Cue
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.soft_subs import SoftTrack

REGION = "20,12,16,10"


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A source, and a result whose samples differ under ``REGION`` and two pixels around it."""
    source = media_made.clip(tmp_path / "clip.mkv", frames=4, audio_tracks=1)
    frames: list[NativeFrame] = []
    for native in ClipReader(probe(source)).frames():
        planes = [p.copy() for p in native.planes]
        planes[0][10:24, 18:38] ^= 1
        frames.append(NativeFrame(tuple(planes), native.pts, native.duration, native.index))
    times = [f.pts for f in frames]
    recipe = media_made.Recipe("result.mkv", frames=4, audio_tracks=1, pts=times, time_base=Fraction(1, 1000))
    return media_made.make(recipe, tmp_path, frames), source


def test_nothing_may_change_where_no_mask_was_named(pair: tuple[Path, Path]) -> None:
    done = verify(*pair)
    assert done.exit_code == 1
    assert "MISMATCH" in done.output
    assert "FAILED" in done.output
    assert verify(pair[1], pair[1]).exit_code == 0


def test_the_mask_is_what_is_named_and_grown(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert verify(*pair, "--region", REGION).exit_code == 1
    done = verify(*pair, "--region", REGION, "--dilate", "3")
    assert done.exit_code == 0, done.output
    assert "verified: 4 frames, every time equal, 1 audio track packet for packet, 0 samples changed" in done.output
    timed = verify(*pair, "--region", f"{REGION}@0-3", "--dilate", "3", "--json")
    assert timed.exit_code == 1
    assert json.loads(timed.output)["outside"]["worst_frame"] == 3
    white = media_made.clip(tmp_path / "white.mkv", frames=4, pix_fmt="gray")
    media_made.rewrite(probe(white), tmp_path / "mask.mkv", lambda plane, *_: plane * 0 + 255)
    assert verify(*pair, "--mask", tmp_path / "mask.mkv").exit_code == 0


def test_least_psnr_and_lossless_set_the_limit(pair: tuple[Path, Path]) -> None:
    assert verify(*pair, "--least-psnr", "45").exit_code == 0
    assert verify(*pair, "--lossless", "--json").exit_code == 1
    both = verify(*pair, "--lossless", "--least-psnr", "45")
    assert isinstance(both.exception, UserError)
    assert both.exception.exit_code == 2


def test_what_cannot_be_checked_is_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert verify(tmp_path / "none.mkv", pair[1]).exit_code == 2
    outside = verify(*pair, "--region", "60,40,50,50")
    assert isinstance(outside.exception, UserError)
    assert outside.exception.exit_code == 2
    broken = tmp_path / "broken.mkv"
    broken.write_text("no film")
    unreadable = verify(broken, pair[1])
    assert isinstance(unreadable.exception, UserError)
    assert unreadable.exception.exit_code == 1


def with_track(source: Path, result: Path, *texts: str, language: str = "deu") -> Path:
    """A copy of a clip with a track of texts that it does not have."""
    cues = tuple(Cue(Fraction(k, 24), Fraction(k + 1, 24), text) for k, text in enumerate(texts))
    info = probe(source)
    frames = Edited(ClipReader(info).frames, frozenset(), soft=SoftTrack(cues, language) if texts else None)
    encode(info, frames, result, EncodeSettings(codec="auto"))
    return result


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("subtitles", [0, 1])
def test_the_track_that_soft_subs_added_is_expected_when_that_is_said(
    suffix: str, subtitles: int, tmp_path: Path
) -> None:
    options = {"preset": "ultrafast", "g": "4"}
    recipe = media_made.Recipe("s" + suffix, codec="libx264", options=options, audio_tracks=1, subtitles=subtitles)
    source = media_made.make(recipe, tmp_path)
    result = with_track(source, tmp_path / f"r{suffix}", "Grüße", "aus Ulm")
    silent = verify(result, source)
    assert silent.exit_code == 1
    assert "if --soft-subs added one: verify --soft-subs" in silent.output
    said = verify(result, source, "--soft-subs")
    assert said.exit_code == 0, said.output
    assert "one text track more than the source" in said.output
    assert "1 subtitle track packet for packet" in said.output or not subtitles
    # nothing was added: the source's own track is not taken for it
    plain = with_track(source, tmp_path / f"plain{suffix}")
    assert "--soft-subs" not in verify(plain, source).output
    missing = verify(plain, source, "--soft-subs", "--json")
    assert missing.exit_code == 1
    (line,) = json.loads(missing.output)["mismatches"]
    assert line.endswith("expected one text track more than the source, got no subtitle track more than the source")


def test_two_tracks_more_are_not_what_soft_subs_added(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "s.mkv", codec="libx264", options={"preset": "ultrafast"})
    once = with_track(source, tmp_path / "once.mkv", "a")
    twice = with_track(once, tmp_path / "twice.mkv", "b")
    assert verify(twice, once, "--soft-subs").exit_code == 0
    done = verify(twice, source, "--soft-subs")
    assert done.exit_code == 1
    assert "2 subtitle tracks more than the source" in done.output
    fewer = verify(source, once, "--soft-subs")
    assert fewer.exit_code == 1
    assert "1 subtitle track fewer than the source" in fewer.output


def test_a_track_that_is_added_hides_no_other_difference(tmp_path: Path) -> None:
    options = {"preset": "ultrafast"}
    source = media_made.clip(tmp_path / "s.mkv", codec="libx264", options=options, audio_tracks=1)
    other = media_made.clip(tmp_path / "o.mkv", codec="libx264", options=options)
    done = verify(with_track(other, tmp_path / "r.mkv", "a"), source, "--soft-subs")
    assert done.exit_code == 1
    assert "audio 0" in done.output


def with_other_track(source: Path, result: Path, codec: str, text: bytes) -> Path:
    """The packets of a clip, and one packet of a subtitle track made some other way."""
    with av.open(str(source)) as old, av.open(str(result), "w") as new:
        video = new.add_stream_from_template(old.streams.video[0])
        track = new.add_mux_stream(codec, time_base=Fraction(1, 1000))
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = video
                new.mux(packet)
        said = av.Packet(text)
        said.pts, said.dts, said.duration, said.time_base, said.stream = 0, 0, 40, Fraction(1, 1000), track
        new.mux(said)
    return result


@pytest.mark.parametrize(
    ("codec", "text", "told"),
    [("ass", b"0,0,Default,,0,0,0,,a", "of ass, which is not how"), ("subrip", b"", "without a text")],
)
def test_a_track_of_another_kind_is_not_what_soft_subs_added(
    codec: str, text: bytes, told: str, tmp_path: Path
) -> None:
    source = media_made.clip(tmp_path / "s.mkv", codec="libx264", options={"preset": "ultrafast"})
    done = verify(with_other_track(source, tmp_path / "r.mkv", codec, text), source, "--soft-subs")
    assert done.exit_code == 1
    assert told in done.output
