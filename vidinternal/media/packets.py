"""The packets of a file's streams as they are stored, to tell whether two files hold the same."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field
from fractions import Fraction

import av.error

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.probe import fraction, open_video, reason


@dataclass
class PacketTrail:
    """What one stream holds.

    Attributes:
        kind: ``video``, ``audio``, ``subtitle``, ``attachment`` or ``data``.
        codec: Codec name.
        time_base: Seconds per tick.
        ticks: Presentation time of every packet, in stored order.
        payload: Digest of all packets' bytes and lengths; of the attached file for an attachment.
    """

    kind: str
    codec: str
    time_base: Fraction
    ticks: array[int] = field(default_factory=lambda: array("q"))
    payload: str = ""

    def times(self) -> tuple[Fraction, ...]:
        """Presentation times in seconds, sorted."""
        return tuple(t * self.time_base for t in sorted(self.ticks))


def other_streams(info: ClipInfo) -> tuple[PacketTrail, ...]:
    """Every stream of a file but the video stream that is processed, in the file's order; one pass, nothing decoded.

    Raises:
        MediaError: The file cannot be read to its end.
    """
    with open_video(info.path, info.video_index) as (container, _):
        streams = [s for s in container.streams if s.index != info.video_index]
        known = {s.index: s for s in info.streams}
        trails = {
            s.index: PacketTrail(known[s.index].kind, known[s.index].codec, fraction(s.time_base) or Fraction(1))
            for s in streams
        }
        hashes = {s.index: hashlib.sha256() for s in streams}
        for stream in streams:
            if stream.type == "attachment":
                hashes[stream.index].update(bytes(getattr(stream, "data", None) or b""))
        packed = [s for s in streams if s.type != "attachment"]
        try:
            for packet in container.demux(packed) if packed else ():
                if not packet.size:
                    continue
                data = bytes(packet)
                hashes[packet.stream_index].update(len(data).to_bytes(8, "big") + data)
                trails[packet.stream_index].ticks.append(packet.pts if packet.pts is not None else packet.dts or 0)
        except av.error.FFmpegError as error:
            raise MediaError(f"{info.path}: damaged", expected="packets to the end", got=reason(error)) from error
    for index, trail in trails.items():
        trail.payload = hashes[index].hexdigest()[:16]
    return tuple(trails.values())
