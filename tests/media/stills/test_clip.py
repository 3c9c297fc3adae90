from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.media.stills.stills_made import (
    HEIGHT,
    WIDTH,
    frames_of,
    picture,
    see_through,
    write_animation,
    write_gif,
    write_sequence,
)
from vidinternal.core.clip import ReadPolicy
from vidinternal.core.errors import MediaError
from vidinternal.media.decode import ClipReader
from vidinternal.media.mask_source import open_masks
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.sample import sample_frames
from vidinternal.media.stills.read import read_still, still_header
from vidinternal.media.stills.write import HOLDS, encode_still


@pytest.mark.parametrize(("kind", "layout"), [(k, f) for k in ("png", "tif", "bmp", "webp") for f in HOLDS[k]])
def test_every_layout_comes_back_sample_for_sample(tmp_path: Path, kind: str, layout: str) -> None:
    count = {"g": 1, "y": 2}.get(layout[0], 4 if "a" in layout else 3)
    deep = layout.endswith("le")
    rng = np.random.default_rng(1)
    peak, dtype = (65536, np.uint16) if deep else (256, np.uint8)
    planes = tuple(rng.integers(0, peak, (7, 9)).astype(dtype) for _ in range(count))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encode_still(planes, layout, kind))
    info = probe(path)
    assert (info.pix_fmt, info.width, info.height, info.frames) == (layout, 9, 7, 1)
    assert all(map(np.array_equal, frames_of(path)[0].planes, planes))


def test_a_folder_of_images_is_a_clip_with_the_rate_asked_for(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "a")
    info = probe(folder, ReadPolicy(fps=Fraction(24000, 1001)))
    assert (info.frames, info.rate, info.width, info.height) == (4, Fraction(24000, 1001), WIDTH, HEIGHT)
    assert frame_pts(info) == (0, 1, 2, 3) and info.time_base == Fraction(1001, 24000)
    assert probe(folder).rate == 25
    third = next(iter(ClipReader(info).frames(2, 3)))
    assert np.array_equal(np.stack(third.planes, -1), picture(2)) and third.index == 2
    assert sample_frames(info, [3, 0]).frames.shape == (2, HEIGHT, WIDTH, 3)


def test_an_image_that_differs_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "a")
    Image.fromarray(picture(0)[:-1]).save(folder / "003.png")
    with pytest.raises(MediaError, match=r"003\.png: differs.*\n.*48x40 png rgb24 as 001\.png\n.*48x39"):
        probe(folder)
    Image.fromarray(see_through(0)).save(folder / "003.png")
    with pytest.raises(MediaError, match=r"003\.png: differs[^$]*rgba"):
        probe(folder)


def test_palettes_bits_and_turned_photos(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    plain = Image.fromarray(picture(0)).quantize(30)
    plain.save(folder / "1.png")
    plain.save(folder / "2.png", transparency=3)
    info = probe(folder)
    assert info.pix_fmt == "rgba"
    first, second = frames_of(info)
    assert np.array_equal(np.stack(first.planes[:3], -1), np.asarray(plain.convert("RGB")))
    assert (first.planes[3] == 255).all() and (second.planes[3] == 0).any()
    bits = tmp_path / "b.png"
    Image.fromarray(picture(0)).convert("1").save(bits)
    assert probe(bits).pix_fmt == "gray" and set(np.unique(frames_of(bits)[0].planes[0])) <= {0, 255}
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(picture(0)).save(tmp_path / "c.jpg", exif=turned)
    info = probe(tmp_path / "c.jpg")
    assert (info.rotation, info.width, info.color.full_range) == (90, WIDTH, True)


def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match=r"a\.jpg: cannot be used[^$]*CMYK"):
        probe(tmp_path / "a.jpg")
    (tmp_path / "b.png").write_bytes(b"no image at all")
    with pytest.raises(MediaError, match=r"b\.png: cannot be read"):
        probe(tmp_path / "b.png")
    for name in ("c.png", "c.jpg"):
        path = tmp_path / name
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:-1500])
        header = still_header(path)
        with pytest.raises(MediaError, match=rf"{name}: (is damaged|cannot be read[^$]*truncated)"):
            read_still(path, header)
    with pytest.raises(MediaError, match="too large"):
        probe(write_sequence(tmp_path / "d"), ReadPolicy(max_pixels=100))


def test_gif_times_and_canvases(tmp_path: Path) -> None:
    info = probe(write_gif(tmp_path / "a.gif", True))
    assert (info.pix_fmt, info.time_base, frame_pts(info)) == ("rgba", Fraction(1, 100), (0, 4, 14, 21))
    for native in frames_of(info):
        wanted = see_through(native.index)
        wanted[wanted[..., 3] == 0] = 0
        assert np.array_equal(np.stack(native.planes, -1), wanted)
    assert probe(write_gif(tmp_path / "b.gif", False)).pix_fmt == "rgb24"


@pytest.mark.parametrize("disposal", [1, 2, 3])
def test_gif_frames_are_laid_over_one_another_as_ffmpeg_does(tmp_path: Path, disposal: int) -> None:
    path = write_animation(tmp_path / "a.gif", True, duration=50, disposal=disposal)
    with av.open(str(path)) as container:
        others = [f.to_ndarray(format="rgba") for f in container.decode(video=0)]
    frames = frames_of(path)
    assert len(frames) == len(others) == 4
    for native, other in zip(frames, others, strict=True):
        mine = np.stack(native.planes, -1)
        if mine.shape[2] == 4:
            assert np.array_equal(mine[..., 3], other[..., 3])
        seen = other[..., 3] > 0
        assert np.array_equal(mine[seen][:, :3], other[seen][:, :3])


def test_apng_and_webp_times_and_canvases(tmp_path: Path) -> None:
    apng = write_animation(tmp_path / "a.apng", True, duration=[100, 33.3, 50, 40], loop=3)
    info = probe(apng)
    times = [pts * info.time_base for pts in frame_pts(info)]
    assert times == [0, Fraction(1, 10), Fraction(1, 10) + Fraction(333, 10000), Fraction(1833, 10000)]
    webp = write_animation(tmp_path / "a.webp", True, duration=[100, 33, 50, 40], lossless=True, exact=True)
    assert frame_pts(probe(webp)) == (0, 100, 133, 183)
    for path in (apng, webp):
        for native in frames_of(path):
            mine, drawn = np.stack(native.planes, -1), see_through(native.index)
            seen = drawn[..., 3] > 0  # WebP's blending forgets the colour of the rest
            assert np.array_equal(mine[seen], drawn[seen]) and np.array_equal(mine[..., 3], drawn[..., 3])
        third = next(iter(ClipReader(probe(path)).frames(2, 3)))
        assert np.array_equal(third.planes[3], see_through(2)[..., 3]) and third.index == 2


def test_an_animated_mask_is_a_video_of_masks(tmp_path: Path) -> None:
    masks = [Image.fromarray(np.full((8, 8), 255 * (k % 2), np.uint8)) for k in range(3)]
    masks[0].save(tmp_path / "m.webp", save_all=True, append_images=masks[1:], lossless=True)
    source = open_masks(tmp_path / "m.webp")
    assert (source.kind, source.count) == ("video", 3)
    assert [bool(m.all()) for m in source.masks(0, 3)] == [False, True, False]
