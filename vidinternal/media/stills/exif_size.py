"""The size of the picture as EXIF tells it, put right where a picture of another size carries its source's EXIF on.

Two numbers are overwritten where they stand, so that everything else stays byte for byte; makers' notes, whose inside
points at places in the file, would not outlive a new layout (CIPA DC-008, 4.6.3 and 4.6.5).
"""

from __future__ import annotations

import struct
import zlib

_EXIF_IFD = 0x8769
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
_SHORT, _LONG = 3, 4
_MARK = b"Exif\0\0"


def with_size(exif: bytes, size: tuple[int, int]) -> bytes:
    """EXIF data, with or without its mark in front, that tells another width and height where it tells any.

    Args:
        exif: As it stands in a file; what is no EXIF data is given back as it is.
        size: Width and height.
    """
    start = len(_MARK) if exif.startswith(_MARK) else 0
    data = bytearray(exif[start:])
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        return exif
    try:
        (first,) = struct.unpack_from(f"{order}I", data, 4)
        inner = _put(data, first, order, size)
        if inner is not None:
            _put(data, inner, order, size)
    except struct.error:
        return exif  # it breaks off; nothing is known of what it tells
    return exif[:start] + bytes(data)


def _put(data: bytearray, at: int, order: str, size: tuple[int, int]) -> int | None:
    """Overwrite the numbers in one directory; where it says that the next one lies."""
    inner = None
    (count,) = struct.unpack_from(f"{order}H", data, at)
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(f"{order}HHII", data, place)
        if tag == _EXIF_IFD:
            inner = value
        if kind in (_SHORT, _LONG) and number == 1 and tag in (*_WIDTHS, *_HEIGHTS):
            struct.pack_into(f"{order}HHII", data, place, tag, _LONG, 1, size[tag in _HEIGHTS])
    return inner


def png_with_size(png: bytes, size: tuple[int, int]) -> bytes:
    """A PNG file whose EXIF chunk tells another width and height; its picture is left alone."""
    at = 8
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        if png[at + 4 : at + 8] == b"eXIf":
            told = with_size(png[at + 8 : at + 8 + length], size)
            chunk = struct.pack(">I", len(told)) + b"eXIf" + told
            return png[:at] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + png[at + 12 + length :]
        at += 12 + length
    return png
