"""Masks are read as drawn, refused where they do not fit, and never lose coverage when they are fitted."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests import media_made
from tests.media.test_color import clip_of
from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.core.errors import MaskError
from vidinternal.media import mask_source as module
from vidinternal.media.mask_source import MaskFit, check_fits, fit_mask, open_masks, read_image
from vidinternal.media.orientation import orientation
from vidinternal.media.picture import NativeFrame, picture_format, plane_shape, sample_dtype, to_av

SIZE = (16, 12)
CLIP = clip_of("yuv420p", SIZE)


def drawn(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask that tells its index: column ``index`` is white."""
    mask = np.zeros((size[1], size[0]), dtype=bool)
    mask[:, index % size[0]] = True
    return mask


def save(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def folder_of(path: Path, names: list[str], size: tuple[int, int] = SIZE) -> Path:
    path.mkdir()
    for i, name in enumerate(names):
        save(path / name, drawn(i, size).astype(np.uint8) * 255)
    return path


def video_of(path: Path, count: int, *, pix_fmt: str = "gray", rate: int = 25, color: ColorTags = CLIP.color) -> Path:
    """A mask video in the legal white and black of its range."""
    fmt = picture_format(pix_fmt)
    codec = "ffv1" if path.suffix == ".mkv" else "libx264"
    width, height = SIZE
    low, high = (0, 255) if fmt.family != "yuv" or color.full_range else (16, 235)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, width=width, height=height, pix_fmt=pix_fmt)
        stream.codec_context.color_range = 2 if color.full_range else 1
        for index in range(count):
            planes = []
            for layout in fmt.planes:
                shape = plane_shape(layout, width, height)
                colour = np.full(shape, 128, np.uint8)
                plane = np.where(drawn(index), high, low) if layout.role not in "uv" else colour
                planes.append(plane.astype(sample_dtype(fmt)))
            container.mux(stream.encode(to_av(NativeFrame(tuple(planes), index, 1, index), fmt, width, height)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p", "yuv444p", "bgr0", "gray10le"])
@pytest.mark.parametrize("full", [True, False])
def test_a_mask_video_is_read_frame_by_frame(tmp_path, pix_fmt, full):
    if pix_fmt == "gray10le":
        path = deep_video(tmp_path / "a.mkv", 6)
    else:
        path = video_of(tmp_path / "a.mkv", 6, pix_fmt=pix_fmt, color=ColorTags(full_range=full))
    source = open_masks(path)
    assert (source.kind, source.width, source.height, source.count) == ("video", *SIZE, 6)
    assert source.rate == 25
    read = source.read(2, 5, check_fits(source, CLIP, 6, False))
    assert read.dtype == bool
    np.testing.assert_array_equal(read, [drawn(2), drawn(3), drawn(4)])


def deep_video(path: Path, count: int) -> Path:
    """Ten bits: white is 1023, and 511 is still black."""
    fmt = picture_format("gray10le")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=SIZE[0], height=SIZE[1], pix_fmt=fmt.name)
        for index in range(count):
            plane = np.where(drawn(index), 1023, 511).astype(np.uint16)
            container.mux(stream.encode(to_av(NativeFrame((plane,), index, 1, index), fmt, *SIZE)))
        container.mux(stream.encode(None))
    return path


def test_a_lossy_mask_video_keeps_its_shape(tmp_path):
    path = video_of(tmp_path / "a.mp4", 4, pix_fmt="yuv444p")
    source = open_masks(path)
    read = source.read(0, 4, check_fits(source, CLIP, 4, False))
    np.testing.assert_array_equal(read, [drawn(i) for i in range(4)])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".PNG"])
def test_an_image_holds_for_all_frames(tmp_path, suffix):
    source = open_masks(save(tmp_path / f"a{suffix}", drawn(3).astype(np.uint8) * 255))
    assert (source.kind, source.count, source.rate, source.width, source.height) == ("image", None, None, *SIZE)
    read = source.read(100, 103, check_fits(source, CLIP, 1000, False))
    np.testing.assert_array_equal(read, [drawn(3)] * 3)


def test_a_jpeg_is_thresholded(tmp_path):
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.jpg", mask.astype(np.uint8) * 255)), mask)


@pytest.mark.parametrize(("value", "white"), [(127, False), (128, True)])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_begins_above_half(tmp_path, value, white, channels):
    path = save(tmp_path / "a.png", np.full((4, 4, channels), value, np.uint8))
    assert (read_image(path) == white).all()


@pytest.mark.parametrize(("value", "white"), [(32767, False), (32896, True)])
def test_sixteen_bits_are_scaled(tmp_path, value, white):
    assert (read_image(save(tmp_path / "a.png", np.full((4, 4), value, np.uint16))) == white).all()


