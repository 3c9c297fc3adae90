"""What the mask does not touch keeps every bit; what it touches blends in the file's own samples."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.media.test_color import clip_of, flat, rounded, smooth
from tests.media.test_picture import FORMATS, noise
from vidinternal.core.clip import ColorTags
from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_planes, to_rgb
from vidinternal.media.composite import composite, touched
from vidinternal.media.picture import picture_format, plane_shape

SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))
COMMON = ("yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuva420p10le", "nv12", "gray", "gbrp12le", "rgba", "bgr0", "ya8")


@st.composite
def jobs(draw):
    """A clip, one of its pictures, weights and a fill."""
    width, height = draw(SIZES)
    info = clip_of(draw(st.sampled_from(FORMATS)), (width, height))
    info = replace(info, color=ColorTags(chroma_location=draw(st.integers(0, 6))))
    mask = draw(hnp.arrays(bool, (height, width)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weights = np.where(mask, draw(st.sampled_from([1.0, 0.5, 1e-3])), 0).astype(np.float32)
    fill = rng.random((3, height, width)).astype(np.float32)
    return info, noise(info.pix_fmt, width, height, 1), weights, fill


@given(jobs())
@settings(deadline=None)
def test_untouched_samples_are_identical(job):
    info, frame, weights, fill = job
    before = [p.copy() for p in frame.planes]
    after = composite(frame, fill, weights, info)
    for one, other, kept, mask in zip(
        before, after.planes, frame.planes, touched(weights > 0, picture_format(info.pix_fmt)), strict=True
    ):
        np.testing.assert_array_equal(one[~mask], other[~mask])
        np.testing.assert_array_equal(one, kept)
        assert other.dtype == one.dtype
        assert not np.shares_memory(other, kept)
    assert (after.pts, after.duration, after.index) == (frame.pts, frame.duration, frame.index)


@given(jobs())
@settings(deadline=None)
def test_the_fill_outside_the_mask_is_never_looked_at(job):
    info, frame, weights, fill = job
    poisoned = np.where(weights > 0, fill, np.float32(np.nan))
    one, other = composite(frame, fill, weights, info), composite(frame, poisoned, weights, info)
    assert all((a == b).all() for a, b in zip(one.planes, other.planes, strict=True))


@given(jobs())
@settings(deadline=None)
def test_no_weight_is_identity(job):
    info, frame, weights, fill = job
    after = composite(frame, fill, np.zeros_like(weights), info)
    assert all((a == b).all() for a, b in zip(frame.planes, after.planes, strict=True))


@given(SIZES, st.sampled_from(FORMATS), st.data())
@settings(deadline=None)
def test_a_sample_is_touched_when_its_block_is(size, pix_fmt, data):
    width, height = size
    mask = data.draw(hnp.arrays(bool, (height, width)))
    fmt = picture_format(pix_fmt)
    for layout, found in zip(fmt.planes, touched(mask, fmt), strict=True):
        assert found.shape == plane_shape(layout, width, height)
        wanted = np.zeros(found.shape, dtype=bool)
        if layout.role != "a":
            for y, x in np.argwhere(mask):
                wanted[y >> layout.y_shift, x >> layout.x_shift] = True
        np.testing.assert_array_equal(found, wanted)


@given(hnp.arrays(bool, (19, 27)), st.sampled_from(FORMATS), st.integers(0, 6), st.sampled_from([1.0, 0.3]))
@settings(deadline=None)
def test_a_smooth_picture_filled_with_itself_moves_by_one_code_at_most(mask, pix_fmt, location, weight):
    info = clip_of(pix_fmt, (27, 19), ColorTags(chroma_location=location))
    depth = picture_format(pix_fmt).depth
    ramp = 0.4 + (smooth((27, 19)) - 0.4) * np.float32(0.1 * 2.0 ** (8 - depth))  # gentle in codes of that depth
    frame = rounded(to_planes(ramp, info), pix_fmt)
    after = composite(frame, to_rgb(frame, info), mask * np.float32(weight), info)
    for one, other in zip(frame.planes, after.planes, strict=True):
        assert np.abs(one.astype(np.int64) - other.astype(np.int64)).max() <= 1


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_a_full_mask_writes_the_whole_fill(pix_fmt):
    info = clip_of(pix_fmt, (27, 19))
    fill = smooth((27, 19))
    frame = noise(pix_fmt, 27, 19)
    after = composite(frame, fill, np.ones((19, 27), np.float32), info)
    fmt = picture_format(pix_fmt)
    wanted = rounded(to_planes(fill, info), pix_fmt)
    for layout, known, got, want in zip(fmt.planes, frame.planes, after.planes, wanted.planes, strict=True):
        np.testing.assert_array_equal(got, known if layout.role == "a" else want)


@pytest.mark.parametrize("pix_fmt", COMMON)
@pytest.mark.parametrize(("weight", "share"), [(0.25, 0.25), (0.5, 0.5), (1.0, 1.0)])
def test_weights_blend_linearly_in_samples(pix_fmt, weight, share):
    info = clip_of(pix_fmt, (8, 8))
    low = rounded(to_planes(np.full((3, 8, 8), 0.2, np.float32), info), pix_fmt)
    high = np.full((3, 8, 8), 0.8, np.float32)
    after = composite(low, high, np.full((8, 8), weight, np.float32), info)
    one, other = float(low.planes[0][0, 0]), float(to_planes(high, info)[0][0, 0])
    first = after.planes[0] if picture_format(pix_fmt).planes[0].role != "a" else after.planes[1]
    assert np.abs(first - (one + share * (other - one))).max() <= 0.51


@pytest.mark.parametrize("location", range(7))
@pytest.mark.parametrize(
    ("masked", "share"), [([(2, 2)], 0.25), ([(2, 2), (2, 3)], 0.5), ([(3, 3), (2, 3), (3, 2)], 0.75)]
)
def test_a_partly_covered_chroma_sample_moves_by_the_covered_share(location, masked, share):
    info = clip_of("yuv420p", (8, 8), ColorTags(chroma_location=location))
    frame = flat(info, {"y": 100, "u": 60, "v": 200})
    fill = np.zeros((3, 8, 8), np.float32)
    weights = np.zeros((8, 8), np.float32)
    for y, x in masked:
        weights[y, x] = 1
    after = composite(frame, fill, weights, info)
    assert int(after.planes[1][1, 1]) == round(60 + share * (128 - 60))
    assert int(after.planes[2][1, 1]) == round(200 + share * (128 - 200))
    changed = after.planes[1] != frame.planes[1]
    assert changed.sum() == 1


def test_the_fill_of_a_chroma_sample_is_the_mean_under_the_weights():
    info = clip_of("yuv420p", (8, 8), ColorTags(matrix=1, full_range=True, chroma_location=2))
    frame = flat(info, {"y": 100, "u": 128, "v": 128})
    fill = np.full((3, 8, 8), 0.5, np.float32)
    fill[2, 2, 2] = 1.0
    weights = np.zeros((8, 8), np.float32)
    weights[2, 2], weights[3, 3] = 0.25, 0.75
    blue = float(to_planes(np.repeat(fill[:, 2, 2], 16).reshape(3, 4, 4), replace(info, width=4, height=4))[1][0, 0])
    wanted = 128 + (0.25 + 0.75) / 4 * (0.25 * (blue - 128))
    assert int(composite(frame, fill, weights, info).planes[1][1, 1]) == round(wanted)
    assert round(wanted) != 128


def test_colour_from_beside_the_hole_does_not_bleed_into_it():
    info = clip_of("yuv420p", (16, 16))
    red = flat(info, {"y": 81, "u": 90, "v": 240})
    weights = np.zeros((16, 16), np.float32)
    weights[4:12, 4:12] = 1
    after = composite(red, np.full((3, 16, 16), 0.5, np.float32), weights, info)
    assert (after.planes[1][2:6, 2:6] == 128).all()
    assert (after.planes[2][2:6, 2:6] == 128).all()


def test_codes_stay_inside_the_depth():
    info = clip_of("yuv420p10le", (4, 4), ColorTags(full_range=True))
    frame = flat(info, {"y": 1023, "u": 1023, "v": 0})
    for value in (-3.0, 4.0):
        after = composite(frame, np.full((3, 4, 4), value, np.float32), np.ones((4, 4), np.float32), info)
        assert int(after.planes[0][0, 0]) == (0 if value < 0 else 1023)


@pytest.mark.parametrize(
    ("fill", "weights", "words"),
    [
        (np.zeros((3, 4, 5)), np.zeros((4, 4)), "weights"),
        (np.zeros((3, 4, 4)), np.zeros((5, 4)), "weights"),
        (np.zeros((3, 4, 4)), np.full((4, 4), 1.5), "from 1.5 to 1.5"),
        (np.zeros((3, 4, 4)), np.full((4, 4), -0.1), "from -0.1"),
        (np.zeros((3, 4, 4)), np.full((4, 4), np.nan), "nan"),
        (np.full((3, 4, 4), np.nan), np.ones((4, 4)), "NaN"),
        (np.full((3, 4, 4), np.inf), np.ones((4, 4)), "NaN or infinity"),
    ],
)
def test_what_cannot_be_blended_is_refused(fill, weights, words):
    info = clip_of("yuv420p", (4, 4))
    frame = flat(info, {"y": 100, "u": 60, "v": 200})
    with pytest.raises(UsageError, match=words):
        composite(frame, fill, weights, info)
