"""WebP as RIFF chunks (RFC 9649): exact delays, loops and frame counts, which libwebp's own writer would not keep.

That writer drops a frame that equals the one before and lengthens its neighbour; here every frame stays one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ANIMATED, _XMP, _EXIF, _ALPHA, _ICC = 0x02, 0x04, 0x08, 0x10, 0x20
_SAID = {b"ICCP": _ICC, b"EXIF": _EXIF, b"XMP ": _XMP}
TOP_DELAY = (1 << 24) - 1


@dataclass(frozen=True)
class WebpFacts:
    """What a WebP file says of itself.

    Attributes:
        width: Pixels.
        height: Pixels.
        alpha: Whether it has an alpha plane.
        lossless: Whether every picture in it is coded without loss.
        delays: Milliseconds of every frame; empty for a still picture.
        loops: How often it plays, 0 = for ever.
        background: The four bytes of the background colour.
    """

    width: int
    height: int
    alpha: bool
    lossless: bool
    delays: tuple[int, ...] = ()
    loops: int = 0
    background: bytes = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class WebpPatch:
    """One frame to be written: a rectangle that replaces what was there.

    Attributes:
        place: Column and row of its upper left corner, both even.
        size: Width and height.
        webp: The rectangle as a still WebP file.
        delay: Milliseconds.
    """

    place: tuple[int, int]
    size: tuple[int, int]
    webp: bytes
    delay: int


def chunks(data: bytes, at: int = 12) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of RIFF chunks; ends at the first one that is cut off."""
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            return
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk, padded to an even length."""
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def webp_facts(data: bytes) -> WebpFacts | None:
    """Read the headers; None where the bytes are no WebP file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    found = list(chunks(data))
    named = dict(reversed(found))
    frames = [c for n, c in found if n == b"ANMF"]
    pictures = [list(chunks(c, 16)) for c in frames] or [found]
    lossless = all(any(n == b"VP8L" for n, _ in inner) for inner in pictures)
    extended = named.get(b"VP8X")
    if extended is not None:
        width, height = (int.from_bytes(extended[k : k + 3], "little") + 1 for k in (4, 7))
        alpha = bool(extended[0] & _ALPHA)
    else:
        width, height, alpha = _simple(named)
    loops = named.get(b"ANIM", b"")
    return WebpFacts(
        width,
        height,
        alpha,
        lossless,
        tuple(int.from_bytes(c[12:15], "little") for c in frames),
        int.from_bytes(loops[4:6], "little"),
        loops[:4] or b"\xff\xff\xff\xff",
    )


def _simple(named: dict[bytes, bytes]) -> tuple[int, int, bool]:
    """Width, height and alpha of a file without the extended header."""
    if b"VP8L" in named:
        bits = int.from_bytes(named[b"VP8L"][1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = struct.unpack_from("<HH", named.get(b"VP8 ", b"\0" * 10), 6)
    return width & 0x3FFF, height & 0x3FFF, False


def write_animation(facts: WebpFacts, patches: Sequence[WebpPatch], source: bytes = b"") -> bytes:
    """Put an animated WebP file together.

    Args:
        facts: Size, alpha, loops and background of the animation.
        patches: The frames.
        source: A WebP file whose colour profile, EXIF and XMP are carried over.
    """
    said = {n: c for n, c in chunks(source) if n in _SAID}
    flags = _ANIMATED | (_ALPHA if facts.alpha else 0) | sum(_SAID[n] for n in said)
    size = b"".join((v - 1).to_bytes(3, "little") for v in (facts.width, facts.height))
    parts = [chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size)]
    parts += [chunk(b"ICCP", said[b"ICCP"])] if b"ICCP" in said else []
    parts.append(chunk(b"ANIM", facts.background + facts.loops.to_bytes(2, "little")))
    for patch in patches:
        x, y = patch.place
        numbers = (x // 2, y // 2, patch.size[0] - 1, patch.size[1] - 1, patch.delay)
        head = b"".join(v.to_bytes(3, "little") for v in numbers) + b"\x02"  # replaces, then stays
        inner = b"".join(chunk(n, c) for n, c in chunks(patch.webp) if n in (b"ALPH", b"VP8 ", b"VP8L"))
        parts.append(chunk(b"ANMF", head + inner))
    parts += [chunk(n, said[n]) for n in (b"EXIF", b"XMP ") if n in said]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