def test_a_drawing_in_the_alpha_is_used(tmp_path):
    for colour in (0, 255):
        pixels = np.full((12, 16, 4), colour, np.uint8)
        pixels[..., 3] = drawn(5) * 255
        np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", pixels)), drawn(5))


@pytest.mark.parametrize("alpha", [0, 255])
def test_a_constant_alpha_is_ignored(tmp_path, alpha):
    pixels = np.full((12, 16, 4), alpha, np.uint8)
    pixels[..., :3] = drawn(5)[..., None] * 255
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", pixels)), drawn(5))
    pixels[..., :3] = 0
    assert not read_image(save(tmp_path / "b.png", pixels)).any()


def test_a_coloured_picture_is_judged_by_its_colours(tmp_path):
    pixels = np.zeros((12, 16, 4), np.uint8)
    pixels[..., :3] = drawn(5)[..., None] * 255
    pixels[..., 3] = drawn(9) * 255
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", pixels)), drawn(5))


def test_a_folder_is_read_by_number(tmp_path):
    names = [f"m{i}.png" for i in range(8, 12)]  # m10 sorts before m8 as text
    path = folder_of(tmp_path / "masks", names)
    (path / "notes.txt").write_text("not an image")
    (path / ".hidden.png").write_text("nor this")
    source = open_masks(path)
    assert (source.kind, source.count, source.rate) == ("folder", 4, None)
    read = source.read(0, 4, check_fits(source, CLIP, 4, False))
    np.testing.assert_array_equal(read, [drawn(i) for i in range(4)])


def test_a_folder_without_numbers_is_read_by_name(tmp_path):
    source = open_masks(folder_of(tmp_path / "masks", ["a.png", "b.png"]))
    np.testing.assert_array_equal(source.read(0, 2, MaskFit(*SIZE)), [drawn(0), drawn(1)])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "without any"),
        (["1.png", "2.png", "5.png", "6.png"], "2 missing: 3, 4"),
        (["1.png", "20.png"], r"18 missing: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"),
        (["1.png", "01.png"], "for number 1"),
        (["1.png", "2.png", "three.png"], "three.png"),
    ],
)
def test_a_folder_that_is_not_in_order_is_refused(tmp_path, names, words):
    with pytest.raises(MaskError, match=words) as caught:
        open_masks(folder_of(tmp_path / "masks", names))
    assert caught.value.exit_code == 2


def test_images_of_different_sizes_are_refused(tmp_path):
    path = folder_of(tmp_path / "masks", ["1.png", "2.png"])
    save(path / "2.png", np.zeros((5, 7), np.uint8))
    source = open_masks(path)
    with pytest.raises(MaskError, match=r"2\.png[\s\S]*16x12 as in 1\.png[\s\S]*7x5"):
        source.read(0, 2, MaskFit(*SIZE))


@pytest.mark.parametrize(("name", "words"), [("a.png", "is none"), ("a.mp4", "cannot be read"), ("none", "nothing")])
def test_what_is_no_mask_is_refused(tmp_path, name, words):
    if name != "none":
        (tmp_path / name).write_text("not a picture")
    with pytest.raises(MaskError, match=words):
        open_masks(tmp_path / name)


def test_an_empty_image_and_an_unreadable_one_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(MaskError, match="is none"):
        open_masks(tmp_path / "a.png")
    with pytest.raises(MaskError, match="readable image"):
        read_image(tmp_path)


def test_a_mask_video_that_breaks_midway_is_a_mask_error(tmp_path):
    path = video_of(tmp_path / "a.mkv", 8)
    source = open_masks(path)
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][5]
        data = path.read_bytes()
        at = data.index(bytes(packet)) + 6
    path.write_bytes(data[:at] + bytes(b ^ 0x5A for b in data[at : at + 4]) + data[at + 4 :])
    with pytest.raises(MaskError, match="damaged at frame 5"):
        source.read(0, 8, MaskFit(*SIZE))


def test_a_mask_of_another_size_or_length_is_refused_with_both_numbers(tmp_path):
    source = open_masks(folder_of(tmp_path / "masks", ["1.png", "2.png"]))
    with pytest.raises(MaskError, match=r"expected: 20x12[\s\S]*got: +16x12[\s\S]*--mask-fit"):
        check_fits(source, replace(CLIP, width=20), 2, False)
    with pytest.raises(MaskError, match=r"expected: 16x12, 3 frames[\s\S]*got: +16x12, 2 frames[\s\S]*--mask-fit"):
        check_fits(source, CLIP, 3, False)
    assert check_fits(source, CLIP, 2, False) == MaskFit(*SIZE)


def test_an_image_of_another_size_is_refused(tmp_path):
    source = open_masks(save(tmp_path / "a.png", np.zeros((5, 7), np.uint8)))
    with pytest.raises(MaskError, match=r"16x12[\s\S]*7x5"):
        check_fits(source, CLIP, 9, False)


