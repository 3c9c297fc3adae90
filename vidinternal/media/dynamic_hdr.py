"""Brightness data that changes from picture to picture: told, so that it is never lost in silence.

Newly encoded pictures cannot carry it: PyAV gives encoders no side data. HDR10 and HLG, which hold for the whole film,
are carried (``source_facts``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.damage import first_picture
from vidinternal.media.stream import open_video

DOLBY, DOLBY_ONLY = "Dolby Vision", "Dolby Vision profile 5"
_OF_PICTURES = {
    "DOVI_METADATA": DOLBY,
    "DOVI_RPU_BUFFER": DOLBY,
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
_DOLBY_TAGS = ("dvh1", "dvhe", "dva1", "dvav", "dav1")
_RPU = 62  # the NAL unit of HEVC that holds Dolby Vision's data (unspecified in ITU-T H.265)
_PACKETS = 8


def dynamic_hdr(info: ClipInfo) -> tuple[str, ...]:
    """Which kinds of such data a clip has, by its tag, its first packets and its first picture.

    Raises:
        MediaError: The file cannot be read or its first picture is damaged.
    """
    found: list[str] = []
    with open_video(info.path, info.video_index) as (container, stream):
        if stream.codec_context.codec_tag.strip("\0 ") in _DOLBY_TAGS:
            found.append(DOLBY)
        if stream.codec_context.codec.canonical_name == "hevc":
            packets = (p for _, p in zip(range(_PACKETS), container.demux(stream), strict=False))
            found += [DOLBY if _profile(unit) else DOLBY_ONLY for p in packets for unit in _units(p, stream, _RPU)]
    with open_video(info.path, info.video_index) as (container, stream):
        first = first_picture(container, stream, info.path, info.policy)
        if first is not None:
            side_data: Any = first.side_data
            found += [_OF_PICTURES[s.type.name] for s in side_data if s.type.name in _OF_PICTURES]
    kinds = tuple(dict.fromkeys(found))
    return tuple(k for k in kinds if k != DOLBY) if DOLBY_ONLY in kinds else kinds


def check_dynamic(info: ClipInfo, *, drop: bool) -> tuple[str, ...]:
    """Refuse a clip with data that would be lost, or say what is.

    Args:
        info: The clip.
        drop: Whether the caller agreed to lose it.

    Returns:
        A note for each kind that is dropped.

    Raises:
        MediaError: There is some and ``drop`` is False, or its pictures show right colours with it alone.
    """
    kinds = dynamic_hdr(info)
    if DOLBY_ONLY in kinds:
        raise MediaError(
            f"{info.path}: {DOLBY_ONLY}",
            expected="pictures whose colours every player shows, such as HDR10, HLG or Dolby Vision profile 7 or 8",
            got="pictures that only a Dolby Vision decoder shows in their colours",
            hint="a release of the film in another profile",
        )
    if kinds and not drop:
        raise MediaError(
            f"{info.path}: {' and '.join(kinds)}",
            expected="brightness data that holds for the whole film, as HDR10 and HLG have it",
            got="data for each picture, which new pictures cannot carry",
            hint="--set decode.dynamic_hdr=drop to write the film without it; HDR10 data is kept",
        )
    return tuple(f"{kind} data is dropped; what is written is the picture beneath it" for kind in kinds)


def _units(packet: av.Packet, stream: VideoStream, kind: int) -> Iterator[bytes]:
    """The HEVC NAL units of one type in a packet, stored behind lengths (MP4, Matroska) or start codes (MPEG-TS)."""
    data, header = bytes(packet), stream.codec_context.extradata or b""
    if len(header) > 22 and header[0] == 1:
        size, at = (header[21] & 3) + 1, 0
        pieces = []
        while at + size < len(data):
            end = at + size + int.from_bytes(data[at : at + size], "big")
            pieces.append(data[at + size : end])
            at = end
    else:
        pieces = data.split(b"\0\0\1")[1:]
    return (unit for unit in pieces if len(unit) > 2 and unit[0] >> 1 & 63 == kind)


def _profile(unit: bytes) -> int:
    """``vdr_rpu_profile``: 0 where the picture beneath is Dolby Vision's own, 1 where any player can show it.

    Behind two bytes of header and one of prefix stand 6 bits of type, 11 of format and 4 of profile.
    """
    return int.from_bytes(unit[3:6].ljust(3, b"\0"), "big") >> 3 & 15
