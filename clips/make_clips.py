"""How the sample clips were cut: ``python clips/make_clips.py SOURCES OUTPUT``.

SOURCES is a folder with the files named in ``MANIFEST.yaml`` under ``made_from``. The same PyAV release makes the same
pictures: one encoder thread, no dates and no random identifiers in the files. ``MANIFEST.yaml`` has the digests of the
files that are kept here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

_BITEXACT = {"fflags": "+bitexact"}
_H264 = {"preset": "slow", "threads": "1", "flags": "+bitexact"}


@dataclass(frozen=True)
class Cut:
    """One sample.

    Attributes:
        name: File to make.
        source: File to cut from.
        start: First frame.
        end: Last frame, excluded.
        size: Width and height.
        crf: Quality of the H.264 encoder.
        audio: File whose sound of the same time is copied unchanged, or None.
    """

    name: str
    source: str
    start: int
    end: int
    size: tuple[int, int]
    crf: int
    audio: str | None = None


FLOWER = (480, 270)
CUTS = (
    Cut("flower.mp4", "flower_cc0.mp4", 42, 90, FLOWER, 13, audio="flower_cc0.mp4"),
    Cut("flower_captions.mp4", "yellow_and_logo.mp4", 42, 90, FLOWER, 12, audio="flower_cc0.mp4"),
    Cut("person.mp4", "person_ccby.mp4", 30, 70, (384, 216), 13),
    Cut("bottles.mp4", "bottles_ccby.mp4", 20, 60, (384, 216), 13),
    Cut("bunny.mp4", "bigbuckbunny_ccby.mp4", 60, 92, (480, 270), 16),
    Cut("snow.mp4", "sintel_snow_ccby.mp4", 8, 40, (426, 240), 16),
)
MASK = Cut("flower_captions_mask.mkv", "yellow_and_logo_mask.mkv", 42, 90, FLOWER, 0)


def pictures(path: Path, start: int, end: int) -> Iterator[av.VideoFrame]:
    """Frames ``start`` to ``end`` (excluded) of the first video stream."""
    with av.open(path) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= end:
                return
            if index >= start:
                yield frame


def shrink(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """Average every plane of a yuv420p picture over the area of its new samples; even sizes only."""
    rows = frame.to_ndarray(format="yuv420p")
    luma, rest = rows[: frame.height], rows[frame.height :]
    chroma = rest.reshape(2, frame.height // 2, frame.width // 2)
    half = size[0] // 2, size[1] // 2
    small = [cv2.resize(luma, size, interpolation=cv2.INTER_AREA)]
    small += [cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in chroma]
    flat = np.concatenate([plane.reshape(-1) for plane in small])
    return av.VideoFrame.from_ndarray(flat.reshape(size[1] * 3 // 2, size[0]), format="yuv420p")


def any_in_cell(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink a mask by a whole factor; a pixel is set where any of those it covers was."""
    width, height = size
    cells = mask.reshape(height, mask.shape[0] // height, width, mask.shape[1] // width)
    return np.where(cells.max(axis=(1, 3)) > 127, 255, 0).astype(np.uint8)


def _copy_audio(source: Path, out: Any, span: tuple[Fraction, Fraction]) -> list[Any]:
    """Packets of the sound that plays from ``span[0]`` to ``span[1]`` seconds, moved to start at zero."""
    packets = []
    with av.open(source) as container:
        stream = container.streams.audio[0]
        copy = out.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.pts is None or not span[0] <= packet.pts * packet.time_base < span[1]:
                continue
            first = packets[0][1] if packets else packet.pts
            packets.append((packet, first))
        for packet, first in packets:
            packet.pts -= first
            packet.dts = packet.pts
            packet.stream = copy
    return [packet for packet, _ in packets]


def make_clip(cut: Cut, sources: Path, folder: Path) -> None:
    """Cut, shrink in YUV and encode one clip; timing and colour tags are those of the source."""
    frames = list(pictures(sources / cut.source, cut.start, cut.end))
    first, base = frames[0], frames[0].time_base
    if base is None or first.pts is None or frames[-1].pts is None:
        raise SystemExit(f"{cut.source}: frames without time")
    with av.open(sources / cut.source) as container:
        source = container.streams.video[0]
        rate, context = source.average_rate, source.codec_context
        with av.open(folder / cut.name, "w", options=_BITEXACT) as out:
            stream = out.add_stream("libx264", rate=rate, options=_H264 | {"crf": str(cut.crf)})
            stream.width, stream.height = cut.size
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = base
            for tag in ("color_range", "colorspace", "color_primaries", "color_trc"):
                setattr(stream.codec_context, tag, getattr(context, tag))
            sound, tick = [], frames[1].pts - first.pts
            if cut.audio:
                span = (first.pts * base, (frames[-1].pts + tick) * base)
                sound = _copy_audio(sources / cut.audio, out, span)
            for frame in frames:
                small = shrink(frame, cut.size)
                small.pts, small.time_base, small.duration = frame.pts - first.pts, base, tick
                out.mux(stream.encode(small))
            out.mux(stream.encode(None))
            for packet in sound:
                out.mux(packet)


def make_mask(cut: Cut, sources: Path, folder: Path) -> None:
    """Cut and shrink a mask; every pixel that a set one falls on is set."""
    with av.open(folder / cut.name, "w", options=_BITEXACT) as out:
        stream = out.add_stream("ffv1", rate=Fraction(30000, 1001), options={"threads": "1", "flags": "+bitexact"})
        stream.width, stream.height = cut.size
        stream.pix_fmt = "gray"
        stream.time_base = stream.codec_context.time_base = Fraction(1001, 30000)
        for index, frame in enumerate(pictures(sources / cut.source, cut.start, cut.end)):
            small = any_in_cell(frame.to_ndarray(format="gray"), cut.size)
            picture = av.VideoFrame.from_ndarray(small, format="gray")
            picture.pts, picture.time_base = index, Fraction(1001, 30000)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def main(sources: Path, folder: Path) -> None:
    """Make all samples."""
    for cut in CUTS:
        make_clip(cut, sources, folder)
    make_mask(MASK, sources, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
