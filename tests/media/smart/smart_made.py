"""Clips cut into short groups of pictures, edits of a few frames, and what a strict decoder makes of a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np

from tests import media_made
from vidinternal.core.clip import ClipInfo
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import EncodeReport, encode
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.media.smart.rendering import Edited

GROUP = 6
X265 = "log-level=none:keyint=6:min-keyint=6:scenecut=0:open-gop="
MPEG2 = {"g": "6", "bf": "2", "flags": "+cgop+qscale", "global_quality": "354", "sc_threshold": "1000000000"}


def x264(**options: str) -> dict[str, Any]:
    """A recipe of closed groups of six pictures."""
    usual = {"crf": "20", "g": str(GROUP), "preset": "medium", "sc_threshold": "0"}
    return {"codec": "libx264", "frames": 24, "options": usual | options}


def x265(*, open_gop: bool = False, **changes: Any) -> dict[str, Any]:
    """The same in H.265."""
    return {"codec": "libx265", "frames": 24, "options": {"x265-params": f"{X265}{int(open_gop)}"}} | changes


def mpeg2(**changes: Any) -> dict[str, Any]:
    """The same in MPEG-2; B pictures make its groups shorter."""
    return {"codec": "mpeg2video", "frames": 24, "rate": Fraction(25), "options": MPEG2} | changes


class Edit:
    """Pictures of a clip of which some get a grey square.

    Args:
        info: The clip.
        touched: Indices of those.

    Attributes:
        asked: Spans of frames that were asked for.
    """

    def __init__(self, info: ClipInfo, touched: Collection[int]) -> None:
        self.asked: list[tuple[int, int]] = []
        self._reader, self._touched = ClipReader(info), touched

    def frames(self, start: int, end: int) -> Iterator[NativeFrame]:
        self.asked.append((start, end))
        for frame in self._reader.frames(start, end):
            yield self._squared(frame) if frame.index in self._touched else frame

    def _squared(self, frame: NativeFrame) -> NativeFrame:
        luma = frame.planes[0].copy()
        luma[8:24, 8:24] = 100
        return replace(frame, planes=(luma, *frame.planes[1:]))


@dataclass
class Outcome:
    """A file written from an edited one.

    Attributes:
        source: What it was made from.
        report: What was told of it.
        asked: Spans of frames that were asked for.
    """

    source: Path
    report: EncodeReport
    asked: list[tuple[int, int]]

    @property
    def path(self) -> Path:
        return self.report.path


def write(source: Path, destination: Path, touched: Collection[int], **settings: Any) -> Outcome:
    """Write an edited clip."""
    info = probe(source)
    edit = Edit(info, touched)
    report = encode(info, Edited(edit.frames, touched), destination, EncodeSettings.model_validate(settings))
    return Outcome(source, report, edit.asked)


@dataclass(frozen=True)
class Stored:
    """A packet: presentation and decoding time in seconds, whether it is a key, its bytes."""

    pts: Fraction
    dts: Fraction | None
    key: bool
    data: bytes


def stored(path: Path) -> list[Stored]:
    """The packets of a file's video, in stored order."""
    with av.open(str(path)) as container:
        return [
            Stored(p.pts * p.time_base, None if p.dts is None else p.dts * p.time_base, p.is_keyframe, bytes(p))
            for p in container.demux(container.streams.video[0])
            if p.size and p.pts is not None
        ]


def decoded(path: Path, threads: str = "SLICE") -> dict[Fraction, np.ndarray]:
    """Time -> picture of a whole file, by FFmpeg's own decoder at its strictest; it must not even log a warning."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines, av.open(str(path)) as container:
            stream: Any = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
            stream.codec_context.thread_count = 2
            stream.thread_type = threads
            frames = {f.pts * f.time_base: f.to_ndarray() for f in container.decode(stream)}
    finally:
        av.logging.set_level(before)
    assert not lines, lines
    return frames


def remuxed(source: Path, destination: Path, change: Callable[[int, bytes], bytes], header: bytes = b"") -> Path:
    """A copy of a file's video with every packet passed through ``change``, which also gets its number."""
    with av.open(str(source)) as old, av.open(str(destination), "w") as new:
        template: Any = old.streams.video[0]
        stream: Any = new.add_stream_from_template(template, opaque=True)
        if header:
            stream.codec_context.extradata = header
        for number, packet in enumerate(p for p in old.demux(template) if p.size):
            twin = av.Packet(change(number, bytes(packet)))
            twin.pts, twin.dts, twin.duration = packet.pts, packet.dts, packet.duration
            twin.time_base, twin.is_keyframe, twin.stream = packet.time_base, packet.is_keyframe, stream
            new.mux(twin)
    return destination


def clip(path: Path, recipe: Mapping[str, Any]) -> Path:
    """Write a source."""
    return media_made.clip(path, **recipe)
