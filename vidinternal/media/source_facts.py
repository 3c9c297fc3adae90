"""What only the first picture of the source tells: how it is turned, its fields, its HDR mastering data."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import av.filter
import av.logging

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.damage import first_picture
from vidinternal.media.orientation import display_matrix
from vidinternal.media.stream import logged, open_video

Scan = Literal["progressive", "tff", "bff"]
"""``tff``: the even lines, counted from 0, are the earlier field; ``bff``: the odd ones are."""

_MARKS: dict[str, Scan] = {"P": "progressive", "T": "tff", "B": "bff"}
_ORDERS = {"tff": 2, "bff": 3}  # AV_FIELD_TT, AV_FIELD_BB


@dataclass(frozen=True)
class Mastering:
    """The display a film was mastered on, SMPTE ST 2086.

    Attributes:
        primaries: CIE x and y of red, green and blue.
        white: CIE x and y of white.
        luminance: Darkest and brightest, candela per square metre.
    """

    primaries: tuple[tuple[Fraction, Fraction], ...]
    white: tuple[Fraction, Fraction]
    luminance: tuple[Fraction, Fraction]


@dataclass(frozen=True)
class SourceFacts:
    """Facts that are carried to the result.

    Attributes:
        display_matrix: Nine fixed-point numbers that turn or mirror the picture, None when it stands upright.
        field_order: FFmpeg's code, 0 = unknown, 1 = progressive.
        interlaced: ``tff`` or ``bff`` where the pictures are flagged as two fields, else empty.
        mastering: The mastering display, or None.
        light: Brightest pixel and brightest average of a picture, candela per square metre, or None.
    """

    display_matrix: tuple[int, ...] | None = None
    field_order: int = 0
    interlaced: str = ""
    mastering: Mastering | None = None
    light: tuple[int, int] | None = None


def source_facts(info: ClipInfo) -> SourceFacts:
    """Read the facts off the first picture.

    Raises:
        MediaError: The file cannot be read or its first picture is damaged.
    """
    with open_video(info.path, info.video_index) as (container, stream):
        frame = first_picture(container, stream, info.path, info.policy)
        if frame is None:
            raise MediaError(f"{info.path}: no pictures", expected="at least one picture", got="an empty video stream")
        order = int(stream.codec_context.field_order)
        data = _side_data(frame)
        mark = FieldMarks(info)(frame)
    light = data.get("CONTENT_LIGHT_LEVEL")
    return SourceFacts(
        display_matrix=display_matrix(frame),
        field_order=_ORDERS.get(mark, order),
        interlaced="" if mark == "progressive" else mark,
        mastering=_mastering(data.get("MASTERING_DISPLAY_METADATA")),
        light=struct.unpack("=2I", light[:8]) if light else None,
    )


class FieldMarks:
    """Tells how pictures are marked. PyAV has no word for the order of fields; FFmpeg's ``showinfo`` says it.

    Args:
        info: The clip they are of.
    """

    def __init__(self, info: ClipInfo) -> None:
        self._info = info
        self._graph: av.filter.Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> Scan:
        """How a picture as it was decoded is marked."""
        if not frame.interlaced_frame:
            return "progressive"
        graph = self._graph or self._open(frame)
        with logged(av.logging.INFO) as lines:
            graph.push(frame)
            graph.pull()
        told = re.search(r"\bi:([PTB])\b", "".join(text for _, name, text in lines if name == "showinfo"))
        return _MARKS[told[1]] if told else "tff"

    def _open(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = self._graph = av.filter.Graph()
        width, height = self._info.width, self._info.height
        source = graph.add_buffer(width=width, height=height, format=frame.format, time_base=Fraction(1, 25))
        graph.link_nodes(source, graph.add("showinfo", "checksum=0"), graph.add("buffersink")).configure()
        return graph


def _side_data(frame: Any) -> dict[str, bytes]:
    return {item.type.name: bytes(item) for item in frame.side_data}


def _mastering(data: bytes | None) -> Mastering | None:
    """Unpack FFmpeg's ``AVMasteringDisplayMetadata``: ten rationals and two flags."""
    if data is None or len(data) < 88:
        return None
    *numbers, has_primaries, has_luminance = struct.unpack("=22i", data[:88])
    if not (has_primaries and has_luminance):
        return None
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    values = [Fraction(n, d) if d else Fraction(0) for n, d in pairs]
    points = tuple(zip(values[0:8:2], values[1:8:2], strict=True))
    return Mastering(points[:3], points[3], (values[8], values[9]))


def hdr_options(encoder: str, facts: SourceFacts) -> Mapping[str, str]:
    """Encoder options that write the mastering data into the stream; empty where there is none.

    The encoders have no common option: x265 counts in 1/50000 and 1/10000 as the standard does, SVT-AV1 in decimals.
    """
    master, light = facts.mastering, facts.light
    words: dict[str, str] = {}
    if encoder in ("libx264", "libx265"):
        if master:
            words["mastering-display" if encoder == "libx264" else "master-display"] = _integers(master)
        if light:
            words["cll" if encoder == "libx264" else "max-cll"] = f"{light[0]},{light[1]}"
    if encoder == "libsvtav1":
        if master:
            words["mastering-display"] = _decimals(master)
        if light:
            words["content-light"] = f"{light[0]},{light[1]}"
    key = {"libx264": "x264-params", "libx265": "x265-params", "libsvtav1": "svtav1-params"}.get(encoder)
    return {key: ":".join(f"{k}={v}" for k, v in words.items())} if key and words else {}


def _integers(master: Mastering) -> str:
    points = [(name, *point) for name, point in zip("GBR", (master.primaries[i] for i in (1, 2, 0)), strict=True)]
    points.append(("WP", *master.white))
    dark, bright = (round(v * 10000) for v in master.luminance)
    return "".join(f"{n}({round(x * 50000)},{round(y * 50000)})" for n, x, y in points) + f"L({bright},{dark})"


def _decimals(master: Mastering) -> str:
    points = [(name, *point) for name, point in zip("GBR", (master.primaries[i] for i in (1, 2, 0)), strict=True)]
    points.append(("WP", *master.white))
    dark, bright = (float(v) for v in master.luminance)
    return "".join(f"{n}({float(x):.5f},{float(y):.5f})" for n, x, y in points) + f"L({bright:.4f},{dark:.4f})"
