"""What a file holds, and the exact time of each of its pictures.

FFmpeg's rationals become :class:`fractions.Fraction` here, at the door; nothing above this file sees them.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
import av.logging
from av.codec import Codec
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo, ColorTags, StreamInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.picture import picture_format

# One packet of these holds exactly one picture that is shown, so that packets can be counted instead of pictures.
_INTER_CODECS = ("h264", "hevc", "vp9", "av1", "mpeg1video", "mpeg2video")
_INTRA_CODECS = ("prores", "dnxhd", "cfhd", "mjpeg", "png", "ffv1", "huffyuv", "ffvhuff", "utvideo", "v210", "rawvideo")
_ONE_PICTURE_A_PACKET = frozenset((*_INTER_CODECS, *_INTRA_CODECS))
# A picture of these builds on earlier ones although its packet may claim to stand alone.
_KEYS_NOT_TRUSTED = frozenset({"gif", "apng", "webp", "flic"})
# Only the libvpx decoders give the alpha plane that WebM keeps beside the picture.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_CHROMA_LOCATIONS = {"left": 1, "center": 2, "topleft": 3, "top": 4, "bottomleft": 5, "bottom": 6}
_PROGRESSIVE = 1
# PyAV refuses tags that are not UTF-8 unless told otherwise; from 19 on it never does and takes no such argument.
_OPEN_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if hasattr(InputContainer, "metadata_errors") else {}


@dataclass(frozen=True)
class TimeTable:
    """When the pictures of a clip are shown.

    Attributes:
        pts: Presentation time of every picture in ticks, in order; equals what decoding yields.
        keys: Times of the pictures from which decoding can start; empty where only the beginning will do.
        stamped: Whether the pictures carry these times themselves; else they were made from the frame rate.
    """

    pts: tuple[int, ...]
    keys: tuple[int, ...]
    stamped: bool = True


@contextmanager
def open_video(path: Path, index: int | None = None) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream.

    Args:
        path: The file.
        index: The stream; None for the first video stream that is not a cover picture.

    Raises:
        MediaError: There is no such file, or it is no media file, or it has no video.
    """
    _check_file(path)
    try:
        container = av.open(f"file:{path.absolute()}", **_OPEN_OPTIONS)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"{path}: cannot be opened", expected="a video file that FFmpeg can read", got=reason(error)
        ) from error
    with container:
        if index is None:
            films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        else:
            films = [s for s in container.streams.video if s.index == index]
        if not films:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
            raise MediaError(f"{path}: no video stream", expected="at least one video stream", got=f"streams: {kinds}")
        yield container, films[0]


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise MediaError(f"{path}: is a folder", expected="a video file", got="a folder")
    if not path.exists():
        raise MediaError(f"{path}: does not exist", expected="a video file", got="nothing at that path")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read", expected="a readable file", got=str(error.strerror)) from error
    if empty:
        raise MediaError(f"{path}: is empty", expected="a video file", got="0 bytes")


def reason(error: Exception) -> str:
    """FFmpeg's own words for what went wrong, without our path and its error numbers."""
    log = getattr(error, "log", None)
    words = [getattr(error, "strerror", None) or str(error)]
    if log and log[1]:
        words.append(log[1][2].strip())
    return "; ".join(words)


def pictures(
    container: InputContainer, stream: VideoStream, path: Path, pts: tuple[int, ...] = ()
) -> Iterator[av.VideoFrame]:
    """Decode from where the container stands, one picture at a time, nothing concealed.

    Args:
        container: The file.
        stream: Its video stream.
        path: The file's name, for messages.
        pts: Times of all pictures where known, so that a message can number the damaged one.

    Raises:
        MediaError: A packet does not decode without errors; the message tells where.
    """
    decoder = _decoder(stream, path)
    count = 0
    packets = container.demux(stream)
    while True:
        at = "between pictures"
        try:
            packet = next(packets, None)
            if packet is None:
                return
            at = _moment(packet.pts, stream, pts)
            frames = decoder.decode(packet if packet.size else None)
        except av.error.FFmpegError as error:
            raise _damaged(path, f"{at}, after {count} good pictures", reason(error)) from error
        for frame in frames:
            if frame.is_corrupt:
                at = _moment(frame.pts, stream, pts)
                raise _damaged(path, f"{at}, after {count} good pictures", "a damaged picture")
            count += 1
            yield frame


