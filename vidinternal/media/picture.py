"""Pictures as the file holds them: planes of 8- to 16-bit samples, nothing converted, nothing rounded.

Packed formats are split into one plane per component and packed again, so that everything above sees planes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import av.filter
import numpy as np
from av.video.plane import VideoPlane

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError, UsageError, nearest


@dataclass(frozen=True)
class PlaneLayout:
    """One plane of a format.

    Attributes:
        x_shift: log2 of the horizontal subsampling.
        y_shift: log2 of the vertical subsampling.
        role: ``y``, ``u``, ``v``, ``g``, ``b``, ``r`` or ``a``.
    """

    x_shift: int
    y_shift: int
    role: str


@dataclass(frozen=True)
class PictureFormat:
    """How a picture's samples are laid out.

    Attributes:
        name: FFmpeg's ``pix_fmt``.
        depth: Bits per sample, 8 to 16.
        family: ``yuv``, ``gray`` or ``rgb``.
        planes: One entry per component, in the file's order.
    """

    name: str
    depth: int
    family: str
    planes: tuple[PlaneLayout, ...]


@dataclass
class NativeFrame:
    """One decoded picture.

    Attributes:
        planes: One ``h w`` array per entry of :attr:`PictureFormat.planes`; uint8, or uint16 when the depth is above
            8 with values right-aligned. The arrays own their memory.
        pts: Presentation time in ticks of the stream's time base.
        duration: Ticks, 0 = unknown.
        index: Presentation index from 0.
    """

    planes: tuple[np.ndarray, ...]
    pts: int
    duration: int
    index: int


# Where FFmpeg keeps each component: (buffer, offset, step), offset and step in samples.
_Place = tuple[int, int, int]

_SUBSAMPLING = {"410": (2, 2), "411": (2, 0), "420": (1, 1), "422": (1, 0), "440": (0, 1), "444": (0, 0)}
_YUV_DEPTHS = {
    "yuv": {
        "410": (8,),
        "411": (8,),
        "440": (8, 10, 12),
        **dict.fromkeys(("420", "422", "444"), (8, 9, 10, 12, 14, 16)),
    },
    "yuvj": dict.fromkeys(("411", "420", "422", "440", "444"), (8,)),
    "yuva": {"420": (8, 9, 10, 16), "422": (8, 9, 10, 12, 16), "444": (8, 9, 10, 12, 16)},
}
_PACKED_RGB = ("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr", "rgba", "bgra", "argb", "abgr")
_PACKED_RGB_16 = ("rgb48le", "bgr48le", "rgba64le", "bgra64le")


def _suffix(depth: int) -> str:
    return "" if depth == 8 else f"{depth}le"


def _planar(name: str, depth: int, family: str, planes: list[PlaneLayout]) -> tuple[PictureFormat, tuple[_Place, ...]]:
    return PictureFormat(name, depth, family, tuple(planes)), tuple((i, 0, 1) for i in range(len(planes)))


def _packed(name: str, depth: int, letters: str) -> tuple[PictureFormat, tuple[_Place, ...]]:
    """A packed RGB format; the letter ``0`` is padding without a plane."""
    kept = [(i, letter) for i, letter in enumerate(letters) if letter != "0"]
    planes = tuple(PlaneLayout(0, 0, letter) for _, letter in kept)
    return PictureFormat(name, depth, "rgb", planes), tuple((0, i, len(letters)) for i, _ in kept)


def _build_table() -> dict[str, tuple[PictureFormat, tuple[_Place, ...]]]:
    full = PlaneLayout(0, 0, "y")
    alpha = PlaneLayout(0, 0, "a")
    entries = []
    for prefix, samplings in _YUV_DEPTHS.items():
        for sampling, depths in samplings.items():
            chroma = [PlaneLayout(*_SUBSAMPLING[sampling], role) for role in "uv"]
            planes = [full, *chroma] + ([alpha] if prefix == "yuva" else [])
            entries += [_planar(f"{prefix}{sampling}p{_suffix(d)}", d, "yuv", planes) for d in depths]
    entries += [_planar(f"gray{_suffix(d)}", d, "gray", [full]) for d in (8, 9, 10, 12, 14, 16)]
    gbr = [PlaneLayout(0, 0, role) for role in "gbr"]
    entries += [_planar(f"gbrp{_suffix(d)}", d, "rgb", gbr) for d in (8, 9, 10, 12, 14, 16)]
    entries += [_planar(f"gbrap{_suffix(d)}", d, "rgb", [*gbr, alpha]) for d in (8, 10, 12, 14, 16)]
    entries += [_packed(name, 8, name.removesuffix("24")) for name in _PACKED_RGB]
    entries += [_packed(name, 16, name.rstrip("468le")) for name in _PACKED_RGB_16]
    for name, depth in (("ya8", 8), ("ya16le", 16)):
        entries.append((PictureFormat(name, depth, "gray", (full, alpha)), ((0, 0, 2), (0, 1, 2))))
    for name, shifts, order in (("nv12", (1, 1), "uv"), ("nv21", (1, 1), "vu"), ("nv16", (1, 0), "uv")):
        pair = [PlaneLayout(*shifts, role) for role in "uv"]
        entries.append(
            (PictureFormat(name, 8, "yuv", (full, *pair)), ((0, 0, 1), *((1, order.index(r), 2) for r in "uv")))
        )
    half = [PlaneLayout(1, 0, role) for role in "uv"]
    for name, luma, blue in (("yuyv422", 0, 1), ("uyvy422", 1, 0)):
        entries.append((PictureFormat(name, 8, "yuv", (full, *half)), ((0, luma, 2), (0, blue, 4), (0, blue + 2, 4))))
    return {fmt.name: (fmt, places) for fmt, places in entries}


_TABLE = _build_table()


def picture_format(pix_fmt: str) -> PictureFormat:
    """Look up a format by FFmpeg's name.

    Raises:
        MediaError: The format is not supported; the message names the nearest that is.
    """
    if pix_fmt in _TABLE:
        return _TABLE[pix_fmt][0]
    where, expected = f"pixel format '{pix_fmt}'", "planes of 8 to 16 bit YUV, grey or RGB samples"
    if pix_fmt == "pal8":
        raise MediaError(
            where,
            expected=expected,
            got="pictures of indices into a palette, which cannot take new colours",
            hint="ffmpeg -i INPUT -pix_fmt rgb24 -c:v ffv1 -c:a copy converted.mkv",
        )
    raise MediaError(where, expected=expected, got=repr(pix_fmt), hint=nearest(pix_fmt, _TABLE))


def plane_shape(layout: PlaneLayout, width: int, height: int) -> tuple[int, int]:
    """Rows and columns of a plane of a ``width`` by ``height`` picture; subsampled sizes are rounded up."""
    return -(-height >> layout.y_shift), -(-width >> layout.x_shift)


def stretched(native: NativeFrame, info: ClipInfo) -> NativeFrame:
    """A picture with its samples repeated or left out until it has a clip's size: good to try what a file takes."""
    planes = []
    for layout, plane in zip(picture_format(info.pix_fmt).planes, native.planes, strict=True):
        shape = plane_shape(layout, info.width, info.height)
        rows, columns = (np.arange(new) * old // new for new, old in zip(shape, plane.shape, strict=True))
        planes.append(np.ascontiguousarray(plane[np.ix_(rows, columns)]))
    return NativeFrame(tuple(planes), native.pts, native.duration, native.index)


def sample_dtype(fmt: PictureFormat) -> np.dtype:
    """The dtype of the format's planes."""
    return np.dtype(np.uint8 if fmt.depth == 8 else np.uint16)


def from_av(frame: av.VideoFrame, index: int) -> NativeFrame:
    """Copy a decoded frame's samples out of FFmpeg's buffers.

    Args:
        frame: The frame, as decoded.
        index: Its presentation index.

    Raises:
        MediaError: The frame's format is not supported, or it has no timestamp.
    """
    name = frame.format.name
    fmt = picture_format(name)
    pts = frame.pts
    if pts is None:
        raise MediaError(f"frame {index}", expected="a presentation time", got="none")
    if any(plane.line_size < 0 for plane in frame.planes):
        frame = _top_down(frame)
    buffers = [_rows(plane, fmt) for plane in frame.planes]
    planes = []
    for layout, (buffer, offset, step) in zip(fmt.planes, _TABLE[name][1], strict=True):
        rows, columns = plane_shape(layout, frame.width, frame.height)
        planes.append(buffers[buffer][:rows, offset : offset + step * columns : step].copy())
    return NativeFrame(tuple(planes), pts, frame.duration or 0, index)


def to_av(native: NativeFrame, fmt: PictureFormat, width: int, height: int) -> av.VideoFrame:
    """Put planes back into a frame that FFmpeg can encode; the inverse of :func:`from_av`.

    Args:
        native: The picture; its ``pts`` and ``duration`` are handed on.
        fmt: Its layout.
        width: Luma samples per row.
        height: Luma rows.

    Raises:
        UsageError: The planes do not have the shapes and the dtype of the format.
    """
    wanted = [(plane_shape(layout, width, height), sample_dtype(fmt)) for layout in fmt.planes]
    given = [(plane.shape, plane.dtype) for plane in native.planes]
    if wanted != given:
        raise UsageError(
            f"frame {native.index}",
            expected=f"planes of {fmt.name} at {width}x{height}: {_describe(wanted)}",
            got=_describe(given),
        )
    frame = av.VideoFrame(width, height, fmt.name)
    buffers = [_rows(plane, fmt) for plane in frame.planes]
    if _TABLE[fmt.name][1][0][2] > len(fmt.planes):  # padding samples
        buffers[0][:] = np.iinfo(sample_dtype(fmt)).max
    for source, (buffer, offset, step) in zip(native.planes, _TABLE[fmt.name][1], strict=True):
        rows, columns = source.shape
        buffers[buffer][:rows, offset : offset + step * columns : step] = source
        # encoders that read whole vectors get to see the padding of a line: nothing shall lie there by chance
        buffers[buffer][:rows, step * columns :] = 0
    frame.pts = native.pts
    frame.duration = native.duration
    return frame


def _rows(plane: VideoPlane, fmt: PictureFormat) -> np.ndarray:
    """A view of the buffer as rows of samples, line padding included."""
    samples = np.frombuffer(plane, sample_dtype(fmt))  # pyright: ignore[reportArgumentType, reportCallIssue]
    return samples.reshape(plane.height, plane.line_size // samples.itemsize)


def _top_down(frame: av.VideoFrame) -> av.VideoFrame:
    """Copy a bottom-up frame (negative line size), whose memory a buffer view would miss."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("copy"), graph.add("buffersink")).configure()
    graph.push(frame)
    copied = graph.pull()
    if not isinstance(copied, av.VideoFrame):
        raise MediaError("a bottom-up picture", expected="a picture from FFmpeg's copy filter", got="none")
    return copied


def _describe(planes: list[tuple[tuple[int, ...], np.dtype]]) -> str:
    return ", ".join(f"{'x'.join(map(str, shape[::-1]))} {dtype}" for shape, dtype in planes)
