"""The units that H.264 and H.265 streams are made of, and the bits inside them.

A unit stands behind a start code (Annex B: transport streams, encoders) or behind its length (ISO/IEC 14496-15: MP4,
MOV, Matroska). Inside, a byte 3 keeps three bytes from looking like a start code and is no part of the content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

START_CODE = b"\0\0\0\1"


class Bits:
    """Reads the content of a unit bit by bit.

    Args:
        content: Bytes without the emulation prevention of units.
    """

    def __init__(self, content: bytes) -> None:
        self.at = 0
        self._length = 8 * len(content)
        self._value = int.from_bytes(content, "big")

    def read(self, count: int) -> int:
        """The next ``count`` bits as a number.

        Raises:
            ValueError: There are fewer.
        """
        self.at += count
        if self.at > self._length:
            raise ValueError("a unit ends early")
        return (self._value >> (self._length - self.at)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return bool(self.read(1))

    def ue(self) -> int:
        """The next unsigned Exp-Golomb number."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)

    def se(self) -> int:
        """The next signed Exp-Golomb number."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def ue_bits(number: int) -> str:
    """An unsigned Exp-Golomb number as a string of bits."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def unescaped(unit: bytes) -> bytes:
    """The content of a unit, without its emulation prevention."""
    if b"\0\0\3" not in unit:
        return unit
    content, start = bytearray(), 0
    while (found := unit.find(b"\0\0\3", start)) >= 0:
        content += unit[start : found + 2]
        start = found + 3
    return bytes(content + unit[start:])


def escaped(content: bytes) -> bytes:
    """The content with the emulation prevention that a unit needs."""
    unit, zeros = bytearray(), 0
    for byte in content:
        if zeros >= 2 and byte <= 3:
            unit.append(3)
            zeros = 0
        unit.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(unit)


def units(data: bytes, length_size: int) -> list[bytes]:
    """Cut a packet into its units.

    Args:
        data: The packet.
        length_size: Bytes of the length before every unit; 0 for start codes.

    Raises:
        ValueError: A length reaches beyond the packet.
    """
    return list(_behind_lengths(data, length_size) if length_size else _behind_start_codes(data))


def _behind_lengths(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        at += size
        if at + length > len(data):
            raise ValueError("a unit reaches beyond its packet")
        if length:
            yield data[at : at + length]
        at += length


def _behind_start_codes(data: bytes) -> Iterator[bytes]:
    start = data.find(b"\0\0\1")
    while start >= 0:
        after = data.find(b"\0\0\1", start + 3)
        # Zeros before a start code are padding: the last byte of a unit is never zero.
        unit = data[start + 3 : after if after >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        start = after


def joined(parts: Iterable[bytes], length_size: int) -> bytes:
    """The packet of some units, behind lengths of ``length_size`` bytes or, for 0, behind start codes.

    Raises:
        OverflowError: A unit is longer than such a length can tell.
    """
    if not length_size:
        return b"".join(START_CODE + part for part in parts)
    return b"".join(len(part).to_bytes(length_size, "big") + part for part in parts)


def sei_messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The type and the bytes of every message of a unit of supplemental information.

    Args:
        content: The unit without its header and its emulation prevention.
    """
    at = 0
    while at + 2 <= len(content) and content[at:] != b"\x80":
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(content) and content[at] == 255:
                number, at = number + 255, at + 1
            if at >= len(content):
                return
            number, at = number + content[at], at + 1
            numbers.append(number)
        yield numbers[0], content[at : at + numbers[1]]
        at += numbers[1]


def sei_unit(header: bytes, messages: Iterable[tuple[int, bytes]]) -> bytes:
    """A unit of supplemental information with these messages behind a unit header."""
    content = bytearray()
    for number, payload in messages:
        for value in (number, len(payload)):
            content += b"\xff" * (value // 255) + bytes([value % 255])
        content += payload
    return header + escaped(bytes(content) + b"\x80")
