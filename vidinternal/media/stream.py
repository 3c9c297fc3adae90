"""Opening a file's video stream and decoding it, with every damage told and nothing concealed."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
from av.codec import Codec
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.errors import MediaError
from vidinternal.media.refusals import (
    damaged,
    names_protection,
    no_video,
    protected,
    reason,
    too_large,
)
from vidinternal.media.stills.clip import is_stills, stand_in

GIVE_UP = 64
"""Read errors in a row after which a damaged file is taken to end."""
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
_FFMPEGS_MOST = (1 << 31) - 1
# How far behind the first damaged picture the others are looked for, and how many are named.
_LOOK_ON = 200
_NAMED = 5


@contextmanager
def open_video(
    path: Path, index: int | None = None, policy: ReadPolicy | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream.

    Args:
        path: The file.
        index: The stream; None for the first video stream that is not a cover picture.
        policy: How large a picture may be; None where that has been checked before.

    Raises:
        MediaError: There is no such file, or it is no media file, or it has no video, or its picture is too large.
    """
    if is_stills(path):
        with stand_in(path) as found:
            yield found
        return
    check_file(path)
    most = _FFMPEGS_MOST if policy is None else policy.max_pixels
    try:
        # Nothing but this one file is read: playlists and scripts in disguise could name others.
        limits = {"protocol_whitelist": "file", "max_pixels": str(most)}
        with logged(av.logging.ERROR) as lines:
            container = av.open(f"file:{path.absolute()}", options=limits, **_OPEN_OPTIONS)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"{path}: cannot be opened", expected="a video file that FFmpeg can read", got=reason(error)
        ) from error
    with container:
        _check_log_for_size(path, lines, most)
        if index is None:
            films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        else:
            films = [s for s in container.streams.video if s.index == index]
        if not films:
            raise no_video(path, container)
        check_size(path, films[0], most)
        yield container, films[0]


def read_on(container: InputContainer, streams: Sequence[Any], *, tolerant: bool) -> Iterator[Any]:
    """The packets of some streams; behind what a damaged container cannot give, those it gives next.

    Raises:
        av.error.FFmpegError: The container cannot be read on, unless ``tolerant``.
    """
    failures = 0
    while failures < GIVE_UP:
        try:
            for packet in container.demux(*streams):
                failures = 0
                yield packet
        except av.error.FFmpegError:
            if not tolerant:
                raise
            failures += 1
        else:
            return


def check_size(path: Path, stream: VideoStream, most: int) -> None:
    """Refuse pictures that would take more memory than was allowed, going by what the file declares.

    Raises:
        MediaError: Names the size declared, the limit and its setting.
    """
    codec = stream.codec_context
    if codec is not None and codec.width * codec.height > most:
        raise too_large(path, f"{codec.width}x{codec.height}", most)


def check_file(path: Path) -> None:
    """Refuse a path that cannot hold a clip.

    Raises:
        MediaError: There is no file, or an empty one, or one that cannot be read.
    """
    if path.is_dir():
        raise MediaError(f"{path}: is a folder", expected="a video file", got="a folder")
    if not path.exists():
        raise MediaError(f"{path}: does not exist", expected="a video file", got="nothing at that path")
    if not path.is_file():
        # Opening a pipe would wait for ever, and a clip is read more than once.
        raise MediaError(
            f"{path}: is a pipe or device",
            expected="a video file: a clip is read more than once",
            got="something that can be read once at most",
            hint="save it to a file first, e.g. cat > clip.mkv",
        )
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read", expected="a readable file", got=str(error.strerror)) from error
    if empty:
        raise MediaError(f"{path}: is empty", expected="a video file", got="0 bytes")


def pictures(
    container: InputContainer,
    stream: VideoStream,
    path: Path,
    pts: tuple[int, ...] = (),
    policy: ReadPolicy | None = None,
) -> Iterator[av.VideoFrame]:
    """Decode from where the container stands, one picture at a time, nothing concealed.

    Args:
        container: The file.
        stream: Its video stream.
        path: The file's name, for messages.
        pts: Times of all pictures where known, so that a message can number the damaged ones.
        policy: How large a picture may be.

    Raises:
        DamagedError: A packet does not decode without errors; the message tells where.
        MediaError: There is no decoder, the file is protected, or a picture is too large.
    """
    decoder = open_decoder(stream, path, policy)
    count, first = 0, FirstKey(stream)
    packets = container.demux(stream)
    while True:
        at: int | None = None
        packet: av.Packet | None = None
        try:
            packet = next(packets, None)
            if packet is None:
                return
            check_packet(packet, path)
            at = packet.pts
            first.leads(packet)
            frames = [] if first.awaited else decode(decoder, packet if packet.size else None)
            wrong = next((f.pts for f in frames if f.is_corrupt and not first.precedes(f.pts)), None)
        except av.error.FFmpegError as error:
            if packet is not None:
                _check_was_size(decoder, packet, path, policy)
            others = _more_damage(decoder, packets, first, at)
            where = places([at, *others], stream, pts)
            raise damaged(path, where, f"{reason(error)}, after {count} good pictures") from error
        for frame in frames:
            if first.precedes(frame.pts):
                continue
            if frame.is_corrupt:
                others = _more_damage(decoder, packets, first, wrong)
                where = places([wrong, *others], stream, pts)
                raise damaged(path, where, f"a damaged picture, after {count} good ones")
            count += 1
            yield frame


