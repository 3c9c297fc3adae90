"""Images and animations whose pictures were all made anew, of another size: what is written, told and carried over."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.media.stills.stills_made import HEIGHT, WIDTH, frames_of, picture, write_animation, write_gif, write_sequence
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.picture import NativeFrame, stretched
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.stills.animation import animation
from vidinternal.media.stills.exif_size import png_with_size, with_size
from vidinternal.media.stills.plan import still_plan
from vidinternal.media.stills.verify import StillsPromise
from vidinternal.media.verify_samples import Remade

SIZE = (2 * WIDTH + 1, 2 * HEIGHT)


def enlarged(info: ClipInfo, size: tuple[int, int] = SIZE) -> Any:
    """Gives the pictures at another size, with a ramp over them, so that there are many colours."""
    plan = still_plan(info, info.path.parent / "x.png", None, frame_pts(info), size) if size else None
    assert plan is not None

    def frames(start: int, end: int) -> Iterator[NativeFrame]:
        for native in frames_of(info)[start:end]:
            large = stretched(native, plan.pictures(info))
            ramp = np.arange(large.planes[0].shape[1], dtype=large.planes[0].dtype)
            yield NativeFrame(tuple(p // 2 + ramp[: p.shape[1]] for p in large.planes), *_times(large))

    return frames


def _times(native: NativeFrame) -> tuple[int, int, int]:
    return native.pts, native.duration, native.index


def write(source: Path, destination: Path) -> tuple[EncodeReport, dict[str, Any]]:
    info = probe(source)
    frames = enlarged(info)
    plan = still_plan(info, destination, 90, frame_pts(info), SIZE)
    promise = StillsPromise(info, plan, destination, Remade(SIZE, frames), lambda *_: None)
    made = encode(info, Edited(frames, (), remade=SIZE), destination, EncodeSettings(), check=promise)
    assert made.verification is not None
    return made, dict(made.verification)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "gray.png", "deep.png", "alpha.png", "lossless.webp"])
def test_images_hold_every_sample_as_made(tmp_path: Path, name: str) -> None:
    array = picture(0, 16 if name.startswith("deep") else 8)
    image = Image.fromarray(array) if array.dtype == np.uint8 else Image.fromarray(array[..., 0])
    image = image.convert("L") if name.startswith("gray") else image
    if name.startswith("alpha"):
        image.putalpha(128)
    more: dict[str, Any] = {"lossless": True} if name.endswith("webp") else {}
    image.save(tmp_path / name, **more)
    (tmp_path / "out").mkdir()
    made, told = write(tmp_path / name, tmp_path / "out" / name)
    assert told["outside"]["changed"] == 0 and told["lossless"] and told["line"].endswith("every sample as it was made")
    assert (probe(made.path).width, probe(made.path).height) == SIZE
    assert probe(made.path).pix_fmt == probe(tmp_path / name).pix_fmt
    assert not any("byte for byte" in note for note in made.notes)


def test_a_sequence_keeps_its_names(tmp_path: Path) -> None:
    source = write_sequence(tmp_path / "in")
    made, told = write(source, tmp_path / "out")
    assert sorted(p.name for p in made.path.iterdir()) == ["001.png", "002.png", "003.png", "004.png"]
    assert told["frames"] == [4, 4] and (probe(made.path).width, probe(made.path).height) == SIZE


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_animations_keep_delays_and_plays(tmp_path: Path, name: str, alpha: bool) -> None:
    source = tmp_path / name
    if name.endswith("gif"):
        write_gif(source, alpha)
    else:
        write_animation(source, alpha, duration=80, lossless=True, loop=2)
    (tmp_path / "out").mkdir()
    made, told = write(source, tmp_path / "out" / name)
    before, after = animation(source), animation(made.path)
    assert (after.width, after.height) == SIZE
    assert (after.durations, after.plays) == (before.durations, before.plays)
    assert told["lossless"] == (not name.endswith("gif"))
    assert (told["outside"]["changed"] == 0) or name.endswith("gif")


def test_a_gif_tells_how_far_its_palette_is_off(tmp_path: Path) -> None:
    write_gif(tmp_path / "a.gif", alpha=False)
    (tmp_path / "out").mkdir()
    made, told = write(tmp_path / "a.gif", tmp_path / "out" / "a.gif")
    assert any("palette of its own" in n for n in made.notes)
    assert "dB against the pictures made" in told["line"] or told["outside"]["changed"] == 0
    assert not any("every known colour" in n for n in made.notes)


def _photo(path: Path, quality: int = 30) -> None:
    image = Image.fromarray(picture(0))
    exif = image.getexif()
    exif[0x0110] = "Camera"
    exif.get_ifd(0x8769).update({0xA002: WIDTH, 0xA003: HEIGHT, 0x9003: "2020:01:02 03:04:05"})
    image.save(path, quality=quality, exif=exif, subsampling=2)


def test_a_jpeg_is_quantised_finely_whatever_the_source_was(tmp_path: Path) -> None:
    _photo(tmp_path / "poor.jpg")
    _photo(tmp_path / "rich.jpg", 100)
    (tmp_path / "out").mkdir()
    for name in ("poor.jpg", "rich.jpg"):
        made, told = write(tmp_path / name, tmp_path / "out" / name)
        with Image.open(made.path) as new, Image.open(tmp_path / name) as old:
            mine, theirs = (getattr(i, "quantization") for i in (new, old))  # noqa: B009
        assert all(max(mine[k]) <= 25 and np.all(np.array(mine[k]) <= theirs[k]) for k in mine)
        assert told["outside"]["psnr"] > 38 and any("at least as finely as quality 95" in n for n in made.notes)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.png", "a.tif"])
def test_exif_tells_the_new_size_and_all_else_as_it_was(tmp_path: Path, name: str) -> None:
    _photo(tmp_path / "photo.jpg")
    with Image.open(tmp_path / "photo.jpg") as image:
        more = {"lossless": True} if name.endswith("webp") else {}
        if name != "a.jpg":
            image.save(tmp_path / name, exif=image.getexif(), **more)  # pyright: ignore[reportArgumentType]
        else:
            (tmp_path / "photo.jpg").rename(tmp_path / name)
    (tmp_path / "out").mkdir()
    made, _ = write(tmp_path / name, tmp_path / "out" / name)
    with Image.open(made.path) as image:
        exif = image.getexif()
        inner = exif.get_ifd(0x8769)
    assert exif[0x0110] == "Camera" and inner[0x9003] == "2020:01:02 03:04:05"
    assert (inner[0xA002], inner[0xA003]) == SIZE


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mark", [b"", b"Exif\0\0"])
def test_the_size_is_overwritten_where_it_stands(order: str, mark: bytes) -> None:
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    first = struct.pack(f"{order}H HHII HHII I", 2, 0x0100, 3, 1, 7, 0x8769, 4, 1, 38, 0)
    inner = struct.pack(f"{order}H HHII HHII I", 2, 0xA002, 4, 1, 7, 0xA003, 3, 1, 9, 0)
    data = head + struct.pack(f"{order}I", 8) + first + inner + b"maker's notes"
    told = with_size(mark + data, (70_000, 5))
    assert len(told) == len(mark + data) and told.endswith(b"maker's notes") and told.startswith(mark + head)
    outer, last = (struct.unpack_from(f"{order}HHII", told, len(mark) + at) for at in (10, 52))
    assert (outer, last) == ((0x0100, 4, 1, 70_000), (0xA003, 4, 1, 5))


BROKEN = [b"", b"no exif at all", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_exif_stays_as_it_is(data: bytes) -> None:
    assert with_size(data, (3, 4)) == data
    assert png_with_size(data, (3, 4)) == data


def test_what_no_webp_can_hold_is_refused_before_the_work(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.webp", lossless=True)
    info = probe(tmp_path / "a.webp")
    with pytest.raises(MediaError, match="16383 pixels a side"):
        still_plan(info, tmp_path / "b.webp", None, (0,), (16_384, 10))
    assert still_plan(info, tmp_path / "b.png", None, (0,), (16_384, 10)).size == (16_384, 10)


def test_an_image_that_is_not_what_was_made_gets_no_name(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    info = probe(tmp_path / "a.png")
    frames = enlarged(info)
    plan = still_plan(info, tmp_path / "b.png", None, (0,), SIZE)

    def other(start: int, end: int) -> Iterator[NativeFrame]:
        for native in frames(start, end):
            yield NativeFrame(tuple(p ^ 1 for p in native.planes), *_times(native))

    promise = StillsPromise(info, plan, tmp_path / "b.png", Remade(SIZE, other), lambda *_: None)
    with pytest.raises(IntegrityError, match="as it was made"):
        encode(info, Edited(frames, (), remade=SIZE), tmp_path / "b.png", EncodeSettings(), check=promise)
    assert not (tmp_path / "b.png").exists()
