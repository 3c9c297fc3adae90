"""Is the file written what was promised? Frames, times, streams, tags, and the samples outside the mask.

Nothing is taken from the encoder's word: the finished file is opened again and compared with the source. One frame of
each file is in memory at a time, and of every packet beside the video some forty bytes.

Two things a container may change, and each is told in the item's note: it rounds times to its own ticks, and it wraps
packets its own way (:mod:`vidinternal.media.packets`). What it has no place for is known before the work starts, from a
rehearsal (:mod:`vidinternal.media.rehearsal`), and is noted; any other loss is a mismatch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.contracts import Checkpoints, Progress, no_progress
from vidinternal.core.errors import IntegrityError
from vidinternal.media.kept import UNNAMED_DATA, Item, kept_items, same, without_added
from vidinternal.media.outside import Allowed, Outside
from vidinternal.media.packets import NO_TIME, PacketTrail, other_streams, pair_streams
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.soft_subs import added_tracks, kept_track
from vidinternal.media.stream import open_video
from vidinternal.media.times import rounded
from vidinternal.media.verify_samples import Limit, compare_samples, held_against, sample_item, samples_line

# Containers that tell how long each packet lasts; the others leave the guess to the reader, except for subtitles.
_TIMED = ("mp4", "mov")
SIDE_DATA = ": side data, such as samples to skip"
"""End of the name of the item about what is kept beside a packet's bytes."""
_STORES_DECODE_TIMES = ("mp4", "mov", "mpegts")


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        result: The file.
        source: What it was made from.
        frames: Frames of the result and of the source.
        items: Everything that was compared.
        outside: The samples outside the mask; None where the formats or sizes cannot be compared.
        limit: What was allowed there.
        streams: Streams beside the video that are packet for packet the source's, by kind.
        notes: What a person should know.
    """

    result: Path
    source: Path
    frames: tuple[int, int]
    items: tuple[Item, ...]
    outside: Outside | None
    limit: Limit
    streams: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mismatches(self) -> tuple[Item, ...]:
        """Items that differ and that the container could have kept."""
        return tuple(i for i in self.items if not i.ok and not i.forgiven)

    @property
    def ok(self) -> bool:
        """Whether everything is as promised."""
        return not self.mismatches

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "ok": self.ok,
            "line": self.line(),
            "result": str(self.result),
            "source": str(self.source),
            "frames": list(self.frames),
            "outside": self.outside.as_dict() if self.outside else None,
            "lossless": self.limit.lossless,
            "least_psnr": None if self.limit.lossless else round(self.limit.least_psnr, 2),
            "mismatches": [_told(i) for i in self.mismatches],
            "items": [i.as_dict() for i in self.items],
            "notes": list(self.notes),
        }

    def line(self) -> str:
        """The outcome in one line."""
        if not self.ok:
            return f"not as promised: {'; '.join(_told(i) for i in self.mismatches)}"
        coarse = any(i.name == "times" and i.note for i in self.items)
        kinds = [(k, sum(s == k for s in self.streams)) for k in dict.fromkeys(self.streams)]
        streams = [f"{n} {k} track{'s' * (n > 1)} packet for packet" for k, n in kinds]
        times = "every time equal" + (" but for the container's rounding" if coarse else "")
        return ", ".join([f"{self.frames[0]} frames", times, *streams, samples_line(self.outside, self.limit)])

    def text(self) -> str:
        """A table for people."""
        lines = [f"{self.result}  made from  {self.source}"]
        wide = max(len(i.name) for i in self.items)
        for item in self.items:
            state = "ok" if item.ok else "note" if item.forgiven else "MISMATCH"
            values = item.got if item.ok else f"expected {item.expected or 'nothing'}, got {item.got or 'nothing'}"
            note = f"  ({item.note})" if item.note else ""
            lines.append(f"  {state:<9} {item.name:<{wide}}  {values}{note}")
        if self.outside is not None:
            lines += [f"  {'':<9} plane {p.role}: {_plane_line(p)}" for p in self.outside.planes]
            worst = f"frame {self.outside.worst_frame} with {self.outside.worst_psnr:.2f} dB in its worst plane"
            lines += [f"  {'':<9} worst: {worst}"] if self.outside.changed else []
        lines += [f"note: {n}" for n in self.notes]
        return "\n".join([*lines, f"{'verified' if self.ok else 'FAILED'}: {self.line()}"])

    def within(self, limit: Limit) -> Verification:
        """The same findings held against another limit."""
        if self.outside is None:
            return self
        items = tuple(held_against(self.outside, limit) if i.name == limit.samples else i for i in self.items)
        return replace(self, items=items, limit=limit)

    def demand(self, name: Path) -> None:
        """Refuse a result that is not as promised.

        Args:
            name: What the file was to be called.

        Raises:
            IntegrityError: Names every mismatch, each on a line of its own.
        """
        if self.ok:
            return
        raise IntegrityError(
            f"{name}: what was written is not what was promised",
            expected=f"frames, times, streams and tags as in the source, {self.limit.samples} within their limit",
            got="\n            ".join(_told(i) for i in self.mismatches),
            hint="the file did not get its name; write it losslessly with --set encode.lossless=true, or into .mkv",
        )


def _told(item: Item) -> str:
    return f"{item.name}: expected {item.expected or 'nothing'}, got {item.got or 'nothing'}"


def _plane_line(plane: Any) -> str:
    share = f"{plane.changed} of {plane.samples} samples changed"
    return f"{share}, by at most {plane.largest} codes, {plane.psnr:.2f} dB" if plane.changed else share


def verify(
    result: Path,
    source: ClipInfo,
    *,
    limit: Limit | None = None,
    allowed: Allowed | None = None,
    forgiven: Collection[str] = (),
    progress: Progress = no_progress,
    checkpoint: Checkpoints | None = None,
) -> Verification:
    """Compare a finished file with its source.

    Args:
        result: The file.
        source: What it was made from.
        limit: What may happen to samples outside the mask; 50 dB when None.
        allowed: Tells for a frame which samples of its planes may change; None = no sample of any frame.
        forgiven: Names of items that the container or codec has no place for.
        progress: Tells how far it is.
        checkpoint: Where a long comparison keeps how far it is; the same file is then gone on with.

    Raises:
        MediaError: A file cannot be read, or a picture does not decode.
    """
    limit = limit or Limit()
    found = probe(result, ReadPolicy(max_pixels=source.policy.max_pixels))
    added = added_tracks(result, source.path, limit.soft)
    times = frame_pts(source), frame_pts(found)
    with open_video(result) as (container, _):
        name = container.format.name.split(",")[0]
    kind = {"matroska": "matroska", "mov": "mp4"}.get(name, name)
    streams, identical = stream_items(tuple(without_added(other_streams(found), added)), other_streams(source), kind)
    beside = kept_items(source, found, added, limit.size_of(found))
    items = [*_time_items(times, source.time_base, found.time_base), *streams, *beside]
    if limit.soft is not None:
        origin = times[0][0] * source.time_base
        items.append(same("added subtitles", *kept_track(result, source.path, limit.soft, origin)))
    outside = compare_samples((found, source), limit.remade or allowed, progress, checkpoint)
    items.append(sample_item(outside, limit, found, source))
    return Verification(
        result=result,
        source=source.path,
        frames=(len(times[1]), len(times[0])),
        items=tuple(_forgive(i, forgiven) for i in items),
        outside=outside,
        limit=limit,
        streams=identical,
    )


def _forgive(item: Item, names: Collection[str]) -> Item:
    if item.ok or item.name not in names:
        return item
    return replace(item, forgiven=True, note="; ".join(filter(None, (item.note, "this container has no place for it"))))


def _time_items(times: tuple[tuple[int, ...], tuple[int, ...]], base: Fraction, tick: Fraction) -> Iterator[Item]:
    """Number of frames, and every time in seconds, rounded to the result's ticks where they are coarser."""
    yield same("frames", len(times[0]), len(times[1]))
    wrong = [i for i, (a, b) in enumerate(zip(*times, strict=False)) if rounded(a * base, tick) != b]
    coarse = any((pts * base / tick).denominator != 1 for pts in times[0])
    note = f"times are equal in the container's ticks of {tick} s" if coarse else ""
    told = f"{len(times[0])} times"
    if not wrong:
        yield Item("times", len(times[0]) == len(times[1]), told, f"{len(times[1])} times, all equal", note)
        return
    first = wrong[0]
    moments = f"frame {first} at {times[0][first] * base} s", f"at {times[1][first] * tick} s, {len(wrong)} differ"
    yield Item("times", False, f"{told}, {moments[0]}", moments[1], note)


