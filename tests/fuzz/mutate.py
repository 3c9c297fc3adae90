"""Ways to break bytes, every one decided by a generator of random numbers that the caller seeds."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

Mutator = Callable[[bytearray, np.random.Generator, Sequence[bytes]], bytearray]

# What readers look for: sizes, magic numbers and counts beside which the interesting fields stand.
_TAGS = (
    *(b"moov", b"trak", b"stsd", b"stts", b"stsz", b"stco", b"stsc", b"ctts", b"elst", b"tkhd", b"mdhd", b"avcC"),
    *(b"IHDR", b"acTL", b"fcTL", b"IDAT", b"RIFF", b"hdrl", b"strf", b"idx1", b"movi", b"YUV4MPEG2", b"FRAME"),
    *(b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\xe0", b"\xb0", b"\xba"),
    *(b"GIF89a", b"\x2c\x00", b"OggS", b"FLV\x01", b"\x00\x00\x01\xb3", b"\x00\x00\x01\xba", b"\x00\x00\x00\x01"),
    *(b"\x47\x40", b"\x30\x26\xb2\x75"),
)
_NASTY = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xEA60, 0x00FFFFFF)


def flip_bits(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Flip a few bits anywhere."""
    for at in random.integers(0, len(data), int(random.integers(1, 24))):
        data[at] ^= 1 << int(random.integers(8))
    return data


def noise(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Overwrite a stretch with noise."""
    at, length = int(random.integers(len(data))), int(random.integers(1, 200))
    data[at : at + length] = random.bytes(len(data[at : at + length]))
    return data


def zero(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Overwrite a stretch with zeros, as a disk with a hole does."""
    at, length = int(random.integers(len(data))), int(random.integers(1, 600))
    data[at : at + length] = bytes(len(data[at : at + length]))
    return data


def truncate(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Cut the end off."""
    return data[: int(random.integers(len(data)))]


def behead(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Cut the beginning off."""
    return data[int(random.integers(len(data))) :]


def drop(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Take a stretch out."""
    at, length = int(random.integers(len(data))), int(random.integers(1, 400))
    del data[at : at + length]
    return data


def repeat(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Write a stretch twice."""
    at, length = int(random.integers(len(data))), int(random.integers(1, 400))
    return data[: at + length] + data[at:]


def swap(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Exchange two blocks."""
    size = int(random.integers(1, max(2, len(data) // 8)))
    one, two = (int(random.integers(max(1, len(data) - size))) for _ in range(2))
    first, second = data[one : one + size], data[two : two + size]
    data[one : one + size], data[two : two + size] = second, first
    return data


def splice(data: bytearray, random: np.random.Generator, others: Sequence[bytes]) -> bytearray:
    """Go on with the rest of another file."""
    other = others[int(random.integers(len(others)))]
    return data[: int(random.integers(len(data)))] + other[int(random.integers(len(other))) :]


def header_field(data: bytearray, random: np.random.Generator, _others: Sequence[bytes]) -> bytearray:
    """Put an extreme number beside a name that readers look for: sizes, counts, dimensions."""
    places = [at for tag in _TAGS for at in (data.find(tag), data.rfind(tag)) if at >= 0] or [0]
    for _ in range(int(random.integers(1, 4))):
        at = places[int(random.integers(len(places)))] + int(random.integers(-8, 40))
        value = _NASTY[int(random.integers(len(_NASTY)))]
        width = (1, 2, 4, 8)[int(random.integers(4))]
        number = struct.pack("<Q" if random.integers(2) else ">Q", value)
        number = number[:width] if number[0] else number[-width:]
        if 0 <= at <= len(data) - width:
            data[at : at + width] = number
    return data


MUTATORS: tuple[Mutator, ...] = (
    *(flip_bits, noise, zero, truncate, behead, drop, repeat, swap, splice),
    *(header_field, header_field, header_field),
)


def mutate(data: bytes, random: np.random.Generator, others: Sequence[bytes]) -> tuple[bytes, str]:
    """Break a file in one to three ways.

    Args:
        data: The file; not empty.
        random: Decides how.
        others: Files to splice in.

    Returns:
        The broken bytes, and the names of the ways.
    """
    broken, names = bytearray(data), []
    for _ in range(int(random.choice((1, 1, 1, 2, 3)))):
        if not broken:
            break
        mutator = MUTATORS[int(random.integers(len(MUTATORS)))]
        broken = mutator(broken, random, others)
        names.append(mutator.__name__)
    return bytes(broken), "+".join(names)
