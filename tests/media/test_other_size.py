"""Films whose pictures were made anew at another size: codecs, trials, rehearsal and verification go by that size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import media_made
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncodeSettings, choose
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode, encoded_spans
from vidinternal.media.picture import NativeFrame, picture_format, plane_shape, stretched
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.rate import choose_rate
from vidinternal.media.rehearsal import rehearse
from vidinternal.media.segments import Segment, belongs_to
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.verify import verify
from vidinternal.media.verify_samples import Limit, Remade

LARGE = (96, 72)


def source(tmp_path: Path, **recipe: Any) -> ClipInfo:
    made = {"size": (48, 36), "frames": 8, "smooth": True, "codec": "libx264", **recipe}
    return probe(media_made.clip(tmp_path / "clip.mkv", **made))


def enlarged(info: ClipInfo, size: tuple[int, int] = LARGE) -> Any:
    made = replace(info, width=size[0], height=size[1])

    def frames(start: int, end: int) -> Iterator[NativeFrame]:
        for native in ClipReader(info).frames(start, end):
            yield stretched(native, made)

    return frames


def settings(**fields: Any) -> EncodeSettings:
    return EncodeSettings(**fields)


@pytest.mark.parametrize("size", [(96, 72), (11, 7), (48, 36), (1, 1)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gray", "yuva420p"])
def test_a_stretched_picture_has_the_shapes_of_its_format(size: tuple[int, int], pix_fmt: str, tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv", size=(48, 36), frames=1, pix_fmt=pix_fmt))
    native = next(ClipReader(info).frames(0, 1))
    made = stretched(native, replace(info, width=size[0], height=size[1]))
    wanted = [plane_shape(p, *size) for p in picture_format(pix_fmt).planes]
    assert [p.shape for p in made.planes] == wanted and made.pts == native.pts
    assert size != (48, 36) or all(map(np.array_equal, made.planes, native.planes))


def test_the_layout_follows_the_size_that_is_written(tmp_path: Path) -> None:
    info = source(tmp_path)
    assert choose(settings(codec="h264"), info, tmp_path / "b.mkv", LARGE).pix_fmt == "yuv420p"
    odd = choose(settings(codec="h264"), info, tmp_path / "b.mkv", (95, 72))
    assert (odd.pix_fmt, odd.size) == ("yuv444p", (95, 72))
    assert (odd.pictures(info).width, odd.pictures(info).height) == (95, 72)
    with pytest.raises(MediaError, match="12x12"):
        choose(settings(codec="hevc"), info, tmp_path / "b.mkv", (12, 12))
    with pytest.raises(MediaError, match="30000"):
        choose(settings(codec="h264"), info, tmp_path / "b.mkv", (30_000, 30_000))


def test_nothing_is_copied_where_every_picture_was_made_anew(tmp_path: Path) -> None:
    info = source(tmp_path, frames=12, options={"g": "4"})
    plan = choose(settings(), info, tmp_path / "b.mkv", LARGE)
    edited = Edited(enlarged(info), (), remade=LARGE)
    assert encoded_spans(info, edited, plan, smart=True) == (range(12),)
    report = encode(info, edited, tmp_path / "b.mkv", settings())
    assert report.smart.whole_because == "every picture was made anew" and report.frames == 12
    result = probe(report.path)
    assert (result.width, result.height) == LARGE and frame_pts(result) == frame_pts(info)


def test_mpeg2_is_left_for_a_codec_that_spends_less(tmp_path: Path) -> None:
    info = source(tmp_path, codec="mpeg2video")
    assert choose(settings(), info, tmp_path / "b.mkv", LARGE).codec == "h264"


def test_quality_is_held_and_not_the_sources_bitrate(tmp_path: Path) -> None:
    info = source(tmp_path)
    plan = choose(settings(codec="h264"), info, tmp_path / "b.mkv", LARGE)
    choice = choose_rate(info, plan, enlarged(info), settings(codec="h264"))
    assert choice.holds == "quality" and choice.expected_psnr >= 50 and choice.least_psnr == 48
    assert "every picture was made anew" in choice.note and "against the pictures made" in choice.note
    given = choose_rate(info, plan, enlarged(info), settings(codec="h264", crf=30.0))
    assert given.holds == "crf" and given.expected_psnr < choice.expected_psnr


def test_the_rehearsal_writes_the_size_that_is_asked_for(tmp_path: Path) -> None:
    info = source(tmp_path, audio_tracks=1, rotation=90)
    plan = choose(settings(), info, tmp_path / "b.mkv", LARGE)
    assert "picture size" not in rehearse(info, plan, ".mkv").names


def test_a_result_is_held_against_the_pictures_made(tmp_path: Path) -> None:
    info = source(tmp_path, audio_tracks=1)
    frames = enlarged(info)
    made = encode(info, Edited(frames, (), remade=LARGE), tmp_path / "b.mkv", settings(codec="ffv1"))
    held = Limit(lossless=True, remade=Remade(LARGE, frames))
    found = verify(made.path, info, limit=held)
    assert found.ok and found.outside is not None and found.outside.changed == 0
    assert "every sample as it was made" in found.line() and found.frames == (8, 8)
    other = verify(made.path, info, limit=Limit(remade=Remade((48, 36), frames)))
    assert {i.name for i in other.mismatches} == {"picture size", "samples of the pictures made"}
    blank = Remade(LARGE, lambda a, b: (_blank(native) for native in frames(a, b)))
    lossy = verify(made.path, info, limit=Limit(remade=blank))
    assert {i.name for i in lossy.mismatches} == {"samples of the pictures made"}
    assert lossy.within(Limit(least_psnr=0.0, remade=blank)).ok
    assert not verify(made.path, info).ok, "without a word of it, another size is a mismatch"
    unknown = verify(made.path, info, limit=Limit(remade=Remade()))
    assert unknown.ok and unknown.outside is None and "every picture made anew" in unknown.text()


def _blank(native: NativeFrame) -> NativeFrame:
    return NativeFrame(tuple(np.zeros_like(p) for p in native.planes), native.pts, native.duration, native.index)


def test_segments_of_another_size_are_not_taken_for_these(tmp_path: Path) -> None:
    info = source(tmp_path)
    plans = [choose(settings(), info, tmp_path / "b.mkv", size) for size in (LARGE, (90, 72))]
    assert belongs_to(plans[0]) != belongs_to(plans[1])
    kept: dict[str, Segment] = {}

    def keep(name: str, fits: str, make: Any) -> Segment:
        return kept.setdefault(f"{name} {fits}", make())

    edited = Edited(enlarged(info), (), keep, remade=LARGE)
    encode(info, edited, tmp_path / "b.mkv", settings())
    assert (probe(tmp_path / "b.mkv").width, probe(tmp_path / "b.mkv").height) == LARGE
