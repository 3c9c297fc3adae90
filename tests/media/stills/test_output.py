from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from tests.media.stills.stills_made import (
    HOLE,
    edited,
    frames_of,
    picture,
    same_samples,
    see_through,
    write_animation,
    write_gif,
    write_sequence,
)
from tests.media_made import clip
from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media.codecs import EncodeSettings, choose
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.stills.animation import animation
from vidinternal.media.stills.gif_file import gif_facts
from vidinternal.media.stills.png_file import png_animation
from vidinternal.media.stills.webp_file import webp_facts


def rewrite(source: Path, destination: Path, changed: tuple[int, ...] = (1, 2), **settings: object) -> EncodeReport:
    info = probe(source)
    return encode(info, edited(info, changed), destination, EncodeSettings(**settings))  # pyright: ignore[reportArgumentType]


def left_behind(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_untouched_images_are_the_same_bytes_and_touched_ones_keep_all_that_is_said(tmp_path: Path) -> None:
    texts, exif = PngImagePlugin.PngInfo(), Image.Exif()
    texts.add_text("Title", "a shot")
    texts.add(b"gAMA", (45455).to_bytes(4, "big"))
    exif[270] = "description"
    source = write_sequence(tmp_path / "in", pnginfo=texts, exif=exif, dpi=(300, 300), icc_profile=profile())
    report = rewrite(source, tmp_path / "out")
    result = tmp_path / "out"
    assert sorted(p.name for p in result.iterdir()) == sorted(p.name for p in source.iterdir())
    for index, name in enumerate(("001.png", "002.png", "003.png", "004.png")):
        before, after = source / name, result / name
        assert (before.read_bytes() == after.read_bytes()) == (index in (0, 3))
        with Image.open(before) as one, Image.open(after) as other:
            one.load()
            other.load()
            assert one.info == other.info and other.info["Title"] == "a shot"
    assert same_samples(frames_of(result), edited(probe(source)))
    assert "2 of 4 images are copied byte for byte, 2 are written anew" in report.notes
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("layout", ["gray", "gray16le", "ya8", "rgb48le", "rgba", "tif"])
def test_depth_and_alpha_are_kept(tmp_path: Path, layout: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for index in range(3):
        drawn = picture(index, 16 if "16" in layout or "48" in layout else 8)
        stack = {
            "gray": drawn[..., 0],
            "gray16le": drawn[..., 0],
            "rgba": see_through(index),
            "tif": see_through(index),
        }
        image: Image.Image | None = None
        if layout == "rgb48le":
            frame = av.VideoFrame.from_ndarray(drawn, "rgb48le").reformat(format="rgb48be")
            with av.open(str(source / f"{index}.png"), "w", format="image2", options={"update": "1"}) as file:
                video = file.add_stream("png", rate=25, width=frame.width, height=frame.height, pix_fmt="rgb48be")
                file.mux([*video.encode(frame), *video.encode(None)])  # pyright: ignore[reportAttributeAccessIssue]
        elif layout == "ya8":
            image = Image.fromarray(see_through(index)).convert("LA")
        else:
            image = Image.fromarray(stack[layout])
        if image is not None:
            image.save(source / f"{index}.{'tif' if layout == 'tif' else 'png'}")
    info = probe(source)
    assert info.pix_fmt == ("rgba" if layout == "tif" else layout)
    rewrite(source, tmp_path / "out")
    assert probe(tmp_path / "out").pix_fmt == info.pix_fmt
    assert same_samples(frames_of(tmp_path / "out"), edited(info))


def test_a_palette_stays_where_it_has_the_colours(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for index in range(3):
        Image.fromarray(picture(index)).quantize(64).save(source / f"{index}.png")
    info = probe(source)
    within, beyond = frames_of(info), edited(info, (2,))
    for plane in within[1].planes:
        plane[HOLE] = plane[0, 0]
    frames = [within[0], within[1], beyond[2]]
    report = encode(info, frames, tmp_path / "out", EncodeSettings())
    modes = []
    for index in range(3):
        with Image.open(tmp_path / "out" / f"{index}.png") as image:
            modes.append(image.mode)
    assert modes == ["P", "P", "RGB"]
    assert same_samples(frames_of(tmp_path / "out"), frames)
    assert any("1 images got colours that their palette lacks" in note for note in report.notes)


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_jpeg_keeps_tables_sampling_and_untouched_blocks(tmp_path: Path, sampling: int) -> None:
    exif = Image.Exif()
    exif[270] = "description"
    options = {"quality": 83, "subsampling": sampling, "exif": exif, "icc_profile": profile(), "comment": b"hello"}
    source = write_sequence(tmp_path / "in", name="f{}.jpg", **options)
    report = rewrite(source, tmp_path / "out")
    for index in range(4):
        before, after = (tmp_path / side / f"f{index + 1}.jpg" for side in ("in", "out"))
        assert (before.read_bytes() == after.read_bytes()) == (index in (0, 3))
        with Image.open(before) as one, Image.open(after) as other:
            assert one.info == other.info
            assert one.quantization == other.quantization  # pyright: ignore[reportAttributeAccessIssue]
    for before, after in zip(frames_of(source), frames_of(tmp_path / "out"), strict=True):
        away = np.ones(before.planes[0].shape, bool)
        away[:32, :48] = False
        assert np.abs(before.planes[0].astype(int) - after.planes[0])[away].max() <= 2
    assert any("lose again" in note for note in report.notes)


def test_a_thumbnail_that_would_show_what_was_removed_is_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270] = "description"
    small = tmp_path / "small.jpg"
    Image.fromarray(picture(0)).resize((12, 10)).save(small)
    main = exif.tobytes()
    source = write_sequence(tmp_path / "in", 2, name="{}.jpg", exif=with_thumbnail(main, small.read_bytes()))
    with Image.open(source / "2.jpg") as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)
    rewrite(source, tmp_path / "out", (1,))
    with Image.open(tmp_path / "out" / "2.jpg") as image:
        assert not image.getexif().get_ifd(ExifTags.IFD.IFD1) and image.getexif()[270] == "description"
    assert small.read_bytes() not in (tmp_path / "out" / "2.jpg").read_bytes()


def with_thumbnail(exif: bytes, thumbnail: bytes) -> bytes:
    """EXIF of one directory with a second one behind it that holds a thumbnail."""
    head, tiff = exif[:6], bytearray(exif[6:])
    order = "little" if tiff[:2] == b"II" else "big"
    first = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[first : first + 2], order)
    link = first + 2 + 12 * count
    second = len(tiff)
    tiff[link : link + 4] = second.to_bytes(4, order)
    place = second + 2 + 2 * 12 + 4
    entries = b"".join(
        tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) + value.to_bytes(4, order)
        for tag, value in ((513, place), (514, len(thumbnail)))
    )
    return head + bytes(tiff) + (2).to_bytes(2, order) + entries + b"\0" * 4 + thumbnail


