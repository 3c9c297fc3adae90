"""GIF as blocks (GIF89a specification): exact delays and loops, and a local palette for every frame.

Delays of 0 stay 0 in the file; a player shows such a frame for a tenth of a second, and so does everything here that
needs a time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import GifImagePlugin, Image

SIGNATURES = (b"GIF87a", b"GIF89a")
PLAYED_AS = 10
"""Hundredths of a second for which players show a frame whose delay is 0."""
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


@dataclass(frozen=True)
class GifFacts:
    """What a GIF file says of itself.

    Attributes:
        width: Pixels.
        height: Pixels.
        delays: Hundredths of a second of every frame, as written.
        loops: How often it repeats, 0 = for ever; None where it plays once and the file says nothing.
        comments: Its comments.
    """

    width: int
    height: int
    delays: tuple[int, ...]
    loops: int | None = None
    comments: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class GifPatch:
    """One frame to be written: a rectangle drawn over the canvas.

    Attributes:
        place: Column and row of its upper left corner.
        indices: ``h w`` uint8 into the palette.
        palette: ``N 3`` uint8, N at most 256.
        transparent: The index that leaves the canvas as it is, or None.
        clears: Whether the canvas becomes transparent under the rectangle once the frame has been shown.
        delay: Hundredths of a second.
    """

    place: tuple[int, int]
    indices: np.ndarray
    palette: np.ndarray
    transparent: int | None
    clears: bool
    delay: int


def gif_facts(data: bytes) -> GifFacts | None:
    """Read the blocks; None where the bytes are no GIF file."""
    if data[:6] not in SIGNATURES or len(data) < 13:
        return None
    width, height = struct.unpack_from("<HH", data, 6)
    delays: list[int] = []
    comments: list[bytes] = []
    loops, delay = None, 0
    for kind, label, content in _blocks(data):
        if kind == b",":
            delays.append(delay)
            delay = 0
        elif label == 0xF9 and len(content) >= 4:
            delay = struct.unpack_from("<H", content, 1)[0]
        elif label == 0xFE:
            comments.append(content)
        elif label == 0xFF and content[:11] in _LOOPS and len(content) >= 14:
            loops = struct.unpack_from("<H", content, 12)[0]
    return GifFacts(width, height, tuple(delays), loops, tuple(comments))


def _blocks(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Kind, label and joined content of every block; ends at the trailer or where the file is cut off."""
    at = 13 + _table_size(data[10])
    while at < len(data) and data[at : at + 1] in (b"!", b","):
        kind, label = data[at : at + 1], 0
        if kind == b"!":
            label, at = data[at + 1] if at + 1 < len(data) else 0, at + 2
        elif at + 10 > len(data):
            return
        else:
            at += 11 + _table_size(data[at + 9])
        content = b""
        while at < len(data) and data[at]:
            content += data[at + 1 : at + 1 + data[at]] if kind == b"!" else b""
            at += 1 + data[at]
        at += 1
        yield kind, label, content


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def write_gif(facts: GifFacts, patches: Sequence[GifPatch]) -> bytes:
    """Put a GIF file together; every frame has a palette of its own."""
    parts = [b"GIF89a", struct.pack("<HHBBB", facts.width, facts.height, 0x70, 0, 0)]
    if facts.loops is not None:
        parts.append(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", facts.loops) + b"\0")
    parts += [b"!\xfe" + _sub_blocks(comment) for comment in facts.comments]
    for patch in patches:
        flags = (8 if patch.clears else 4) | (patch.transparent is not None)
        parts.append(b"!\xf9\x04" + struct.pack("<BHBB", flags, patch.delay, patch.transparent or 0, 0))
        parts.append(_picture(patch))
    return b"".join((*parts, b";"))


def _sub_blocks(content: bytes) -> bytes:
    cuts = [content[k : k + 255] for k in range(0, len(content), 255)]
    return b"".join(bytes((len(cut),)) + cut for cut in cuts) + b"\0"


def _picture(patch: GifPatch) -> bytes:
    """The image block: place, palette, and the indices as Pillow packs them."""
    height, width = patch.indices.shape
    bits = max(1, (len(patch.palette) - 1).bit_length())
    table = np.zeros((1 << bits, 3), np.uint8)
    table[: len(patch.palette)] = patch.palette
    head = struct.pack("<BHHHHB", 0x2C, *patch.place, width, height, 0x80 | (bits - 1))
    return head + table.tobytes() + _packed(patch.indices)


def _packed(indices: np.ndarray) -> bytes:
    """LZW data of the indices with its leading code size, taken from a one-frame file that Pillow writes."""
    image = Image.frombytes("L", indices.shape[::-1], indices.tobytes())
    file = io.BytesIO()
    for part in GifImagePlugin.getdata(image):
        file.write(part)
    data = file.getvalue()
    return data[data.index(b",") + 10 :]
