"""What is checked of an image file before OpenCV gets it: the size it declares, and that a PNG file is whole."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagesize

_PNG = b"\x89PNG\r\n\x1a\n"


def declared_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels, from the header alone; None where it does not tell."""
    try:
        width, height = imagesize.get(str(path), exif_rotation=False)
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, struct.error):
        return None
    return (int(width), int(height)) if width > 0 and height > 0 else None


def png_damage(data: bytes) -> str:
    """What is wrong with the chunks of a PNG file; empty for a sound one, and for what is no PNG file.

    OpenCV 5.0 reads for ever where a chunk claims to be longer than the file, and checks no sums.
    """
    if not data.startswith(_PNG):
        return ""
    at = len(_PNG)
    while at + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            return f"a chunk {name!r} of {size} bytes that is cut off"
        if struct.unpack_from(">I", data, end)[0] != zlib.crc32(data[at + 4 : end]):
            return f"a chunk {name!r} whose checksum is wrong"
        if name == b"IEND":
            return ""
        at = end + 4
    return "a file that breaks off before its last chunk"
