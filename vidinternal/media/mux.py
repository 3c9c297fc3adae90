"""The file of the result: its streams and tags, and the packets that are copied as they are.

Matroska and WebM count in milliseconds, MPEG-TS in 1/90000 s, AVI in pictures; MP4 and MOV take the source's own
ticks.
"""

from __future__ import annotations

import heapq
import io
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.soft_subs import SoftTrack, add_soft, soft_packets
from vidinternal.media.source_facts import SourceFacts, hdr_options, source_facts
from vidinternal.media.stream import fraction, open_video, read_on, reason

if TYPE_CHECKING:
    from vidinternal.media.codecs import EncoderPlan

MP4 = ("mp4", "mov")
_TOP_TIMESCALE = 2**31 - 1
# What the muxers write themselves, or what would be untrue of newly encoded pictures.
_OWN_TAGS = {"encoder", "duration", "major_brand", "minor_version", "compatible_brands", "vendor_id"}
STATISTICS = ("bps", "number_of_bytes", "number_of_frames", "_statistics_")
"""Beginnings of the names of tags that Matroska's writers keep about packets."""
# The tags that MP4 has a place for; any other needs the list of named keys.
_MP4_TAGS = {
    *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"),
    *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "creation_time", "timecode"),
    *("track", "disc", "language", "location", "season_number", "episode_sort", "media_type", "hd_video", "rating"),
}
_MPEG2_RATES = (*(Fraction(n, 1001) for n in (24000, 30000, 60000)), *(Fraction(n) for n in (24, 25, 30, 50, 60)))
# An encoder that is only there to name the codec shall not take much memory.
_LIGHT = {"libx264": {"preset": "ultrafast"}, "libx264rgb": {"preset": "ultrafast"}, "libx265": {"preset": "ultrafast"}}
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png"), "bmp": ("cover.bmp", "image/bmp")}


@dataclass(frozen=True)
class Header:
    """The header of a video stream whose packets come ready-made.

    Attributes:
        extradata: Its parameter sets, as the container keeps them.
        tag: The container's name of the codec; its usual one when empty.
    """

    extradata: bytes
    tag: str = ""


@dataclass
class Output:
    """An open output.

    Attributes:
        container: The container, its header written.
        video: The stream that gets the new pictures.
        copies: Index of a stream in the source -> the stream its packets go to.
        kept: Indices of the streams of the source that are copied, those written with the header included.
        soft: The stream of the subtitle track that is added, and the track; None without one.
    """

    container: OutputContainer
    video: VideoStream
    copies: Mapping[int, Stream]
    kept: tuple[int, ...]
    soft: tuple[Stream, SoftTrack] | None = None

    @property
    def tick(self) -> Fraction:
        """Seconds per tick that the container gave the video stream."""
        return fraction(self.video.time_base) or Fraction(1)


def open_output(
    target: str | io.BytesIO,
    source: InputContainer,
    info: ClipInfo,
    plan: EncoderPlan,
    *,
    facts: SourceFacts | None = None,
    only: Collection[int] | None = None,
    header: Header | None = None,
) -> Output:
    """Open a container for writing, its streams in the source's order, and write its header.

    Args:
        target: A file name, or memory.
        source: The open source.
        info: What is known of it.
        plan: How the video is written.
        facts: What only the source's first picture tells; read when None.
        only: Copy only these streams; all when None.
        header: The video stream's header where its packets come ready-made; the encoder's own when None.

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
        if header is not None:
            _use_header(video, header)
        added = None
        if plan.soft is not None and only is None:
            added = add_soft(container, plan.soft, plan.container, source), plan.soft
        _copy_tags(source, container)
        container.start_encoding()
    except BaseException:
        container.close()
        raise
    return Output(container, video, copies, tuple(kept), added)


def _use_header(video: Any, header: Header) -> None:
    """Put a ready-made header in place of the encoder's, which then only names the codec and never gets a picture."""
    context = video.codec_context
    context.options = {**context.options, **_LIGHT.get(context.name, {}), "threads": "1"}
    context.open()
    context.extradata = header.extradata or None
    if header.tag:
        context.codec_tag = header.tag


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a picture that stands for the file, not a film."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def _muxer_options(source: InputContainer, info: ClipInfo, container: str) -> dict[str, str]:
    """Options that keep every time as it is, and make the same bytes of the same clip."""
    # with a plus: FFmpeg puts packets into the form that a container takes only while its other flags stay set
    options = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
    if container == "mpegts":
        return options | {"mpegts_copyts": "1"}
    if container in MP4:
        films = [s for s in source.streams.video if not is_cover(s)]
        own = info.time_base.denominator
        scale = lcm(own, *((fraction(s.time_base) or Fraction(1)).denominator for s in films))
        video = scale if scale <= _TOP_TIMESCALE else own
        # Edit lists, which hold a late start, count in the movie's timescale.
        rates = [s.rate for s in source.streams.audio if s.codec_context is not None and s.rate]
        movie = lcm(video, *rates)
        options["video_track_timescale"] = str(video)
        options["movie_timescale"] = str(movie if movie <= _TOP_TIMESCALE else video)
        # The list of named keys leaves no place for a cover.
        covered = any(is_cover(s) for s in source.streams.video)
        if not covered and any(key.lower() not in _MP4_TAGS for key in kept_tags(source.metadata)):
            options["movflags"] = "use_metadata_tags"
    return options


def encoder_tick(info: ClipInfo, plan: EncoderPlan) -> Fraction:
    """Seconds per tick that the encoder counts in; MPEG-2 knows a few rates only, and counts pictures."""
    if plan.encoder != "mpeg2video":
        return info.time_base
    nearest = min(_MPEG2_RATES, key=lambda rate: abs(rate - info.rate))
    return 1 / nearest if abs(nearest - info.rate) * 500 < nearest else 1 / info.rate