def stream_items(
    result: tuple[PacketTrail, ...], source: tuple[PacketTrail, ...], container: str
) -> tuple[list[Item], tuple[str, ...]]:
    """Compare every stream beside the video, packet by packet.

    Args:
        result: Streams of the result.
        source: Streams of the source.
        container: FFmpeg's name of the result's container.

    Returns:
        The items, and the kind of each stream that is packet for packet the same.
    """
    items: list[Item] = []
    identical: list[str] = []
    sides = [tuple(t for t in side if not (t.kind == "data" and t.codec in UNNAMED_DATA)) for side in (result, source)]
    for kind, place, mine, theirs in pair_streams(*sides):
        name = f"{kind} {place}"
        if mine is None or theirs is None or mine.codec != theirs.codec:
            was, now = ("absent" if t is None else t.codec or "present" for t in (theirs, mine))
            items.append(Item(f"{name}: codec", False, was, now))
            continue
        found = list(_packet_items(name, mine, theirs, container))
        items += found
        if kind != "attachment" and all(i.ok for i in found if not i.name.endswith(SIDE_DATA)):
            identical.append(kind)
    return items, tuple(identical)


def _packet_items(name: str, mine: PacketTrail, theirs: PacketTrail, container: str) -> Iterator[Item]:
    counts = len(theirs.ticks), len(mine.ticks)
    if mine.kind == "attachment":
        yield same(f"{name}: bytes", theirs.payload, mine.payload)
        return
    if counts[0] != counts[1] and mine.codec.startswith("pcm_") and mine.run == theirs.run:
        note = f"cut into {counts[1]} packets instead of {counts[0]}, as the container does"
        yield Item(f"{name}: packets", True, f"{counts[0]} packets", "the same samples", note)
        yield _at_each(f"{name}: times", mine, theirs, 1)
        return
    wrong = [i for i, (a, b) in enumerate(zip(theirs.digests, mine.digests, strict=False)) if a != b]
    where = f", other bytes in {len(wrong)}, the first is packet {wrong[0]}" if wrong else ""
    equal = counts[0] == counts[1] and not wrong
    yield Item(f"{name}: packets", equal, f"{counts[0]} packets", f"{counts[1]} packets{where}")
    if counts[0] != counts[1]:
        return
    yield _at_each(f"{name}: times", mine, theirs, counts[0])
    if container in _STORES_DECODE_TIMES:
        yield _decode_times(f"{name}: decoding times", mine, theirs)
    if container in _TIMED or mine.kind == "subtitle":
        yield _durations(f"{name}: durations", mine, theirs)
    yield same(f"{name}: key packets", sum(theirs.keys), sum(mine.keys))
    apart = sum(a != b for a, b in zip(theirs.beside, mine.beside, strict=True))
    equal = "as in the source"
    yield Item(name + SIDE_DATA, not apart, equal, f"{apart} packets differ" if apart else equal)


