"""Single images to planes: PNG, JPEG, TIFF, BMP and WebP, in the samples they hold.

FFmpeg reads what Pillow would round: 16-bit samples and the luma and chroma of JPEG. Pillow reads the rest, palettes
and 1-bit pictures included, which become the colours they stand for.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from PIL import Image, UnidentifiedImageError

from vidinternal.core.clip import ColorTags
from vidinternal.core.errors import MediaError
from vidinternal.media.picture import from_av, picture_format
from vidinternal.media.stills.png_file import png_header

KINDS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "TIFF": "tif", "BMP": "bmp", "DIB": "bmp", "WEBP": "webp"}
"""Pillow's name of a format -> ours."""
_PLAIN = {"1": "gray", "L": "gray", "LA": "ya8", "RGB": "rgb24", "RGBA": "rgba"}
_PLAIN |= {"I;16": "gray16le", "I;16B": "gray16le"}
_DEEP = {"gray": "gray16le", "ya8": "ya16le", "rgb24": "rgb48le", "rgba": "rgba64le"}
_INDEXED = ("P", "PA", "1")
_WITH_ALPHA = {"gray": "ya8", "rgb24": "rgba", "gray16le": "ya16le", "rgb48le": "rgba64le"}
_PNG_COLORS = {0: "gray", 2: "rgb24", 4: "ya8", 6: "rgba"}
_FRACTIONS = {(1, 1): "yuvj444p", (2, 1): "yuvj422p", (2, 2): "yuvj420p", (1, 2): "yuvj440p", (4, 1): "yuvj411p"}
_EXPECTED = "a PNG, JPEG, TIFF, BMP or WebP image of 8- or 16-bit grey, RGB or palette samples, with or without alpha"
_SOUND = "an image that decodes without errors"
_ERRORS = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
_TIFF_BITS, _TIFF_FORMAT, _ORIENTATION = 258, 339, 274
# EXIF orientation -> a, b, c, d: the stored point (p, q) is shown at (a p + c q, b p + d q).
_TURNS = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


@dataclass(frozen=True)
class StillHeader:
    """What the head of an image file says.

    Attributes:
        kind: ``png``, ``jpg``, ``tif``, ``bmp`` or ``webp``.
        width: Pixels.
        height: Pixels.
        pix_fmt: Layout of the planes that :func:`read_still` gives.
        indexed: Whether the samples are indices into a palette, or single bits.
        orientation: The EXIF tag of that name, 1 = upright.
    """

    kind: str
    width: int
    height: int
    pix_fmt: str
    indexed: bool = False
    orientation: int = 1

    @property
    def matrix(self) -> tuple[int, ...] | None:
        """The display matrix that the orientation stands for; None where the image stands upright."""
        turn = _TURNS.get(self.orientation)
        return (
            None if turn is None else (turn[0] << 16, turn[1] << 16, 0, turn[2] << 16, turn[3] << 16, 0, 0, 0, 1 << 30)
        )


@dataclass(frozen=True)
class Still:
    """One image.

    Attributes:
        planes: As in :class:`NativeFrame`.
        pix_fmt: Their layout.
        color: Colour tags.
    """

    planes: tuple[np.ndarray, ...]
    pix_fmt: str
    color: ColorTags = field(default_factory=ColorTags)


@contextmanager
def opened(path: Path, data: bytes | None = None) -> Iterator[Image.Image]:
    """Open an image with Pillow; what goes wrong becomes an error that names the file.

    Raises:
        MediaError: It cannot be read, or is no image.
    """
    try:
        with Image.open(path if data is None else io.BytesIO(data)) as image:
            yield image
    except _ERRORS as error:
        got = getattr(error, "strerror", None) or ("a file that is none" if "identify" in str(error) else str(error))
        raise MediaError(f"{path}: cannot be read", expected=_EXPECTED, got=got) from error


def still_header(path: Path) -> StillHeader:
    """Read the head of an image file.

    Raises:
        MediaError: It cannot be read, is no image, an animation, or of samples that are not supported.
    """
    with opened(path) as image:
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            got = f"{image.n_frames} pictures"  # pyright: ignore[reportAttributeAccessIssue]
            raise MediaError(f"{path}: is an animation", expected="one picture a file", got=got)
        kind, layout = KINDS.get(image.format or ""), _layout(image, path)
        if kind is None or layout is None:
            got = f"{image.format} in mode {image.mode}"
            hint = f"magick {shlex.quote(str(path))} -colorspace sRGB rgb.png"
            raise MediaError(f"{path}: cannot be used", expected=_EXPECTED, got=got, hint=hint)
        size, indexed = _stored_size(image), image.mode in _INDEXED
        return StillHeader(kind, *size, layout, indexed, _orientation(image))


