"""The quality chosen by short trials holds what was asked of it in the whole clip."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import media_made
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import ConfigError
from vidinternal.media.bitrate import Bitrate, measure_bitrate
from vidinternal.media.codecs import EncoderPlan, EncodeSettings, choose, crf_scale, with_crf
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.media.rate import RateChoice, affordable, affords, choose_rate, corrected, pick_pieces
from vidinternal.media.verify import verify


def coded(folder: Path, crf: int = 23, **more: Any) -> ClipInfo:
    recipe = {"size": (160, 96), "frames": 60, "codec": "libx264", "options": {"crf": str(crf), "preset": "medium"}}
    return probe(media_made.clip(folder / "clip.mp4", **(recipe | more)))


def chosen(info: ClipInfo, folder: Path, **fields: Any) -> tuple[RateChoice, EncodeSettings, EncoderPlan]:
    settings = EncodeSettings.model_validate(fields)
    plan = choose(settings, info, folder / "r.mkv")
    return choose_rate(info, plan, ClipReader(info).frames, settings), settings, plan


def written(info: ClipInfo, folder: Path, settings: EncodeSettings, choice: RateChoice) -> tuple[Bitrate, float]:
    path = folder / "r.mkv"
    encode(info, ClipReader(info).frames(), path, settings.model_copy(update={"crf": choice.crf}))
    outside = verify(path, info).outside
    assert outside is not None
    return measure_bitrate(info, path), outside.psnr


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9"])
def test_the_bitrate_of_the_source_is_held(codec: str, tmp_path: Path) -> None:
    info = coded(tmp_path)
    choice, settings, plan = chosen(info, tmp_path, codec=codec)
    bitrate, psnr = written(info, tmp_path, settings, choice)
    assert choice.holds == "source"
    assert abs(bitrate.ratio - 1) <= 0.2
    assert psnr >= choice.least_psnr
    assert choice.least_psnr < 50  # it was coded below that
    assert "encode.rate=quality gives 50 dB" in choice.note
    assert corrected(choice, plan, bitrate.written, psnr) is None


def test_fifty_decibels_that_cost_little_are_held_as_well(tmp_path: Path) -> None:
    lifted = []
    for crf in range(8, 18):
        (tmp_path / str(crf)).mkdir()
        info = coded(tmp_path / str(crf), crf)
        choice, _, _ = chosen(info, tmp_path / str(crf), codec="h264")
        assert choice.expected_ratio <= 1.2
        short = 50 - choice.expected_psnr
        dearer = choice.expected_ratio * math.exp(choice.per_crf[0] * short / choice.per_crf[1])
        assert short <= 0 or dearer > 1.1
        lifted.append(short <= 0 and choice.expected_ratio > 1.05)
    assert any(lifted)


def test_quality_holds_fifty_decibels_and_spends_no_more_than_it_must(tmp_path: Path) -> None:
    info = coded(tmp_path)
    choice, settings, plan = chosen(info, tmp_path, rate="quality")
    _, psnr = written(info, tmp_path, settings, choice)
    assert 50 <= psnr < 52.5
    assert choice.least_psnr == 50
    assert corrected(choice, plan, 9.0, psnr) is None


def test_a_crf_that_is_given_wins_and_its_price_is_told(tmp_path: Path) -> None:
    info = coded(tmp_path)
    choice, _, _ = chosen(info, tmp_path, crf=35, rate="quality")
    assert (choice.crf, choice.holds, choice.trials) == (35, "crf", 1)
    assert choice.expected_psnr < 45
    assert choice.least_psnr == pytest.approx(choice.expected_psnr - 1.5, abs=1.0)
    assert f"{choice.expected_psnr:.1f} dB" in choice.note


def test_a_lossless_source_says_nothing_about_bitrate(tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv", frames=8))
    choice, _, _ = chosen(info, tmp_path, codec="h264")
    assert choice.holds == "quality"
    assert "ffv1, lossless" in choice.note
    assert choice.expected_psnr >= 50


def test_what_has_no_quality_to_choose_is_left_alone(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=6)
    lossless, _, _ = chosen(info, tmp_path, codec="ffv1")
    assert (lossless.crf, lossless.holds, lossless.trials) == (None, "lossless", 0)
    settings = EncodeSettings(codec="prores")
    plan = choose(settings, info, tmp_path / "r.mov")
    prores = choose_rate(info, plan, ClipReader(info).frames, settings)
    assert prores.crf is None
    assert 30 < prores.expected_psnr < 99
    assert corrected(prores, plan, 5.0, 10.0) is None


def test_the_same_clip_gets_the_same_quality(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=20)
    assert chosen(info, tmp_path)[0] == chosen(info, tmp_path)[0]


def test_where_nothing_is_encoded_nothing_is_tried(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=8)
    settings = EncodeSettings()
    plan = choose(settings, info, tmp_path / "r.mp4")

    def asked(start: int, end: int) -> list[NativeFrame]:
        raise AssertionError(f"frames {start} to {end} were asked for")

    choice = choose_rate(info, plan, asked, settings, spans=())
    assert (choice.holds, choice.trials) == ("copy", 0)
    assert corrected(choice, plan, 9.0, 10.0) is None


def test_a_trial_keeps_to_the_frames_that_are_encoded(tmp_path: Path) -> None:
    info = coded(tmp_path)
    settings = EncodeSettings()
    asked: list[range] = []

    def watched(start: int, end: int) -> Iterator[NativeFrame]:
        asked.append(range(start, end))
        yield from ClipReader(info).frames(start, end)

    choose_rate(info, choose(settings, info, tmp_path / "r.mp4"), watched, settings, spans=(range(20, 30),))
    assert asked == [range(20, 30)]


def test_two_trials_are_enough_for_a_bitrate(tmp_path: Path) -> None:
    info = coded(tmp_path, crf=35)
    choice, _, _ = chosen(info, tmp_path)
    assert choice.trials <= 2
    assert len(choice.curve) == choice.trials
    assert abs(choice.expected_ratio - 1) <= 0.2


def test_a_miss_is_corrected_towards_the_aim(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=8)
    _, _, plan = chosen(info, tmp_path, crf=20)
    choice = RateChoice(20, 1.0, 45.0, 43.5, holds="source")
    assert corrected(choice, plan, 1.15, 45.0) is None
    larger, smaller = corrected(choice, plan, 1.6, 45.0), corrected(choice, plan, 0.6, 45.0)
    assert larger is not None and smaller is not None
    assert smaller < 20 < larger
    better = corrected(replace(choice, holds="quality"), plan, 1.0, 48.0)
    assert better is not None
    assert better < 20
    assert corrected(replace(choice, crf=51), plan, 3.0, 40.0) is None  # there is no worse one


def test_what_a_quality_affords_is_told_below_fifty_alone(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=8)
    _, _, plan = chosen(info, tmp_path, crf=30)
    choice = RateChoice(30, 1.0, 40.0, 38.5)
    assert affords(50.0, 1.0, choice, plan) == ""
    assert "affords 40.0 dB" in affords(40.0, 1.0, choice, plan)
    assert affordable(info, with_crf(plan, 30), ClipReader(info).frames, 3) < affordable(
        info, with_crf(plan, 20), ClipReader(info).frames, 3
    )


@pytest.mark.parametrize("pixels", [160 * 96, 1280 * 720, 3840 * 2160])
@pytest.mark.parametrize(
    "spans", [[range(5)], [range(1000)], [range(10, 14), range(100, 400)], [range(30), range(50, 2000)]]
)
def test_pieces_lie_where_the_encoder_writes(spans: Sequence[range], pixels: int) -> None:
    pieces = pick_pieces(spans, pixels)
    assert pieces
    for piece in pieces:
        assert len(piece) > 0
        assert any(s.start <= piece.start and piece.stop <= s.stop for s in spans)
    assert sum(map(len, pieces)) <= max(144, 2 * 12, 60)
    assert len({i for p in pieces for i in p}) == sum(map(len, pieces))


def test_copied_packets_do_not_count_as_written(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=8)
    bitrate = measure_bitrate(info, info.path)
    assert (bitrate.ratio, bitrate.written) == (1.0, 1.0)
    assert "(+0 %)" in bitrate.line()


def test_fractions_go_to_the_encoders_that_take_them(tmp_path: Path) -> None:
    info = coded(tmp_path, frames=2)
    plan = choose(EncodeSettings(crf=20.25), info, tmp_path / "r.mkv")
    assert (plan.crf, plan.options["crf"]) == (20.25, "20.25")
    with pytest.raises(ConfigError, match="whole number"):
        choose(EncodeSettings(codec="vp9", crf=20.25), info, tmp_path / "r.webm")
    scales = {codec: crf_scale(codec) for codec in ("h264", "vp9", "ffv1")}
    assert scales["ffv1"] is None
    assert scales["h264"] is not None and scales["h264"].nearest(20.3) == 20.25
    assert scales["vp9"] is not None and scales["vp9"].nearest(99.3) == 63
