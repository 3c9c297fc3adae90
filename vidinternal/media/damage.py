"""Reading on where a file is damaged: which pictures are, and what stands in for those that are not there.

Nothing is guessed where a file is sound: it is read as strictly as ever, and this file is asked only after a strict
reading has failed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo, Damage, ReadPolicy
from vidinternal.media.refusals import DamagedError, reason
from vidinternal.media.stream import (
    GIVE_UP,
    FirstKey,
    broke_off,
    check_packet,
    logged,
    open_decoder,
    open_video,
    pictures,
)


@dataclass(frozen=True)
class Step:
    """What came of one packet of a file that may be damaged.

    Attributes:
        pts: Its time; None where it has none, and for what the decoder still holds at the end.
        key: Whether decoding can start here.
        complaint: What the file or the decoder said against it; empty where all is well.
        frames: Pictures that came out, in order of presentation, concealed ones included.
        broken_off: Whether the file cannot be read beyond.
    """

    pts: int | None
    key: bool = False
    complaint: str = ""
    frames: tuple[av.VideoFrame, ...] = ()
    broken_off: bool = False


@dataclass(frozen=True)
class Survey:
    """What a damaged file holds; the fields of a time table.

    Attributes:
        pts: Times of all pictures, those told by packets without a decodable picture included.
        keys: Times of the sound key pictures.
        stamped: Whether pictures carry their times.
        damage: What is damaged.
    """

    pts: tuple[int, ...]
    keys: tuple[int, ...]
    stamped: bool
    damage: Damage


class Table(Protocol):
    """The part of a time table that reading on needs."""

    @property
    def pts(self) -> tuple[int, ...]:
        """Times of all pictures."""
        ...

    @property
    def stamped(self) -> bool:
        """Whether pictures carry them."""
        ...

    @property
    def damage(self) -> Damage | None:
        """What is damaged."""
        ...


def steps(container: InputContainer, stream: VideoStream, path: Path, policy: ReadPolicy) -> Iterator[Step]:
    """Decode from where the container stands, past every damage.

    Raises:
        MediaError: There is no decoder, or the file is protected.
    """
    decoder = open_decoder(stream, path, policy, tolerant=True)
    first, failures = FirstKey(stream), 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            failures += 1
            yield Step(None, complaint=reason(error), broken_off=failures >= GIVE_UP)
            if failures >= GIVE_UP:
                yield _decoded(decoder, None, first)
                return
            packets = container.demux(stream)
            continue
        if packet is None:
            return
        failures = 0
        check_packet(packet, path)
        leads = first.leads(packet)
        if not first.awaited:
            step = _decoded(decoder, packet, first)
            yield Step(None, frames=step.frames) if leads else step


def _decoded(decoder: VideoCodecContext, packet: av.Packet | None, first: FirstKey) -> Step:
    """Decode one packet; errors and what the decoder logs become the step's complaint."""
    frames: list[av.VideoFrame] = []
    sized = packet is not None and packet.size > 0
    with logged(av.logging.ERROR) as lines:
        try:
            frames = decoder.decode(packet if sized else None)
            complaint = ""
        except av.error.FFmpegError as error:
            complaint = "" if isinstance(error, EOFError) else reason(error)
    complaint = complaint or (lines[0][2].strip() if lines else "")
    shown = tuple(f for f in frames if not first.precedes(f.pts))
    if packet is None or not sized:
        return Step(None, frames=shown)
    marked = packet.is_corrupt and "a packet marked as damaged"
    return Step(packet.pts, packet.is_keyframe, complaint or marked or "", shown)


def seen(container: InputContainer, stream: VideoStream, path: Path, policy: ReadPolicy) -> Iterator[av.VideoFrame]:
    """Pictures from where the container stands: all sound, or under a tolerant policy whatever comes out."""
    if not policy.tolerant:
        yield from pictures(container, stream, path, (), policy)
        return
    for step in steps(container, stream, path, policy):
        yield from step.frames


def first_picture(
    container: InputContainer, stream: VideoStream, path: Path, policy: ReadPolicy
) -> av.VideoFrame | None:
    """The first picture: undamaged, or under a tolerant policy the first that the decoder makes anything of."""
    if not policy.tolerant:
        return next(seen(container, stream, path, policy), None)
    found: av.VideoFrame | None = None
    for step in steps(container, stream, path, policy):
        for frame in step.frames:
            if not (step.complaint or frame.is_corrupt):
                return frame
            found = found or frame
    return found


@dataclass
class _Notes:
    """What is found out about times while a file is read."""

    told: list[tuple[int, bool]] = field(default_factory=list)  # packets in stored order: time, key
    flagged: set[int] = field(default_factory=set)
    shown: list[int] = field(default_factory=list)
    unstamped: list[bool] = field(default_factory=list)  # damaged or not, one entry a picture
    ends_early: bool = False


