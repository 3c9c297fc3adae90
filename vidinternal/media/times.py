"""The times in a written file: read back, and held against those that were to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media.stream import fraction, open_video

# Half a tick of Matroska's milliseconds, the coarsest of the containers.
_ROUNDING = Fraction(1, 2000)


def rounded(seconds: Fraction, tick: Fraction) -> int:
    """Ticks of a time, halves away from zero as FFmpeg rounds."""
    ticks = seconds / tick
    whole = int(abs(ticks) + Fraction(1, 2))
    return whole if ticks >= 0 else -whole


def check_order(index: int, before: int, here: int, base: Fraction, tick: Fraction) -> None:
    """Make sure that a picture stays behind the one before it in a container.

    Args:
        index: The picture's index.
        before: Time of the picture before it, in ticks of ``base``.
        here: Its own.
        base: Seconds per tick.
        tick: Seconds per tick of the container.

    Raises:
        MediaError: Both have the same time there, or the other order.
    """
    if rounded(here * base, tick) <= rounded(before * base, tick):
        raise MediaError(
            f"frame {index}",
            expected=f"a later time than the picture before it, in the container's ticks of {tick} s",
            got=f"pts {here} after {before}",
            hint="an output in .mp4 or .mov, which keep the source's own ticks",
        )


def check_times(found: Sequence[Fraction], times: Sequence[int], base: Fraction, tick: Fraction) -> bool:
    """Compare the times in the file, in seconds, with those given to the encoder; whether they are exactly the same.

    Raises:
        IntegrityError: They differ by more than the container's rounding.
    """
    wanted = [rounded(pts * base, tick) * tick for pts in times]
    if found != wanted:
        differ = (i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b)
        wrong = next(differ, min(len(found), len(wanted)))
        raise IntegrityError(
            f"the file written, frame {wrong}",
            expected=f"{len(wanted)} pictures" + (f", this one at {wanted[wrong]} s" if wrong < len(wanted) else ""),
            got=f"{len(found)} pictures" + (f", this one at {found[wrong]} s" if wrong < len(found) else ""),
        )
    return all(pts * base == time for pts, time in zip(times, wanted, strict=True))


def read_back(part: Path) -> tuple[list[Fraction], list[Fraction]]:
    """Seconds of the pictures in order, and of the first packet of every other stream in the order of streams."""
    pictures: list[Fraction] = []
    starts: dict[int, Fraction] = {}
    with open_video(part) as (container, stream):
        for packet in container.demux():
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is None:
                continue
            seconds = ticks * (fraction(packet.time_base) or Fraction(0))
            if packet.stream_index == stream.index:
                pictures.append(seconds)
            else:
                starts.setdefault(packet.stream_index, seconds)
    return sorted(pictures), [starts[i] for i in sorted(starts)]


def late_starts(wanted: Mapping[int, Fraction], found: Sequence[Fraction]) -> tuple[str, ...]:
    """A note for every copied stream that begins elsewhere than in the source, rounding aside."""
    pairs = zip(sorted(wanted.items()), found, strict=False)
    return tuple(
        f"stream {index} begins {float(got - want):+.3f} s from where it did"
        for (index, want), got in pairs
        if abs(got - want) > _ROUNDING
    )


def timing_notes(exact: bool, container: str, tick: Fraction) -> tuple[str, ...]:
    """A note where the container rounded the times."""
    return () if exact else (f"times are rounded to {container}'s ticks of {tick} s; their order is kept",)