def _check_was_size(decoder: VideoCodecContext, packet: av.Packet, path: Path, policy: ReadPolicy | None) -> None:
    """Tell a picture that the decoder refused for its size from a damaged one: only its log does.

    Raises:
        MediaError: It was too large.
    """
    with logged(av.logging.ERROR) as lines, suppress(av.error.FFmpegError):
        decoder.decode(packet)
    _check_log_for_size(path, lines, policy.max_pixels if policy else _FFMPEGS_MOST)


def _check_log_for_size(path: Path, lines: Sequence[tuple[int, str, str]], most: int) -> None:
    size = re.search(r"Picture size (\d+x\d+) exceeds", " ".join(text for _, _, text in lines))
    if size:
        raise too_large(path, size[1], most)


def _more_damage(
    decoder: VideoCodecContext, packets: Iterator[av.Packet], first: FirstKey, known: int | None
) -> list[int]:
    """Times of the next damaged pictures, so that the message tells how bad it is; looks no further than it must."""
    found: list[int] = []
    for _ in range(_LOOK_ON):
        at = None
        try:
            packet = next(packets, None)
            if packet is None:
                break
            at = packet.pts
            frames = [] if first.awaited else decode(decoder, packet if packet.size else None)
            wrong = [f.pts for f in frames if f.is_corrupt and not first.precedes(f.pts)]
        except av.error.FFmpegError:
            wrong = [at]
        found += [time for time in wrong if time is not None and time != known and time not in found]
        if len(found) >= _NAMED:
            break
    return sorted(found)


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


def check_packet(packet: av.Packet, path: Path) -> None:
    """Refuse what is encrypted before a decoder makes noise of it.

    Raises:
        MediaError: The packet carries encryption.
    """
    if packet.has_sidedata("encryption_info"):
        raise protected(path)


def open_decoder(
    stream: VideoStream, path: Path, policy: ReadPolicy | None = None, *, tolerant: bool = False
) -> VideoCodecContext:
    """The stream's decoder, set up to tell every damage.

    Args:
        stream: The video stream.
        path: The file's name, for messages.
        policy: How large a picture may be.
        tolerant: Whether damaged pictures are concealed and handed out instead of being errors.

    Raises:
        MediaError: There is no decoder, or the track is protected.
    """
    decoder = stream.codec_context
    if decoder is None:
        if names_protection(path):
            raise protected(path)
        raise MediaError(f"{path}: no decoder", expected="a codec that this FFmpeg decodes", got="an unknown codec")
    wanted = _ALPHA_DECODERS.get(decoder.codec.canonical_name)
    if wanted and stream.metadata.get("alpha_mode") == "1":
        decoder = Codec(wanted, "r").create("video")
    if not decoder.is_open:
        # Slices, not frames: an error then belongs to the packet just sent, and no pictures pile up.
        decoder.thread_type = "SLICE"
        options = {**decoder.options, "max_pixels": str(policy.max_pixels if policy else _FFMPEGS_MOST)}
        if tolerant or decoder.codec.canonical_name in _ONE_THREAD:
            decoder.thread_count = 1
        if tolerant:
            decoder.flags |= Flags.output_corrupt
            options["err_detect"] = "crccheck"
        elif decoder.codec.canonical_name != "h264":  # it marks damage, and would also fail on sound ones after a cut
            options["err_detect"] = "crccheck+explode"
        decoder.options = options
    return decoder


def decode(decoder: VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
    """Decode one packet; what a decoder conceals and only logs is an error too."""
    if decoder.codec.canonical_name not in _ONLY_LOG_DAMAGE:
        return decoder.decode(packet)
    with logged(av.logging.ERROR) as lines:
        frames = decoder.decode(packet)
    if lines:
        raise av.error.InvalidDataError(_INVALID_DATA, lines[0][2].strip())
    return frames


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Refuse, at the end, a file that broke off while it was read: Matroska's reader only logs it.

    Raises:
        DamagedError: The file ended in the middle of something.
    """
    with logged(av.logging.ERROR) as lines:
        yield
    if broke_off(lines):
        raise damaged(path, ["its end"], "a file that breaks off")


def broke_off(lines: Sequence[tuple[int, str, str]]) -> bool:
    """Whether FFmpeg's log tells of a file that ended early."""
    return any("ended prematurely" in text for _, _, text in lines)


@contextmanager
def logged(level: int) -> Iterator[list[tuple[int, str, str]]]:
    """Collect what FFmpeg logs on this thread up to ``level``."""
    before, skip = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(level)
    av.logging.set_skip_repeated(False)  # the same words about the same file, read again, count again
    try:
        with av.logging.Capture() as lines:
            yield lines
    finally:
        av.logging.set_level(before)
        av.logging.set_skip_repeated(skip)


def places(times: Sequence[int | None], stream: VideoStream, pts: tuple[int, ...] = ()) -> list[str]:
    """Times of pictures as a person reads them: with the frame's number where ``pts`` tells it."""
    base = fraction(stream.time_base)
    named: list[str] = []
    for time in times:
        if time is None or base is None:
            named.append("an unknown time")
            continue
        index = bisect_left(pts, time)
        number = f"frame {index}, " if index < len(pts) and pts[index] == time else ""
        named.append(f"{number}{float((time - (stream.start_time or 0)) * base):.3f} s")
    return named


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
