"""The container of the result: what it can hold, its streams, and the packets that are copied as they are.

Matroska and WebM count in milliseconds, MPEG-TS in 1/90000 s, AVI in pictures; MP4 and MOV take the source's own
ticks. A container that would lose a stream, the pictures' shape or their turn is refused before any work.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError, nearest
from vidinternal.media.probe import fraction, frame_pts, open_video, reason
from vidinternal.media.source_facts import SourceFacts, hdr_options, source_facts

if TYPE_CHECKING:
    from vidinternal.media.codecs import EncoderPlan

_CONTAINERS = {
    ".mkv": "matroska",
    ".mp4": "mp4",
    ".mov": "mov",
    ".webm": "webm",
    ".ts": "mpegts",
    ".avi": "avi",
    ".m4v": "mp4",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
}
_OFFERED = (".mkv", ".mp4", ".mov", ".webm", ".ts", ".avi")
_MP4 = ("mp4", "mov")
_MATROSKA = ("matroska", "webm")
_TOP_TIMESCALE = 2**31 - 1
# What the muxers write themselves, or what would be untrue of newly encoded pictures.
_OWN_TAGS = {"encoder", "duration", "major_brand", "minor_version", "compatible_brands", "vendor_id"}
_STATISTICS = ("bps", "number_of_bytes", "number_of_frames", "_statistics_")
# The tags that MP4 has a place for; any other needs the list of named keys.
_MP4_TAGS = {
    *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"),
    *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "creation_time", "timecode"),
    *("track", "disc", "language", "location", "season_number", "episode_sort", "media_type", "hd_video", "rating"),
}
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png"), "bmp": ("cover.bmp", "image/bmp")}
_UNNAMED_DATA = (None, "none", "bin_data")


@dataclass
class Output:
    """An open output.

    Attributes:
        container: The container, its header written.
        video: The stream that gets the new pictures.
        copies: Index of a stream in the source -> the stream its packets go to.
        kept: Indices of the streams of the source that are copied, those written with the header included.
    """

    container: OutputContainer
    video: VideoStream
    copies: Mapping[int, Stream]
    kept: tuple[int, ...]

    @property
    def tick(self) -> Fraction:
        """Seconds per tick that the container gave the video stream."""
        return fraction(self.video.time_base) or Fraction(1)


def container_name(destination: Path) -> str:
    """FFmpeg's name of the container that a file's suffix stands for.

    Raises:
        MediaError: The suffix stands for none.
    """
    suffix = destination.suffix.lower()
    if suffix not in _CONTAINERS:
        raise MediaError(
            str(destination),
            expected=f"a file name that ends in {', '.join(_OFFERED)}",
            got=repr(suffix) if suffix else "no suffix",
            hint=nearest(suffix, _CONTAINERS) if suffix else str(destination.with_suffix(".mkv")),
        )
    return _CONTAINERS[suffix]


def check(info: ClipInfo, plan: EncoderPlan, destination: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Make sure that a container takes the encoded video and every stream that is copied, by writing its header.

    Returns:
        Indices of data streams that FFmpeg cannot write at all and that are left out, and a note for each.

    Raises:
        MediaError: It does not; the message names the stream and the containers that do.
    """
    left_out = _unwritable(info, plan)
    refused = _refusal(info, replace(plan, left_out=left_out))
    if refused is None:
        notes = tuple(f"data stream {i} is left out: {destination.suffix} has no place for it" for i in left_out)
        return left_out, notes
    fit = [s for s in _OFFERED if _refusal(info, replace(plan, container=_CONTAINERS[s], left_out=left_out)) is None]
    raise MediaError(
        str(destination),
        expected=f"a container that holds {plan.codec} and all of {info.path.name}",
        got=f"{destination.suffix}: {refused}",
        hint=f"an output that ends in {' or '.join(fit)}" if fit else "--set encode.codec=h264 and an output in .mkv",
    )


def _unwritable(info: ClipInfo, plan: EncoderPlan) -> tuple[int, ...]:
    """Streams of data without a codec's name that the container refuses."""
    with open_video(info.path, info.video_index) as (source, _):
        unnamed = [s.index for s in source.streams if s.type == "data" and s.name in _UNNAMED_DATA]
    return tuple(i for i in unnamed if _header_error(info, plan, only=(i,)) is not None)


