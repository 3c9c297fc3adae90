"""A long encode in segments, each by an encoder of its own, so that a killed run need not repeat those it has finished.

Where a segment begins and ends is decided by the codec and the size of the picture alone: a run that nobody disturbs
makes the very same ones, and the same bytes. A segment opens with a key picture and refers to nothing before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.packet import Packet

from vidinternal.core.clip import ClipInfo
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.smart.gops import Gop, decoding_times

# Pixels of a segment: some ten seconds of work on two cores, and few enough that its packets are held in memory.
_PIXELS = {"h264": 400_000_000, "hevc": 200_000_000, "av1": 200_000_000, "vp9": 100_000_000, "mpeg2video": 400_000_000}
_LARGE_PACKETS = 100_000_000
# x264 and x265 begin anew at least so often anyway.
_KEY_DISTANCE = 250
_LEAST = 48
_NO_TIME = -(2**63)


@dataclass(frozen=True)
class Stored:
    """One packet of the video, in ticks of the clip.

    Attributes:
        pts: When its picture is shown.
        dts: When it is decoded; None where the encoder does not tell.
        duration: How long it is shown, 0 = unknown.
        key: Whether decoding can begin with it.
        data: Its bytes.
    """

    pts: int
    dts: int | None
    duration: int
    key: bool
    data: bytes

    @classmethod
    def of(cls, packet: Packet) -> Stored:
        """What is kept of an encoder's packet."""
        return cls(packet.pts or 0, packet.dts, packet.duration or 0, packet.is_keyframe, bytes(packet))

    def packet(self, info: ClipInfo, dts: int) -> Packet:
        """The packet again, with a decoding time."""
        packet = Packet(self.data)
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = self.pts, dts, self.duration, self.key
        packet.time_base = info.time_base
        return packet


@dataclass(frozen=True)
class Segment:
    """Finished packets, in the encoder's order.

    Attributes:
        data: ``N`` uint8, the bytes of all packets one behind another.
        table: ``P 5`` int64: size in bytes, presentation time, decoding time, duration, whether it is a key.
    """

    data: np.ndarray
    table: np.ndarray

    @classmethod
    def of(cls, packets: Iterable[Stored]) -> Segment:
        """Put packets together."""
        rows, data = [], bytearray()
        for p in packets:
            rows.append((len(p.data), p.pts, _NO_TIME if p.dts is None else p.dts, p.duration, int(p.key)))
            data += p.data
        return cls(np.frombuffer(data, np.uint8), np.array(rows, np.int64).reshape(-1, 5))

    def __iter__(self) -> Iterator[Stored]:
        at = 0
        for size, pts, dts, duration, key in self.table.tolist():
            data = self.data[at : at + size].tobytes()
            yield Stored(pts, None if dts == _NO_TIME else dts, duration, bool(key), data)
            at += size

    @property
    def times(self) -> tuple[list[int], list[int | None]]:
        """Presentation and decoding time of every packet."""
        return self.table[:, 1].tolist(), [None if dts == _NO_TIME else dts for dts in self.table[:, 2].tolist()]


KeepSegment = Callable[[str, str, Callable[[], Segment]], Segment]
"""Name, what it belongs to, and what makes it -> the segment, made now or in a run before."""


def segment_length(plan: EncoderPlan, pixels: int) -> int:
    """Frames of a segment at least; the last of a clip is never shorter than the others.

    Args:
        plan: How the clip is written.
        pixels: Pixels of a picture.
    """
    budget = _LARGE_PACKETS if plan.lossless else _PIXELS.get(plan.codec, _LARGE_PACKETS)
    count = max(_LEAST, budget // pixels)
    return count - count % _KEY_DISTANCE if count > _KEY_DISTANCE else count


def cut_evenly(count: int, length: int) -> tuple[range, ...]:
    """Cut ``count`` frames into pieces of about equal length, none shorter than ``length`` but a single one."""
    number = max(1, count // length)
    return tuple(range(count * k // number, count * (k + 1) // number) for k in range(number))


def cut_groups(gops: Sequence[Gop], length: int) -> Iterator[list[Gop]]:
    """Consecutive groups in lots of at least ``length`` frames, but for the last."""
    lot: list[Gop] = []
    for gop in gops:
        lot.append(gop)
        if sum(len(g) for g in lot) >= length:
            yield lot
            lot = []
    if lot:
        yield lot


def belongs_to(plan: EncoderPlan, *more: Any) -> str:
    """What a segment belongs to beside its source and its pictures."""
    options = sorted(plan.options.items())
    return repr((plan.encoder, plan.pix_fmt, plan.size, plan.container, plan.crf, plan.lossless, options, *more))


def in_segments(
    spans: Sequence[range], fits: str, keep: KeepSegment, encode: Callable[[range], Segment]
) -> Iterator[tuple[Stored, int]]:
    """Make every segment, then give all packets with decoding times that increase from one segment to the next.

    Args:
        spans: Frames of each segment.
        fits: What they belong to, from :func:`belongs_to`.
        keep: Keeps them.
        encode: Encodes frames by an encoder of their own.
    """

    def segment(span: range) -> Segment:
        return keep(f"segment-{span.start:08d}", f"{fits} {span}", lambda: encode(span))

    shown: list[int] = []
    decoded: list[int | None] = []
    for span in spans:
        times = segment(span).times
        shown += times[0]
        decoded += times[1]
    due = iter(decoding_times(shown, decoded))
    for span in spans:
        for stored in segment(span):
            yield stored, next(due)
