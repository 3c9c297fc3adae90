"""Laws of the conversion between samples and RGB: inverse, grey, black and white, siting; and FFmpeg agrees."""

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.core.errors import MediaError
from vidinternal.media.color import color_model, luma, to_planes, to_rgb
from vidinternal.media.picture import NativeFrame, from_av, picture_format, plane_shape, sample_dtype

YUV = ("yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv440p", "nv12", "yuvj420p", "yuva420p", "yuv420p10le")
DEEP = ("yuv422p10le", "yuv444p12le", "yuv420p16le", "yuva444p10le")
RGB = ("rgb24", "bgr24", "bgr0", "rgba", "argb", "gbrp", "gbrp10le", "gbrap12le", "gbrp16le", "rgb48le")
GRAY = ("gray", "gray10le", "gray16le", "ya8")
LOCATIONS = range(7)
UNTAGGED = ColorTags()


def clip_of(pix_fmt: str, size: tuple[int, int] = (53, 37), color: ColorTags = UNTAGGED) -> ClipInfo:
    width, height = size
    return ClipInfo(Path("a.mkv"), width, height, pix_fmt, Fraction(1, 25), Fraction(25), None, None, color)


def smooth(size: tuple[int, int], colourful: float = 1.0) -> np.ndarray:
    """A picture of gentle ramps."""
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    x, y = x / size[0], y / size[1]
    grey = 0.35 + 0.3 * x * y
    tint = np.stack([0.15 * x - 0.05 * y, 0.1 * y - 0.1 * x, 0.1 * (1 - y)])
    return (grey + colourful * tint).astype(np.float32)


def rounded(planes: tuple[np.ndarray, ...], pix_fmt: str) -> NativeFrame:
    fmt = picture_format(pix_fmt)
    kept = (np.clip(np.rint(p), 0, (1 << fmt.depth) - 1).astype(sample_dtype(fmt)) for p in planes)
    return NativeFrame(tuple(kept), 0, 1, 0)


def flat(info: ClipInfo, codes: dict[str, int]) -> NativeFrame:
    """A picture of one code a role."""
    fmt = picture_format(info.pix_fmt)
    shapes = [plane_shape(p, info.width, info.height) for p in fmt.planes]
    planes = (np.full(s, codes[p.role], sample_dtype(fmt)) for p, s in zip(fmt.planes, shapes, strict=True))
    return NativeFrame(tuple(planes), 0, 1, 0)


@pytest.mark.parametrize("pix_fmt", [*YUV, *DEEP, *RGB])
@pytest.mark.parametrize("location", LOCATIONS)
def test_there_and_back_changes_no_sample_by_more_than_one_code(pix_fmt, location):
    info = clip_of(pix_fmt, color=ColorTags(chroma_location=location))
    before = rounded(to_planes(smooth((53, 37)), info), pix_fmt)
    after = to_planes(to_rgb(before, info), info)
    fmt = picture_format(pix_fmt)
    for layout, one, other in zip(fmt.planes, before.planes, after, strict=True):
        if layout.role == "a":
            continue
        error = np.abs(one.astype(np.float64) - other)
        inner = slice(2, -2) if layout.x_shift or layout.y_shift else slice(None)
        assert error[inner, inner].max() <= 1.0
        assert error.max() <= 1.5 * 2 ** (fmt.depth - 8)


@pytest.mark.parametrize("pix_fmt", GRAY)
def test_grey_comes_back_exactly(pix_fmt):
    info = clip_of(pix_fmt)
    before = rounded(to_planes(smooth((53, 37)), info), pix_fmt)
    after = rounded(to_planes(to_rgb(before, info), info), pix_fmt)
    np.testing.assert_array_equal(before.planes[0], after.planes[0])


