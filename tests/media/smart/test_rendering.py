"""Groups that nothing changed are copied packet for packet, and the whole plays; or the reason is told."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import media_made
from tests.media.smart.smart_made import GROUP, MPEG2, Outcome, clip, decoded, mpeg2, remuxed, stored, write, x264, x265
from tests.media.test_dynamic_hdr import film, hdr10_plus
from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media import encode as encode_module
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.probe import probe
from vidinternal.media.smart import rendering as smart_module
from vidinternal.media.smart.gops import CARRIED, scan
from vidinternal.media.smart.nal import joined, sei_unit, units
from vidinternal.media.smart.rendering import Edited, SmartReport

VFR = (0, 40, 90, 130, 250, 251, 300, 340, 380, 700, 740, 790, 800, 850, 900, 960, 1100, 1200, 1290, 1400, 1403, 1500)
MASTER = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
B = {"bf": "3", "b_strategy": "0"}
HEVC, MPEG = {"codec": "hevc"}, {"codec": "mpeg2video"}


def check(outcome: Outcome, copied: set[int], *, same_form: bool = True) -> None:
    """What holds for every file: frames ``copied`` are the source's own, every other is there, in time."""
    before, after = stored(outcome.source), stored(outcome.path)
    assert len(after) == len(before)
    times = sorted(p.pts for p in before)
    untouched = {times[k] for k in copied}
    if same_form:
        kept = [p for p in before if p.pts in untouched]
        mine = [p for p in after if p.pts in untouched]
        assert [(p.pts, p.key, p.data) for p in mine] == [(p.pts, p.key, p.data) for p in kept]
        assert all(a.dts == b.dts for a, b in zip(mine, kept, strict=True) if None not in (a.dts, b.dts))
    for file in (before, after):
        known = [p.dts for p in file if p.dts is not None]
        assert known == sorted(set(known))
    assert all(p.dts <= p.pts for p in after if p.dts is not None)
    old, new = decoded(outcome.source), decoded(outcome.path)
    assert sorted(new) == sorted(old) == times
    assert all(np.array_equal(old[t], new[t]) for t in untouched)
    threaded = decoded(outcome.path, "FRAME")
    assert all(np.array_equal(threaded[t], new[t]) for t in times)


def seeks(path: Path) -> None:
    """Every group can be entered for itself, in any order."""
    reader = ClipReader(probe(path))
    whole = list(reader.frames())
    for index in (len(whole) - 1, 0, GROUP, 2 * GROUP + 1, GROUP + 3, GROUP - 1):
        (frame,) = reader.frames(index, index + 1)
        assert frame.pts == whole[index].pts
        assert all(np.array_equal(a, b) for a, b in zip(frame.planes, whole[index].planes, strict=True))


