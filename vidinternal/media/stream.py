"""Opening a file's video stream and decoding it, with every damage told and nothing concealed."""

from __future__ import annotations

import shlex
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
from av.codec import Codec
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError

INTER_CODECS = ("h264", "hevc", "vp9", "av1", "mpeg1video", "mpeg2video")
"""Codecs whose key packets are marked reliably."""

# Only the libvpx decoders give the alpha plane that WebM keeps beside the picture.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# With more threads these lose sight of errors in a slice and mark nothing.
_ONE_THREAD = frozenset({"h264", "hevc"})
# FFV1 checks every slice, but hides a bad one behind the picture before and leaves no other trace than a log line.
_ONLY_LOG_DAMAGE = frozenset({"ffv1"})
_INVALID_DATA = int.from_bytes(b"INDA", "little")  # FFmpeg's AVERROR_INVALIDDATA
# PyAV refuses tags that are not UTF-8 unless told otherwise; from 19 on it never does and takes no such argument.
_OPEN_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if hasattr(InputContainer, "metadata_errors") else {}


@contextmanager
def open_video(path: Path, index: int | None = None) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream.

    Args:
        path: The file.
        index: The stream; None for the first video stream that is not a cover picture.

    Raises:
        MediaError: There is no such file, or it is no media file, or it has no video.
    """
    check_file(path)
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


def check_file(path: Path) -> None:
    """Refuse a path that cannot hold a clip.

    Raises:
        MediaError: There is no file, or an empty one, or one that cannot be read.
    """
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
    count, first = 0, FirstKey(stream)
    packets = container.demux(stream)
    while True:
        at = "between pictures"
        try:
            packet = next(packets, None)
            if packet is None:
                return
            at = _moment(packet.pts, stream, pts)
            first.leads(packet)
            frames = [] if first.awaited else _decode(decoder, packet if packet.size else None)
        except av.error.FFmpegError as error:
            raise damaged(path, f"{at}, after {count} good pictures", reason(error)) from error
        for frame in frames:
            if first.precedes(frame.pts):
                continue
            if frame.is_corrupt:
                at = _moment(frame.pts, stream, pts)
                raise damaged(path, f"{at}, after {count} good pictures", "a damaged picture")
            count += 1
            yield frame


class FirstKey:
    """Leaves out what cannot be decoded where a stream is entered: a recording rarely starts at a key picture.

    Decoding starts at the first key packet. Pictures shown before it that follow it in the file ("leading", of an open
    group) refer to pictures that are not there; however they come out, they are no part of the clip.

    Args:
        stream: The video stream.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.awaited = stream.codec_context.codec.canonical_name in INTER_CODECS
        self.pts: int | None = None

    def leads(self, packet: av.Packet) -> bool:
        """Whether the packet is shown before the first key; to be asked for every packet in order."""
        if self.awaited and packet.is_keyframe:
            self.awaited, self.pts = False, packet.pts
        return self.awaited or self.precedes(packet.pts)

    def precedes(self, pts: int | None) -> bool:
        """Whether a time lies before the first key."""
        return self.pts is not None and pts is not None and pts < self.pts


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
        if decoder.codec.canonical_name in _ONE_THREAD:
            decoder.thread_count = 1
        if decoder.codec.canonical_name != "h264":  # it marks damage, and would also fail on sound pictures after a cut
            decoder.options = {**decoder.options, "err_detect": "crccheck+explode"}
    return decoder


def _decode(decoder: VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
    """Decode one packet; what a decoder conceals and only logs is an error too."""
    if decoder.codec.canonical_name not in _ONLY_LOG_DAMAGE:
        return decoder.decode(packet)
    with logged(av.logging.ERROR) as lines:
        frames = decoder.decode(packet)
    if lines:
        raise av.error.InvalidDataError(_INVALID_DATA, lines[0][2].strip())
    return frames


@contextmanager
def logged(level: int) -> Iterator[list[tuple[int, str, str]]]:
    """Collect what FFmpeg logs on this thread up to ``level``."""
    before = av.logging.get_level()
    av.logging.set_level(level)
    try:
        with av.logging.Capture() as lines:
            yield lines
    finally:
        av.logging.set_level(before)


def damaged(path: Path, where: str, got: str) -> MediaError:
    """The error of a file whose pictures do not decode."""
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