def test_folders_appear_as_one_and_only_over_an_earlier_result(tmp_path: Path) -> None:
    source, out = write_sequence(tmp_path / "in"), tmp_path / "out"
    rewrite(source, out / "%05d.png")
    assert sorted(p.name for p in out.iterdir()) == [f"{k:05d}.png" for k in range(1, 5)]
    rewrite(source, out / "%05d.png", (0,))
    assert same_samples(frames_of(out), edited(probe(source), (0,)))
    kept = {p: p.read_bytes() for p in out.iterdir()}

    def refuse(part: Path) -> dict[str, object]:
        assert len(list(part.iterdir())) == 4
        raise IntegrityError("made up")

    info = probe(source)
    with pytest.raises(IntegrityError):
        encode(info, edited(info), out / "%05d.png", EncodeSettings(), check=refuse)
    assert {p: p.read_bytes() for p in out.iterdir()} == kept and left_behind(tmp_path) == []
    (out / "letter.txt").touch()
    with pytest.raises(MediaError, match=r"earlier result alone[^$]*letter\.txt"):
        rewrite(source, out / "%05d.png")
    with pytest.raises(MediaError, match="folder of the source"):
        rewrite(source, source)


def test_gif_keeps_frames_delays_loops_comments_and_known_colours(tmp_path: Path) -> None:
    for alpha in (False, True):
        source = write_gif(tmp_path / f"{alpha}.gif", alpha)
        rewrite(source, tmp_path / "o.gif")
        facts, before = gif_facts((tmp_path / "o.gif").read_bytes()), gif_facts(source.read_bytes())
        assert facts == before and facts is not None and (facts.delays, facts.loops) == ((4, 0, 7, 3), 2)
        wanted = edited(probe(source))
        for native in wanted if alpha else ():
            for plane in native.planes[:3]:
                plane[native.planes[3] == 0] = 0
        assert same_samples(frames_of(tmp_path / "o.gif"), wanted)
        with av.open(str(tmp_path / "o.gif")) as container:
            others = [f.to_ndarray(format="rgba") for f in container.decode(video=0)]
        for native, other in zip(wanted, others, strict=True):
            seen = other[..., 3] > 0
            assert np.array_equal(np.stack(native.planes[:3], -1)[seen], other[seen][:, :3])
    rewrite(source, tmp_path / "same.gif", ())
    assert (tmp_path / "same.gif").read_bytes() == source.read_bytes()