CASES: dict[str, tuple[str, dict[str, Any], set[int], dict[str, Any]]] = {
    "mp4": (".mp4", x264(**B), {7, 8}, {}),
    "mov": (".mov", x264(**B), {7}, {}),
    "mkv": (".mkv", x264(**B), {7}, {}),
    "ts": (".ts", x264(**B), {7}, {}),
    "no b": (".mp4", x264(bf="0"), {7}, {}),
    "baseline": (".mp4", x264(preset="ultrafast"), {7}, {}),
    "main": (".mp4", x264(profile="main"), {7}, {}),
    "one reference": (".mkv", x264(refs="1", bf="1", b_strategy="0"), {7}, {}),
    "many references": (".mp4", x264(preset="slow", bf="5", b_strategy="0"), {7}, {"preset": "ultrafast"}),
    "faster source": (".mp4", x264(preset="veryfast"), {7}, {"preset": "slower"}),
    "ten bit": (".mp4", x264() | {"pix_fmt": "yuv420p10le"}, {7}, {}),
    "4:2:2": (".mkv", x264() | {"pix_fmt": "yuv422p"}, {7}, {}),
    "4:4:4": (".mkv", x264() | {"pix_fmt": "yuv444p"}, {7}, {}),
    "lossless": (".mkv", {**x264(), "options": {"qp": "0", "g": "6"}}, {7}, {"lossless": True}),
    "first": (".mp4", x264(**B), {0}, {}),
    "last": (".mp4", x264(**B), {23}, {}),
    "both ends": (".ts", x264(**B), {0, 23}, {}),
    "two in a row": (".mp4", x264(**B), {7, 13}, {}),
    "sound": (".mp4", x264(**B) | {"audio_tracks": 1, "frames": 24}, {7}, {}),
    "late": (".mp4", x264(**B) | {"pts": range(1001, 25025, 1001), "time_base": Fraction(1, 24000)}, {0, 8}, {}),
    "before zero": (".ts", x264(**B) | {"pts": range(-7500, 82500, 3750), "time_base": Fraction(1, 90000)}, {8}, {}),
    "vfr": (".mkv", x264(**B) | {"frames": 22, "pts": VFR, "time_base": Fraction(1, 1000)}, {7}, {}),
    "vfr fine": (".mp4", x264(**B) | {"frames": 22, "pts": VFR, "time_base": Fraction(1, 90000)}, {7}, {}),
    "hevc mp4": (".mp4", x265(), {7}, HEVC),
    "hevc mkv": (".mkv", x265(), {0, 23}, HEVC),
    "hevc ts": (".ts", x265(), {7}, HEVC),
    "hevc ten bit": (".mp4", x265(pix_fmt="yuv420p10le"), {7}, HEVC),
}


