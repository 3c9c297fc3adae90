"""The packets of a file's streams as they are stored, to tell whether two files hold the same.

Containers store some packets in wrappings of their own. What is compared is what is inside: AAC without the ADTS header
of MPEG-TS, H.264 and HEVC as units without their start codes or lengths and without the parameter sets that MPEG-TS
repeats, MP4's timed text without the empty packets that fill its gaps, PCM as one run of samples however it is cut.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest
from typing import Any

import av.error
from av.container import InputContainer

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.probe import fraction, open_video, reason
from vidinternal.media.smart.parameter_sets import kind_of
from vidinternal.media.stills.clip import is_stills, stills_bytes
from vidinternal.media.stream import read_on

NO_TIME = -(2**63)
"""Stands for a time that a packet does not have."""

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
# Delimiters and parameter sets, which MPEG-TS repeats in the stream and others keep in the header.
_HEADER_UNITS = {"h264": (7, 8, 9), "hevc": (32, 33, 34, 35)}
_EMPTY_TEXT = b"\x00\x00"
# A number of the transport, not of the stream.
_OWN_SIDE_DATA = ("mpegts_stream_id",)
_LOOK_AHEAD = 4000


def _array() -> array[int]:
    return array("q")


@dataclass
class PacketTrail:
    """What one stream holds.

    Attributes:
        kind: ``video``, ``audio``, ``subtitle``, ``attachment`` or ``data``.
        codec: Codec name.
        time_base: Seconds per tick.
        ticks: Presentation time of every packet, in stored order.
        payload: Digest of all packets' bytes and lengths; of the attached file for an attachment.
        run: Digest of all bytes however they are cut into packets.
        digests: Digest of every packet's bytes, in stored order.
        decode_ticks: Decoding time of every packet, :data:`NO_TIME` where it has none.
        durations: Ticks each packet lasts, 0 = unknown.
        keys: Whether each packet is marked as a key.
        beside: Digest of every packet's side data, 0 where it has none.
    """

    kind: str
    codec: str
    time_base: Fraction
    ticks: array[int] = field(default_factory=_array)
    payload: str = ""
    run: str = ""
    digests: array[int] = field(default_factory=_array)
    decode_ticks: array[int] = field(default_factory=_array)
    durations: array[int] = field(default_factory=_array)
    keys: bytearray = field(default_factory=bytearray)
    beside: array[int] = field(default_factory=_array)

    def times(self) -> tuple[Fraction, ...]:
        """Presentation times in seconds, sorted."""
        return tuple(t * self.time_base for t in sorted(self.ticks))


@dataclass(frozen=True)
class StreamMatch:
    """One stream beside the processed video.

    Attributes:
        kind: ``audio``, ``subtitle``, ...
        place: Its number among the streams of its kind, from 0.
        codec: Codec in the result and in the reference; None where it is missing.
        packets: Packets in the result and in the reference.
        identical: Whether all packets hold the same bytes.
        shift: Largest difference of presentation times in seconds; None where the packets do not pair up.
    """

    kind: str
    place: int
    codec: tuple[str | None, str | None]
    packets: tuple[int, int]
    identical: bool
    shift: float | None


def other_streams(info: ClipInfo, first: int | None = None) -> tuple[PacketTrail, ...]:
    """Every stream of a file but the video stream that is processed, in the file's order; one pass, nothing decoded.

    Args:
        info: The file.
        first: Only so many packets of each stream, and of the beginning of the file; all when None.

    Raises:
        MediaError: The file cannot be read to its end; where it may be damaged, what can be read counts.
    """
    with open_video(info.path, info.video_index) as (container, _):
        streams = [s for s in container.streams if s.index != info.video_index]
        known = {s.index: s for s in info.streams}
        trails = {
            s.index: PacketTrail(known[s.index].kind, known[s.index].codec, fraction(s.time_base) or Fraction(1))
            for s in streams
        }
        hashes = {s.index: (hashlib.sha256(), hashlib.sha256()) for s in streams}
        for stream in streams:
            if stream.type == "attachment":
                for sum_ in hashes[stream.index]:
                    sum_.update(bytes(getattr(stream, "data", None) or b""))
        packed = [s for s in streams if s.type != "attachment"]
        # raw AAC cannot be told from ADTS by its first bits alone; a stream with a header of its own has none in them
        framed = {s.index for s in packed if not getattr(getattr(s, "codec_context", None), "extradata", None)}
        try:
            for packet in _demux(container, packed, first, tolerant=info.policy.tolerant):
                index = packet.stream_index
                if first is not None and len(trails[index].ticks) >= first:
                    continue
                data = _inside(bytes(packet), trails[index].codec, framed=index in framed)
                if data is not None:
                    hashes[index][0].update(len(data).to_bytes(8, "big") + data)
                    hashes[index][1].update(data)
                    _note(trails[index], packet, data)
        except av.error.FFmpegError as error:
            raise MediaError(f"{info.path}: damaged", expected="packets to the end", got=reason(error)) from error
    for index, trail in trails.items():
        trail.payload, trail.run = (sum_.hexdigest()[:16] for sum_ in hashes[index])
    return tuple(trails.values())


def _demux(container: InputContainer, streams: list[Any], first: int | None, *, tolerant: bool) -> Iterator[Any]:
    if not streams:
        return
    for count, packet in enumerate(read_on(container, streams, tolerant=tolerant)):
        if first is not None and count >= _LOOK_AHEAD:
            return
        if packet.size:
            yield packet


def _note(trail: PacketTrail, packet: Any, data: bytes) -> None:
    trail.ticks.append(packet.pts if packet.pts is not None else packet.dts or 0)
    trail.decode_ticks.append(NO_TIME if packet.dts is None else packet.dts)
    trail.durations.append(packet.duration or 0)
    trail.keys.append(packet.is_keyframe)
    trail.digests.append(_digest(data))
    if not packet.has_sidedata:
        trail.beside.append(0)
        return
    items = sorted((str(s.data_type), bytes(s)) for s in packet.iter_sidedata())
    told = b"".join(kind.encode() + b"=" + value for kind, value in items if kind not in _OWN_SIDE_DATA)
    trail.beside.append(_digest(told) if told else 0)


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big", signed=True)


def _inside(data: bytes, codec: str, *, framed: bool) -> bytes | None:
    """A packet without the wrapping of its container; None for one that only fills a gap."""
    if codec == "mov_text" and data == _EMPTY_TEXT:
        return None
    if codec == "aac" and framed and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return data[7 if data[1] & 1 else 9 :]
    if codec in ("h264", "hevc"):
        kept = [u for u in _units(data) if u and kind_of(u, codec) not in _HEADER_UNITS[codec]]
        return b"".join(len(u).to_bytes(4, "big") + u for u in kept)
    return data


def _units(data: bytes) -> list[bytes]:
    """The units of a packet of H.264 or HEVC, behind start codes or lengths of four bytes."""
    lengths, at = [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        lengths.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if at == len(data):
        return lengths
    return [unit.rstrip(b"\x00") for unit in _START_CODE.split(data)[1:]] or [data]


def pair_streams(
    result: tuple[PacketTrail, ...], reference: tuple[PacketTrail, ...]
) -> Iterator[tuple[str, int, PacketTrail | None, PacketTrail | None]]:
    """Kind, place, and the stream of each file; None where one has no partner. Paired by kind and order."""
    for kind in dict.fromkeys(t.kind for t in (*reference, *result)):
        mine, theirs = ([t for t in side if t.kind == kind] for side in (result, reference))
        for place, (one, other) in enumerate(zip_longest(mine, theirs)):
            yield kind, place, one, other


def match_streams(result: tuple[PacketTrail, ...], reference: tuple[PacketTrail, ...]) -> tuple[StreamMatch, ...]:
    """Pair the streams of two files by kind and order; a stream without a partner is a match that failed."""
    return tuple(_match(*pair) for pair in pair_streams(result, reference))


def _match(kind: str, place: int, mine: PacketTrail | None, theirs: PacketTrail | None) -> StreamMatch:
    if mine is None or theirs is None:
        packets = len(mine.ticks) if mine else 0, len(theirs.ticks) if theirs else 0
        return StreamMatch(kind, place, (mine and mine.codec, theirs and theirs.codec), packets, False, None)
    counts = len(mine.ticks), len(theirs.ticks)
    shift = None
    if counts[0] == counts[1] and counts[0]:
        shift = float(max(abs(a - b) for a, b in zip(mine.times(), theirs.times(), strict=True)))
    return StreamMatch(kind, place, (mine.codec, theirs.codec), counts, mine.payload == theirs.payload, shift)


def picture_bytes(info: ClipInfo) -> Mapping[int, tuple[int, int]]:
    """Size and digest of the stored packets of the processed video by presentation tick, nothing decoded.

    Raises:
        MediaError: The file cannot be read to its end; where it may be damaged, what can be read counts.
    """
    if is_stills(info.path):
        return {pts: (size, -1) for pts, size in stills_bytes(info).items()}  # no packet has the digest -1
    found: dict[int, tuple[int, int]] = {}
    with open_video(info.path, info.video_index) as (container, stream):
        codec = stream.codec_context.codec.canonical_name
        last = 0
        try:
            for packet in read_on(container, [stream], tolerant=info.policy.tolerant):
                if packet.size:
                    last = next((t for t in (packet.pts, packet.dts) if t is not None), last)
                    size, digest = found.get(last, (0, 0))
                    inside = _inside(bytes(packet), codec, framed=False) or b""
                    found[last] = size + packet.size, digest ^ _digest(inside)
        except av.error.FFmpegError as error:
            raise MediaError(f"{info.path}: damaged", expected="packets to the end", got=reason(error)) from error
    return found
