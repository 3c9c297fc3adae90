"""Planes to single images, with everything the source image says beside its samples.

PNG, TIFF, BMP and lossless WebP keep every sample. JPEG is made with the source's own quantisation tables, its
sampling and its very luma and chroma samples, so that blocks nobody touched come out as they were.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import ExifTags, Image, TiffImagePlugin

from vidinternal.media.picture import NativeFrame, picture_format, to_av
from vidinternal.media.stills.exif_size import png_with_size, with_size
from vidinternal.media.stills.png_file import carry_over
from vidinternal.media.stills.read import StillHeader, opened

HOLDS = {
    "png": ("gray", "ya8", "rgb24", "rgba", "gray16le", "ya16le", "rgb48le", "rgba64le"),
    "tif": ("gray", "ya8", "rgb24", "rgba", "gray16le", "rgb48le", "rgba64le"),
    "bmp": ("gray", "rgb24"),
    "webp": ("rgb24", "rgba"),
    "jpg": ("gray", "gbrp", "yuvj420p", "yuvj422p", "yuvj444p"),
}
"""What each kind of image holds without loss; JPEG as far as JPEG does."""
_SAMPLING = {"yuvj444p": 0, "yuvj422p": 1, "yuvj420p": 2}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_TIFF_EXIF, _TIFF_GPS = 34665, 34853
# What describes how samples are stored, which is ours to say.
_TIFF_STORAGE = {*(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325)}
_TIFF_STORAGE |= {330, 338, 339, 347, 512, 513, 514, 519, 520, 521, 529, 530, 531, 532, _TIFF_EXIF, _TIFF_GPS}
_THUMBNAIL = ExifTags.IFD.IFD1
_PIXELS = 40962, 40963


@dataclass(frozen=True)
class StillSource:
    """The image that a new one is made from.

    Attributes:
        path: The file.
        header: Its head.
        remade: Width and height of the new picture, where nothing in it is the source's own any more.
    """

    path: Path
    header: StillHeader
    remade: tuple[int, int] | None = None

    def told(self, exif: bytes) -> bytes:
        """EXIF data as it is true of the new picture."""
        return exif if self.remade is None else with_size(exif, self.remade)


def encode_still(
    planes: tuple[np.ndarray, ...],
    pix_fmt: str,
    kind: str,
    source: StillSource | None = None,
    quality: int | None = None,
) -> bytes:
    """Make an image file.

    Args:
        planes: The samples.
        pix_fmt: Their layout, one that ``HOLDS`` has for the kind.
        kind: ``png``, ``jpg``, ``tif``, ``bmp`` or ``webp``.
        source: Where colour profile, density, texts and EXIF come from; needed for ``jpg``.
        quality: 0 to 100 for a lossy WebP; None is lossless.
    """
    if kind == "jpg":
        if source is None:
            raise ValueError("a JPEG image is only made from another")
        return _jpeg(planes, pix_fmt, source)
    stack = np.stack(planes, axis=-1)
    if kind == "tif":
        return _tiff(stack, source)
    if kind == "png":
        encoded = indexed_png(stack, source) or encode_png(planes, pix_fmt)
        return encoded if source is None else carry_over(encoded, _donor(source))
    file, said = io.BytesIO(), _said(source)
    image = pillow_image(stack)
    if kind == "bmp":
        image.save(file, "BMP", **({"dpi": said["dpi"]} if "dpi" in said else {}))
    else:
        said.pop("dpi", None)
        image.save(file, "WEBP", **webp_options(quality), **said)
    return file.getvalue()


def webp_options(quality: int | None) -> dict[str, Any]:
    """Pillow's options: lossless with the colour of invisible pixels kept, or lossy."""
    return {"lossless": True, "exact": True, "quality": 60} if quality is None else {"quality": quality, "exact": True}


def pillow_image(stack: np.ndarray) -> Image.Image:
    """``H W C`` uint8 samples as an image."""
    height, width, count = stack.shape
    return Image.frombytes(_MODES[count], (width, height), np.ascontiguousarray(stack).tobytes())