def test_gif_fill_gives_way_where_colours_run_out_and_known_ones_never(tmp_path: Path) -> None:
    source = tmp_path / "in.gif"
    ramp = np.arange(40 * 48).reshape(40, 48) % 250
    frames = [Image.fromarray(np.roll(ramp, 3 * k, 1).astype(np.uint8)) for k in range(3)]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=50, loop=0)
    info = probe(source)
    known, made = frames_of(info), edited(info, ())
    rng = np.random.default_rng(3)
    for plane in made[1].planes:
        plane[HOLE] = rng.integers(0, 256, plane[HOLE].shape)
    report = encode(info, made, tmp_path / "out.gif", EncodeSettings())
    assert any("in 1 frames the fill has more colours than the palette has room for" in n for n in report.notes)
    for native, other in zip(known, frames_of(tmp_path / "out.gif"), strict=True):
        outside = np.ones((40, 48), bool)
        outside[HOLE] = False
        for plane, after in zip(native.planes, other.planes, strict=True):
            assert np.array_equal(plane[outside], after[outside])


def test_apng_keeps_delays_plays_texts_and_depth(tmp_path: Path) -> None:
    source = write_animation(tmp_path / "in.apng", True, duration=[100, 33.3, 50, 40], loop=3, dpi=(72, 72))
    rewrite(source, tmp_path / "out.apng")
    assert png_animation((tmp_path / "out.apng").read_bytes()) == png_animation(source.read_bytes())
    assert same_samples(frames_of(tmp_path / "out.apng"), edited(probe(source)))
    with Image.open(source) as one, Image.open(tmp_path / "out.apng") as other:
        assert one.info["dpi"] == other.info["dpi"]
    deep = tmp_path / "deep"
    deep.mkdir()
    for index in range(3):
        Image.fromarray(picture(index, 16)[..., 0]).save(deep / f"{index}.png")
    rewrite(deep, tmp_path / "deep.apng")
    assert animation(tmp_path / "deep.apng").pix_fmt == "gray16le"
    assert same_samples(frames_of(tmp_path / "deep.apng"), edited(probe(deep)))
    rewrite(tmp_path / "deep.apng", tmp_path / "deeper.apng", (0,))
    assert same_samples(frames_of(tmp_path / "deeper.apng"), edited(probe(tmp_path / "deep.apng"), (0,)))


def test_webp_keeps_delays_loops_and_equal_frames(tmp_path: Path) -> None:
    options = {"duration": [100, 33, 50, 40], "loop": 3, "lossless": True, "exact": True, "icc_profile": profile()}
    source = write_animation(tmp_path / "in.webp", True, **options)
    info = probe(source)
    still = [frames_of(info)[0]] * 2 + edited(info)[2:]
    encode(info, still, tmp_path / "out.webp", EncodeSettings())
    facts = webp_facts((tmp_path / "out.webp").read_bytes())
    assert facts is not None
    assert (facts.delays, facts.loops, facts.lossless, facts.alpha) == ((100, 33, 50, 40), 3, True, True)
    assert same_samples(frames_of(tmp_path / "out.webp"), still)
    with Image.open(tmp_path / "out.webp") as image:
        assert image.info["icc_profile"] == profile()


def test_webp_with_loss_is_written_so_unless_told(tmp_path: Path) -> None:
    source = write_animation(tmp_path / "in.webp", False, duration=40, quality=70)
    assert any("with loss" in n for n in rewrite(source, tmp_path / "lossy.webp").notes)
    assert not animation(tmp_path / "lossy.webp").lossless
    rewrite(source, tmp_path / "kept.webp", lossless=True)
    assert same_samples(frames_of(tmp_path / "kept.webp"), edited(probe(source)))