def _refusal(info: ClipInfo, plan: EncoderPlan) -> str | None:
    """Why a container cannot take the clip; None when it can."""
    broken = _rule_broken(info, plan)
    if broken or (error := _header_error(info, plan)) is None:
        return broken
    if (alone := _header_error(info, plan, only=())) is not None:
        return f"it does not take {plan.codec} in {plan.pix_fmt} at {info.width}x{info.height} ({alone})"
    for stream in info.streams:
        if stream.index == info.video_index:
            continue
        if (error := _header_error(info, plan, only=(stream.index,))) is not None:
            return f"it does not take stream {stream.index}, {stream.kind} {stream.codec} {stream.note}".rstrip()
    return error


def _rule_broken(info: ClipInfo, plan: EncoderPlan) -> str | None:
    """What a container would take without complaint and lose."""
    name, codec = plan.container, plan.codec
    if info.rotation and name not in (*_MP4, *_MATROSKA):
        return f"it cannot say that the picture is to be turned by {info.rotation} degrees"
    in_the_stream = codec in ("h264", "hevc")
    if info.sar != 1 and not in_the_stream and name not in _MP4:
        return f"with {codec} it cannot say that the pixels are {info.sar.numerator}:{info.sar.denominator}"
    if name not in ("matroska",) and any(s.kind == "attachment" for s in info.streams):
        return "it does not take attachments"
    if name not in ("matroska", *_MP4) and _covers(info):
        return "it does not take cover pictures"
    if name == "avi":
        return _avi_rule(info, codec)
    return None if name == "mpegts" else _negative_start(info)


def _covers(info: ClipInfo) -> list[int]:
    with open_video(info.path, info.video_index) as (source, _):
        return [s.index for s in source.streams.video if _is_cover(s)]


def _is_cover(stream: Stream) -> bool:
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def _avi_rule(info: ClipInfo, codec: str) -> str | None:
    if codec != "ffv1":
        return f"it keeps no presentation times, which {codec} needs"
    times = frame_pts(info)
    step = 1 / info.rate / info.time_base
    if any(pts != round(i * step) for i, pts in enumerate(times)):
        return "it keeps no times, only a constant rate from 0"
    return None


def _negative_start(info: ClipInfo) -> str | None:
    with open_video(info.path, info.video_index) as (_, stream):
        start = stream.start_time
    return f"it cannot hold times before 0, and the video begins at {start} ticks" if start and start < 0 else None


def _header_error(info: ClipInfo, plan: EncoderPlan, only: Collection[int] | None = None) -> str | None:
    """Write the header into memory, with all streams or with ``only`` these beside the video; the error if any."""
    with open_video(info.path, info.video_index) as (source, _):
        try:
            opened = open_output(io.BytesIO(), source, info, plan, only=only)
        except (av.error.FFmpegError, ValueError) as error:
            return reason(error)
        opened.container.close()
    return None


def open_output(
    target: str | io.BytesIO,
    source: InputContainer,
    info: ClipInfo,
    plan: EncoderPlan,
    *,
    facts: SourceFacts | None = None,
    only: Collection[int] | None = None,
) -> Output:
    """Open a container for writing, its streams in the source's order, and write its header.

    Args:
        target: A file name, or memory.
        source: The open source.
        info: What is known of it.
        plan: How the video is written.
        facts: What only the source's first picture tells; read when None.
        only: Copy only these streams; all when None.

    Raises:
        av.error.FFmpegError, ValueError: The container or the encoder refuses.
    """
    facts = facts or source_facts(info)
    options = _muxer_options(source, info, plan.container)
    container = av.open(target, "w", format=plan.container, container_options=options)
    try:
        video, copies, kept = None, {}, []
        for stream in source.streams:
            if stream.index == info.video_index:
                video = _add_video(container, stream, info, plan, facts)
            elif stream.index not in plan.left_out and (only is None or stream.index in only):
                copy = _add_copy(container, stream, info, plan.container)
                kept.append(stream.index)
                if copy is not None:
                    copies[stream.index] = copy
        if video is None:
            raise ValueError(f"stream {info.video_index} is not in {info.path}")
        _copy_tags(source, container)
        container.start_encoding()
    except BaseException:
        container.close()
        raise
    return Output(container, video, copies, tuple(kept))


