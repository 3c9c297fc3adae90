"""Every time comes back: odd rates, gaps, late and trimmed beginnings, very long and very fine ticks."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import media_made
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.probe import probe
from vidinternal.stages.decode import check_order

X264: dict[str, Any] = {"codec": "libx264", "options": {"qp": "0", "preset": "ultrafast"}}
B_FRAMES: dict[str, Any] = {"codec": "libx264", "options": {"qp": "0", "bf": "2", "b-adapt": "0", "g": "6"}}
HOUR = 90000 * 3600
CLIPS: dict[str, dict[str, Any]] = {
    "film.mp4": {"rate": Fraction(24000, 1001), **B_FRAMES},
    "ntsc.mp4": {"rate": Fraction(30000, 1001), **B_FRAMES},
    "fast.mov": {"rate": Fraction(60000, 1001), **X264},
    "broadcast.mp4": {"rate": Fraction(24000, 1001), "time_base": Fraction(1, 90000), **B_FRAMES},
    "gaps.mp4": {"pts": (0, 1, 2, 50, 51, 5000), "time_base": Fraction(1, 25), **X264},
    "prime.mp4": {"pts": [k * 33366700 for k in range(6)], "time_base": Fraction(1, 1000000007), **X264},
    "uneven.mp4": {"pts": (7, 1000003, 2000005, 2000006, 3999999), "time_base": Fraction(1, 10**7), **X264},
    "trimmed.mp4": {"pts": range(-2002, 4004, 1001), "time_base": Fraction(1, 24000), **B_FRAMES},
    "late.mov": {"pts": [HOUR + 3003 * k for k in range(6)], "time_base": Fraction(1, 90000), **X264},
    "rounded.mkv": {"pts": (0, 42, 83, 125, 167, 209), "time_base": Fraction(1, 1000)},
}


def made(folder: Path, name: str, **changes: Any) -> Path:
    known = {"size": (32, 32), "frames": 8, **CLIPS[name], **changes}
    if "pts" in known:
        known["frames"] = len(known["pts"])
    return media_made.clip(folder / name, **known)


def write(source: Path, destination: Path) -> EncodeReport:
    info = probe(source)
    return encode(info, ClipReader(info).frames(), destination, EncodeSettings(codec="h264", lossless=True))


def seconds(path: Path) -> list[Fraction]:
    info = probe(path)
    return [t * info.time_base for t in ClipReader(info).pts]


def pictures(path: Path) -> np.ndarray:
    return np.stack([f.planes[0] for f in ClipReader(probe(path)).frames()])


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("name", CLIPS)
def test_mp4_and_mov_keep_every_time_exactly(name: str, suffix: str, tmp_path: Path) -> None:
    source = made(tmp_path, name)
    report = write(source, tmp_path / f"result{suffix}")
    assert seconds(report.path) == seconds(source)
    assert report.pts_exact
    np.testing.assert_array_equal(pictures(report.path), pictures(source))


@pytest.mark.parametrize("name", [n for n in CLIPS if n != "uneven.mp4"])
def test_matroska_rounds_to_its_milliseconds_and_says_so(name: str, tmp_path: Path) -> None:
    source = made(tmp_path, name)
    report = write(source, tmp_path / "result.mkv")
    before, after = seconds(source), seconds(report.path)
    assert len(before) == len(after)
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= Fraction(1, 2000)
    assert report.pts_exact == (before == after)
    assert any("rounded" in note for note in report.notes) != report.pts_exact
    np.testing.assert_array_equal(pictures(report.path), pictures(source))


def test_what_a_player_leaves_out_at_the_beginning_stays_out(tmp_path: Path) -> None:
    """An edit list hides the pictures before time 0; they are needed to decode, not to be seen."""
    source = made(tmp_path, "trimmed.mp4")
    assert seconds(source) == [Fraction(t, 24000) for t in range(0, 4004, 1001)]


def test_times_that_matroska_would_merge_are_refused(tmp_path: Path) -> None:
    source = made(tmp_path, "uneven.mp4")
    with pytest.raises(MediaError, match=r"(?s)frame 3.*ticks of 1/1000 s.*\.mp4 or \.mov"):
        write(source, tmp_path / "result.mkv")


def sound(path: Path, index: int = 1) -> tuple[np.ndarray, Fraction]:
    """Decoded samples, and when the first one is heard in seconds from the first picture shown."""
    with av.open(str(path)) as container:
        stream = container.streams[index]
        frames = [f for f in container.decode(stream) if isinstance(f, av.AudioFrame)]
        start = (frames[0].pts or 0) * Fraction(frames[0].time_base or 1)
    return np.concatenate([f.to_ndarray() for f in frames], axis=1), start - seconds(path)[0]


@pytest.mark.parametrize("name", ["film.mp4", "fast.mov", "broadcast.mp4", "trimmed.mp4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_sound_stays_in_step_to_the_sample(name: str, suffix: str, tmp_path: Path) -> None:
    source = made(tmp_path, name, audio_tracks=2)
    report = write(source, tmp_path / f"result{suffix}")
    for track in (1, 2):
        before, after = sound(source, track), sound(report.path, track)
        np.testing.assert_array_equal(after[0], before[0])
        assert after[1] == before[1]
        assert media_made.packets(report.path)[track] == media_made.packets(source)[track]


def test_sound_in_matroska_is_the_same_to_the_millisecond(tmp_path: Path) -> None:
    source = media_made.clip(
        tmp_path / "a.mkv", audio_tracks=1, frames=12, pts=range(500, 1001, 42)[:12], time_base=Fraction(1, 1000)
    )
    report = write(source, tmp_path / "result.mkv")
    before, after = sound(source), sound(report.path)
    np.testing.assert_array_equal(after[0], before[0])
    assert after[1] == before[1]


def twins(path: Path) -> Path:
    """A clip whose second and third pictures have the same time."""
    plain = media_made.clip(path.with_name("plain.mkv"), frames=4, size=(32, 32), rate=Fraction(25))
    with av.open(str(plain)) as source, av.open(str(path), "w") as result:
        copy = result.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.pts = packet.dts = {0: 0, 40: 40, 80: 40, 120: 120}[packet.pts or 0]
                packet.stream = copy
                result.mux(packet)
    return path


def test_two_pictures_at_one_time_are_refused_before_any_work(tmp_path: Path) -> None:
    info = probe(twins(tmp_path / "twins.mkv"))
    assert ClipReader(info).pts == (0, 40, 40, 120)
    with pytest.raises(MediaError, match=r"(?s)frame 2 is shown at the same time.*pts 40 and 40.*fps_mode vfr"):
        check_order(info)
    check_order(probe(media_made.awkward("vfr", tmp_path)))


@pytest.mark.parametrize("copies", [1, 5])
def test_a_picture_shown_again_is_a_picture(copies: int, tmp_path: Path) -> None:
    recipe = media_made.Recipe("a.mkv", size=(32, 32), frames=2 + copies)
    frames = media_made.pictures(recipe)
    frames = [replace(f, planes=frames[min(f.index, 1)].planes) for f in frames]
    source = media_made.make(recipe, tmp_path, frames)
    report = write(source, tmp_path / "result.mp4")
    assert seconds(report.path) == seconds(source)
    np.testing.assert_array_equal(pictures(report.path), pictures(source))