def _decoder(stream: VideoStream, path: Path) -> VideoCodecContext:
    decoder = stream.codec_context
    if decoder is None:
        raise MediaError(f"{path}: no decoder", expected="a codec that this FFmpeg decodes", got="an unknown codec")
    wanted = _ALPHA_DECODERS.get(decoder.codec.canonical_name)
    if wanted and stream.metadata.get("alpha_mode") == "1":
        decoder = Codec(wanted, "r").create("video")
    if not decoder.is_open:
        # Slices, not frames: an error then belongs to the packet just sent, and no pictures pile up.
        decoder.thread_type = "SLICE"
        decoder.options = {**decoder.options, "err_detect": "explode"}
    return decoder


def _damaged(path: Path, where: str, got: str) -> MediaError:
    return MediaError(
        f"{path}: damaged {where}",
        expected="pictures that decode without errors",
        got=got,
        hint=f"ffmpeg -err_detect ignore_err -i {shlex.quote(str(path))} -c:v ffv1 -c:a copy repaired.mkv",
    )


def _moment(time: int | None, stream: VideoStream, pts: tuple[int, ...]) -> str:
    base = fraction(stream.time_base)
    if time is None or base is None:
        return "at an unknown time"
    index = bisect_left(pts, time)
    number = f"frame {index}, " if index < len(pts) and pts[index] == time else ""
    return f"at {number}{float((time - (stream.start_time or 0)) * base):.3f} s"


def fraction(value: object) -> Fraction | None:
    """A rational of FFmpeg as a Fraction; None for none, 0/0 and 0."""
    numerator, denominator = getattr(value, "numerator", 0), getattr(value, "denominator", 0)
    return Fraction(numerator, denominator) if numerator and denominator else None


def probe(path: Path) -> ClipInfo:
    """Learn what a file holds; decodes its first picture, for what only pictures tell.

    Raises:
        MediaError: There is no such file, it cannot be read, is no media, has no video or cannot be decoded.
    """
    path = Path(path)
    with open_video(path) as (container, stream):
        first = next(pictures(container, stream, path), None)
        if first is None:
            raise MediaError(f"{path}: no pictures", expected="at least one picture", got="an empty video stream")
        picture_format(first.format.name)
        base = fraction(stream.time_base)
        if base is None:
            raise MediaError(f"{path}: no time base", expected="a stream with a time base", got=str(stream.time_base))
        return ClipInfo(
            path=path,
            width=first.width,
            height=first.height,
            pix_fmt=first.format.name,
            time_base=base,
            rate=_rate(stream),
            frames=stream.frames or None,
            duration=_seconds(container, stream, base),
            color=_color(stream.codec_context, first),
            rotation=round(-first.rotation / 90) % 4 * 90,
            sar=fraction(stream.sample_aspect_ratio) or Fraction(1),
            video_index=stream.index,
            streams=tuple(_describe(s) for s in container.streams),
        )


def _rate(stream: VideoStream) -> Fraction:
    """The average rate, or FFmpeg's guess, or its convention of 25 for streams that say nothing at all."""
    rates = (fraction(r) for r in (stream.average_rate, stream.guessed_rate, stream.base_rate))
    return next((r for r in rates if r), Fraction(25))


def _seconds(container: InputContainer, stream: VideoStream, base: Fraction) -> float | None:
    if stream.duration:
        return float(stream.duration * base)
    return container.duration / av.time_base if container.duration else None


def _color(codec: VideoCodecContext, frame: av.VideoFrame) -> ColorTags:
    """The stream's tags; a picture's own where the stream has none."""

    def tag(of_stream: int, of_frame: int) -> int:
        return int(of_frame) if of_stream == 2 else int(of_stream)

    full = {1: False, 2: True}.get(int(codec.color_range) or int(frame.color_range))
    return ColorTags(
        primaries=tag(codec.color_primaries, frame.color_primaries),
        transfer=tag(codec.color_trc, frame.color_trc),
        matrix=tag(codec.colorspace, frame.colorspace),
        full_range=True if frame.format.name.startswith("yuvj") else full,
        chroma_location=_chroma_location(codec, frame),
    )


def _chroma_location(codec: VideoCodecContext, frame: av.VideoFrame) -> int:
    """Chroma sample location code, 0 = unspecified; before PyAV 19 only FFmpeg's ``showinfo`` tells it."""
    told = getattr(frame, "chroma_location", None) or getattr(codec, "chroma_sample_location", None)
    if told is not None:
        return int(told)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("showinfo", "checksum=0"), graph.add("buffersink")).configure()
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as lines:
            graph.push(frame)
            graph.pull()
    finally:
        av.logging.set_level(level)
    found = re.search(r"\bcl:(\w+)", "".join(text for _, name, text in lines if name == "showinfo"))
    return _CHROMA_LOCATIONS.get(found[1], 0) if found else 0


