"""The encoder, layout and container chosen never lose anything, and what cannot be written is refused before work."""

from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tests import media_made
from vidinternal.core.errors import ConfigError, MediaError
from vidinternal.media import codecs
from vidinternal.media.codecs import CodecName, EncoderPlan, EncodeSettings, available_encoders, choose
from vidinternal.media.picture import PictureFormat, picture_format
from vidinternal.media.probe import probe

CODECS = get_args(CodecName)
SUFFIX = {"h264": ".mp4", "hevc": ".mp4", "av1": ".mp4", "vp9": ".webm", "prores": ".mov", "ffv1": ".mkv"}
SUFFIX |= {"mpeg2video": ".mkv"}
LAYOUTS = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuv420p10le", "yuv422p10le", "yuv444p12le"),
    *("yuv420p16le", "gray", "gray10le", "gray16le", "ya8", "bgr0", "bgra", "gbrp10le", "gbrp16le", "yuva420p"),
)


def plan_for(path: Path, codec: str = "h264", suffix: str | None = None, **more: Any) -> EncoderPlan:
    settings = EncodeSettings.model_validate({"codec": codec, **more})
    return choose(settings, probe(path), path.with_name(f"result{suffix or SUFFIX[codec]}"))


def shifts(fmt: PictureFormat) -> dict[str, tuple[int, int]]:
    return {p.role: (p.x_shift, p.y_shift) for p in fmt.planes}


def loses_nothing(target: PictureFormat, source: PictureFormat) -> bool:
    fine, coarse = shifts(target), shifts(source)
    return target.depth >= source.depth and all(
        role in fine and fine[role][0] <= x and fine[role][1] <= y for role, (x, y) in coarse.items()
    )


@pytest.mark.parametrize("pix_fmt", LAYOUTS)
def test_no_codec_gets_fewer_bits_or_less_chroma_than_the_source_has(pix_fmt: str, tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", pix_fmt=pix_fmt, frames=1)
    source = picture_format(pix_fmt)
    taking, refusing = set[str](), dict[str, str]()
    for codec in CODECS:
        try:
            plan = plan_for(path, codec)
        except MediaError as error:
            refusing[codec] = error.hint
            continue
        taking.add(codec)
        target = picture_format(plan.pix_fmt)
        assert loses_nothing(target, source)
        assert target.family == source.family or (source.family, target.family) == ("gray", "yuv")
        changed = (target.depth, shifts(target)) != (source.depth, shifts(source))
        assert any(pix_fmt in note and plan.pix_fmt in note for note in plan.notes) == changed
    assert "ffv1" in taking
    for codec, hint in refusing.items():
        named = {name for name in CODECS if name in hint}
        assert named == taking, f"{codec} named {named}"


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_a_layout_the_encoder_has_is_kept(codec: str, pix_fmt: str, tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", pix_fmt=pix_fmt, frames=1)
    plan = plan_for(path, codec)
    assert (plan.pix_fmt, plan.notes) == (pix_fmt, ())


def test_an_odd_size_gets_whole_chroma_where_the_encoder_refuses_half(tmp_path: Path) -> None:
    path = media_made.awkward("odd_size", tmp_path)
    assert plan_for(path, "h264").pix_fmt == plan_for(path, "hevc").pix_fmt == "yuv444p"
    assert plan_for(path, "av1").pix_fmt == plan_for(path, "ffv1").pix_fmt == "yuv420p"
    narrow = media_made.clip(tmp_path / "narrow.mkv", pix_fmt="yuv422p", size=(64, 47), frames=1)
    assert plan_for(narrow, "h264").pix_fmt == "yuv422p"


def test_a_picture_too_small_for_the_encoder_is_refused_with_the_codecs_that_take_it(tmp_path: Path) -> None:
    thin = media_made.awkward("thin", tmp_path)
    for codec in ("hevc", "av1"):
        with pytest.raises(MediaError, match="256x2") as caught:
            plan_for(thin, codec)
        assert "h264" in caught.value.hint
        assert codec not in caught.value.hint


def test_quality_reaches_the_encoder(tmp_path: Path) -> None:
    path = media_made.awkward("two_frames", tmp_path)
    for codec in ("h264", "hevc", "av1", "vp9"):
        default, chosen = plan_for(path, codec), plan_for(path, codec, crf=30)
        assert default.options["crf"] == str(default.crf)
        assert (chosen.crf, chosen.options["crf"]) == (30, "30")
        lossless = plan_for(path, codec, lossless=True)
        assert lossless.lossless
        assert lossless.crf is None
        assert "crf" not in lossless.options
        assert not default.lossless
    assert plan_for(path, "ffv1").lossless
    assert plan_for(path, "h264", preset="veryslow").options["preset"] == "veryslow"
    assert plan_for(path, "vp9", preset="5").options["cpu-used"] == "5"


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"codec": "ffv1", "crf": 10}, "encode.crf"),
        ({"codec": "prores", "crf": 10}, "encode.crf"),
        ({"codec": "h264", "crf": 52}, "encode.crf"),
        ({"codec": "ffv1", "preset": "slow"}, "encode.preset"),
        ({"codec": "prores", "lossless": True}, "encode.lossless"),
    ],
)
def test_a_setting_foreign_to_the_codec_is_an_error(wrong: dict[str, Any], where: str, tmp_path: Path) -> None:
    path = media_made.awkward("one_frame", tmp_path)
    with pytest.raises(ConfigError, match=where):
        plan_for(path, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"codec": "mpeg4"}, {"crf": -1}, {"crf": 64}, {"lossless": True, "crf": 3}, {"q": 1}]
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EncodeSettings.model_validate(wrong)