@pytest.mark.parametrize("pix_fmt", [*YUV, *DEEP, *RGB, *GRAY])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("matrix", [1, 2, 4, 5, 6, 7, 9, 10])
def test_the_grey_axis_maps_to_itself(pix_fmt, full, matrix):
    info = clip_of(pix_fmt, (8, 6), ColorTags(matrix=matrix, full_range=full))
    fmt = picture_format(pix_fmt)
    for value in (0.0, 0.25, 0.5, 1.0):
        planes = to_planes(np.full((3, 6, 8), value, np.float32), info)
        for layout, plane in zip(fmt.planes, planes, strict=True):
            if layout.role in "uv":
                np.testing.assert_allclose(plane, 1 << (fmt.depth - 1), rtol=1e-5)
        back = to_rgb(rounded(planes, pix_fmt), info)
        np.testing.assert_allclose(back, value, atol=2.0 / 255)
        assert np.ptp(back, axis=0).max() < 1e-6


@pytest.mark.parametrize(
    ("pix_fmt", "full", "black", "white"),
    [
        ("yuv420p", None, 16, 235),
        ("yuv420p", True, 0, 255),
        ("yuvj420p", None, 0, 255),
        ("yuv420p10le", None, 64, 940),
        ("yuv444p16le", None, 4096, 60160),
        ("yuv422p12le", True, 0, 4095),
        ("gray", None, 0, 255),
        ("gray10le", False, 64, 940),
        ("gbrp", None, 0, 255),
        ("rgb48le", None, 0, 65535),
    ],
)
def test_black_and_white_have_their_codes(pix_fmt, full, black, white):
    info = clip_of(pix_fmt, (4, 4), ColorTags(full_range=full))
    for value, code in ((0.0, black), (1.0, white)):
        planes = to_planes(np.full((3, 4, 4), value, np.float32), info)
        assert planes[0] == pytest.approx(code, rel=1e-6)
        frame = rounded(planes, pix_fmt)
        assert to_rgb(frame, info) == pytest.approx(value, abs=1e-6)
        assert luma(frame, info) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("height", [480, 719, 720, 1080])
def test_untagged_matrix_goes_by_the_height(height):
    info = clip_of("yuv444p", (2, height))
    tagged = replace(info, color=ColorTags(matrix=1 if height >= 720 else 6))
    frame = flat(info, {"y": 90, "u": 60, "v": 200})
    np.testing.assert_array_equal(to_rgb(frame, info), to_rgb(frame, tagged))


@pytest.mark.parametrize("matrix", [1, 5, 7, 9])
@pytest.mark.parametrize("full", [False, True])
def test_ffmpeg_converts_alike(matrix, full):
    rng = np.random.default_rng(matrix)
    size = (64, 48)
    info = clip_of("yuv444p", size, ColorTags(matrix=matrix, full_range=full))
    rgb = 0.2 + 0.6 * rng.random((3, 48, 64)).astype(np.float32)
    frame = rounded(to_planes(rgb, info), "yuv444p")
    picture = av.VideoFrame(*size, "yuv444p")
    for plane, samples in zip(picture.planes, frame.planes, strict=True):
        plane.update(np.pad(samples, ((0, 0), (0, plane.line_size - 64))).tobytes())
    picture.colorspace, picture.color_range, picture.pts = matrix, 2 if full else 1, 0
    theirs = from_av(
        picture.reformat(format="gbrp16le", src_colorspace=matrix, src_color_range=2 if full else 1, dst_color_range=2),
        0,
    )
    green, blue, red = (p / 65535 for p in theirs.planes)
    np.testing.assert_allclose(to_rgb(frame, info), np.stack([red, green, blue]), atol=2.0 / 255)


def test_identity_matrix_means_that_the_planes_are_colours():
    info = clip_of("yuv444p", (4, 4), ColorTags(matrix=0, full_range=True))
    rgb = to_rgb(flat(info, {"y": 10, "u": 20, "v": 30}), info)
    np.testing.assert_allclose(rgb[:, 0, 0] * 255, [30, 10, 20], rtol=1e-6)
    assert [float(p[0, 0]) for p in to_planes(rgb, info)] == pytest.approx([10, 20, 30], rel=1e-6)