@pytest.mark.parametrize("name", CASES)
def test_untouched_groups_are_copied_packet_for_packet(name: str, tmp_path: Path) -> None:
    suffix, recipe, touched, settings = CASES[name]
    outcome = write(clip(tmp_path / f"clip{suffix}", recipe), tmp_path / f"result{suffix}", touched, **settings)
    groups = {k // GROUP for k in touched}
    count = recipe["frames"]
    copied = {k for k in range(count) if k // GROUP not in groups}
    check(outcome, copied)
    seeks(outcome.path)
    assert outcome.report.smart == SmartReport(-(-count // GROUP) - len(groups), len(groups), len(copied))
    assert outcome.report.frames == count
    asked = [k for start, end in outcome.asked for k in range(start, end)]
    assert asked == sorted(set(range(count)) - copied)
    (note,) = [n for n in outcome.report.notes if "copied packet for packet" in n]
    assert str(len(copied)) in note


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_mpeg2_groups_are_copied(suffix: str, tmp_path: Path) -> None:
    source = clip(tmp_path / f"clip{suffix}", mpeg2())
    outcome = write(source, tmp_path / f"result{suffix}", {8}, **MPEG)
    check(outcome, {*range(8), *range(12, 24)})
    assert (outcome.report.smart.gops_encoded, outcome.asked) == (1, [(8, 12)])


def test_a_program_stream_is_copied_into_a_transport_stream(tmp_path: Path) -> None:
    outcome = write(clip(tmp_path / "clip.mpg", mpeg2()), tmp_path / "result.ts", {0, 23}, **MPEG)
    check(outcome, set(range(4, 20)))


@pytest.mark.parametrize("recipe", [x264(**B), x265()], ids=["h264", "hevc"])
@pytest.mark.parametrize(("one", "other"), [(".mp4", ".ts"), (".ts", ".mp4"), (".ts", ".mkv"), (".mkv", ".mov")])
@pytest.mark.parametrize("touched", [{7}, set()], ids=["some", "none"])
def test_units_are_reframed_for_another_container(
    recipe: dict[str, Any], one: str, other: str, touched: set[int], tmp_path: Path
) -> None:
    codec = {"libx264": "h264", "libx265": "hevc"}[recipe["codec"]]
    step = {"time_base": Fraction(1, 1000), "pts": range(0, 960, 40)}
    outcome = write(clip(tmp_path / f"clip{one}", recipe | step), tmp_path / f"result{other}", touched, codec=codec)
    check(outcome, {*range(24)} - ({*range(6, 12)} if touched else set()), same_form=False)
    assert outcome.report.smart.frames_copied == (18 if touched else 24)
    if other != ".ts":
        with av.open(str(outcome.path)) as container:
            name = container.streams.video[0].codec_context.codec_tag
            assert name in {".mkv": ("\0\0\0\0",)}.get(other, ("avc1", "hvc1"))
        pictures = scan(probe(outcome.path), codec).grammar
        assert not pictures.in_band  # pyright: ignore[reportAttributeAccessIssue]


# --- nothing, or everything -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "recipe", "settings"),
    [
        (".mp4", x264(**B), {}),
        (".ts", x264(**B), {}),
        (".mkv", x264() | {"interlaced": "tff"}, {}),
        (".mp4", x264(**{"x264-params": "open-gop=1"}), {}),
        (".mp4", x265(open_gop=True), HEVC),
        (".mkv", mpeg2(options=MPEG2 | {"flags": "+qscale"}), MPEG),
    ],
)
def test_without_a_change_the_whole_is_copied(
    suffix: str, recipe: dict[str, Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    outcome = write(clip(tmp_path / f"clip{suffix}", recipe), tmp_path / f"result{suffix}", (), **settings)
    check(outcome, set(range(24)))
    assert (outcome.asked, outcome.report.smart.frames_copied) == ([], 24)
    assert any("no picture is changed" in note for note in outcome.report.notes)


def hrd(**options: str) -> dict[str, Any]:
    return x264(**{"x264-params": "nal-hrd=vbr:vbv-maxrate=1000:vbv-bufsize=1000"}, **options)


REASONS: dict[str, tuple[str, dict[str, Any], set[int], dict[str, Any], str]] = {
    "all": (".mp4", x264(), {0, 7, 13, 19}, {}, "every group"),
    "open": (".mp4", x264(**{"x264-params": "open-gop=1"}), {7}, {}, "one single group"),
    "open hevc": (".mp4", x265(open_gop=True), {7}, HEVC, "one single group"),
    "open mpeg2": (".mkv", mpeg2(options=MPEG2 | {"flags": "+qscale"}), {8}, MPEG, "one single group"),
    "fields": (".mkv", x264() | {"interlaced": "tff"}, {7}, {}, "interlaced"),
    "fields mpeg2": (".mkv", mpeg2(interlaced="tff"), {8}, MPEG, "interlaced"),
    "buffer": (".mkv", hrd(), {7}, {}, "buffer"),
    "another codec": (".mp4", x265(), {7}, {"codec": "h264"}, "encode.codec=hevc"),
    "no such codec": (".mkv", {"frames": 6}, {2}, {"codec": "ffv1"}, "ffv1 is not copied in part"),
    "lossless": (".mkv", x264(), {7}, {"lossless": True}, "profile"),
    "another layout": (".mkv", x264(), {7}, {"pix_fmt": "yuv422p"}, "yuv422p"),
    "off": (".mp4", x264(), {7}, {"smart": False}, "encode.smart"),
}


@pytest.mark.parametrize("name", REASONS)
def test_where_it_is_not_safe_the_whole_is_encoded_and_the_reason_told(name: str, tmp_path: Path) -> None:
    suffix, recipe, touched, settings, word = REASONS[name]
    outcome = write(clip(tmp_path / f"clip{suffix}", recipe), tmp_path / f"result{suffix}", touched, **settings)
    count = recipe["frames"]
    assert outcome.asked == [(0, count)]
    smart = outcome.report.smart
    assert (smart.gops_copied, smart.gops_encoded, smart.frames_copied) == (0, 0, 0)
    assert word in smart.whole_because
    assert "\n" not in smart.whole_because
    assert smart.note in outcome.report.notes
    assert sorted(decoded(outcome.path)) == sorted(decoded(outcome.source))


# --- awkward streams -------------------------------------------------------------------------------------------------


def test_a_result_can_be_edited_again(tmp_path: Path) -> None:
    for suffix, recipe, settings in ((".mp4", x264(**B), {}), (".mkv", x265(), HEVC)):
        first = write(clip(tmp_path / f"clip{suffix}", recipe), tmp_path / f"one{suffix}", {7}, **settings)
        second = write(first.path, tmp_path / f"two{suffix}", {13}, **settings)
        check(second, {*range(12), *range(18, 24)})
        assert second.report.smart.gops_copied == 3


def test_a_stream_of_intra_pictures_changes_one_alone(tmp_path: Path) -> None:
    outcome = write(clip(tmp_path / "clip.mp4", x264(g="1")), tmp_path / "result.mp4", {7})
    check(outcome, set(range(24)) - {7})


def test_a_recording_that_begins_inside_a_group(tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.ts", x264(**B))
    data, cut = whole.read_bytes(), tmp_path / "cut.ts"
    begin = [p.data for p in stored(whole)][3][:64]
    at = data.index(begin[:40]) // 188 * 188
    cut.write_bytes(data[: 188 * 3] + data[at:])
    outcome = write(cut, tmp_path / "result.ts", {8})
    assert outcome.report.smart.gops_copied == 2
    assert outcome.report.frames == 18
    assert len(decoded(outcome.path)) == 18


def test_captions_and_the_like_stay_with_their_pictures(tmp_path: Path) -> None:
    def said(number: int) -> bytes:
        return b"\xb5\x00\x31GA94\x03" + bytes([0xC1, 0xFF, 0xFC, number + 32, number + 33, 0xFF])

    def captioned(number: int, data: bytes) -> bytes:
        return joined([sei_unit(b"\x06", [(4, said(number))]), *units(data, 4)], 4)

    source = remuxed(clip(tmp_path / "clip.mp4", x264(**B)), tmp_path / "captions.mp4", captioned)
    outcome = write(source, tmp_path / "result.mp4", {7})
    told = []
    for path in (source, outcome.path):
        with av.open(str(path)) as container:
            told.append([bytes(f.side_data.get("A53_CC")) for f in container.decode(video=0)])  # pyright: ignore
    assert told[0] == told[1]
    assert len(set(told[0])) == 24
    assert 4 in CARRIED


@pytest.mark.parametrize("everywhere", [0, 1])
@pytest.mark.parametrize(("suffix", "other"), [(".mkv", ".mkv"), (".mp4", ".mp4"), (".mp4", ".ts")])
def test_the_mastering_display_is_told_by_every_group(everywhere: int, suffix: str, other: str, tmp_path: Path) -> None:
    recipe = x265(pix_fmt="yuv420p10le", color=media_made._HDR)
    recipe["options"] = {
        "x265-params": f"{recipe['options']['x265-params']}:repeat-headers={everywhere}:{MASTER}:max-cll=900,300"
    }
    outcome = write(clip(tmp_path / f"clip{suffix}", recipe), tmp_path / f"result{other}", {7}, **HEVC)
    check(outcome, {*range(6), *range(12, 24)}, same_form=suffix == other)
    told = []
    for path in (outcome.source, outcome.path):
        with av.open(str(path)) as container:
            pictures: list[Any] = list(container.decode(video=0))
        found = [{d.type.name: bytes(d) for d in f.side_data} for f in pictures]
        told.append([(d.get("MASTERING_DISPLAY_METADATA"), d.get("CONTENT_LIGHT_LEVEL")) for d in found])
    assert told[0] == told[1]
    assert all(a and b for a, b in told[0])


def test_a_film_whose_dynamic_hdr_is_dropped_is_encoded_whole(tmp_path: Path) -> None:
    outcome = write(film(tmp_path, hdr10_plus()), tmp_path / "result.mkv", (), **HEVC)
    assert "HDR10+" in outcome.report.smart.whole_because


def test_mpeg2_captions_stay_too(tmp_path: Path) -> None:
    def captioned(number: int, data: bytes) -> bytes:
        at = data.index(b"\0\0\1\x01")
        return data[:at] + b"\0\0\1\xb2GA94\x03\xc1\xff\xfc" + bytes([number + 32, number + 33, 0xFF]) + data[at:]

    source = remuxed(clip(tmp_path / "clip.mkv", mpeg2()), tmp_path / "captions.mkv", captioned)
    outcome = write(source, tmp_path / "result.mkv", {8}, **MPEG)
    before, after = ({p.pts: p.data.split(b"GA94")[1][:7] for p in stored(p)} for p in (source, outcome.path))
    assert before == after


def test_a_stream_whose_parameter_sets_change_is_encoded_whole(tmp_path: Path) -> None:
    grammar = scan(probe(clip(tmp_path / "faster.mkv", x264() | {"rate": Fraction(25)})), "h264").grammar
    other = grammar.sets[("sps", 0)]  # pyright: ignore[reportAttributeAccessIssue]

    def changed(number: int, data: bytes) -> bytes:
        return joined([other, *units(data, 4)], 4) if number == 12 else data

    source = remuxed(clip(tmp_path / "clip.mkv", x264()), tmp_path / "changed.mkv", changed)
    outcome = write(source, tmp_path / "result.mkv", {7})
    assert "changes its SPS" in outcome.report.smart.whole_because


def test_an_edit_list_that_cuts_pictures_away(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", x264(**B))
    data = source.read_bytes()
    at = data.index(b"elst") + 12
    step = probe(source).time_base.denominator // 24
    later = int.from_bytes(data[at + 4 : at + 8], "big") + 8 * step
    source.write_bytes(data[: at + 4] + later.to_bytes(4, "big") + data[at + 8 :])
    outcome = write(source, tmp_path / "result.mp4", {2})
    assert "edit list" in outcome.report.smart.whole_because


# --- guards ----------------------------------------------------------------------------------------------------------


def test_times_that_rounding_would_merge_are_refused(tmp_path: Path) -> None:
    recipe = x264() | {"frames": 12, "pts": [k * 40 for k in range(12)], "time_base": Fraction(1, 90000)}
    with pytest.raises(MediaError, match="later time"):
        write(clip(tmp_path / "clip.mp4", recipe), tmp_path / "result.mkv", {7})
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_encoder_that_loses_a_picture_never_gets_away_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = smart_module.pieces
    monkeypatch.setattr(smart_module, "pieces", lambda *given: list(honest(*given))[:-1])
    with pytest.raises(IntegrityError, match="6 packets"):
        write(clip(tmp_path / "clip.mp4", x264()), tmp_path / "result.mp4", {7})
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_picture_with_another_time_is_refused(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", x264())
    info = probe(source)
    late = [replace(f, pts=f.pts + 7) for f in ClipReader(info).frames(6, 12)]
    with pytest.raises(MediaError, match="frame 6"):
        encode(info, Edited(lambda _a, _b: late, {7}), tmp_path / "result.mp4", EncodeSettings())
    assert list(tmp_path.iterdir()) == [source]


def test_an_encoder_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = clip(tmp_path / "clip.mp4", x264())
    honest = encode_module.choose

    def broken(*given: Any) -> Any:
        plan = honest(*given)
        return replace(plan, options={**plan.options, "crf": "nonsense"})

    monkeypatch.setattr(encode_module, "choose", broken)
    for settings in ({"smart": False}, {}):
        with pytest.raises(MediaError) as caught:
            write(source, tmp_path / "result.mp4", {7}, **settings)
        assert "libx264 refuses" in caught.value.where
        assert "\n" not in caught.value.got
    assert list(tmp_path.iterdir()) == [source]


def test_progress_rises_to_one(tmp_path: Path) -> None:
    info = probe(clip(tmp_path / "clip.mp4", x264()))
    told: list[float] = []
    edited = Edited(ClipReader(info).frames, {7})
    encode(info, edited, tmp_path / "result.mp4", EncodeSettings(), progress=lambda share, _text: told.append(share))
    assert told == sorted(told)
    assert (len(told), told[-1]) == (24, 1.0)


def test_without_knowing_what_changed_the_whole_is_encoded(tmp_path: Path) -> None:
    info = probe(clip(tmp_path / "clip.mp4", x264()))
    report = encode(info, ClipReader(info).frames(), tmp_path / "result.mp4", EncodeSettings())
    assert "not known" in report.smart.whole_because
    assert report.notes == ()
