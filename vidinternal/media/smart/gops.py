"""The groups of pictures of a stream: where each begins, and whether it may be copied beside re-encoded ones.

A group begins at a picture at which a decoder may be started afresh and after which nothing refers back: an IDR picture
of H.264 and H.265, in MPEG-2 an intra picture behind a sequence and a group header that no picture precedes on screen.
Recovery points, CRA pictures and other open groups begin none; they are part of the group before them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import av.error
from av.packet import Packet

from vidinternal.core.clip import ClipInfo
from vidinternal.media.probe import time_table
from vidinternal.media.smart.mpeg2_headers import Mpeg2Head, read_head
from vidinternal.media.smart.nal import sei_messages, unescaped, units
from vidinternal.media.smart.parameter_sets import Codec, SetKey, Sps, kind_of, parse_sps, record_sets, set_key
from vidinternal.media.stream import FirstKey, open_video

_SLICES = {"h264": range(1, 6), "hevc": range(32)}
_FRESH = {"h264": (5,), "hevc": (19, 20)}
_KNOWN = {"h264": {1, 5, *range(6, 13)}, "hevc": {*range(10), *range(16, 22), *range(32, 41)}}
_SEI = {"h264": (6,), "hevc": (39,)}
_BUFFERING, _UNREGISTERED = 0, 5
CARRIED = (4, 45, 47, 137, 144, 147)
"""Supplemental messages that belong to the picture shown: captions, 3D, turn, mastering, light, transfer."""


class UnsafeError(Exception):
    """Why the groups of a stream may not be copied."""


@dataclass(frozen=True)
class Gop:
    """One group of pictures.

    Attributes:
        first: Place in the file of its first packet.
        last: Place behind its last packet.
        start: Index of the first frame shown.
        stop: Index behind the last one shown.
        unsafe: Why it may not be copied; empty when it may.
    """

    first: int
    last: int
    start: int
    stop: int
    unsafe: str = ""

    def __len__(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class Track:
    """The packets of the video stream in the file's order, those before the first key picture left out.

    Attributes:
        pts: Presentation time of every packet, in ticks.
        dts: Decoding time of every packet; strictly increasing and nowhere behind ``pts``.
        durations: Duration of every packet, 0 where unknown.
        gops: The groups, in order; empty where the stream is unsafe.
        grammar: What the stream's headers say.
        unsafe: Why no group may be copied beside a re-encoded one; empty where some may.
    """

    pts: tuple[int, ...]
    dts: tuple[int, ...]
    durations: tuple[int, ...]
    gops: tuple[Gop, ...]
    grammar: NalGrammar | Mpeg2Grammar
    unsafe: str = ""


class _Grammar(Protocol):
    def begins(self, data: bytes) -> bool: ...

    def check(self) -> None: ...


class NalGrammar:
    """What the units of an H.264 or H.265 stream tell.

    Args:
        codec: The codec.
        extradata: The stream's header.

    Attributes:
        sets: Every parameter set by kind and id.
        length_size: Bytes of the lengths before units; 0 for start codes.
        told: Supplemental information in the header's record, such as the mastering display.
        in_band: Whether there are parameter sets beside the header's record.
        build: Number of the x264 that wrote the stream, 0 where it does not tell.
    """

    def __init__(self, codec: Codec, extradata: bytes) -> None:
        self.codec: Codec = codec
        units_, self.length_size = record_sets(extradata, codec)
        self.sets: dict[SetKey, bytes] = {}
        self.in_band = False
        self.build = 0
        for unit in units_:
            self._keep(unit)
        told = (u for u in units_ if codec == "hevc" and kind_of(u, codec) in _SEI[codec])
        self.told = tuple(told) if self.length_size else ()

    def _keep(self, unit: bytes) -> bool:
        key = set_key(unit, self.codec)
        if key is None:
            return False
        unit = unit.rstrip(b"\0")
        if self.sets.setdefault(key, unit) != unit:
            raise UnsafeError(f"the stream changes its {key[0].upper()} on the way")
        return True

    def begins(self, data: bytes) -> bool:
        """Whether a packet begins a group; to be asked for every packet.

        Raises:
            UnsafeError: The packet holds what must not be copied in part.
        """
        fresh: bool | None = None
        for unit in units(data, self.length_size):
            kind = kind_of(unit, self.codec)
            if kind not in _KNOWN[self.codec] or (self.codec == "hevc" and (unit[0] & 1 or unit[1] >> 3)):
                raise UnsafeError("the stream has layers, partitions or other units beside plain pictures")
            if kind in _SLICES[self.codec] and fresh is None:
                fresh = kind in _FRESH[self.codec]
            if kind in _SEI[self.codec]:
                self._check_sei(unit)
            self.in_band |= self._keep(unit)
        return bool(fresh)

    def _check_sei(self, unit: bytes) -> None:
        head = 1 if self.codec == "h264" else 2
        for number, payload in sei_messages(unescaped(unit[head:])):
            if number == _BUFFERING:
                raise UnsafeError("the stream tells how full a decoder's buffer is (HRD), which new ones break")
            named = re.search(rb"x264 - core (\d+)", payload[:64]) if number == _UNREGISTERED else None
            self.build = int(named[1]) if named else self.build

    def carried(self, data: bytes) -> list[tuple[int, bytes]]:
        """The messages of a packet that belong to its picture whatever encodes it."""
        head = 1 if self.codec == "h264" else 2
        found = (u for u in units(data, self.length_size) if kind_of(u, self.codec) in _SEI[self.codec])
        return [m for u in found for m in sei_messages(unescaped(u[head:])) if m[0] in CARRIED]

    def check(self) -> None:
        """Refuse what its parameter sets forbid.

        Raises:
            UnsafeError: There are none, or pictures are fields or change their size.
        """
        found = self.sequences
        if not found or not any(kind == "pps" for kind, _ in self.sets):
            raise UnsafeError("the stream has no parameter sets")
        if not all(s.progressive for s in found):
            raise UnsafeError("the stream is coded in fields")
        if len({(s.size, s.chroma, s.depth) for s in found}) > 1:
            raise UnsafeError("the stream changes its size or depth on the way")

    @property
    def sequences(self) -> list[Sps]:
        """What its sequence parameter sets say."""
        return [parse_sps(s, self.codec) for (kind, _), s in self.sets.items() if kind == "sps"]


class Mpeg2Grammar:
    """What the headers of an MPEG-2 stream tell.

    Attributes:
        head: What stands before the first picture.
    """

    def __init__(self) -> None:
        self.head: Mpeg2Head | None = None
        self._unlike = False

    def begins(self, data: bytes) -> bool:
        """Whether a packet begins a group; to be asked for every packet.

        Raises:
            UnsafeError: The packet holds what must not be copied in part.
        """
        head = read_head(data)
        if not head.frame or (head.sequence and not head.progressive):
            raise UnsafeError("the stream is coded in fields, or may be")
        if head.scalable:
            raise UnsafeError("the stream has layers")
        if head.timed:
            raise UnsafeError("the stream keeps a constant rate (vbv_delay), and new pictures would break it")
        if not head.sequence:
            return False
        self.head = self.head or head
        if head.sequence != self.head.sequence:
            raise UnsafeError("the stream changes its sequence header on the way")
        return bool(head.group) and head.temporal == 0

    def kept(self, data: bytes) -> Mpeg2Head | None:
        """The headers of a packet if they hold what belongs to its picture whatever encodes it."""
        head = read_head(data)
        return head if head.group or head.user else None

    def check(self) -> None:
        """Refuse a stream without a header.

        Raises:
            UnsafeError: There was none.
        """
        if self.head is None:
            raise UnsafeError("the stream has no sequence header")


def video_packets(info: ClipInfo) -> Iterator[Packet]:
    """The packets of the video stream in the file's order, those before the first key picture left out.

    Raises:
        UnsafeError: A packet is damaged, cut away by an edit list, or has no time.
    """
    with open_video(info.path, info.video_index) as (container, stream):
        first = FirstKey(stream)
        try:
            for packet in container.demux(stream):
                if packet.pts is None and packet.dts is None and not packet.size:
                    continue  # PyAV's mark for the end
                if packet.pts is None or packet.is_corrupt:
                    raise UnsafeError("packets of the stream are damaged or have no time")
                if packet.is_discard:
                    raise UnsafeError("an edit list cuts pictures away")
                if not first.leads(packet):
                    yield packet
        except av.error.FFmpegError as error:
            raise UnsafeError("the file cannot be read to its end") from error


def scan(info: ClipInfo, codec: str) -> Track:
    """Read all packets of the video stream and cut them into groups; nothing is decoded.

    Args:
        info: The clip.
        codec: FFmpeg's name of its codec: ``h264``, ``hevc`` or ``mpeg2video``.

    Raises:
        UnsafeError: Not even the whole stream may be copied.
        MediaError: The file cannot be read.
    """
    grammar = _grammar(info, codec)
    pts: list[int] = []
    dts: list[int | None] = []
    durations: list[int] = []
    begins: list[bool] = []
    unsafe = ""
    for packet in video_packets(info):
        pts.append(packet.pts or 0)
        dts.append(packet.dts)
        durations.append(packet.duration or 0)
        if not unsafe:
            try:
                begins.append(grammar.begins(bytes(packet)))
            except UnsafeError as error:
                unsafe = str(error)
            except (ValueError, IndexError):
                unsafe = "a packet of the stream is not made as its codec's are"
    table = time_table(info)
    if table.damage is not None:
        raise UnsafeError("pictures of the file are damaged")
    if tuple(sorted(pts)) != table.pts or len(set(pts)) != len(pts) or not table.stamped:
        raise UnsafeError("packets and pictures do not agree about their times")
    try:
        unsafe = unsafe or grammar.check() or ""
    except UnsafeError as error:
        unsafe = str(error)
    gops = () if unsafe else cut(pts, begins)
    return Track(tuple(pts), decoding_times(pts, dts), tuple(durations), gops, grammar, unsafe)


def _grammar(info: ClipInfo, codec: str) -> NalGrammar | Mpeg2Grammar:
    if codec == "mpeg2video":
        return Mpeg2Grammar()
    with open_video(info.path, info.video_index) as (_, stream):
        extradata = stream.codec_context.extradata or b""
    try:
        return NalGrammar("h264" if codec == "h264" else "hevc", extradata)
    except (ValueError, IndexError) as error:
        raise UnsafeError("the stream's header is cut short") from error


def cut(pts: list[int], begins: list[bool]) -> tuple[Gop, ...]:
    """Cut packets into groups that follow one another on screen.

    Args:
        pts: Presentation time of every packet.
        begins: Whether each may begin a group.
    """
    latest = list(itertools.accumulate(pts, max))
    earliest = list(itertools.accumulate(reversed(pts), min))[::-1]
    starts = [0, *(k for k in range(1, len(pts)) if begins[k] and latest[k - 1] < earliest[k])]
    edges = itertools.pairwise([*starts, len(pts)])
    odd = "" if begins and begins[0] else "the recording begins inside a group"
    # What is shown up to an edge is what is stored up to it, so that places and indices agree there.
    return tuple(Gop(a, b, a, b, "" if a else odd) for a, b in edges)


def decoding_times(pts: Sequence[int], dts: Sequence[int | None]) -> tuple[int, ...]:
    """The file's decoding times where they hold together, else the latest that its order of packets allows."""
    given = [d for d in dts if d is not None]
    ordered = len(given) == len(pts) and all(a < b for a, b in itertools.pairwise(given))
    if ordered and all(d <= p for d, p in zip(given, pts, strict=True)):
        return tuple(given)
    shown = sorted(pts)
    place = {time: k for k, time in enumerate(shown)}
    delay = max((k - place[time] for k, time in enumerate(pts)), default=0)
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    return tuple(shown[k - delay] if k >= delay else shown[0] - (delay - k) * step for k in range(len(shown)))


def reorder_room(track: Track, gops: Mapping[int, bool]) -> int | None:
    """How many pictures an encoder may send before one that is shown earlier and keep to the decoding times.

    Args:
        track: The stream.
        gops: Place of a group -> whether it begins a run of re-encoded groups, for those that are re-encoded.

    Returns:
        0, 1 or 2; None where even pictures in order would come too late.
    """
    shown = sorted(track.pts)
    for room in (2, 1, 0):
        begin, fits = 0, True
        for place, opens in sorted(gops.items()):
            gop = track.gops[place]
            begin = gop.first if opens else begin
            fits = fits and all(track.dts[k] <= shown[max(begin, k - room)] for k in range(gop.first, gop.last))
        if fits:
            return room
    return None
