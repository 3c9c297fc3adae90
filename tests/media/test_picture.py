"""Samples go into FFmpeg's frames and come back unchanged, whatever the format."""

from fractions import Fraction

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidinternal.core.errors import MediaError, UsageError
from vidinternal.media.picture import NativeFrame, from_av, picture_format, plane_shape, sample_dtype, to_av

_SUBSAMPLED = ("420", "422", "444")
FORMATS = (
    *(f"yuv{s}p" for s in (*_SUBSAMPLED, "410", "411", "440")),
    *(f"yuvj{s}p" for s in (*_SUBSAMPLED, "411", "440")),
    *(f"yuv{s}p{d}le" for s in _SUBSAMPLED for d in (9, 10, 12, 14, 16)),
    *("yuv440p10le", "yuv440p12le", "yuva420p", "yuva422p", "yuva444p", "yuva420p10le", "yuva444p10le", "yuva444p12le"),
    *("nv12", "gray", "gray9le", "gray10le", "gray12le", "gray14le", "gray16le", "ya8", "ya16le"),
    *(
        "gbrp",
        "gbrp9le",
        "gbrp10le",
        "gbrp12le",
        "gbrp14le",
        "gbrp16le",
        "gbrap",
        "gbrap10le",
        "gbrap12le",
        "gbrap16le",
    ),
    *("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr", "rgba", "bgra", "argb", "abgr"),
    *("rgb48le", "bgr48le", "rgba64le", "bgra64le"),
)


def noise(pix_fmt: str, width: int, height: int, seed: int = 0) -> NativeFrame:
    fmt = picture_format(pix_fmt)
    rng = np.random.default_rng(seed)
    shapes = [plane_shape(layout, width, height) for layout in fmt.planes]
    planes = tuple(rng.integers(0, 1 << fmt.depth, s).astype(sample_dtype(fmt)) for s in shapes)
    return NativeFrame(planes, 5, 2, 3)


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("size", [(7, 5), (1, 1), (40, 18)])
def test_samples_survive_the_way_through_ffmpeg(pix_fmt, size):
    before = noise(pix_fmt, *size)
    after = from_av(to_av(before, picture_format(pix_fmt), *size), 3)
    assert (after.pts, after.duration, after.index) == (5, 2, 3)
    assert [p.dtype for p in after.planes] == [p.dtype for p in before.planes]
    for one, other in zip(before.planes, after.planes, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_formats_agree_with_ffmpegs_own_description(pix_fmt):
    ours, theirs = picture_format(pix_fmt), av.VideoFormat(pix_fmt, 7, 5)
    assert len(theirs.components) == len(ours.planes)
    assert {c.bits for c in theirs.components} == {ours.depth}
    assert (ours.family == "rgb") == theirs.is_rgb
    assert any(c.is_alpha for c in theirs.components) == any(p.role == "a" for p in ours.planes)
    chroma = [plane_shape(p, 7, 5) for p in ours.planes if p.role in "uv"]
    assert all(shape == (theirs.chroma_height(5), theirs.chroma_width(7)) for shape in chroma)


@pytest.mark.parametrize(("pix_fmt", "order"), [("rgb24", "rgb"), ("bgra", "bgra"), ("argb", "argb"), ("gbrp", "gbr")])
def test_roles_name_the_right_colours(pix_fmt, order):
    red = av.VideoFrame.from_ndarray(np.full((4, 6, 3), (255, 0, 0), np.uint8), "rgb24").reformat(format=pix_fmt)
    red.pts = 0
    planes = from_av(red, 0).planes
    assert [p.role for p in picture_format(pix_fmt).planes] == list(order)
    assert [int(p.max()) for p in planes] == [255 if role in "ra" else 0 for role in order]


def test_interleaved_chroma_equals_planar():
    picture = to_av(noise("yuv420p", 10, 6), picture_format("yuv420p"), 10, 6)
    packed = picture.reformat(format="nv12")
    for one, other in zip(from_av(picture, 0).planes, from_av(packed, 0).planes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_planes_own_their_memory():
    frame = to_av(noise("yuv420p", 16, 16), picture_format("yuv420p"), 16, 16)
    native = from_av(frame, 0)
    kept = [p.copy() for p in native.planes]
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    assert all(p.flags.owndata and p.flags.writeable and p.flags.c_contiguous for p in native.planes)
    assert all((a == b).all() for a, b in zip(native.planes, kept, strict=True))


@pytest.mark.parametrize(("pix_fmt", "at"), [("bgr0", 3), ("0rgb", 0)])
def test_padding_samples_are_opaque(pix_fmt, at):
    frame = to_av(noise(pix_fmt, 8, 4), picture_format(pix_fmt), 8, 4)
    assert set(bytes(frame.planes[0])[at : 8 * 4 : 4]) == {255}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "bgr24"])
def test_bottom_up_pictures_come_out_upright(pix_fmt):
    native = noise(pix_fmt, 16, 8)
    frame = to_av(native, picture_format(pix_fmt), 16, 8)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=16, height=8, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("vflip"), graph.add("buffersink")).configure()
    graph.push(frame)
    flipped = graph.pull()
    assert isinstance(flipped, av.VideoFrame)
    assert flipped.planes[0].line_size < 0
    for one, other in zip(native.planes, from_av(flipped, 0).planes, strict=True):
        np.testing.assert_array_equal(one[::-1], other)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["yuv420p", "yuv410p", "nv12", "yuva420p10le"]))
def test_odd_sizes_keep_every_sample(width, height, pix_fmt):
    before = noise(pix_fmt, width, height)
    after = from_av(to_av(before, picture_format(pix_fmt), width, height), 0)
    assert all((a == b).all() for a, b in zip(before.planes, after.planes, strict=True))


def test_a_palette_is_refused_with_a_way_out():
    with pytest.raises(MediaError, match=r"palette[\s\S]*ffmpeg") as caught:
        picture_format("pal8")
    assert caught.value.exit_code == 1


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(MediaError, match="did you mean 'yuv420p10le'"):
        picture_format("yuv420p10be")


def test_a_picture_without_time_is_refused():
    frame = av.VideoFrame(4, 4, "gray")
    with pytest.raises(MediaError, match="frame 7"):
        from_av(frame, 7)


@pytest.mark.parametrize(("given_fmt", "size"), [("yuv420p", (9, 8)), ("yuv444p", (8, 8)), ("yuv420p10le", (8, 8))])
def test_planes_that_are_not_of_the_format_are_refused(given_fmt, size):
    with pytest.raises(UsageError, match="planes of yuv420p at 8x8"):
        to_av(noise(given_fmt, *size), picture_format("yuv420p"), 8, 8)