def _muxer_options(source: InputContainer, info: ClipInfo, container: str) -> dict[str, str]:
    """Options that keep every time as it is."""
    options = {"avoid_negative_ts": "disabled"}
    if container == "mpegts":
        return options | {"mpegts_copyts": "1"}
    if container in _MP4:
        films = [s for s in source.streams.video if not _is_cover(s)]
        own = info.time_base.denominator
        scale = lcm(own, *((fraction(s.time_base) or Fraction(1)).denominator for s in films))
        video = scale if scale <= _TOP_TIMESCALE else own
        # Edit lists, which hold a late start, count in the movie's timescale.
        rates = [s.rate for s in source.streams.audio if s.codec_context is not None and s.rate]
        movie = lcm(video, *rates)
        options["video_track_timescale"] = str(video)
        options["movie_timescale"] = str(movie if movie <= _TOP_TIMESCALE else video)
        if any(key.lower() not in _MP4_TAGS for key in kept_tags(source.metadata)):
            options["movflags"] = "use_metadata_tags"
    return options


def _add_video(
    container: OutputContainer, source: Stream, info: ClipInfo, plan: EncoderPlan, facts: SourceFacts
) -> VideoStream:
    options = dict(plan.options)
    for key, value in hdr_options(plan.encoder, facts).items():
        options[key] = ":".join(filter(None, (options.get(key), value)))
    if facts.interlaced:
        options["flags"] = "+ildct+ilme"
    if info.color.chroma_location:
        options["chroma_sample_location"] = str(info.color.chroma_location)
    if plan.encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the library has no other way to be quiet
    video: Any = container.add_stream(
        plan.encoder, rate=info.rate, options=options, width=info.width, height=info.height, pix_fmt=plan.pix_fmt
    )
    context = video.codec_context
    video.time_base = context.time_base = info.time_base
    context.color_primaries, context.color_trc = info.color.primaries, info.color.transfer
    context.colorspace, context.color_range = info.color.matrix, plan.range_code
    if info.sar != 1:
        context.sample_aspect_ratio = info.sar
    if facts.field_order:
        context.field_order = facts.field_order
    if facts.display_matrix:
        video.set_display_matrix(facts.display_matrix)
    tags = kept_tags(source.metadata)
    video.metadata.update({k: v for k, v in tags.items() if not k.lower().startswith(_STATISTICS)})
    video.disposition = source.disposition
    return video


def _add_copy(container: OutputContainer, source: Stream, info: ClipInfo, name: str) -> Stream | None:
    """Add the twin of a stream; None where all of it is in the header."""
    if name == "matroska" and _is_cover(source):
        usual = _COVERS.get(source.codec_context.codec.canonical_name, ("cover", "application/octet-stream"))
        given = source.metadata.get("filename"), source.metadata.get("mimetype")
        container.add_attachment(given[0] or usual[0], given[1] or usual[1], _first_packet(info, source.index))
        return None
    copy: Any = container.add_stream_from_template(source, **({} if source.codec_context is None else {"opaque": True}))
    copy.metadata.update(kept_tags(source.metadata))
    copy.disposition = source.disposition
    return None if source.type == "attachment" else copy


def _first_packet(info: ClipInfo, index: int) -> bytes:
    with open_video(info.path, info.video_index) as (source, _):
        return next(bytes(p) for p in source.demux(source.streams[index]) if p.size)


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those tags that are the film's own, not a muxer's."""
    return {key: value for key, value in tags.items() if key.lower() not in _OWN_TAGS}


def _copy_tags(source: InputContainer, container: OutputContainer) -> None:
    container.metadata.update(kept_tags(source.metadata))
    chapters = source.chapters()
    if chapters:
        container.set_chapters(chapters)


class Copier:
    """Copies packets from the source to the output, as far in time as the new video has come.

    Args:
        source: The source, open for this alone.
        output: Where they go.
    """

    def __init__(self, source: InputContainer, output: Output) -> None:
        self._output = output
        self._waiting = self._packets(source)
        self._next = next(self._waiting, None)

    def _packets(self, source: InputContainer) -> Iterator[tuple[Fraction, Packet]]:
        streams = [source.streams[i] for i in self._output.copies]
        last = Fraction(0)
        for packet in source.demux(streams) if streams else ():
            if packet.pts is None and packet.dts is None and not packet.size:
                continue  # PyAV's mark for the end
            if packet.dts is None and packet.stream.type != "video":
                packet.dts = packet.pts
            ticks = packet.dts if packet.dts is not None else packet.pts
            last = last if ticks is None else ticks * (fraction(packet.time_base) or Fraction(0))
            yield last, packet

    def until(self, time: Fraction | None) -> None:
        """Copy what begins before ``time`` in seconds, or all that is left."""
        while self._next is not None and (time is None or self._next[0] <= time):
            packet = self._next[1]
            packet.stream = self._output.copies[packet.stream_index]
            self._output.container.mux(packet)
            self._next = next(self._waiting, None)
