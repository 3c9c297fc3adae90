"""What is written is what was given, samples and times; or nothing is written at all."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import media_made
from vidinternal.core import durable
from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.core.errors import IntegrityError, MediaError, UsageError
from vidinternal.media import encode as encode_module
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.fit_planes import fit_planes
from vidinternal.media.picture import NativeFrame, PictureFormat, picture_format
from vidinternal.media.probe import frame_pts, probe

BT709 = ColorTags(1, 1, 1, False, 1)


def write(source: Path | ClipInfo, destination: Path, frames: Any = None, **settings: Any) -> EncodeReport:
    info = probe(source) if isinstance(source, Path) else source
    frames = ClipReader(info).frames() if frames is None else frames
    return encode(info, frames, destination, EncodeSettings.model_validate(settings))


def by_role(path: Path) -> list[dict[str, np.ndarray]]:
    info = probe(path)
    roles = [p.role for p in picture_format(info.pix_fmt).planes]
    return [dict(zip(roles, f.planes, strict=True)) for f in ClipReader(info).frames()]


def seconds(path: Path) -> list[Fraction]:
    info = probe(path)
    return [pts * info.time_base for pts in frame_pts(info)]


# --- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray", "bgr0", "gbrp10le"])
@pytest.mark.parametrize(
    ("codec", "suffix"), [("ffv1", ".mkv"), ("h264", ".mp4"), ("hevc", ".mkv"), ("av1", ".mp4"), ("vp9", ".webm")]
)
def test_lossless_keeps_every_sample_and_time(codec: str, suffix: str, pix_fmt: str, tmp_path: Path) -> None:
    rounded = {"time_base": Fraction(1, 1000)}
    source = media_made.clip(tmp_path / "clip.mkv", pix_fmt=pix_fmt, frames=5, color=BT709, **rounded)
    try:
        report = write(source, tmp_path / f"result{suffix}", codec=codec, lossless=True)
    except MediaError as error:
        # only what this encoder has no layout for
        assert (codec, pix_fmt) in {
            *itertools.product(["av1"], ["yuv422p", "yuv444p", "bgr0", "gbrp10le"]),
            *itertools.product(["vp9"], ["yuv420p10le", "gbrp10le"]),
            ("h264", "gbrp10le"),
        }, error
        return
    assert (report.frames, report.pts_exact, report.crf) == (5, True, None)
    assert seconds(report.path) == seconds(source)
    for before, after in zip(by_role(source), by_role(report.path), strict=True):
        assert all(np.array_equal(plane, after[role]) for role, plane in before.items())


@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mp4"), ("hevc", ".mp4"), ("av1", ".mp4"), ("vp9", ".webm")])
def test_the_default_quality_is_transparent(codec: str, suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", size=(96, 64), color=BT709)
    report = write(source, tmp_path / f"result{suffix}", codec=codec)
    errors = [a["y"].astype(float) - b["y"] for a, b in zip(by_role(source), by_role(report.path), strict=True)]
    assert 10 * np.log10(255**2 / np.mean(np.square(errors))) > 40
    coarse = write(source, tmp_path / f"coarse{suffix}", codec=codec, crf=45)
    assert coarse.bytes < report.bytes


def test_prores_holds_deeper_samples(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", size=(96, 64), frames=3, color=BT709, smooth=True)
    report = write(source, tmp_path / "result.mov", codec="prores")
    assert report.pix_fmt == "yuv422p10le"
    error = by_role(source)[1]["y"].astype(float) - by_role(report.path)[1]["y"] / 4
    assert np.abs(error).mean() < 1
    assert probe(report.path).color == replace(BT709, chroma_location=probe(report.path).color.chroma_location)


PAIRS = [
    *(("yuv420p", "yuv422p10le"), ("yuv420p", "yuv444p"), ("yuv410p", "yuv444p"), ("yuv411p", "yuv422p")),
    *(("gray", "yuv420p"), ("gray10le", "yuv420p12le"), ("bgr0", "gbrp10le"), ("rgba", "gbrap16le")),
    *(("ya8", "yuva420p"), ("nv12", "yuv420p"), ("yuv440p", "yuv444p10le")),
]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("narrow", "wide"), PAIRS)
def test_every_sample_can_be_found_again_in_a_wider_layout(narrow: str, wide: str, full_range: bool) -> None:
    source, target = picture_format(narrow), picture_format(wide)
    rng = np.random.default_rng(3)
    planes = tuple(
        rng.integers(0, 1 << source.depth, (-(-10 >> p.y_shift), -(-13 >> p.x_shift))).astype(
            np.uint8 if source.depth == 8 else np.uint16
        )
        for p in source.planes
    )
    fitted = fit_planes(planes, source, target, full_range)
    found = dict(zip((p.role for p in target.planes), zip(target.planes, fitted, strict=True), strict=True))
    for own, plane in zip(source.planes, planes, strict=True):
        layout, wider = found[own.role]
        picked = wider[:: 1 << (own.y_shift - layout.y_shift), :: 1 << (own.x_shift - layout.x_shift)]
        assert np.array_equal(narrowed(picked, source, target, own.role, full_range), plane)
    for layout, wider in found.values():
        assert wider.shape == (-(-10 >> layout.y_shift), -(-13 >> layout.x_shift))
        assert wider.max() < 1 << target.depth


def narrowed(
    plane: np.ndarray, source: PictureFormat, target: PictureFormat, role: str, full_range: bool
) -> np.ndarray:
    """The inverse of the deepening: by ratio of the peaks for full range, by shift for limited range."""
    chroma = role in "uv"
    if source.family == "rgb" or role == "a" or full_range:
        ratio = ((1 << source.depth) - 1) / ((1 << target.depth) - 1)
        zero = (1 << (source.depth - 1), 1 << (target.depth - 1)) if chroma else (0, 0)
        back = np.round((plane.astype(float) - zero[1]) * ratio) + zero[0]
        return np.clip(back, 0, (1 << source.depth) - 1)
    return plane >> (target.depth - source.depth)


def test_grey_gets_neutral_chroma_and_full_range_stretches_to_the_peak() -> None:
    grey, target = picture_format("gray"), picture_format("yuv420p10le")
    luma, u, v = fit_planes((np.array([[0, 255]], np.uint8),), grey, target, True)
    assert luma.tolist() == [[0, 1023]]
    assert (u.tolist(), v.tolist()) == ([[512]], [[512]])
    limited = fit_planes((np.array([[16, 235]], np.uint8),), grey, target, False)
    assert limited[0].tolist() == [[64, 940]]


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vfr", "vfr_fine", "start_late", "negative_start", "b_frames", "one_frame"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_every_time_is_kept(name: str, codec: str, tmp_path: Path) -> None:
    source = media_made.awkward(name, tmp_path)
    report = write(source, tmp_path / f"result{source.suffix}", codec=codec)
    assert report.pts_exact
    assert seconds(report.path) == seconds(source)
    assert probe(report.path).time_base == probe(source).time_base


@pytest.mark.parametrize("codec", ["av1", "vp9"])
def test_encoders_that_hide_pictures_keep_times_too(codec: str, tmp_path: Path) -> None:
    source = media_made.awkward("start_late", tmp_path)
    assert seconds(write(source, tmp_path / "result.mp4", codec=codec).path) == seconds(source)


def test_very_fast_clips_keep_their_times_in_av1(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "fast.mkv", rate=Fraction(500), frames=6)
    assert seconds(write(source, tmp_path / "result.mp4", codec="av1").path) == seconds(source)


def test_durations_are_kept_in_mp4(tmp_path: Path) -> None:
    source = media_made.awkward("vfr_fine", tmp_path)
    report = write(source, tmp_path / "result.mp4")
    last = [[f.duration for f in ClipReader(probe(p)).frames()][-1] for p in (source, report.path)]
    assert last[0] == last[1] > 0


def test_matroska_rounds_and_says_so(tmp_path: Path) -> None:
    source = media_made.awkward("start_late", tmp_path)
    report = write(source, tmp_path / "result.mkv", codec="ffv1")
    assert not report.pts_exact
    assert any("rounded" in note for note in report.notes)
    pairs = zip(seconds(source), seconds(report.path), strict=True)
    assert all(abs(a - b) <= Fraction(1, 2000) for a, b in pairs)


def test_times_that_rounding_would_merge_are_refused(tmp_path: Path) -> None:
    source = media_made.awkward("vfr_fine", tmp_path)
    with pytest.raises(MediaError, match="frame 3") as caught:
        write(source, tmp_path / "result.mkv", codec="ffv1")
    assert ".mp4" in caught.value.hint
    assert list(tmp_path.iterdir()) == [source]


def test_avi_holds_a_constant_rate(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.avi")
    report = write(source, tmp_path / "result.avi", codec="ffv1")
    assert (report.pts_exact, seconds(report.path)) == (True, seconds(source))


# --- all or nothing --------------------------------------------------------------------------------------------------


class Cut(Exception):
    """Someone pulled the plug."""


def breaking(frames: Iterator[NativeFrame], error: BaseException) -> Iterator[NativeFrame]:
    yield from itertools.islice(frames, 5)
    raise error


@pytest.mark.parametrize("error", [Cut(), KeyboardInterrupt(), OSError("disk of the pictures")])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_failure_leaves_the_destination_as_it_was(error: BaseException, suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", frames=8, audio_tracks=0)
    destination = tmp_path / f"result{suffix}"
    destination.write_bytes(b"what was there before")
    with pytest.raises(type(error)) as caught:
        write(source, destination, breaking(ClipReader(probe(source)).frames(), error))
    assert caught.value is error
    assert destination.read_bytes() == b"what was there before"
    assert sorted(tmp_path.iterdir()) == sorted([source, destination])


def test_while_writing_only_a_hidden_file_grows(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", frames=8)
    seen: list[set[str]] = []

    def watched(frames: Iterator[NativeFrame]) -> Iterator[NativeFrame]:
        for frame in frames:
            seen.append({p.name for p in tmp_path.iterdir()} - {"clip.mkv"})
            yield frame

    write(source, tmp_path / "result.mkv", watched(ClipReader(probe(source)).frames()))
    names = set[str]().union(*seen)
    assert len(names) == 1
    name = names.pop()
    assert name.startswith(".result.")
    assert name.endswith(".part.mkv")
    assert {p.name for p in tmp_path.iterdir()} == {"clip.mkv", "result.mkv"}


def test_the_source_itself_can_be_replaced(tmp_path: Path) -> None:
    source = media_made.awkward("two_audio", tmp_path)
    times, sound = seconds(source), media_made.packets(source)[1]
    write(source, source)
    assert (seconds(source), media_made.packets(source)[1]) == (times, sound)


def test_a_file_that_does_not_read_back_right_never_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = media_made.awkward("vfr", tmp_path)
    honest = encode_module.read_back

    def one_lost(part: Path) -> tuple[list[Fraction], list[Fraction]]:
        times, starts = honest(part)
        return times[:4] + times[5:], starts

    monkeypatch.setattr(encode_module, "read_back", one_lost)
    with pytest.raises(IntegrityError, match="frame 4"):
        write(source, tmp_path / "result.mkv")
    assert list(tmp_path.iterdir()) == [source]


def test_a_full_disk_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = media_made.awkward("two_frames", tmp_path)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(MediaError, match="No space left"):
        write(source, tmp_path / "result.mkv")
    assert list(tmp_path.iterdir()) == [source]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_users(tmp_path: Path) -> None:
    source = media_made.awkward("two_frames", tmp_path)
    with pytest.raises(MediaError, match="cannot be written"):
        write(source, source / "inside" / "result.mkv")


def test_no_pictures_at_all_is_an_error(tmp_path: Path) -> None:
    source = media_made.awkward("two_frames", tmp_path)
    with pytest.raises(MediaError, match="at least one picture"):
        write(source, tmp_path / "result.mkv", ())
    assert list(tmp_path.iterdir()) == [source]


def test_times_must_increase(tmp_path: Path) -> None:
    source = media_made.awkward("two_frames", tmp_path)
    frames: Sequence[NativeFrame] = list(ClipReader(probe(source)).frames())
    with pytest.raises(MediaError, match="later time"):
        write(source, tmp_path / "result.mkv", reversed(frames))


def test_planes_of_another_layout_are_refused(tmp_path: Path) -> None:
    source = media_made.awkward("two_frames", tmp_path)
    wrong = [replace(f, planes=f.planes[:1]) for f in ClipReader(probe(source)).frames()]
    with pytest.raises((UsageError, ValueError)):
        write(source, tmp_path / "result.mkv", wrong)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", ".mkv"), ("h264", ".mkv"), ("h264", ".mp4"), ("vp9", ".webm")])
def test_the_same_pictures_make_the_same_bytes(codec: str, suffix: str, tmp_path: Path) -> None:
    source = media_made.awkward("vfr", tmp_path)
    one, two = (write(source, tmp_path / f"{name}{suffix}", codec=codec).path for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_progress_rises_to_one(tmp_path: Path) -> None:
    info = probe(media_made.awkward("no_audio", tmp_path))
    told: list[float] = []
    report = encode(
        info,
        ClipReader(info).frames(),
        tmp_path / "deep" / "er" / "result.mp4",
        EncodeSettings(),
        progress=lambda share, _text: told.append(share),
    )
    assert told == sorted(told)
    assert (len(told), told[-1]) == (12, 1.0)
    assert (report.bytes, report.codec, report.encoder) == (report.path.stat().st_size, "h264", "libx264")


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_clips_shorter_than_the_delay_of_the_encoder_are_written(frames: int, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", frames=frames)
    for round_ in range(2):  # x265 leaves chance numbers for decoding times
        report = write(source, tmp_path / f"{round_}.mp4", codec="hevc")
        assert seconds(report.path) == seconds(source)
        with av.open(str(report.path)) as container:
            packets = [p for p in container.demux(video=0) if p.dts is not None and p.pts is not None]
        assert all(p.pts - 20 * 512 <= p.dts <= p.pts for p in packets)  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