def test_conversions(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "in")
    gif = write_gif(tmp_path / "a.gif", False)
    rewrite(gif, tmp_path / "a.webp")
    assert animation(tmp_path / "a.webp").durations == (40, 100, 70, 30)
    rewrite(tmp_path / "a.webp", tmp_path / "a.apng", ())
    assert animation(tmp_path / "a.apng").seconds_each == (
        Fraction(1, 25),
        Fraction(1, 10),
        Fraction(7, 100),
        Fraction(3, 100),
    )
    rewrite(folder, tmp_path / "v.mkv", codec="ffv1")
    assert same_samples(rgb_first(tmp_path / "v.mkv"), edited(probe(folder)))
    rewrite(tmp_path / "v.mkv", tmp_path / "back" / "%04d.png", ())
    assert same_samples(frames_of(tmp_path / "back"), edited(probe(folder)))
    assert sorted(p.name for p in (tmp_path / "back").iterdir())[0] == "0001.png"
    rewrite(gif, tmp_path / "v.mp4", codec="ffv1")
    assert frame_pts(probe(tmp_path / "v.mp4"))[1] * probe(tmp_path / "v.mp4").time_base == Fraction(4, 100)
    video = clip(tmp_path / "y.mkv", pix_fmt="yuv420p", audio_tracks=0, frames=3)
    report = rewrite(video, tmp_path / "y" / "%d.png", ())
    assert any("converted to rgb24, from yuv420p" in n for n in report.notes)


def rgb_first(path: Path) -> list[NativeFrame]:
    """Frames with the planes in the order R G B."""
    roles = [p.role for p in picture_format(probe(path).pix_fmt).planes]
    frames = frames_of(path)
    for native in frames:
        native.planes = tuple(native.planes[roles.index(role)] for role in "rgb")
    return frames


def test_what_cannot_be_held_is_refused_before_work_with_what_can(tmp_path: Path) -> None:
    settings = EncodeSettings()
    loud = probe(clip(tmp_path / "loud.mkv", audio_tracks=1, frames=3))
    for name in ("a.gif", "a.webp", "a.apng", "out/%04d.png"):
        with pytest.raises(MediaError, match=r"pictures alone, not stream 1, audio[^$]*\.mkv"):
            choose(settings, loud, tmp_path / name)
    quiet = probe(clip(tmp_path / "quiet.mkv", audio_tracks=0, frames=3))
    with pytest.raises(MediaError, match=r"at most 256 colours[^$]*\.apng or \.webp"):
        choose(settings, quiet, tmp_path / "a.gif")
    with pytest.raises(MediaError, match=r"3 pictures for one tif image[^$]*%05d\.tif"):
        choose(settings, quiet, tmp_path / "a.tif")
    with pytest.raises(MediaError, match=r"JPEG images of common sampling as the source[^$]*png"):
        choose(settings, quiet, tmp_path / "out" / "%04d.jpg")
    turned = probe(clip(tmp_path / "turned.mkv", audio_tracks=0, frames=3, rotation=90))
    with pytest.raises(MediaError, match=r"to be turned by 90 degrees[^$]*\.mp4"):
        choose(settings, turned, tmp_path / "a.webp")
    wide = probe(clip(tmp_path / "wide.mp4", audio_tracks=0, frames=3, sar=Fraction(4, 3)))
    with pytest.raises(MediaError, match=r"pixels are 4:3[^$]*\.mp4"):
        choose(settings, wide, tmp_path / "a.apng")
    alpha = tmp_path / "alpha"
    alpha.mkdir()
    Image.fromarray(see_through(0)).save(alpha / "1.png")
    with pytest.raises(MediaError, match=r"rgba, which bmp does not hold"):
        choose(settings, probe(alpha), tmp_path / "out" / "%d.bmp")
    with pytest.raises(MediaError, match=r"rgba at 48x40[^$]*ffv1"):
        choose(EncodeSettings(codec="h264"), probe(alpha), tmp_path / "a.mp4")
    assert choose(settings, probe(alpha), tmp_path / "a.mkv").codec == "ffv1"


def test_one_image_goes_to_one_image(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "photo.png")
    rewrite(tmp_path / "photo.png", tmp_path / "clean.tif", (0,))
    assert same_samples(frames_of(tmp_path / "clean.tif"), edited(probe(tmp_path / "photo.png"), (0,)))