def _describe(stream: Stream) -> StreamInfo:
    codec = getattr(stream.codec_context, "codec", None)
    tags = {k.lower(): v for k, v in stream.metadata.items()}
    notes = [tags[k] for k in ("language", "title", "filename", "mimetype") if tags.get(k) not in (None, "", "und")]
    if stream.type == "video" and stream.disposition & Disposition.attached_pic:
        notes.append("cover picture")
    kind = "data" if stream.type == "unknown" else stream.type
    return StreamInfo(stream.index, kind, codec.canonical_name if codec else "", _printable(", ".join(notes)))


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def frame_pts(info: ClipInfo) -> tuple[int, ...]:
    """Presentation time of every picture, in ticks of ``info.time_base``.

    Raises:
        MediaError: The file cannot be read, or a picture had to be decoded and is damaged.
    """
    return time_table(info).pts


def time_table(info: ClipInfo) -> TimeTable:
    """Times and key pictures; counted from packets where that is exact, else by decoding. Kept for the last files.

    Raises:
        MediaError: The file cannot be read, or a picture had to be decoded and is damaged.
    """
    _check_file(info.path)
    stat = info.path.stat()
    return _time_table(info, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _time_table(info: ClipInfo, size: int, changed: int) -> TimeTable:
    del size, changed  # they are here to be part of the cache's key
    return _by_packets(info) or _by_decoding(info)


def _by_packets(info: ClipInfo) -> TimeTable | None:
    """Read the times off the packets; None where packets and pictures may differ."""
    with open_video(info.path, info.video_index) as (container, stream):
        codec = stream.codec_context
        if codec.codec.canonical_name not in _ONE_PICTURE_A_PACKET or _may_be_fields(codec):
            return None
        pts: list[int] = []
        keys: list[int] = []
        try:
            for packet in container.demux(stream):
                if packet.pts is None and packet.dts is None and not packet.size:
                    continue  # PyAV's mark for the end
                if packet.pts is None or packet.is_discard or packet.is_corrupt:
                    return None
                pts.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        except av.error.FFmpegError as error:
            raise _damaged(info.path, f"after {len(pts)} frames", reason(error)) from error
    # Pictures before the first key picture may be left out by the decoder.
    if not keys or keys[0] != pts[0] or min(pts) != pts[0]:
        return None
    return TimeTable(tuple(sorted(pts)), tuple(sorted(keys)))


def _may_be_fields(codec: VideoCodecContext) -> bool:
    """Whether a packet may hold one field, half a picture."""
    order, interlacing = int(codec.field_order), {"h264", "hevc", "mpeg2video", "mpeg1video"}
    return codec.codec.canonical_name in interlacing and order != _PROGRESSIVE


def _by_decoding(info: ClipInfo) -> TimeTable:
    pts: list[int | None] = []
    keys: list[int] = []
    with open_video(info.path, info.video_index) as (container, stream):
        trusted = stream.codec_context.codec.canonical_name not in _KEYS_NOT_TRUSTED
        for index, frame in enumerate(pictures(container, stream, info.path)):
            check_picture(frame, info, index)
            pts.append(frame.pts)
            if trusted and frame.key_frame and frame.pts is not None:
                keys.append(frame.pts)
    known = [p for p in pts if p is not None]
    if len(known) == len(pts):
        return TimeTable(tuple(sorted(known)), tuple(sorted(keys)))
    step = 1 / info.rate / info.time_base
    start = known[0] if pts[0] is not None else 0
    return TimeTable(tuple(start + round(i * step) for i in range(len(pts))), (), stamped=False)


def check_picture(frame: av.VideoFrame, info: ClipInfo, index: int) -> None:
    """Refuse a picture whose size or sample layout differs from the clip's.

    Raises:
        MediaError: Names the frame and both sizes and layouts.
    """
    if (frame.width, frame.height, frame.format.name) == (info.width, info.height, info.pix_fmt):
        return
    time = "" if frame.pts is None else f" (pts {frame.pts} x {info.time_base} s)"
    raise MediaError(
        f"{info.path}: the picture changes at frame {index}{time}",
        expected=f"{info.width}x{info.height} {info.pix_fmt} throughout",
        got=f"{frame.width}x{frame.height} {frame.format.name}",
        hint=f"ffmpeg -i {shlex.quote(str(info.path))} -vf scale={info.width}:{info.height} -c:v ffv1 one_size.mkv",
    )