def test_a_layout_of_ones_own_must_hold_the_source(tmp_path: Path) -> None:
    path = media_made.awkward("ten_bit", tmp_path)
    assert plan_for(path, "hevc", pix_fmt="yuv444p12le").pix_fmt == "yuv444p12le"
    with pytest.raises(MediaError, match="pix_fmt=yuv420p") as caught:
        plan_for(path, "hevc", pix_fmt="yuv420p")
    assert "yuv420p10le" in caught.value.expected


def test_a_build_without_the_encoder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = media_made.awkward("one_frame", tmp_path)
    monkeypatch.setattr(codecs, "_ENCODERS", {**codecs._ENCODERS, "h264": ("libno264",)})
    assert available_encoders()["h264"] == ()
    with pytest.raises(MediaError, match="no encoder for h264") as caught:
        plan_for(path, "h264")
    assert "ffv1" in caught.value.hint


def test_available_encoders_names_every_codec() -> None:
    found = available_encoders()
    assert set(found) == set(CODECS)
    assert found["ffv1"] == ("ffv1",)


@pytest.mark.parametrize(
    ("name", "codec", "suffix", "fit"),
    [
        ("no_audio", "h264", ".webm", {".mkv", ".mp4", ".mov", ".ts"}),
        ("no_audio", "ffv1", ".ts", {".mkv", ".mp4", ".avi"}),
        ("no_audio", "prores", ".mp4", {".mkv", ".mov"}),
        ("no_audio", "h264", ".avi", {".mkv", ".mp4", ".mov", ".ts"}),
        ("vfr", "ffv1", ".avi", {".mkv", ".mp4"}),
        ("many_streams", "h264", ".mp4", {".mkv"}),
        ("two_audio", "vp9", ".webm", {".mkv", ".mp4"}),
        ("negative_start", "h264", ".mkv", {".ts"}),
        ("negative_start", "h264", ".mp4", {".ts"}),
        ("rotated", "h264", ".ts", {".mkv", ".mp4", ".mov"}),
        ("wide_pixels", "ffv1", ".mkv", {".mp4"}),
        ("wide_pixels", "vp9", ".webm", {".mp4"}),
    ],
)
def test_a_container_that_would_lose_something_is_refused(
    name: str, codec: str, suffix: str, fit: set[str], tmp_path: Path
) -> None:
    path = media_made.awkward(name, tmp_path)
    with pytest.raises(MediaError) as caught:
        plan_for(path, codec, suffix)
    offered = {s for s in (".mkv", ".mp4", ".mov", ".webm", ".ts", ".avi") if s in caught.value.hint}
    assert offered == fit
    for other in offered:
        assert plan_for(path, codec, other).codec == codec
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("streams", "suffix", "named"),
    [
        ({"subtitles": 1}, ".mp4", "subtitle subrip"),
        ({"subtitles": 1}, ".ts", "subtitle subrip"),
        ({"attachment": True}, ".webm", "attachments"),
        ({"audio_tracks": 1}, ".webm", "audio pcm_s16le"),
    ],
)
def test_the_stream_in_the_way_is_named(streams: dict[str, Any], suffix: str, named: str, tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", frames=2, **streams)
    codec = "vp9" if suffix == ".webm" else "h264"
    with pytest.raises(MediaError, match=named) as caught:
        plan_for(path, codec, suffix)
    assert ".mkv" in caught.value.hint


def test_a_combination_that_no_container_holds_says_so(tmp_path: Path) -> None:
    path = media_made.awkward("negative_start", tmp_path)
    with pytest.raises(MediaError, match="no place for av1") as caught:
        plan_for(path, "av1", ".ts")
    assert "h264" in caught.value.hint


@pytest.mark.parametrize("name", ["clip.xyz", "clip"])
def test_an_unknown_suffix_is_refused(name: str, tmp_path: Path) -> None:
    path = media_made.awkward("one_frame", tmp_path)
    with pytest.raises(MediaError, match="ends in"):
        choose(EncodeSettings(), probe(path), tmp_path / name)


def test_untagged_grey_stays_full_range(tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "grey.mkv", pix_fmt="gray", frames=1)
    assert plan_for(path, "h264").full_range is True
    assert plan_for(path, "ffv1").full_range is None
    assert probe(path).rate == Fraction(24)


@pytest.mark.parametrize(
    ("codec", "preset"),
    [("h264", "bogus"), ("hevc", "6"), ("av1", "fast"), ("av1", "14"), ("vp9", "9"), ("mpeg2video", "fast")],
)
def test_a_speed_that_the_encoder_does_not_know_is_told_in_words(codec: str, preset: str, tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv"))
    with pytest.raises(ConfigError, match=r"encode\.preset") as caught:
        choose(EncodeSettings.model_validate({"codec": codec, "preset": preset}), info, tmp_path / "result.mkv")
    assert repr(preset) == caught.value.got


def test_mpeg2_has_no_lossless_pictures(tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv"))
    with pytest.raises(ConfigError, match="lossless"):
        choose(EncodeSettings(codec="mpeg2video", lossless=True), info, tmp_path / "result.mkv")


OWN = {"libx264": "h264", "libx265": "hevc", "mpeg2video": "mpeg2video", "libvpx-vp9": "vp9", "ffv1": "ffv1"}


@pytest.mark.parametrize("encoder", OWN)
def test_without_a_codec_the_sources_own_is_taken(encoder: str, tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv", codec=encoder, options=media_made.SILENT.get(encoder, {})))
    plan = choose(EncodeSettings(), info, tmp_path / "result.mkv")
    assert (plan.codec, plan.notes) == (OWN[encoder], ())


@pytest.mark.parametrize(
    ("recipe", "suffix", "settings", "codec", "why"),
    [
        ({"codec": "mpeg4"}, ".mkv", {}, "h264", "mpeg4 is not written here"),
        ({"codec": "ffv1"}, ".mov", {}, "h264", "does not take ffv1"),
        ({"codec": "libx264"}, ".webm", {}, "vp9", "does not take h264"),
        ({"codec": "ffv1"}, ".mkv", {"crf": 20}, "h264", "encode.crf=20"),
        ({"codec": "mpeg2video"}, ".mkv", {"smart": False}, "h264", "nothing of it would be copied"),
        (
            {"codec": "mpeg2video", "interlaced": "tff", "options": {"flags": "+ildct+ilme"}},
            ".mkv",
            {},
            "h264",
            "inter",
        ),
    ],
)
def test_another_codec_than_the_sources_own_is_told_before_any_work(
    recipe: dict[str, Any], suffix: str, settings: dict[str, Any], codec: str, why: str, tmp_path: Path
) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv", **recipe))
    plan = choose(EncodeSettings.model_validate(settings), info, tmp_path / f"result{suffix}")
    assert plan.codec == codec
    (note,) = plan.notes
    assert f"the video is written as {codec}, from " in note
    assert why in note


@pytest.mark.parametrize("wrong", [{"preset": "sloow"}, {"crf": 60}])
def test_a_setting_that_no_codec_takes_is_an_error_of_the_sources_own(wrong: dict[str, Any], tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv", codec="libx264"))
    with pytest.raises(ConfigError, match="h264"):
        choose(EncodeSettings.model_validate(wrong), info, tmp_path / "result.mkv")
