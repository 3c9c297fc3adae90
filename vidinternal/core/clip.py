"""What a clip is: its streams, its exact time, its colour, its shots and windows.

Time is an integer ``pts`` in a ``Fraction`` time base; a float second is for display only. A frame index and a time
never share a parameter. Frame indices count decoded pictures of the video stream in presentation order, from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ReadPolicy:
    """What becomes of damaged pictures, and how large a picture may be.

    Attributes:
        damage: ``stop`` refuses a damaged file, ``keep`` takes what the decoder makes of it, ``repair`` treats damaged
            pictures as holes: the picture before stands in for them until they are filled.
        leaning: Whether ``repair`` also takes pictures that lean on a damaged one, up to the next key picture.
        max_pixels: Most pixels of a picture; a file that declares more is refused before any is allocated.
        fps: Pictures per second of images, which carry no times; None takes the usual.
    """

    damage: Literal["stop", "repair", "keep"] = "stop"
    leaning: bool = False
    max_pixels: int = 1 << 26
    fps: Fraction | None = None

    @property
    def tolerant(self) -> bool:
        """Whether a damaged file is read on."""
        return self.damage != "stop"


@dataclass(frozen=True)
class Damage:
    """What is damaged in a clip, as sorted frame indices.

    Attributes:
        frames: Pictures that did not decode without errors, those without any picture included.
        missing: Those of them that left no picture at all.
        leaning: Sound ones that were predicted from a damaged one, up to the next key picture.
        ends_early: Whether the file breaks off.
    """

    frames: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    leaning: tuple[int, ...] = ()
    ends_early: bool = False

    def holes(self, policy: ReadPolicy) -> tuple[int, ...]:
        """The frames that are to be filled whole under a policy."""
        if policy.damage != "repair":
            return ()
        return tuple(sorted({*self.frames, *self.leaning})) if policy.leaning else self.frames


@dataclass(frozen=True)
class ColorTags:
    """Colour tags of a video stream as FFmpeg's integer codes (ITU-T H.273), 2 = unspecified.

    Attributes:
        primaries: Colour primaries.
        transfer: Transfer characteristics.
        matrix: YUV matrix coefficients.
        full_range: True for full range (JPEG), False for limited (MPEG), None when the file does not say.
        chroma_location: Chroma sample location code, 0 = unspecified.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool | None = None
    chroma_location: int = 0


@dataclass(frozen=True)
class StreamInfo:
    """One stream of the container.

    Attributes:
        index: Its place in the file.
        kind: ``video``, ``audio``, ``subtitle``, ``attachment`` or ``data``.
        codec: Codec name.
        note: Language, title or what else tells it apart.
    """

    index: int
    kind: str
    codec: str
    note: str = ""


@dataclass(frozen=True)
class ClipInfo:
    """What ``probe`` learns of a file without decoding it.

    Attributes:
        path: The file.
        width: Coded width in samples.
        height: Coded height in samples.
        pix_fmt: FFmpeg's name of the sample layout, e.g. ``yuv420p10le``.
        time_base: Seconds per tick of ``pts``.
        rate: Average frame rate, frames per second; for display and estimates only.
        frames: Number of pictures if the container says so, else None.
        duration: Seconds if known, for display and estimates only.
        color: Colour tags.
        rotation: Clockwise degrees a player must turn the picture, multiple of 90.
        mirrored: Whether a player must swap left and right of the stored picture before it turns it.
        sar: Sample aspect ratio.
        video_index: Index of the video stream that is processed.
        streams: All streams of the file.
        policy: How it is read.
    """

    path: Path
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    rate: Fraction
    frames: int | None
    duration: float | None
    color: ColorTags = ColorTags()
    rotation: int = 0
    mirrored: bool = False
    sar: Fraction = Fraction(1)
    video_index: int = 0
    streams: tuple[StreamInfo, ...] = field(default=())
    policy: ReadPolicy = ReadPolicy()


@dataclass(frozen=True)
class Shot:
    """Frames ``start`` (included) to ``end`` (excluded) of one uncut take."""

    index: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Window:
    """A piece of a shot that fits in memory.

    The window is processed from ``start`` to ``end``; the first ``overlap`` frames are shared with the window before
    it and cross-faded there.

    Attributes:
        index: Its place among all windows of the clip.
        shot: Index of its shot.
        start: First frame, included.
        end: Last frame, excluded.
        overlap: Leading frames also covered by window ``index - 1`` of the same shot.
    """

    index: int
    shot: int
    start: int
    end: int
    overlap: int = 0

    def __len__(self) -> int:
        return self.end - self.start