def _orientation(image: Any) -> int:
    """The EXIF orientation; of a PNG image without decoding it, as Pillow would to look behind its samples."""
    exif = Image.Exif()
    if image.format != "PNG":
        exif = image.getexif()
    elif image.info.get("exif"):
        exif.load(image.info["exif"])
    return exif.get(_ORIENTATION, 1)


def _stored_size(image: Any) -> tuple[int, int]:
    """Width and height as stored; Pillow tells those of a TIFF image as it is shown."""
    return (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size


def _layout(image: Any, path: Path) -> str | None:
    """FFmpeg's name of the layout that holds every sample; None where there is none."""
    if image.format in ("JPEG", "MPO"):
        return _jpeg_layout(image)
    alpha = image.mode == "PA" or "transparency" in image.info
    if image.mode in ("P", "PA"):
        return "rgba" if alpha else "rgb24"
    plain = _PLAIN.get(image.mode)
    if image.format == "PNG" and image.mode != "1":
        with path.open("rb") as file:
            head = png_header(file.read(33))
        plain = _PNG_COLORS.get(head.color) if head else None
        plain = _DEEP[plain] if head and plain and head.depth == 16 else plain
    elif image.format == "TIFF" and plain:
        bits = image.tag_v2.get(_TIFF_BITS, (1,))
        turned = image.tag_v2.get(_ORIENTATION, 1) != 1 and image.mode in _INDEXED  # Pillow would turn its samples
        if turned or set(image.tag_v2.get(_TIFF_FORMAT, (1,))) != {1} or len(set(bits)) != 1:
            return None
        plain = _DEEP.get(plain, plain) if bits[0] == 16 else plain
    return _WITH_ALPHA.get(plain, plain) if plain and alpha and image.mode != "1" else plain


def _jpeg_layout(image: Any) -> str | None:
    if image.mode == "L":
        return "gray"
    if image.mode != "RGB":
        return None
    if image.info.get("adobe_transform") == 0:
        return "gbrp"
    (_, across, down, _), *chroma = image.layer
    if {c[1:3] for c in chroma} != {(1, 1)}:
        same = {c[1:3] for c in chroma} == {(across, down)}
        return "yuvj444p" if same else None
    return _FRACTIONS.get((across, down))


def read_still(path: Path, header: StillHeader, pix_fmt: str | None = None) -> Still:
    """Read an image.

    Args:
        path: The file.
        header: From :func:`still_header`.
        pix_fmt: The layout wanted, where palettes with and without alpha are mixed; None is the header's.

    Raises:
        MediaError: It cannot be read, or is damaged.
    """
    wanted = pix_fmt or header.pix_fmt
    if header.indexed or header.kind in ("bmp", "webp"):
        return Still(_by_pillow(path, wanted), wanted)
    if header.kind == "jpg":
        with opened(path) as image:
            image.load()  # FFmpeg fills up what is missing at the end of a JPEG file and says nothing
    return _by_ffmpeg(path, wanted)


PILLOW_MODES = {"gray": "L", "ya8": "LA", "rgb24": "RGB", "rgba": "RGBA"}
"""Pillow's name of a layout."""


def _by_pillow(path: Path, wanted: str) -> tuple[np.ndarray, ...]:
    with opened(path) as image:
        return split(np.asarray(image.convert(PILLOW_MODES[wanted])))


def split(samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """``H W`` or ``H W C`` samples as planes of their own memory."""
    stack = samples[..., None] if samples.ndim == 2 else samples
    return tuple(np.ascontiguousarray(stack[..., k]) for k in range(stack.shape[2]))


def _by_ffmpeg(path: Path, wanted: str) -> Still:
    try:
        with av.open(io.BytesIO(path.read_bytes()), "r", options={"err_detect": "crccheck+explode"}) as container:
            frame = next(container.decode(video=0), None)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path}: is damaged", expected=_SOUND, got=reason) from error
    if frame is None or frame.is_corrupt:
        raise MediaError(f"{path}: is damaged", expected=_SOUND, got="a damaged picture")
    color = _tags(frame)
    if frame.format.name.endswith("be"):
        frame = frame.reformat(format=f"{frame.format.name[:-2]}le")
    if frame.format.name != wanted:
        got = f"{frame.width}x{frame.height} {frame.format.name}"
        raise MediaError(f"{path}: cannot be used", expected=f"samples of {wanted} as its head says", got=got)
    frame.pts = 0
    return Still(from_av(frame, 0).planes, wanted, color)


def _tags(frame: av.VideoFrame) -> ColorTags:
    luma = _family(frame) == "yuv"
    return ColorTags(
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        matrix=int(frame.colorspace) if luma else 2,
        full_range=True if luma else None,
        chroma_location=2 if luma else 0,  # JFIF: centred
    )


def _family(frame: av.VideoFrame) -> str:
    """``yuv``, ``gray`` or ``rgb``, whatever the order of bytes."""
    name = frame.format.name
    return picture_format(f"{name[:-2]}le" if name.endswith("be") else name).family
