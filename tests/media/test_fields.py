"""Fields are told by the file's marks, share no line, and go back to where they were."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import media_made
from tests.media.test_color import clip_of
from tests.woven import woven
from vidinternal.core.clip import ClipInfo, ColorTags, StreamInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.color import color_model, to_planes, to_rgb
from vidinternal.media.composite import touched
from vidinternal.media.fields import (
    Scan,
    check_splits,
    field_infos,
    scan_of,
    split,
    split_lines,
    touched_samples,
    weave,
)
from vidinternal.media.picture import NativeFrame, picture_format, plane_shape, sample_dtype
from vidinternal.media.probe import probe

SCANS: tuple[Scan, ...] = ("progressive", "tff", "bff")
FORMATS = ("yuv420p", "yuv422p10le", "yuv444p", "nv12", "gray12le", "gbrp", "yuva420p", "yuv410p", "bgra")


def noise(pix_fmt: str, size: tuple[int, int], seed: int = 0) -> NativeFrame:
    fmt, rng = picture_format(pix_fmt), np.random.default_rng(seed)
    planes = [
        rng.integers(0, 1 << fmt.depth, plane_shape(p, *size), dtype=np.int64).astype(sample_dtype(fmt))
        for p in fmt.planes
    ]
    return NativeFrame(tuple(planes), 7, 1, 3)


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("scan", SCANS)
def test_weaving_undoes_splitting(pix_fmt: str, scan: Scan) -> None:
    native = noise(pix_fmt, (13, 16))
    fields = split(native, scan)
    infos = field_infos(clip_of(pix_fmt, (13, 16)), scan)
    assert len(fields) == len(infos) == (1 if scan == "progressive" else 2)
    for picture, info in zip(fields, infos, strict=True):
        shapes = [plane_shape(p, info.width, info.height) for p in picture_format(pix_fmt).planes]
        assert [p.shape for p in picture.planes] == shapes
    for again, plane in zip(weave([f.planes for f in fields], scan), native.planes, strict=True):
        np.testing.assert_array_equal(again, plane)


@pytest.mark.parametrize(("scan", "first"), [("tff", 0), ("bff", 1)])
def test_each_field_shows_one_instant(scan: Scan, first: int) -> None:
    recipe = media_made.Recipe("a.mkv", frames=3, interlaced=scan)
    for native in woven(recipe):
        for k, picture in enumerate(split(native, scan)):
            instant = media_made.picture(recipe, 2 * native.index + k)
            for plane, whole in zip(picture.planes, instant, strict=True):
                np.testing.assert_array_equal(plane, whole[(first + k) % 2 :: 2])


@pytest.mark.parametrize("scan", SCANS)
def test_masks_go_with_their_lines(scan: Scan) -> None:
    frames = np.arange(3 * 8 * 5).reshape(3, 8, 5)
    lines = split_lines(frames, scan)
    for index, frame in enumerate(frames):
        pieces = split(NativeFrame((frame,), 0, 0, index), scan)
        for k, piece in enumerate(pieces):
            np.testing.assert_array_equal(lines[len(pieces) * index + k], piece.planes[0])


@given(st.integers(0, 2**32 - 1), st.sampled_from(FORMATS), st.sampled_from(SCANS))
@settings(max_examples=40, deadline=None)
def test_a_line_of_a_mask_touches_samples_of_its_own_field_alone(seed: int, pix_fmt: str, scan: Scan) -> None:
    fmt, rng = picture_format(pix_fmt), np.random.default_rng(seed)
    mask = np.zeros((16, 11), dtype=bool)
    line = int(rng.integers(16))
    mask[line, rng.integers(11)] = True
    for layout, plane in zip(fmt.planes, touched_samples(mask, fmt, scan), strict=True):
        rows = np.flatnonzero(plane.any(axis=1))
        assert len(rows) == (0 if layout.role == "a" else 1)
        if scan != "progressive":
            assert (rows % 2 == line % 2).all()
    whole = touched_samples(mask, fmt, "progressive")
    assert all((a == b).all() for a, b in zip(whole, touched(mask, fmt), strict=True))


@pytest.mark.parametrize("location", [0, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("scan", ["tff", "bff"])
def test_chroma_of_a_field_lies_where_it_does_in_the_picture(location: int, scan: Scan) -> None:
    """A vertical ramp of colour keeps its values, line by line, in the fields as in the picture."""
    size = (8, 48)
    info = replace(clip_of("yuv420p16le", size), color=ColorTags(1, 1, 1, False, location))
    ramp = np.linspace(0.2, 0.8, size[1], dtype=np.float32)[:, None].repeat(size[0], 1)
    rgb = np.stack([ramp, ramp[::-1], np.full_like(ramp, 0.5)])
    for k, field in enumerate(field_infos(info, scan)):
        bottom = (k == 0) == (scan == "bff")
        lines = np.ascontiguousarray(rgb[:, int(bottom) :: 2])
        planes = to_planes(lines, field)
        down = color_model(field).siting[1]
        whole = to_planes(rgb, info)[1]
        # chroma line j of the picture belongs to the field of its parity; inside, both are the same ramp
        np.testing.assert_allclose(planes[1][2:-2], whole[int(bottom) :: 2][2:-2], rtol=0, atol=2e-4 * 65535)
        assert 0 <= down <= 1
        native = NativeFrame(tuple(np.rint(p).astype(np.uint16) for p in planes), 0, 0, 0)
        np.testing.assert_allclose(to_rgb(native, field)[:, 4:-4], lines[:, 4:-4], rtol=0, atol=1e-3)


def test_a_field_keeps_the_matrix_of_the_whole_picture() -> None:
    for height, weights in ((1080, (0.2126, 0.0722)), (576, (0.299, 0.114))):
        info = replace(clip_of("yuv420p", (16, height)), color=ColorTags())
        assert [color_model(f).weights for f in field_infos(info, "tff")] == [weights, weights]


def marked(path: Path, marks: str, **changes: Any) -> ClipInfo:
    """A clip whose pictures are marked one by one: ``P``, ``T`` or ``B`` for each."""
    recipe = replace(media_made.Recipe(path.name), frames=len(marks), **changes)
    stamps = {"P": "prog", "T": "tff", "B": "bff"}
    graphs: dict[str, Any] = {}

    def flag(frame: Any, mark: str) -> Any:
        if mark not in graphs:
            graph = graphs[mark] = av.filter.Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
            )
            graph.link_nodes(source, graph.add("setfield", stamps[mark]), graph.add("buffersink")).configure()
        graphs[mark].push(frame)
        return graphs[mark].pull()

    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("ffv1", rate=25, width=recipe.size[0], height=recipe.size[1])
        video.pix_fmt = recipe.pix_fmt
        for native, mark in zip(media_made.pictures(recipe), marks, strict=True):
            frame = media_made.to_av(native, picture_format(recipe.pix_fmt), *recipe.size)
            for packet in video.encode(flag(frame, mark)):
                container.mux(packet)
        for packet in video.encode(None):
            container.mux(packet)
    return probe(path)


@pytest.mark.parametrize(
    ("marks", "scan"), [("P" * 4, "progressive"), ("T" * 4, "tff"), ("B" * 4, "bff"), ("T", "tff")]
)
def test_the_marks_tell(marks: str, scan: str, tmp_path: Path) -> None:
    assert scan_of(marked(tmp_path / "a.mkv", marks)) == scan


@pytest.mark.parametrize(
    ("codec", "name", "options"),
    [
        ("libx264", "a.mp4", {"qp": "0", "preset": "ultrafast"}),
        ("mpeg2video", "a.ts", {"qscale": "1"}),
        ("prores_ks", "a.mov", {}),
    ],
)
@pytest.mark.parametrize("scan", ["tff", "bff"])
def test_codecs_that_mark_their_pictures(codec: str, name: str, options: Any, scan: str, tmp_path: Path) -> None:
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    recipe = media_made.Recipe(
        name, frames=4, codec=codec, options=options, interlaced=scan, pix_fmt=pix_fmt, rate=Fraction(25)
    )
    assert scan_of(probe(media_made.make(recipe, tmp_path, woven(recipe)))) == scan


@pytest.mark.parametrize("marks", ["PPPTT", "TTTTB", "P" * 200 + "T" * 60])
def test_mixed_marks_are_refused_with_what_to_do(marks: str, tmp_path: Path) -> None:
    info = marked(tmp_path / "a.mkv", marks, size=(16, 16))
    order = "tff" if "T" in marks else "bff"
    with pytest.raises(MediaError, match=f"(?s)mixed.*top field first.*decode.scan={order}.*fieldmatch"):
        scan_of(info)


@pytest.mark.parametrize(
    ("pix_fmt", "height", "lines"), [("yuv420p", 46, 4), ("yuv422p", 47, 2), ("gray", 47, 2), ("yuv410p", 44, 8)]
)
def test_fields_of_unequal_size_are_refused(pix_fmt: str, height: int, lines: int, tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "a.mkv", pix_fmt=pix_fmt, size=(32, height), frames=2, interlaced="tff")
    with pytest.raises(MediaError, match=f"(?s)multiple of {lines} .*{height} lines.*crop=iw:ih-{height % lines}:0:0"):
        scan_of(probe(path))


def test_fields_that_are_pictures_of_their_own_are_refused() -> None:
    info = replace(clip_of("yuv420p", (32, 16)), streams=(StreamInfo(0, "video", "hevc"),))
    with pytest.raises(MediaError, match=r"(?s)interlaced HEVC.*one field each.*-vf weave"):
        check_splits(info)


@pytest.mark.parametrize(("order", "scan"), [(0, "progressive"), (2, "tff"), (3, "bff"), (4, "bff"), (5, "tff")])
def test_codecs_without_marks_go_by_the_container(order: int, scan: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mjpeg", rate=25, width=32, height=16)
        video.pix_fmt = "yuvj422p"
        video.codec_context.field_order = order
        frame = av.VideoFrame(32, 16, "yuvj422p")
        frame.pts = 0
        for packet in [*video.encode(frame), *video.encode(None)]:
            container.mux(packet)
    assert scan_of(probe(path)) == scan