def test_identity_matrix_on_subsampled_planes_is_taken_as_untagged():
    info = clip_of("yuv420p", (4, 4), ColorTags(matrix=0))
    frame = flat(info, {"y": 100, "u": 100, "v": 150})
    np.testing.assert_array_equal(to_rgb(frame, info), to_rgb(frame, clip_of("yuv420p", (4, 4))))


@pytest.mark.parametrize("matrix", [8, 14])
def test_an_unsupported_matrix_is_refused(matrix):
    with pytest.raises(MediaError, match=rf"matrix {matrix}[\s\S]*ffmpeg"):
        color_model(clip_of("yuv420p", color=ColorTags(matrix=matrix)))


@pytest.mark.parametrize(
    ("location", "across", "down"),
    [(0, 0.0, 0.5), (1, 0.0, 0.5), (2, 0.5, 0.5), (3, 0.0, 0.0), (4, 0.5, 0.0), (5, 0.0, 1.0), (6, 0.5, 1.0)],
)
def test_chroma_lies_where_the_tag_says(location, across, down):
    """On a ramp a sample's value is its position."""
    info = clip_of("yuv420p", (32, 24), ColorTags(full_range=True, chroma_location=location))
    y, x = np.mgrid[:24, :32].astype(np.float32)
    for position, offset, axis in ((x, across, 1), (y, down, 0)):
        # Only blue moves, and luma with it: Cb is linear in the position.
        rgb = np.stack([np.full_like(x, 0.5), np.full_like(x, 0.5), position / 64])
        u = to_planes(rgb, info)[1]
        start, step = (
            float(np.take(to_planes(np.stack([rgb[0], rgb[1], np.full_like(x, v)]), info)[1], 0)) for v in (0, 1)
        )
        found = (u - start) / (step - start) * 64
        line = np.take(found, 5, axis=1 - axis)[1:-1]
        np.testing.assert_allclose(line, 2 * np.arange(1, len(line) + 1) + offset, atol=1e-3)


@pytest.mark.parametrize("location", LOCATIONS)
def test_upsampled_chroma_lies_where_it_was_taken(location):
    info = clip_of("yuv420p16le", (32, 24), ColorTags(full_range=True, chroma_location=location))
    rgb = smooth((32, 24))
    back = to_rgb(rounded(to_planes(rgb, info), "yuv420p16le"), info)
    np.testing.assert_allclose(back[:, 3:-3, 3:-3], rgb[:, 3:-3, 3:-3], atol=2e-4)


def test_alpha_is_ignored_and_comes_back_opaque():
    info = clip_of("yuva420p", (8, 6))
    frame = flat(info, {"y": 90, "u": 100, "v": 150, "a": 7})
    other = flat(info, {"y": 90, "u": 100, "v": 150, "a": 200})
    np.testing.assert_array_equal(to_rgb(frame, info), to_rgb(other, info))
    assert (to_planes(to_rgb(frame, info), info)[3] == 255).all()


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gbrp10le", "yuv444p"])
def test_luma_weighs_the_colours(pix_fmt):
    info = clip_of(pix_fmt, (4, 4), ColorTags(matrix=1))
    for channel, weight in enumerate((0.2126, 0.7152, 0.0722)):
        rgb = np.zeros((3, 4, 4), np.float32)
        rgb[channel] = 1
        assert luma(rounded(to_planes(rgb, info), pix_fmt), info) == pytest.approx(weight, abs=2.0 / 255)


def test_results_are_float32_in_range():
    info = clip_of("yuv420p", (10, 6))
    wild = flat(info, {"y": 255, "u": 0, "v": 255})
    rgb = to_rgb(wild, info)
    assert rgb.dtype == np.float32
    assert rgb.shape == (3, 6, 10)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert all(p.dtype == np.float32 for p in to_planes(rgb, info))


def test_full_hd_is_fast_enough():
    info = clip_of("yuv420p", (1920, 1080))
    frame = flat(info, {"y": 90, "u": 100, "v": 150})
    spent = []
    for _ in range(3):
        begin = time.perf_counter()
        to_rgb(frame, info)
        spent.append(time.perf_counter() - begin)
    assert min(spent) < 0.5