def test_rates_matter_only_when_lengths_differ(tmp_path):
    source = open_masks(video_of(tmp_path / "a.mkv", 6, rate=5))
    assert check_fits(source, CLIP, 6, False).speed == 1
    assert check_fits(source, CLIP, 6, True).speed == 1
    with pytest.raises(MaskError, match=r"30 frames, 25\.000 frames per second[\s\S]*6 frames, 5\.000 frames per"):
        check_fits(source, CLIP, 30, False)
    fit = check_fits(source, CLIP, 30, True)
    assert fit.speed == Fraction(1, 5)
    read = source.read(0, 30, fit)
    np.testing.assert_array_equal(read, [drawn(i // 5) for i in range(30)])
    np.testing.assert_array_equal(source.read(7, 22, fit), read[7:22])


def test_a_faster_mask_is_thinned_out(tmp_path):
    source = open_masks(video_of(tmp_path / "a.mkv", 12, rate=50))
    fit = check_fits(source, CLIP, 6, True)
    assert fit.speed == 2
    np.testing.assert_array_equal(source.read(0, 6, fit), [drawn(2 * i) for i in range(6)])


@pytest.mark.parametrize("length", [3, 9])
def test_a_mask_of_the_same_rate_is_held_or_cut(tmp_path, length):
    source = open_masks(video_of(tmp_path / "a.mkv", 6))
    read = source.read(0, length, check_fits(source, CLIP, length, True))
    np.testing.assert_array_equal(read, [drawn(min(i, 5)) for i in range(length)])


def test_an_empty_span_reads_nothing(tmp_path):
    source = open_masks(folder_of(tmp_path / "masks", ["1.png"]))
    assert source.read(4, 4, MaskFit(*SIZE)).shape == (0, 12, 16)


def test_a_far_span_reads_no_mask_before_it(tmp_path, monkeypatch):
    source = open_masks(folder_of(tmp_path / "masks", [f"{i}.png" for i in range(9)]))
    seen = []
    read = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path, *_: (seen.append(path.name), read(path))[1])
    source.read(6, 8, MaskFit(*SIZE))
    assert seen == ["6.png", "7.png"]


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)), st.integers(1, 30), st.integers(1, 30))
@settings(deadline=None)
def test_resizing_covers_what_was_covered_and_not_much_more(mask, width, height):
    """A new pixel is white exactly when it overlaps a white one: tested on a grid that both sizes divide."""
    fitted = fit_mask(mask, MaskFit(width, height))
    assert fitted.shape == (height, width)
    rows, columns = mask.shape
    fine = mask.repeat(height, axis=0).repeat(width, axis=1)
    wanted = fine.reshape(height, rows, width, columns).any(axis=(1, 3))
    np.testing.assert_array_equal(fitted, wanted)


@pytest.mark.parametrize("rotation", [90, 270])
def test_a_mask_is_drawn_on_the_picture_as_it_is_shown(tmp_path, rotation):
    info: ClipInfo = replace(CLIP, rotation=rotation)
    shown = drawn(2, (12, 16))
    source = open_masks(save(tmp_path / "a.png", shown.astype(np.uint8) * 255))
    np.testing.assert_array_equal(source.read(0, 1, check_fits(source, info, 5, False))[0], shown)


@pytest.mark.parametrize("rotation", [90, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_mask_of_the_stored_size_is_refused_or_turned_with_the_picture(tmp_path, rotation, mirrored):
    info: ClipInfo = replace(CLIP, rotation=rotation, mirrored=mirrored)
    stored = drawn(2)
    source = open_masks(save(tmp_path / "a.png", stored.astype(np.uint8) * 255))
    with pytest.raises(MaskError, match=rf"(?s)12x16 as in the clip as it is shown, turned by {rotation} .*16x12"):
        check_fits(source, info, 5, False)
    fitted = source.read(0, 1, check_fits(source, info, 5, True))[0]
    np.testing.assert_array_equal(fitted, orientation(info).upright(stored))


def test_a_mask_video_is_taken_as_it_is_shown(tmp_path):
    plain = media_made.clip(tmp_path / "plain.mp4", codec="libx264", size=(32, 16), frames=3, options={"qp": "0"})
    turned = media_made.clip(
        tmp_path / "turned.mp4", codec="libx264", size=(32, 16), frames=3, options={"qp": "0"}, rotation=90
    )
    info: ClipInfo = replace(clip_of("yuv420p", (32, 16)), rotation=90)
    source = open_masks(turned)
    assert (source.width, source.height) == (16, 32)
    upright = source.read(0, 3, check_fits(source, info, 3, False))
    stored = np.stack(list(open_masks(plain).masks(0, 3)))
    assert stored.any()
    np.testing.assert_array_equal(upright, orientation(info).upright(stored))