def encode_png(planes: tuple[np.ndarray, ...], pix_fmt: str) -> bytes:
    """A plain PNG file of 8- or 16-bit samples."""
    height, width = planes[0].shape
    frame = to_av(NativeFrame(planes, 0, 0, 0), picture_format(pix_fmt), width, height)
    if pix_fmt.endswith("le"):
        frame = frame.reformat(format=f"{pix_fmt[:-2]}be")
    codec = av.CodecContext.create("png", "w")
    if not isinstance(codec, VideoCodecContext):
        raise TypeError("FFmpeg's png encoder is one of video")
    codec.width, codec.height, codec.pix_fmt = width, height, frame.format.name
    codec.time_base = Fraction(1, 25)
    codec.options = {"pred": "mixed"}
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))


def indexed_png(stack: np.ndarray, source: StillSource | None) -> bytes | None:
    """A PNG file with the source's own palette; None where that lacks a colour, or the source has none."""
    if source is None or source.header.kind != "png" or not source.header.indexed:
        return None
    with opened(source.path) as image:
        if image.mode == "1":
            return _one_bit(stack)
        colors = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        given = image.info.get("transparency")
    alpha = np.full(len(colors), 255, np.uint8)
    if isinstance(given, int):
        alpha[given] = 0
    elif given is not None:
        alpha[: len(given)] = np.frombuffer(given, np.uint8)[: len(alpha)]
    table = colors if stack.shape[2] == 3 else np.column_stack([colors, alpha])
    indices = look_up(stack, table)
    if indices is None:
        return None
    image = Image.frombytes("P", stack.shape[1::-1], indices.tobytes())
    image.putpalette(colors.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", **({} if given is None else {"transparency": given}))
    return file.getvalue()


def _one_bit(stack: np.ndarray) -> bytes | None:
    if not np.isin(stack, (0, 255)).all():
        return None
    file = io.BytesIO()
    pillow_image(stack).convert("1", dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def look_up(stack: np.ndarray, table: np.ndarray) -> np.ndarray | None:
    """Index of every pixel's colour in a table, ``h w`` uint8; None where one is missing.

    Args:
        stack: ``h w C`` uint8.
        table: ``N C`` uint8, N at most 256.
    """
    codes, known = packed(stack), packed(table)
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known, codes, sorter=order)
    found = order[np.minimum(at, len(known) - 1)]
    return found.astype(np.uint8) if (known[found] == codes).all() else None


def packed(colors: np.ndarray) -> np.ndarray:
    """Colours ``... C`` uint8 as one number each."""
    codes = np.zeros(colors.shape[:-1], np.uint32)
    for k in range(colors.shape[-1]):
        codes = codes << np.uint32(8) | colors[..., k]
    return codes


def _said(source: StillSource | None) -> dict[str, Any]:
    """Colour profile, EXIF, XMP and density as Pillow's arguments."""
    if source is None:
        return {}
    with opened(source.path) as image:
        said = {k: image.info[k] for k in ("icc_profile", "xmp", "dpi") if image.info.get(k)}
        exif = image.getexif()
        if exif:
            said["exif"] = source.told(exif.tobytes())
    return said


def _donor(source: StillSource) -> bytes:
    """A PNG file that says what the source says beside its samples."""
    if source.header.kind == "png":
        png = source.path.read_bytes()
        return png if source.remade is None else png_with_size(png, source.remade)
    said, file = _said(source), io.BytesIO()
    said.pop("xmp", None)
    Image.new("L", (1, 1)).save(file, "PNG", **said)
    return file.getvalue()


def _jpeg(planes: tuple[np.ndarray, ...], pix_fmt: str, source: StillSource) -> bytes:
    fmt, file = picture_format(pix_fmt), io.BytesIO()
    with opened(source.path) as image:
        tables: Any = getattr(image, "quantization", None)
        tables = tables if source.remade is None else _finer(tables)
        options: dict[str, Any] = {"qtables": tables, "progressive": "progressive" in image.info}
        thumbnail = bool(image.getexif().get_ifd(_THUMBNAIL))
        exif = source.told(image.getexif().tobytes()) if thumbnail else b""
    size = planes[0].shape[::-1]
    if fmt.family == "gray":
        image = Image.frombytes("L", size, planes[0].tobytes())
    elif fmt.family == "rgb":
        image = Image.frombytes("RGB", size, np.stack([planes[2], planes[0], planes[1]], axis=-1).tobytes())
        options["keep_rgb"] = True
    else:
        # Repeated samples are what the encoder's mean over a block turns into the very samples again.
        full = [
            p.repeat(1 << at.y_shift, 0).repeat(1 << at.x_shift, 1)[: size[1], : size[0]]
            for p, at in zip(planes, fmt.planes, strict=True)
        ]
        image = Image.frombytes("YCbCr", size, np.stack(full, axis=-1).tobytes())
        options["subsampling"] = _SAMPLING[pix_fmt]
    image.save(file, "JPEG", **options)
    return _with_segments(file.getvalue(), source, exif)


def _finer(tables: Any) -> dict[int, list[int]]:
    """Quantisation tables with no step larger than that of quality 95."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=95)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        usual: Any = getattr(image, "quantization", None)
    return {k: [min(a, b) for a, b in zip(own, usual[min(k, 1)], strict=True)] for k, own in tables.items()}


def _with_segments(encoded: bytes, source: StillSource, exif: bytes) -> bytes:
    """The picture of one JPEG file with the application and comment segments of another.

    ``exif``, if given, stands in for a segment whose thumbnail would still show what has been removed.
    """
    own = b"".join(s for m, s in _segments(encoded) if not _says(m))
    kept = []
    for marker, segment in _segments(source.path.read_bytes()):
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            told = exif or source.told(segment[4:])
            kept.append(b"\xff\xe1" + struct.pack(">H", len(told) + 2) + told)
        elif _says(marker) and not (marker == 0xE2 and segment[4:8] == b"MPF\0"):
            kept.append(segment)
    return b"\xff\xd8" + b"".join(kept) + own


def _says(marker: int) -> bool:
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of every segment before the picture, then the picture to the end of the file."""
    at = 2
    while data[at + 1] != 0xDA:
        size = 2 + struct.unpack_from(">H", data, at + 2)[0]
        yield data[at + 1], data[at : at + size]
        at += size
    yield 0xDA, data[at:]


def _tiff(stack: np.ndarray, source: StillSource | None) -> bytes:
    """A TIFF file of one deflated strip, with the tags of the source."""
    height, width, count = stack.shape
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    extra = 2  # alpha that has not been multiplied in
    if source is not None:
        with opened(source.path) as image:
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                extra = image.tag_v2.get(338, (extra,))[0]
                _copy_tags(image.tag_v2, tags)
            elif image.info.get("icc_profile"):
                tags[34675] = image.info["icc_profile"]
            exif = image.getexif()
            for place in (_TIFF_EXIF, _TIFF_GPS):
                if inner := dict(exif.get_ifd(place)):
                    true = dict(zip(_PIXELS, source.remade or (), strict=False))
                    tags[place] = inner | {k: v for k, v in true.items() if k in inner}
    strip = zlib.compress(np.ascontiguousarray(stack).astype(stack.dtype.newbyteorder("<")).tobytes())
    color = 1 if count < 3 else 2
    tags[256], tags[257], tags[258] = width, height, (stack.dtype.itemsize * 8,) * count
    tags[259], tags[262], tags[277], tags[278], tags[284] = 8, color, count, height, 1
    tags[273], tags[279] = 0, len(strip)
    if count in (2, 4):
        tags[338] = extra
    file = io.BytesIO()
    tags.save(file)
    return file.getvalue() + strip


def _copy_tags(source: Any, tags: Any) -> None:
    for tag, value in source.items():
        if tag not in _TIFF_STORAGE:
            tags.tagtype[tag] = source.tagtype[tag]
            tags[tag] = value
