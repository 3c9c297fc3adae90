"""PNG and APNG as chunks (W3C, Portable Network Graphics, third edition): what a picture library would not carry over.

Samples are coded elsewhere; here chunks are taken apart and put together, so that everything a file says beside its
samples is carried over byte for byte, and every frame of an animation keeps its exact delay.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
_CARRIED = frozenset((*_COLOR, b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"))
_SAMPLES = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT"))


@dataclass(frozen=True)
class PngHeader:
    """The first chunk.

    Attributes:
        width: Pixels.
        height: Pixels.
        depth: Bits per sample or index.
        color: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
    """

    width: int
    height: int
    depth: int
    color: int


@dataclass(frozen=True)
class PngAnimation:
    """What an APNG says of its frames.

    Attributes:
        delays: Seconds of every frame as a numerator and a denominator, as written.
        plays: How often it plays, 0 = for ever.
    """

    delays: tuple[tuple[int, int], ...]
    plays: int

    @property
    def seconds(self) -> tuple[Fraction, ...]:
        """Exact delays; a denominator of 0 stands for 100."""
        return tuple(Fraction(n, d or 100) for n, d in self.delays)


@dataclass(frozen=True)
class PngPatch:
    """One frame to be written: a rectangle that replaces what was there.

    Attributes:
        place: Column and row of its upper left corner.
        png: The rectangle as a PNG file.
        delay: Seconds as a numerator and a denominator, each below 65536.
    """

    place: tuple[int, int]
    png: bytes
    delay: tuple[int, int]


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of a PNG file's chunks; ends at the first one that is cut off."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + size > len(data):
            return
        yield name, data[at + 8 : at + 8 + size]
        at += 12 + size


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(data: bytes) -> PngHeader | None:
    """The header; None where the bytes are no PNG file."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    return PngHeader(*struct.unpack_from(">IIBB", data, 16))


def png_animation(data: bytes) -> PngAnimation | None:
    """What an animation says of its frames; None for a still picture."""
    plays, delays = None, []
    for name, content in chunks(data):
        if name == b"acTL" and len(content) >= 8:
            plays = struct.unpack_from(">II", content)[1]
        elif name == b"fcTL" and len(content) >= 24:
            delays.append(struct.unpack_from(">HH", content, 20))
        elif name == b"IDAT" and plays is None:
            return None
    return None if plays is None or not delays else PngAnimation(tuple(delays), plays)


def carry_over(encoded: bytes, source: bytes) -> bytes:
    """A PNG file with the samples of one and all that is said beside them of another: colour, density, texts, EXIF."""
    own = [(n, c) for n, c in chunks(encoded) if n in _SAMPLES]
    said = [(n, c) for n, c in chunks(source) if n in _CARRIED]
    whole = [own[0], *said, *own[1:], (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(name, content) for name, content in whole)


def write_animation(size: tuple[int, int], plays: int, patches: Sequence[PngPatch], source: bytes = b"") -> bytes:
    """Put an APNG file together.

    Args:
        size: Width and height of the canvas; the first patch covers it.
        plays: How often it plays, 0 = for ever.
        patches: The frames.
        source: A PNG file whose texts, colours and so on are carried over.
    """
    first = list(chunks(patches[0].png))
    header = next(c for n, c in first if n == b"IHDR")
    parts = [SIGNATURE, chunk(b"IHDR", struct.pack(">II", *size) + header[8:])]
    parts += [chunk(n, c) for n, c in chunks(source) if n in _CARRIED]
    parts += [chunk(b"acTL", struct.pack(">II", len(patches), plays))]
    number = 0
    for index, patch in enumerate(patches):
        inner = list(chunks(patch.png))
        wide, high = struct.unpack_from(">II", next(c for n, c in inner if n == b"IHDR"))
        # Dispose 0 leaves the canvas, blend 0 replaces samples, alpha included.
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, wide, high, *patch.place, *patch.delay, 0, 0)))
        number += 1
        for content in (c for n, c in inner if n == b"IDAT"):
            if index == 0:
                parts.append(chunk(b"IDAT", content))
            else:
                parts.append(chunk(b"fdAT", struct.pack(">I", number) + content))
                number += 1
    return b"".join((*parts, chunk(b"IEND", b"")))
