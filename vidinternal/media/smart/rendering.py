"""Smart rendering: groups of pictures that nothing changed are copied packet for packet, only the others are encoded.

The packets keep the source's decoding times, place by place: a re-encoded group has as many packets as the one it
replaces, and its encoder is held to an order of pictures for which these times do. Where any of this cannot be had, the
reason is told and the whole is encoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.packet import Packet

from vidinternal.core.clip import ClipInfo
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.dynamic_hdr import dynamic_hdr
from vidinternal.media.mux import Copier, Header, Output
from vidinternal.media.part_file import as_media_error
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.media.segments import KeepSegment, Segment, Stored, belongs_to, cut_groups, segment_length
from vidinternal.media.smart.gops import Gop, NalGrammar, Track, UnsafeError, reorder_room, scan, video_packets
from vidinternal.media.smart.matched import Match, kept_of, match, pieces
from vidinternal.media.smart.nal import joined, units
from vidinternal.media.smart.parameter_sets import kind_of, record, set_key
from vidinternal.media.soft_subs import SoftTrack
from vidinternal.media.source_facts import SourceFacts
from vidinternal.media.stream import fraction, open_video
from vidinternal.media.times import check_order

_CODECS = ("h264", "hevc", "mpeg2video")
_DELIMITERS = {"h264": 9, "hevc": 35}


@dataclass(frozen=True)
class Edited:
    """The pictures to write, of which some are the source's own.

    Attributes:
        frames: Gives pictures ``start`` (included) to ``end`` (excluded) in order; asked only for those to be encoded.
        touched: Indices of the frames that may differ from the source's.
        keep: Keeps the finished segments of a long clip; None where nothing is to be kept.
        soft: A subtitle track to add, or None.
        remade: Width and height of the pictures, where all of them were made anew; None where some may be the source's.
    """

    frames: Callable[[int, int], Iterable[NativeFrame]]
    touched: Collection[int]
    keep: KeepSegment | None = None
    soft: SoftTrack | None = None
    remade: tuple[int, int] | None = None


@dataclass(frozen=True)
class SmartReport:
    """What was copied and what was encoded.

    Attributes:
        gops_copied: Groups of pictures copied packet for packet.
        gops_encoded: Groups encoded anew; 0 also where the whole was, without looking at groups.
        frames_copied: Pictures in the groups copied.
        whole_because: Why the whole was encoded; empty where it was not.
    """

    gops_copied: int = 0
    gops_encoded: int = 0
    frames_copied: int = 0
    whole_because: str = ""

    @property
    def note(self) -> str:
        """One line for a person."""
        if self.whole_because:
            return f"the whole video is encoded anew: {self.whole_because}"
        if not self.gops_encoded:
            return f"no picture is changed: all {self.frames_copied} are copied packet for packet"
        groups = self.gops_copied + self.gops_encoded
        return f"{self.gops_copied} of {groups} groups ({self.frames_copied} pictures) are copied packet for packet"


@dataclass(frozen=True)
class SmartPlan:
    """What is copied and what is encoded.

    Attributes:
        track: The source's stream.
        encoded: For every group whether it is encoded; empty where the whole stream is copied.
        setup: The encoder; None where the whole stream is copied.
        header: The header of the stream in the result.
        length_size: Bytes of the lengths before the units of the result's packets; 0 for start codes.
        reframed: Whether the units of copied packets have to be put into that form.
    """

    track: Track
    encoded: tuple[bool, ...]
    setup: Match | None
    header: Header
    length_size: int = 0
    reframed: bool = False

    @property
    def report(self) -> SmartReport:
        """What it comes to."""
        if self.setup is None:
            return SmartReport(len(self.track.gops), 0, len(self.track.pts))
        copied = [g for g, anew in zip(self.track.gops, self.encoded, strict=True) if not anew]
        return SmartReport(len(copied), sum(self.encoded), sum(len(g) for g in copied))

    @property
    def spans(self) -> tuple[range, ...]:
        """The frames that are encoded, in runs; none where the whole stream is copied."""
        runs = itertools.groupby(zip(self.track.gops, self.encoded, strict=False), key=lambda pair: pair[1])
        gops = [[gop for gop, _ in run] for anew, run in runs if anew]
        return tuple(range(run[0].start, run[-1].stop) for run in gops)


def plan_smart(info: ClipInfo, plan: EncoderPlan, facts: SourceFacts, touched: Collection[int]) -> SmartPlan:
    """Decide what of a clip is copied.

    Args:
        info: The clip.
        plan: How the whole would be written.
        facts: What the source's first picture tells.
        touched: Indices of changed frames.

    Raises:
        UnsafeError: Nothing can be; the reason.
        MediaError: The file cannot be read.
    """
    codec = _check_same(info, plan)
    if dynamic := dynamic_hdr(info):
        raise UnsafeError(f"{' and '.join(dynamic)} data of the pictures is left out, everywhere or nowhere")
    track = scan(info, codec)
    with open_video(info.path, info.video_index) as (_, stream):
        extradata, tag = stream.codec_context.extradata or b"", stream.codec_context.codec_tag
    if not touched:
        return _framed(SmartPlan(track, (), None, Header(extradata)), plan, tag)
    if facts.interlaced:
        raise UnsafeError("the stream is interlaced")
    if track.unsafe:
        raise UnsafeError(track.unsafe)
    encoded = _encoded(track, touched)
    opens = {k: not (k and encoded[k - 1]) for k, anew in enumerate(encoded) if anew}
    room = reorder_room(track, opens)
    if room is None:
        raise UnsafeError("the file's decoding times leave new pictures no room")
    return _framed(SmartPlan(track, encoded, match(info, plan, track, room), Header(extradata)), plan, tag)


def _framed(smart: SmartPlan, plan: EncoderPlan, tag: str) -> SmartPlan:
    """The plan with the header that its container wants, and the form of its packets.

    Raises:
        UnsafeError: Units would have to be put in another form, and the stream is not understood.
    """
    track, grammar = smart.track, smart.track.grammar
    if not isinstance(grammar, NalGrammar):
        return smart
    size = 0 if plan.container == "mpegts" else grammar.length_size or 4
    other = bool(size) != bool(grammar.length_size)
    named = _tag(tag, plan) if grammar.in_band and not other else ""
    if smart.setup is None and not other:
        return replace(smart, header=Header(smart.header.extradata, named), length_size=size)
    if track.unsafe:
        raise UnsafeError(track.unsafe)
    sets = (*grammar.sets.values(), *(smart.setup.sets if smart.setup else ()))
    extradata = record(sets, grammar.codec, size, grammar.told) if size else joined(sets, 0)
    return replace(smart, header=Header(extradata, named), length_size=size, reframed=other)


def _check_same(info: ClipInfo, plan: EncoderPlan) -> str:
    codec = next(s.codec for s in info.streams if s.index == info.video_index)
    if codec != plan.codec:
        hint = f"; --set encode.codec={codec} keeps it" if codec in _CODECS else ""
        raise UnsafeError(f"the source is {codec} and encode.codec is {plan.codec}{hint}")
    if codec not in _CODECS:
        raise UnsafeError(f"{codec} is not copied in part, only {', '.join(_CODECS)}")
    source, target = picture_format(info.pix_fmt), picture_format(plan.pix_fmt)
    if (source.depth, source.planes) != (target.depth, target.planes):
        raise UnsafeError(f"samples are written as {target.name}, from {source.name}")
    return codec


def _tag(tag: str, plan: EncoderPlan) -> str:
    """The source's name of the codec where the container knows both and it says that sets stand among the pictures."""
    known = {"mp4": ("avc3", "hev1"), "mov": ("hev1",)}.get(plan.container, ())
    return tag if tag in known else ""


