"""Parameter sets of H.264 and H.265: what they promise, and the header record of MP4 and Matroska that holds them.

Syntax of ITU-T H.264 7.3.2.1 and Annex E, ITU-T H.265 7.3.2 and 7.3.3, ISO/IEC 14496-15 5.3.3 and 8.3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vidinternal.media.smart.nal import Bits, escaped, ue_bits, unescaped, units

Codec = Literal["h264", "hevc"]
SetKey = tuple[str, int]
"""Kind (``vps``, ``sps`` or ``pps``) and id."""

_KINDS: Mapping[str, Mapping[int, str]] = {"h264": {7: "sps", 8: "pps"}, "hevc": {32: "vps", 33: "sps", 34: "pps"}}
_HEADER = {"h264": 1, "hevc": 2}
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_WITH_INTRA = (44, 86, 100, 110, 122, 244)
_LONG_HEADER = (100, 110, 122, 144, 244, 44)
# Every decoder of a later one of these reads an earlier one (constrained baseline, which is all that FFmpeg reads).
_H264_ORDER = (66, 77, 100, 110, 122, 244)
_HEVC_ORDER = (1, 2)
_EXTENDED_SAR = 255
_SPARE_PPS = range(15, 31)
"""Ids whose code is nine bits long, a byte more than that of 0."""


@dataclass(frozen=True)
class Sps:
    """What a sequence parameter set says.

    Attributes:
        id: Its id.
        profile: Profile number.
        constraints: Flags beside the profile: one byte in H.264, the 11 bytes behind the profile in H.265.
        level: Level number.
        tier: 1 for the high tier of H.265.
        chroma: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4.
        depth: Bits of luma and of chroma.
        size: Coded width and height with what is cut off: width, height, left, right, top, bottom, in coded units.
        references: Pictures a decoder must hold.
        reorder: Pictures that may come before one in the file and after it on screen; None where it is not said.
        progressive: Whether all pictures are coded as frames.
        tick: Numerator, denominator and whether the rate is fixed, of H.264's timing; None where it is not said.
        color: Range, primaries, transfer and matrix of H.264; None where they are not said.
        sar: Shape of pixels of H.264; None where it is not said.
    """

    id: int
    profile: int
    constraints: bytes
    level: int
    tier: int
    chroma: int
    depth: tuple[int, int]
    size: tuple[int, ...]
    references: int
    reorder: int | None
    progressive: bool
    tick: tuple[int, int, bool] | None = None
    color: tuple[int, ...] | None = None
    sar: tuple[int, int] | int | None = None


def kind_of(unit: bytes, codec: Codec) -> int:
    """The type of a unit."""
    return unit[0] & 31 if codec == "h264" else (unit[0] >> 1) & 63


def set_key(unit: bytes, codec: Codec) -> SetKey | None:
    """Kind and id of a parameter set; None for any other unit."""
    kind = _KINDS[codec].get(kind_of(unit, codec))
    if kind is None:
        return None
    bits = Bits(unescaped(unit[_HEADER[codec] :]))
    if kind == "vps":
        return kind, bits.read(4)
    if kind == "sps" and codec == "h264":
        bits.read(24)
    elif kind == "sps":
        _hevc_head(bits)
    return kind, bits.ue()


def parse_sps(unit: bytes, codec: Codec) -> Sps:
    """Read a sequence parameter set.

    Raises:
        ValueError: It ends early.
    """
    bits = Bits(unescaped(unit[_HEADER[codec] :]))
    return _h264_sps(bits) if codec == "h264" else _hevc_sps(bits)


def _h264_sps(bits: Bits) -> Sps:
    profile, constraints, level, number = bits.read(8), bits.read(8), bits.read(8), bits.ue()
    chroma, depth = 1, (8, 8)
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        if chroma == 3:
            bits.read(1)
        depth = (8 + bits.ue(), 8 + bits.ue())
        bits.read(1)
        if bits.flag():
            _skip_scaling(bits, 12 if chroma == 3 else 8)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.read(1)
        for _ in range(2):
            bits.se()
        for _ in range(bits.ue()):
            bits.se()
    references = bits.ue()
    bits.read(1)
    size = [bits.ue(), bits.ue()]
    progressive = bits.flag()
    bits.read(1 if progressive else 2)
    size += [bits.ue() for _ in range(4)] if bits.flag() else [0] * 4
    facts = _vui(bits) if bits.flag() else (None, None, None, None)
    sar, color, tick, reorder = facts
    if reorder is None and profile in _WITH_INTRA and constraints & 0x10:
        reorder = 0  # intra pictures alone
    return Sps(
        id=number,
        profile=profile,
        constraints=bytes([constraints]),
        level=level,
        tier=0,
        chroma=chroma,
        depth=depth,
        size=tuple(size),
        references=references,
        reorder=reorder,
        progressive=progressive,
        tick=tick,
        color=color,
        sar=sar,
    )


def _skip_scaling(bits: Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.flag():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _vui(
    bits: Bits,
) -> tuple[tuple[int, int] | int | None, tuple[int, ...] | None, tuple[int, int, bool] | None, int | None]:
    sar = color = tick = reorder = None
    if bits.flag():
        sar = bits.read(8)
        sar = (bits.read(16), bits.read(16)) if sar == _EXTENDED_SAR else sar
    if bits.flag():
        bits.read(1)
    if bits.flag():
        bits.read(3)
        color = (bits.read(1), *((bits.read(8), bits.read(8), bits.read(8)) if bits.flag() else (2, 2, 2)))
    if bits.flag():
        for _ in range(2):
            bits.ue()
    if bits.flag():
        tick = (bits.read(32), bits.read(32), bits.flag())
    promised = [_skip_hrd(bits) for _ in range(2) if bits.flag()]
    if promised:
        bits.read(1)
    bits.read(1)
    if bits.flag():
        bits.read(1)
        for _ in range(4):
            bits.ue()
        reorder = bits.ue()
    return sar, color, tick, reorder


def _skip_hrd(bits: Bits) -> bool:
    count = bits.ue() + 1
    bits.read(8)
    for _ in range(count):
        for _ in range(2):
            bits.ue()
        bits.read(1)
    bits.read(20)
    return True


def _hevc_head(bits: Bits) -> tuple[int, bytes, int]:
    """Read up to the id: number of sub-layers less one, general profile, tier and flags, level."""
    bits.read(4)
    layers = bits.read(3)
    bits.read(1)
    general = bits.read(88).to_bytes(11, "big")
    level = bits.read(8)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, own_level in present:
        bits.read(88 * profile + 8 * own_level)
    return layers, general, level


def _hevc_sps(bits: Bits) -> Sps:
    layers, general, level = _hevc_head(bits)
    number, chroma = bits.ue(), bits.ue()
    if chroma == 3:
        bits.read(1)
    size = [bits.ue(), bits.ue()]
    size += [bits.ue() for _ in range(4)] if bits.flag() else [0] * 4
    depth = (8 + bits.ue(), 8 + bits.ue())
    bits.ue()
    references = reorder = 0
    for _ in range(layers + 1 if bits.flag() else 1):
        references, reorder, _latency = bits.ue() + 1, bits.ue(), bits.ue()
    return Sps(
        id=number,
        profile=general[0] & 31,
        constraints=general[1:],
        level=level,
        tier=general[0] >> 5 & 1,
        chroma=chroma,
        depth=depth,
        size=tuple(size),
        references=references,
        reorder=reorder,
        progressive=not general[5] & 0x40,
    )


def stays_within(own: Sps, source: Sps, codec: Codec) -> str:
    """Why pictures under ``own`` break what ``source`` promises; empty where they keep it."""
    if (own.chroma, own.depth) != (source.chroma, source.depth):
        return f"the encoder writes {own.depth[0]} bits and chroma {own.chroma}, not the source's"
    if not _within_profile(own, source, codec):
        return f"the encoder writes profile {own.profile}, which decoders of the source's {source.profile} may not read"
    most = own.reorder if source.reorder is None else source.reorder
    if own.references > source.references or own.reorder is None or own.reorder > (most or 0):
        return "the encoder needs more pictures kept than the source promises"
    if source.color is not None and source.color != own.color:
        return "the encoder cannot repeat the source's colour tags"
    return ""


def _within_profile(own: Sps, source: Sps, codec: Codec) -> bool:
    order = _H264_ORDER if codec == "h264" else _HEVC_ORDER
    if source.profile in order and own.profile in order:
        return order.index(own.profile) <= order.index(source.profile) and own.tier <= source.tier
    return (own.profile, own.constraints[4:], own.tier) == (source.profile, source.constraints[4:], source.tier)


def record_sets(extradata: bytes, codec: Codec) -> tuple[tuple[bytes, ...], int]:
    """The units of a stream's header, and the bytes of the lengths before units of its packets; 0 for start codes.

    Raises:
        ValueError: The record is cut short.
    """
    if not extradata or extradata[0] != 1:
        return tuple(units(extradata, 0)), 0
    return _avcc_sets(extradata) if codec == "h264" else _hvcc_sets(extradata)


def _avcc_sets(data: bytes) -> tuple[tuple[bytes, ...], int]:
    found, at = [], 5
    for mask in (31, 255):
        count, at = data[at] & mask, at + 1
        for _ in range(count):
            length = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    if at > len(data):
        raise ValueError("the header of the stream is cut short")
    return tuple(found), (data[4] & 3) + 1


def _hvcc_sets(data: bytes) -> tuple[tuple[bytes, ...], int]:
    found, at = [], 23
    for _ in range(data[22]):
        count, at = int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    if at > len(data):
        raise ValueError("the header of the stream is cut short")
    return tuple(found), (data[21] & 3) + 1


def record(sets: Sequence[bytes], codec: Codec, length_size: int, told: Sequence[bytes] = ()) -> bytes:
    """The header of a stream in MP4 and Matroska, with the first set's profile and the highest level of all.

    Args:
        sets: Parameter sets, the source's before any other.
        codec: Their codec.
        length_size: Bytes of the lengths before the units of packets.
        told: Units of supplemental information that hold for the whole stream; only H.265 has a place for them.
    """
    by_kind = {kind: [s for s in sets if kind_of(s, codec) == kind] for kind in _KINDS[codec]}
    every = [parse_sps(s, codec) for s in by_kind[7 if codec == "h264" else 33]]
    first, level = every[0], max(s.level for s in every)
    if codec == "h264":
        data = bytes([1, first.profile, first.constraints[0], level, 0xFC | length_size - 1])
        data += bytes([0xE0 | len(by_kind[7])]) + _counted(by_kind[7])
        data += bytes([len(by_kind[8])]) + _counted(by_kind[8])
        more = bytes([0xFC | first.chroma, 0xF8 | first.depth[0] - 8, 0xF8 | first.depth[1] - 8, 0])
        return data + (more if first.profile in _LONG_HEADER else b"")
    sps = by_kind[33][0]
    head = unescaped(sps[2:])[0]
    general = unescaped(sps[2:])[1:12]
    data = b"\1" + general + bytes([level, 0xF0, 0, 0xFC, 0xFC | first.chroma])
    data += bytes([0xF8 | first.depth[0] - 8, 0xF8 | first.depth[1] - 8, 0, 0])
    data += bytes([((head >> 1 & 7) + 1) << 3 | (head & 1) << 2 | length_size - 1, 3 + bool(told)])
    for kind, found in (by_kind | ({39: list(told)} if told else {})).items():
        data += bytes([0x80 | kind]) + len(found).to_bytes(2, "big") + _counted(found)
    return data


def _counted(sets: Sequence[bytes]) -> bytes:
    return b"".join(len(s).to_bytes(2, "big") + s for s in sets)


def free_ids(taken: Sequence[SetKey], codec: Codec) -> tuple[int, int] | None:
    """An id for a new sequence parameter set and one for its picture parameter set; None where all are taken."""
    numbers = {n for _, n in taken}
    if codec == "h264":  # x264 gives both the same
        free = [n for n in range(1, 32) if n not in numbers]
        return (free[0], free[0]) if free else None
    sequence = [n for n in range(1, 16) if ("sps", n) not in taken and ("vps", n) not in taken]
    picture = [n for n in _SPARE_PPS if ("pps", n) not in taken]
    return (sequence[0], picture[0]) if sequence and picture else None


def renumbered(unit: bytes, ids: tuple[int, int]) -> bytes:
    """An H.265 unit with id 0 given another: parameter sets, and slices that refer to them.

    The picture set's id lies in :data:`_SPARE_PPS`, whose code is a whole byte longer than that of 0, so that what
    follows it in the header of a slice keeps its place within a byte and the slice's data need not be touched.

    Args:
        unit: A unit of one layer with all ids 0.
        ids: Id of the video and sequence sets, and of the picture set.
    """
    kind, content = kind_of(unit, "hevc"), unescaped(unit[2:])
    if kind == 32:
        return unit[:2] + escaped(bytes([ids[0] << 4 | content[0] & 15]) + content[1:])
    if kind < 32:
        at = 1 + (16 <= kind <= 23)
        return unit[:2] + escaped(_spliced(content, at, 1, ue_bits(ids[1])))
    if kind == 34:
        return unit[:2] + escaped(_realigned(content, 0, 2, ue_bits(ids[1]) + ue_bits(ids[0])))
    if kind == 33:
        bits = Bits(content)
        _hevc_head(bits)
        linked = bytes([ids[0] << 4 | content[0] & 15]) + content[1:]
        return unit[:2] + escaped(_realigned(linked, bits.at, 1, ue_bits(ids[0])))
    return unit


def _spliced(content: bytes, at: int, count: int, instead: str) -> bytes:
    """Replace ``count`` bits at ``at``; the length changes by whole bytes."""
    digits = "".join(f"{byte:08b}" for byte in content[: at // 8 + 1])
    changed = digits[:at] + instead + digits[at + count :]
    return int(changed, 2).to_bytes(len(changed) // 8, "big") + content[at // 8 + 1 :]


def _realigned(content: bytes, at: int, count: int, instead: str) -> bytes:
    """Replace ``count`` bits at ``at`` of a set, and close it again with a stop bit at its end."""
    digits = f"{int.from_bytes(content, 'big'):0{8 * len(content)}b}".rstrip("0")[:-1]
    changed = digits[:at] + instead + digits[at + count :] + "1"
    changed += "0" * (-len(changed) % 8)
    return int(changed, 2).to_bytes(len(changed) // 8, "big")
