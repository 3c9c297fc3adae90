"""GIF, APNG and animated WebP: exact times, loops, and frames as whole canvases.

The decoders lay frames over one another as the files say; what comes out is what a viewer shows, alpha included.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import lcm
from pathlib import Path

import av
import av.error
import numpy as np
from PIL import Image, ImageSequence

from vidinternal.core.errors import MediaError
from vidinternal.media.picture import from_av
from vidinternal.media.stills.gif_file import PLAYED_AS, SIGNATURES, GifFacts, gif_facts
from vidinternal.media.stills.png_file import SIGNATURE, PngAnimation, png_animation, png_header
from vidinternal.media.stills.read import PILLOW_MODES, opened, split
from vidinternal.media.stills.webp_file import WebpFacts, webp_facts

SUFFIXES = {".gif": "gif", ".apng": "apng", ".png": "apng", ".webp": "webp"}
"""Suffix -> kind of the animation that such a file may be."""
_DEEP = {2: "rgb48le", 6: "rgba64le", 0: "gray16le", 4: "ya16le"}


@dataclass(frozen=True)
class Animation:
    """What an animation says of itself.

    Attributes:
        kind: ``gif``, ``apng`` or ``webp``.
        width: Pixels.
        height: Pixels.
        pix_fmt: Layout of its canvases; with alpha only where a pixel of some canvas is not opaque.
        time_base: Seconds per tick.
        durations: Ticks of every frame as players show it: a GIF frame of 0 counts a tenth of a second.
        plays: How often it plays, 0 = for ever.
        said: The headers of the file.
    """

    kind: str
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    durations: tuple[int, ...]
    plays: int
    said: GifFacts | PngAnimation | WebpFacts

    @property
    def pts(self) -> tuple[int, ...]:
        """When every frame begins, in ticks from 0."""
        return tuple(accumulate(self.durations[:-1], initial=0))

    @property
    def seconds_each(self) -> tuple[Fraction, ...]:
        """How long every frame is shown."""
        return tuple(d * self.time_base for d in self.durations)

    @property
    def lossless(self) -> bool:
        """Whether its samples are coded without loss."""
        return not isinstance(self.said, WebpFacts) or self.said.lossless


def is_animation(path: Path) -> bool:
    """Whether a file is a GIF, an APNG or an animated WebP; a PNG or WebP of one picture is not."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(64)
        if head[:6] in SIGNATURES:
            return True
        if head.startswith(SIGNATURE):
            return png_animation(head + file.read()) is not None
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)


def animation(path: Path) -> Animation:
    """Read an animation's headers, and look through its canvases for alpha.

    Raises:
        MediaError: It cannot be read, is damaged, or holds no frame.
    """
    stat = path.stat()
    return _animation(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _animation(path: Path, size: int, changed: int) -> Animation:
    del size, changed  # they are here to be part of the cache's key
    data = path.read_bytes()
    if (gif := gif_facts(data)) is not None:
        durations = tuple(d or PLAYED_AS for d in gif.delays)
        plays = 1 if gif.loops is None else gif.loops + 1 if gif.loops else 0
        found = Animation("gif", gif.width, gif.height, "rgba", Fraction(1, 100), durations, plays, gif)
    elif (png := png_animation(data)) is not None and (head := png_header(data)) is not None:
        base = Fraction(1, lcm(*(s.denominator for s in png.seconds)))
        durations = tuple(int((s or Fraction(1, 10)) / base) or 1 for s in png.seconds)
        layout = _DEEP[head.color] if head.depth == 16 else "rgba"
        found = Animation("apng", head.width, head.height, layout, base, durations, png.plays, png)
    elif (webp := webp_facts(data)) is not None and webp.delays:
        durations = tuple(d or 100 for d in webp.delays)
        layout = "rgba" if webp.alpha else "rgb24"
        found = Animation("webp", webp.width, webp.height, layout, Fraction(1, 1000), durations, webp.loops, webp)
    else:
        raise MediaError(f"{path}: no animation", expected="a GIF, APNG or animated WebP file", got="another")
    if not found.durations:
        raise MediaError(f"{path}: no pictures", expected="at least one frame", got="none")
    return found if found.pix_fmt != "rgba" else _least_layout(path, found, data)


def _least_layout(path: Path, found: Animation, data: bytes) -> Animation:
    """Drop an alpha plane that is opaque throughout, and colours where the file has none."""
    opaque = all((planes[3] == 255).all() for planes in canvases(path, found, 0, len(found.durations)))
    head = png_header(data)
    plain = head is not None and head.color in (0, 4)
    layout = {(True, True): "gray", (True, False): "ya8", (False, True): "rgb24", (False, False): "rgba"}[plain, opaque]
    return replace(found, pix_fmt=layout)


def canvases(path: Path, found: Animation, start: int, end: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The planes of frames ``start`` to ``end`` (excluded); everything before is decoded too.

    Raises:
        MediaError: A frame is damaged, or missing.
    """
    source = _deep(path) if found.pix_fmt.endswith("le") else _plain(path, found.kind, PILLOW_MODES[found.pix_fmt])
    count = 0
    try:
        for index, planes in enumerate(source):
            count = index + 1
            if index >= start and index < end:
                yield planes
            if count >= end:
                return
    except (av.error.FFmpegError, OSError, EOFError, SyntaxError, ValueError, LookupError, struct.error) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path}: damaged at frame {count}", expected="frames that decode", got=got) from error
    raise MediaError(f"{path}: ends early", expected=f"{len(found.durations)} frames", got=f"{count}")


def _plain(path: Path, frame_kind: str, mode: str) -> Iterator[tuple[np.ndarray, ...]]:
    with opened(path) as image:
        for frame in ImageSequence.Iterator(image):
            samples = np.array(frame.convert("RGBA"))
            if frame_kind == "gif":
                samples[samples[..., 3] == 0] = 0  # no colour of its own stands behind what is transparent
            yield split(np.asarray(Image.fromarray(samples).convert(mode)))


def _deep(path: Path) -> Iterator[tuple[np.ndarray, ...]]:
    """16-bit samples, which Pillow would halve."""
    options = {"err_detect": "crccheck+explode"}
    with av.open(io.BytesIO(path.read_bytes()), "r", format="apng", options=options) as container:
        for index, frame in enumerate(container.decode(video=0)):
            name = frame.format.name
            fitted = frame.reformat(format=f"{name[:-2]}le") if name.endswith("be") else frame
            fitted.pts = 0
            yield from_av(fitted, index).planes