def _at_each(name: str, mine: PacketTrail, theirs: PacketTrail, count: int) -> Item:
    """Presentation times in seconds."""
    pairs = list(zip(theirs.ticks[:count], mine.ticks[:count], strict=True))
    return _moments(name, pairs, theirs.time_base, mine.time_base)


def _decode_times(name: str, mine: PacketTrail, theirs: PacketTrail) -> Item:
    both = zip(theirs.decode_ticks, mine.decode_ticks, strict=True)
    known = [pair for pair in both if NO_TIME not in pair]
    return _moments(name, known, theirs.time_base, mine.time_base)


def _moments(name: str, pairs: list[tuple[int, int]], base: Fraction, tick: Fraction) -> Item:
    """Times in both files' ticks; exactly equal, or less than a tick apart where the result's ticks are coarser.

    FFmpeg rounds the times of copied packets more than once on their way into Matroska.
    """
    exact = (base / tick).denominator == 1
    slack = Fraction(0) if exact else tick
    wrong = [i for i, (a, b) in enumerate(pairs) if a * base != b * tick and abs(a * base - b * tick) >= slack]
    note = "" if exact else f"times are equal to within the container's ticks of {tick} s"
    if not wrong:
        return Item(name, True, "all equal", "all equal", note)
    a, b = pairs[wrong[0]]
    got = f"at {float(b * tick):.6f} s, {len(wrong)} differ"
    return Item(name, False, f"packet {wrong[0]} at {float(a * base):.6f} s", got, note)


def _durations(name: str, mine: PacketTrail, theirs: PacketTrail) -> Item:
    """How long packets last; begin and end are each rounded, so one tick of either file is not a difference."""
    base, tick = theirs.time_base, mine.time_base
    slack = Fraction(0) if base == tick else base + tick
    both = zip(theirs.durations, mine.durations, strict=True)
    wrong = sum(1 for a, b in both if a and b and abs(a * base - b * tick) > slack)
    return Item(name, not wrong, "all equal", f"{wrong} differ" if wrong else "all equal")
