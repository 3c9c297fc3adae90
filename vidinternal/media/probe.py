"""What a file holds, and the exact time of each of its pictures.

FFmpeg's rationals become :class:`fractions.Fraction` here, at the door; nothing above this file sees them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import av.error
import av.filter
import av.logging
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo, ColorTags, Damage, ReadPolicy, StreamInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.damage import first_picture, survey
from vidinternal.media.orientation import display_matrix, turn_of
from vidinternal.media.picture import picture_format
from vidinternal.media.refusals import DamagedError, damaged
from vidinternal.media.stills.clip import is_stills, probe_stills, stills_pts
from vidinternal.media.stream import (
    INTER_CODECS,
    FirstKey,
    check_file,
    check_packet,
    check_picture,
    fraction,
    logged,
    open_video,
    pictures,
    reason,
    whole,
)

_INTRA_CODECS = ("prores", "dnxhd", "cfhd", "mjpeg", "png", "ffv1", "huffyuv", "ffvhuff", "utvideo", "v210", "rawvideo")
# One packet of these holds exactly one picture that is shown, so that packets can be counted instead of pictures.
_ONE_PICTURE_A_PACKET = frozenset((*INTER_CODECS, *_INTRA_CODECS))
_CHROMA_LOCATIONS = {"left": 1, "center": 2, "topleft": 3, "top": 4, "bottomleft": 5, "bottom": 6}
_PROGRESSIVE = 1


@dataclass(frozen=True)
class TimeTable:
    """When the pictures of a clip are shown.

    Attributes:
        pts: Presentation time of every picture in ticks, in order; equals what decoding yields.
        keys: Times of the pictures from which decoding can start; empty where only the beginning will do.
        stamped: Whether the pictures carry these times themselves; else they were made from the frame rate.
        damage: What is damaged in a clip that is read on all the same; None where nothing is.
    """

    pts: tuple[int, ...]
    keys: tuple[int, ...]
    stamped: bool = True
    damage: Damage | None = None


def probe(path: Path, policy: ReadPolicy | None = None) -> ClipInfo:
    """Learn what a file holds; decodes its first picture, for what only pictures tell.

    Args:
        path: The file.
        policy: How it is to be read, here and by everything that gets the clip.

    Raises:
        MediaError: There is no such file, it cannot be read, is no media, has no video or cannot be decoded.
    """
    path, policy = Path(path), policy or ReadPolicy()
    if is_stills(path):
        return probe_stills(path, policy)
    with open_video(path, None, policy) as (container, stream):
        first = first_picture(container, stream, path, policy)
        if first is None:
            raise MediaError(f"{path}: no pictures", expected="at least one picture", got="an empty video stream")
        picture_format(first.format.name)
        rotation, mirrored, _ = turn_of(display_matrix(first))
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
            rotation=rotation,
            mirrored=mirrored,
            sar=fraction(stream.sample_aspect_ratio) or Fraction(1),
            video_index=stream.index,
            streams=tuple(_describe(s) for s in container.streams),
            policy=policy,
        )


def probe_result(path: Path, source: ClipInfo) -> ClipInfo:
    """Learn what a file holds that was made from a clip: whole, whatever the clip was, and as large as it may be.

    Raises:
        MediaError: As :func:`probe`.
    """
    return probe(path, ReadPolicy(max_pixels=source.policy.max_pixels, fps=source.policy.fps))


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
    with logged(av.logging.INFO) as lines:
        graph.push(frame)
        graph.pull()
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
    if is_stills(info.path):
        return TimeTable(stills_pts(info), ())
    check_file(info.path)
    stat = info.path.stat()
    return _time_table(info, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _time_table(info: ClipInfo, size: int, changed: int) -> TimeTable:
    del size, changed  # they are here to be part of the cache's key
    if not info.policy.tolerant:
        return _by_packets(info) or _by_decoding(info)
    try:
        _decode_through(info)
    except DamagedError:
        found = survey(info, _packet_is_picture(info))
        return TimeTable(found.pts, found.keys, found.stamped, found.damage)
    return _by_packets(info) or _by_decoding(info)


def _decode_through(info: ClipInfo) -> None:
    """Decode everything, strictly."""
    with open_video(info.path, info.video_index, info.policy) as (container, stream), whole(info.path):
        for index, frame in enumerate(pictures(container, stream, info.path, (), info.policy)):
            check_picture(frame, info, index)


def _packet_is_picture(info: ClipInfo) -> bool:
    with open_video(info.path, info.video_index, info.policy) as (_, stream):
        codec = stream.codec_context
        return codec.codec.canonical_name in _ONE_PICTURE_A_PACKET and not _may_be_fields(codec)


def _by_packets(info: ClipInfo) -> TimeTable | None:
    """Read the times off the packets; None where packets and pictures may differ."""
    with open_video(info.path, info.video_index, info.policy) as (container, stream):
        codec = stream.codec_context
        if codec.codec.canonical_name not in _ONE_PICTURE_A_PACKET or _may_be_fields(codec):
            return None
        pts: list[int] = []
        keys: list[int] = []
        try:
            with whole(info.path):
                if not _read_times(container, stream, info.path, pts, keys):
                    return None
        except av.error.FFmpegError as error:
            after = f"{reason(error)}, after {len(pts)} packets"
            raise damaged(info.path, ["an unknown time"], after) from error
    return TimeTable(tuple(sorted(pts)), tuple(sorted(keys))) if pts else None


def _read_times(container: InputContainer, stream: VideoStream, path: Path, pts: list[int], keys: list[int]) -> bool:
    """Add every packet's time to ``pts``, those of key packets to ``keys``; False where a packet does not tell."""
    first = FirstKey(stream)
    for packet in container.demux(stream):
        if packet.pts is None and packet.dts is None and not packet.size:
            continue  # PyAV's mark for the end
        check_packet(packet, path)
        if packet.pts is None or packet.is_discard or packet.is_corrupt:
            return False
        if first.leads(packet):
            continue
        pts.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    return True


def _may_be_fields(codec: VideoCodecContext) -> bool:
    """Whether a packet may hold one field, half a picture (in HEVC a field is a picture of its own)."""
    order, interlacing = int(codec.field_order), {"h264", "mpeg2video"}
    return codec.codec.canonical_name in interlacing and order != _PROGRESSIVE


def _by_decoding(info: ClipInfo) -> TimeTable:
    pts: list[int | None] = []
    keys: list[int] = []
    with open_video(info.path, info.video_index, info.policy) as (container, stream), whole(info.path):
        for index, frame in enumerate(pictures(container, stream, info.path, (), info.policy)):
            check_picture(frame, info, index)
            pts.append(frame.pts)
            if frame.key_frame and frame.pts is not None:
                keys.append(frame.pts)
    known = [p for p in pts if p is not None]
    if len(known) == len(pts):
        return TimeTable(tuple(sorted(known)), tuple(sorted(keys)))
    step = 1 / info.rate / info.time_base
    start = known[0] if pts[0] is not None else 0
    return TimeTable(tuple(start + round(i * step) for i in range(len(pts))), (), stamped=False)