def _add_video(
    container: OutputContainer, source: Stream, info: ClipInfo, plan: EncoderPlan, facts: SourceFacts
) -> VideoStream:
    options = dict(plan.options)
    for key, value in hdr_options(plan.encoder, facts).items():
        options[key] = ":".join(filter(None, (options.get(key), value)))
    if facts.interlaced:
        options["flags"] = options.get("flags", "") + "+ildct+ilme"
    if info.color.chroma_location:
        options["chroma_sample_location"] = str(info.color.chroma_location)
    if plan.encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "0")  # it writes to stderr by itself and has no other way to be quiet
    # SVT-AV1 refuses more; the rate only steers its rate control, the pictures keep their times.
    rate = min(info.rate, Fraction(240)) if plan.encoder == "libsvtav1" else info.rate
    if plan.encoder == "mpeg2video":
        rate = 1 / encoder_tick(info, plan)
    made = plan.pictures(info)
    video: Any = container.add_stream(
        plan.encoder, rate=rate, options=options, width=made.width, height=made.height, pix_fmt=plan.pix_fmt
    )
    context = video.codec_context
    context.time_base = encoder_tick(info, plan)
    video.time_base = 1 / info.rate if plan.container == "avi" else info.time_base
    context.color_primaries, context.color_trc = info.color.primaries, info.color.transfer
    context.colorspace, context.color_range = plan.matrix, plan.range_code
    if plan.codec == "hevc" and plan.container in MP4:
        context.codec_tag = "hvc1"  # the parameter sets are in the header; Apple's players take no other name
    if info.sar != 1:
        context.sample_aspect_ratio = info.sar
    if facts.field_order:
        context.field_order = facts.field_order
    if facts.display_matrix:
        video.set_display_matrix(facts.display_matrix)
    tags = stream_tags(source.metadata)
    video.metadata.update({k: v for k, v in tags.items() if not k.lower().startswith(STATISTICS)})
    video.disposition = source.disposition
    return video


def _add_copy(container: OutputContainer, source: Stream, info: ClipInfo, name: str) -> Stream | None:
    """Add the twin of a stream; None where all of it is in the header."""
    if name == "matroska" and is_cover(source):
        usual = _COVERS.get(source.codec_context.codec.canonical_name, ("cover", "application/octet-stream"))
        given = source.metadata.get("filename"), source.metadata.get("mimetype")
        container.add_attachment(given[0] or usual[0], given[1] or usual[1], _first_packet(info, source.index))
        return None
    copy: Any = container.add_stream_from_template(source, **({} if source.codec_context is None else {"opaque": True}))
    copy.metadata.update(stream_tags(source.metadata))
    copy.disposition = source.disposition
    return None if source.type == "attachment" else copy


def _first_packet(info: ClipInfo, index: int) -> bytes:
    with open_video(info.path, info.video_index) as (source, _):
        return next(bytes(p) for p in source.demux(source.streams[index]) if p.size)


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those tags that are the film's own, not a muxer's."""
    return {key: value for key, value in tags.items() if key.lower() not in _OWN_TAGS}


def stream_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a stream as muxers take them: FFmpeg reads the title of a track in MP4 as its name."""
    kept = kept_tags(tags)
    if "name" in kept:
        kept.setdefault("title", kept.pop("name"))
    return kept


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
        tolerant: Whether packets that a damaged source cannot give are left out.
        origin: Seconds at which the first frame is shown; the times of a track that is added count from there.

    Attributes:
        starts: Seconds at which each stream copied began, by its index in the source, in that order of streams.
    """

    def __init__(
        self, source: InputContainer, output: Output, *, tolerant: bool = False, origin: Fraction = Fraction(0)
    ) -> None:
        self.starts: dict[int, Fraction] = {}
        self._tolerant = tolerant
        self._output = output
        added = () if output.soft is None else soft_packets(output.soft[1], output.soft[0], origin)
        self._waiting = heapq.merge(self._packets(source), added, key=lambda timed: timed[0])
        self._next = next(self._waiting, None)

    def _packets(self, source: InputContainer) -> Iterator[tuple[Fraction, Packet]]:
        streams = [source.streams[i] for i in self._output.copies]
        last = Fraction(0)
        for packet in self._read(source, streams):
            if packet.pts is None and packet.dts is None and not packet.size:
                continue  # PyAV's mark for the end
            if packet.dts is None and packet.stream.type != "video":
                packet.dts = packet.pts
            ticks = packet.dts if packet.dts is not None else packet.pts
            last = last if ticks is None else ticks * (fraction(packet.time_base) or Fraction(0))
            yield last, packet

    def _read(self, source: InputContainer, streams: list[Stream]) -> Iterator[Packet]:
        try:
            yield from read_on(source, streams, tolerant=self._tolerant) if streams else ()
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{source.name}: cannot be read on", expected="whole streams", got=reason(error)
            ) from error

    def until(self, time: Fraction | None) -> None:
        """Copy what begins before ``time`` in seconds, or all that is left."""
        while self._next is not None and (time is None or self._next[0] <= time):
            packet = self._next[1]
            if self._output.soft is None or packet.stream is not self._output.soft[0]:
                self._remember_start(packet)
                packet.stream = self._output.copies[packet.stream_index]
            self._output.container.mux(packet)
            self._next = next(self._waiting, None)

    def _remember_start(self, packet: Packet) -> None:
        if packet.pts is not None and packet.stream_index not in self.starts:
            self.starts[packet.stream_index] = packet.pts * (fraction(packet.time_base) or Fraction(0))