def _encoded(track: Track, touched: Collection[int]) -> tuple[bool, ...]:
    """For every group whether it is encoded.

    Raises:
        UnsafeError: All are.
    """
    changed = sorted(touched)
    encoded, at = [], 0
    for gop in track.gops:
        while at < len(changed) and changed[at] < gop.start:
            at += 1
        hit = at < len(changed) and changed[at] < gop.stop
        encoded.append(bool(gop.unsafe) or hit)
    if all(encoded):
        if len(encoded) == 1:
            raise UnsafeError("the stream is one single group, as all later key pictures are open")
        raise UnsafeError(next((g.unsafe for g in track.gops if g.unsafe), "every group holds a changed picture"))
    return tuple(encoded)


class SmartWriter:
    """Writes the video of a plan and interleaves its packets with the copied ones of other streams."""

    def __init__(self, info: ClipInfo, plan: SmartPlan, output: Output, copier: Copier) -> None:
        self._info, self._plan, self._output, self._copier = info, plan, output, copier
        self._part = Path(output.container.name)
        self._written = 0
        self._progress: Progress = no_progress
        self._told = 0

    def write(self, edited: Edited, progress: Progress) -> list[int]:
        """Write everything; the times of all pictures, in order.

        Raises:
            MediaError: Times merge in the container's ticks, or writing fails.
            IntegrityError: The encoder did not give one packet a picture.
        """
        times = sorted(self._plan.track.pts)
        self._check_order(times)
        self._progress = progress
        for _ in self._all(edited):
            self._tell(self._written)
        with as_media_error(self._part):
            self._copier.until(None)
        return times

    def _tell(self, done: int) -> None:
        """Tell the progress; frames of a segment that is encoded count before they are written."""
        if done > self._told:
            self._told, total = done, len(self._plan.track.pts)
            self._progress(done / total, f"frame {done} of {total}")

    def _check_order(self, times: list[int]) -> None:
        for index, (before, here) in enumerate(itertools.pairwise(times), 1):
            check_order(index, before, here, self._info.time_base, self._output.tick)

    def _all(self, edited: Edited) -> Iterator[None]:
        source = video_packets(self._info)
        track = self._plan.track
        runs = itertools.groupby(zip(track.gops, self._plan.encoded, strict=True), key=lambda pair: pair[1])
        if self._plan.setup is None:
            runs = iter([(False, iter([(Gop(0, len(track.pts), 0, len(track.pts)), False)]))])
        for anew, run in runs:
            gops = [gop for gop, _ in run]
            for gop in gops if not anew else ():
                yield from self._copy(itertools.islice(source, len(gop)))
            if anew and self._plan.setup is not None:
                for lot in self._lots(self._plan.setup, gops, edited):
                    count = lot[-1].last - lot[0].first
                    yield from self._encode(self._plan.setup, lot, itertools.islice(source, count), edited)

    def _lots(self, setup: Match, gops: list[Gop], edited: Edited) -> Iterable[list[Gop]]:
        """Groups that are encoded together: all of a run, or segments that are kept."""
        length = segment_length(setup.plan, self._info.width * self._info.height)
        return [gops] if edited.keep is None else cut_groups(gops, length)

    def _copy(self, packets: Iterator[Packet]) -> Iterator[None]:
        for packet in packets:
            yield from self._mux(self._converted(packet))

    def _converted(self, packet: Packet) -> Packet:
        """The packet itself, or its units in the form that the container takes."""
        grammar, size = self._plan.track.grammar, self._plan.length_size
        if not self._plan.reframed or not isinstance(grammar, NalGrammar):
            return packet
        found = units(bytes(packet), grammar.length_size)
        if size:  # the header holds the sets, and containers mark where a picture begins
            delimiter = _DELIMITERS[grammar.codec]
            found = [u for u in found if kind_of(u, grammar.codec) != delimiter and not set_key(u, grammar.codec)]
        elif packet.is_keyframe and not any(set_key(u, grammar.codec) for u in found):
            found = [*grammar.sets.values(), *grammar.told, *found]
        return self._packet(joined(found, size), packet.pts or 0, packet.duration or 0, key=packet.is_keyframe)

    def _packet(self, data: bytes, pts: int, duration: int, *, key: bool) -> Packet:
        packet = Packet(data)
        packet.pts, packet.duration, packet.is_keyframe = pts, duration, key
        packet.time_base = self._info.time_base
        return packet

    def _encode(self, setup: Match, gops: list[Gop], source: Iterator[Packet], edited: Edited) -> Iterator[None]:
        track = self._plan.track
        kept: dict[int, Any] = {}
        durations: dict[int, int] = {}
        for packet in source:
            durations[packet.pts or 0] = packet.duration or 0
            found = kept_of(track, bytes(packet))
            if found is not None:
                kept[packet.pts or 0] = found
        start, stop = gops[0].start, gops[-1].stop

        def encoded() -> Iterator[Stored]:
            natives = self._checked(edited.frames(start, stop), durations)
            if edited.keep is not None:
                natives = self._counted(natives)
            for piece in pieces(setup, track, natives, {gop.start for gop in gops}, kept, self._plan.length_size):
                yield Stored(piece.pts, None, durations[piece.pts], piece.key, piece.data)

        packets: Iterable[Stored] = encoded()
        if edited.keep is not None:
            fits = belongs_to(setup.plan, sorted(setup.options.items()), setup.ids, self._plan.length_size, start, stop)
            packets = edited.keep(f"segment-{start:08d}", fits, lambda: Segment.of(encoded()))
        made = 0
        for stored in packets:
            made += 1
            if made <= stop - start:
                yield from self._mux(self._packet(stored.data, stored.pts, stored.duration, key=stored.key))
        if made != stop - start:
            raise IntegrityError(
                f"frames {start} to {stop}", expected=f"{stop - start} packets of the encoder", got=str(made)
            )

    def _counted(self, natives: Iterable[NativeFrame]) -> Iterator[NativeFrame]:
        for native in natives:
            yield native
            self._tell(native.index + 1)

    def _checked(self, natives: Iterable[NativeFrame], durations: Mapping[int, int]) -> Iterator[NativeFrame]:
        for native in natives:
            if native.pts not in durations:
                raise MediaError(
                    f"frame {native.index}", expected="the time it has in the source", got=f"pts {native.pts}"
                )
            yield native

    def _mux(self, packet: Packet) -> Iterator[None]:
        packet.dts = self._plan.track.dts[self._written]
        packet.stream = self._output.video
        if packet.dts > (packet.pts or 0):
            raise IntegrityError(
                f"packet {self._written}", expected=f"a picture shown from {packet.dts} on", got=f"pts {packet.pts}"
            )
        with as_media_error(self._part):
            self._copier.until(packet.dts * (fraction(packet.time_base) or Fraction(0)))
            self._output.container.mux(packet)
        self._written += 1
        yield
