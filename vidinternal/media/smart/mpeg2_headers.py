"""The headers of MPEG-2 video: what a packet begins with, and the source's put before re-encoded pictures.

Syntax of ITU-T H.262 6.2. A sequence header that is repeated must say the same as the first, quantiser matrices aside;
re-encoded pictures therefore stand behind the source's own header, whose matrices are set back to the default that
FFmpeg's encoder uses. Every copied group begins with its own header, which sets them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vidinternal.media.smart.nal import Bits

_PICTURE, _FIRST_SLICE, _LAST_SLICE, _USER, _SEQUENCE, _EXTENSION, _GROUP = 0, 1, 0xAF, 0xB2, 0xB3, 0xB5, 0xB8
_SEQUENCE_EXTENSION, _DISPLAY_EXTENSION, _SCALABLE_EXTENSION, _CODING_EXTENSION = 1, 2, 5, 8
_VARIABLE_RATE = 0xFFFF
_FRAME = 3


@dataclass(frozen=True)
class Mpeg2Head:
    """What stands before the first slice of a packet.

    Attributes:
        sequence: The sequence header and its extensions with start codes and without matrices; empty where none.
        group: The group's header with its start code; empty where there is none.
        user: Data beside the picture with start codes, such as captions.
        temporal: Place of the picture in its group in order of presentation.
        frame: Whether the picture is a whole progressive frame.
        timed: Whether the picture says when the decoder's buffer is to be emptied, as streams of constant rate do.
        scalable: Whether there are layers.
        low_delay: Whether the sequence has no B pictures.
        progressive: Whether the sequence has frames alone.
        shape: Width, height and chroma: 1 4:2:0, 2 4:2:2, 3 4:4:4.
    """

    sequence: bytes = b""
    group: bytes = b""
    user: bytes = b""
    temporal: int = 0
    frame: bool = True
    timed: bool = False
    scalable: bool = False
    low_delay: bool = False
    progressive: bool = False
    shape: tuple[int, int, int] = (0, 0, 0)


def sections(data: bytes) -> list[tuple[int, bytes]]:
    """Start code and content of everything before the first slice."""
    found = []
    start = data.find(b"\0\0\1")
    while 0 <= start < len(data) - 3:
        code = data[start + 3]
        if _FIRST_SLICE <= code <= _LAST_SLICE:
            break
        after = data.find(b"\0\0\1", start + 4)
        found.append((code, data[start + 4 : after if after >= 0 else len(data)]))
        start = after
    return found


def read_head(data: bytes) -> Mpeg2Head:
    """Read what stands before the first slice of a packet.

    Raises:
        ValueError: A header is cut short.
    """
    facts: dict[str, object] = {}
    sequence: list[tuple[int, bytes]] = []
    user: list[tuple[int, bytes]] = []
    width = height = 0
    for code, content in sections(data):
        if code == _SEQUENCE:
            width, height = Bits(content).read(12), int.from_bytes(content[1:3], "big") & 0xFFF
            sequence = [(code, _plain(content))]
        elif code == _GROUP:
            facts["group"] = _marked([(code, content[:4])])
        elif code == _PICTURE:
            facts["temporal"] = int.from_bytes(content[:2], "big") >> 6
            facts["timed"] = int.from_bytes(content[:4], "big") >> 3 & 0xFFFF != _VARIABLE_RATE
        elif code == _USER and "temporal" in facts:
            user.append((code, content))
        elif code == _EXTENSION:
            kind = content[0] >> 4
            if kind == _SEQUENCE_EXTENSION:
                facts |= _extension(content, width, height)
            if kind in (_SEQUENCE_EXTENSION, _DISPLAY_EXTENSION) and sequence:
                length = 6 if kind == _SEQUENCE_EXTENSION else 8 if content[0] & 1 else 5
                sequence.append((code, content[:length]))
            facts["scalable"] = bool(facts.get("scalable")) or kind == _SCALABLE_EXTENSION
            if kind == _CODING_EXTENSION:
                facts["frame"] = content[2] & 3 == _FRAME and bool(content[4] & 0x80) and not content[3] & 2
    facts |= {"sequence": _marked(sequence), "user": _marked(user)}
    return Mpeg2Head(**facts)  # pyright: ignore[reportArgumentType]


def _plain(content: bytes) -> bytes:
    """A sequence header without its matrices."""
    return content[:7] + bytes([content[7] & 0xFC])


def _extension(content: bytes, width: int, height: int) -> dict[str, object]:
    bits = Bits(content)
    bits.read(12)
    progressive, chroma = bits.flag(), bits.read(2)
    wide, high = bits.read(2), bits.read(2)
    bits.read(21)
    shape = wide << 12 | width, high << 12 | height, chroma
    return {"progressive": progressive, "shape": shape, "low_delay": bits.flag()}


def _marked(parts: list[tuple[int, bytes]]) -> bytes:
    return b"".join(b"\0\0\1" + bytes([code]) + content for code, content in parts)


def reheaded(data: bytes, sequence: bytes, source: Mpeg2Head) -> bytes:
    """A re-encoded packet as part of the source's stream.

    Args:
        data: The packet; where it begins a group, the group is closed.
        sequence: The source's sequence header without matrices.
        source: What stood before the picture of the same time in the source: its time code and user data are kept.
    """
    picture = data.find(b"\0\0\1\0")
    head = read_head(data)
    group = source.group or head.group
    closed = group[:7] + bytes([(group[7] | 0x40) & ~0x20]) if head.sequence else b""
    slices = next(k for k in _starts(data, picture) if _FIRST_SLICE <= data[k + 3] <= _LAST_SLICE)
    before = sequence + closed if head.sequence else b""
    return before + data[picture:slices] + source.user + data[slices:]


def _starts(data: bytes, at: int) -> Iterator[int]:
    while at >= 0:
        yield at
        at = data.find(b"\0\0\1", at + 3)