def survey(info: ClipInfo, packet_is_picture: bool) -> Survey:
    """Read a whole file and find out which of its pictures are damaged.

    Args:
        info: The clip.
        packet_is_picture: Whether every packet of its codec holds one picture, so that packets without one are missed.

    Raises:
        DamagedError: No picture is undamaged.
        MediaError: The file cannot be opened, or is protected.
    """
    notes = _read_through(info)
    if not notes.shown:
        return _by_order(info, notes)
    shown = set(notes.shown)
    told = {time for time, _ in notes.told if packet_is_picture or time in notes.flagged}
    pts = tuple(sorted(shown | told))
    damaged = (notes.flagged | (set(pts) - shown)) & set(pts)
    _check_hope(info, len(damaged), len(pts))
    place = {time: index for index, time in enumerate(pts)}
    leaning = {t for t in _leaning(notes.told, damaged) if t in place} - damaged
    if info.policy.leaning:
        _check_hope(info, len(damaged | leaning), len(pts))
    damage = Damage(
        frames=tuple(sorted(place[t] for t in damaged)),
        missing=tuple(sorted(place[t] for t in set(pts) - shown)),
        leaning=tuple(sorted(place[t] for t in leaning)),
        ends_early=notes.ends_early,
    )
    keys = tuple(sorted(time for time, key in notes.told if key and time in place and time not in damaged))
    return Survey(pts, keys, True, damage)


def _read_through(info: ClipInfo) -> _Notes:
    notes, complained = _Notes(), False
    with open_video(info.path, info.video_index, info.policy) as (container, stream):
        with logged(av.logging.ERROR) as lines:
            for step in steps(container, stream, info.path, info.policy):
                notes.ends_early |= step.broken_off
                complained |= bool(step.complaint)
                if step.pts is not None:
                    notes.told.append((step.pts, step.key))
                    if step.complaint:
                        notes.flagged.add(step.pts)
                for frame in step.frames:
                    if not _fits(frame, info):
                        continue
                    wrong, complained = frame.is_corrupt or (complained and frame.pts is None), False
                    if frame.pts is None:
                        notes.unstamped.append(wrong)
                    elif not notes.shown or frame.pts > notes.shown[-1]:
                        notes.shown.append(frame.pts)
                        if wrong:
                            notes.flagged.add(frame.pts)
        notes.ends_early |= broke_off(lines)
    return notes


def _by_order(info: ClipInfo, notes: _Notes) -> Survey:
    """The survey of a stream without times: pictures are counted, and times made from the rate."""
    count = len(notes.unstamped)
    damaged = tuple(i for i, wrong in enumerate(notes.unstamped) if wrong)
    _check_hope(info, len(damaged), count)
    step = 1 / info.rate / info.time_base
    return Survey(tuple(round(i * step) for i in range(count)), (), False, Damage(damaged, ends_early=notes.ends_early))


def _check_hope(info: ClipInfo, damaged: int, count: int) -> None:
    if damaged >= count:
        raise hopeless(info, damaged, count)


def hopeless(info: ClipInfo, damaged: int, count: int) -> DamagedError:
    """The error of a clip in which nothing is left to go by."""
    return DamagedError(
        f"{info.path}: no undamaged picture",
        expected="at least one picture that decodes without errors",
        got=f"{damaged} damaged of {count}",
        hint="get the clip again from where it came",
    )


def _leaning(told: list[tuple[int, bool]], damaged: set[int]) -> set[int]:
    """Times of the packets behind a damaged one, in stored order, up to the next key packet."""
    leaning: set[int] = set()
    shaken = False
    for time, key in told:
        shaken = time in damaged or (shaken and not key)
        if shaken:
            leaning.add(time)
    return leaning


def _fits(frame: av.VideoFrame, info: ClipInfo) -> bool:
    return (frame.width, frame.height, frame.format.name) == (info.width, info.height, info.pix_fmt)


def mended(info: ClipInfo, table: Table, span: tuple[int, int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Pictures of a span of a damaged clip; the sound one before stands in for those that are not to be seen.

    Hidden are pictures that are not there and, under ``repair``, damaged ones; at the clip's start the next sound one
    stands in.

    Args:
        info: The clip.
        table: Its times and damage.
        span: First frame, and last, excluded.

    Yields:
        Every index of the span with its picture; read from the file's start, so that it is always the same.
    """
    due, end = span
    damage = table.damage or Damage()
    hidden = {*damage.missing, *damage.holes(info.policy)}
    last: av.VideoFrame | None = None
    with open_video(info.path, info.video_index, info.policy) as (container, stream):
        for index, frame in _numbered(steps(container, stream, info.path, info.policy), info, table):
            if index in hidden or index < due:
                last = frame if index not in hidden else last
                continue
            while due < min(index, end):
                yield due, last or frame
                due += 1
            if due == end:
                return
            yield due, frame
            due, last = due + 1, frame
            if due == end:
                return
    while last is not None and due < end:
        yield due, last
        due += 1


def _numbered(source: Iterator[Step], info: ClipInfo, table: Table) -> Iterator[tuple[int, av.VideoFrame]]:
    """The pictures of the clip with their indices, as :func:`survey` counted them."""
    count = 0
    for step in source:
        for frame in step.frames:
            if not _fits(frame, info):
                continue
            index, count = count, count + 1
            if table.stamped:
                index = bisect_left(table.pts, frame.pts) if frame.pts is not None else len(table.pts)
                if index == len(table.pts) or table.pts[index] != frame.pts:
                    continue
            yield index, frame
