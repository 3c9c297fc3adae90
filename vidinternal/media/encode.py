"""Pictures to a file: every time, tag and other stream of the source kept, the name given only to a finished file."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
import numpy as np
from av.container import InputContainer
from av.video.format import VideoFormat

from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import IntegrityError, MediaError
from vidinternal.media.codecs import EncoderPlan, EncodeSettings, choose
from vidinternal.media.mux import Copier, Output, kept_tags, open_output
from vidinternal.media.picture import NativeFrame, PictureFormat, picture_format, plane_shape, sample_dtype, to_av
from vidinternal.media.probe import probe
from vidinternal.media.source_facts import SourceFacts, source_facts
from vidinternal.media.stream import fraction, open_video, reason

# Half a tick of Matroska's milliseconds, the coarsest of the containers.
_ROUNDING = Fraction(1, 2000)
_UNSET = (None, 0, 2)
_SHAPE = {"sar": "shape of pixels", "rotation": "turn of the picture"}
_FACTS = {
    "display_matrix": "mirroring of the picture",
    "interlaced": "flag of two fields",
    "mastering": "HDR mastering display",
    "light": "HDR light levels",
}


@dataclass(frozen=True)
class EncodeReport:
    """What was written.

    Attributes:
        path: The file.
        frames: Number of pictures.
        codec: The codec's name in the settings.
        encoder: FFmpeg's name of the encoder.
        pix_fmt: Sample layout given to the encoder.
        crf: Constant quality, None where there is none.
        bytes: Size of the file.
        seconds: Wall seconds.
        pts_exact: Whether every picture's time is exactly the source's; False where the container rounds.
        copied: The streams copied, such as ``1 audio aac``.
        notes: What a person should know.
    """

    path: Path
    frames: int
    codec: str
    encoder: str
    pix_fmt: str
    crf: int | None
    bytes: int
    seconds: float
    pts_exact: bool
    copied: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def encode(
    info: ClipInfo,
    frames: Iterable[NativeFrame],
    destination: Path,
    settings: EncodeSettings,
    *,
    progress: Progress = no_progress,
) -> EncodeReport:
    """Write pictures as the video of a copy of the source.

    The file grows beside the destination under a hidden name and replaces it in one step once it is whole and its
    times have been read back; whatever happens before, the destination stays as it was and nothing is left behind.

    Args:
        info: The source, which gives every other stream, tag, chapter and the ticks of ``frames``' times.
        frames: The pictures in the source's layout and in order, any number from one.
        destination: The file to be.
        settings: How to write.
        progress: Told after every picture where the source's length is known.

    Raises:
        ConfigError: A setting does not belong to the codec.
        MediaError: The container or codec cannot hold the clip, times do not increase, or writing fails.
        IntegrityError: The file written does not hold the times it should.
    """
    began = time.monotonic()
    plan = choose(settings, info, destination)
    facts = source_facts(info)
    with _part_file(destination) as part:
        with open_video(info.path, info.video_index) as (source, _), _output(part, source, info, plan, facts) as output:
            copier = Copier(source, output)
            times = _Writer(info, plan, facts, output, copier).write(frames, progress)
            tick = output.tick
        found, starts = _read_back(part)
        exact = _check_times(found, times, info.time_base, tick)
        late = _late_starts(copier.starts, starts)
        notes = (*plan.notes, *_timing_notes(exact, plan, tick), *late, *_lost(info, facts, part, destination))
        size = part.stat().st_size
    described = {s.index: f"{s.index} {s.kind} {s.codec}".strip() for s in info.streams}
    return EncodeReport(
        path=destination,
        frames=len(times),
        codec=plan.codec,
        encoder=plan.encoder,
        pix_fmt=plan.pix_fmt,
        crf=plan.crf,
        bytes=size,
        seconds=time.monotonic() - began,
        pts_exact=exact,
        copied=tuple(described[i] for i in output.kept),
        notes=notes,
    )


@contextmanager
def _part_file(destination: Path) -> Iterator[Path]:
    """A hidden file beside the destination that takes its place at the end, or goes away."""
    part = destination.with_name(f".{destination.stem}.{secrets.token_hex(4)}.part{destination.suffix}")
    with _as_media_error(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        with _as_media_error(destination):
            _to_disk(part)
            part.replace(destination)
            _to_disk(destination.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _output(
    part: Path, source: InputContainer, info: ClipInfo, plan: EncoderPlan, facts: SourceFacts
) -> Iterator[Output]:
    """The open output; finished on the way out, or dropped after an error."""
    with _as_media_error(part):
        output = open_output(str(part), source, info, plan, facts=facts)
    try:
        yield output
    except BaseException:
        with suppress(av.error.FFmpegError, OSError, ValueError):
            output.container.close()
        raise
    with _as_media_error(part):
        output.container.close()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _as_media_error(path: Path) -> Iterator[None]:
    """Tell what went wrong with writing as an error of the user's; never wrapped around the making of pictures."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        where = f"{path.parent}: cannot be written to"
        raise MediaError(where, expected="a folder with room and permission", got=reason(error)) from error


class _Writer:
    """Encodes pictures and interleaves their packets with the copied ones."""

    def __init__(self, info: ClipInfo, plan: EncoderPlan, facts: SourceFacts, output: Output, copier: Copier) -> None:
        self._info, self._plan, self._output, self._copier = info, plan, output, copier
        self._part = Path(output.container.name)
        self._source, self._target = picture_format(info.pix_fmt), picture_format(plan.pix_fmt)
        self._flag = _FieldFlag(info, plan, facts.interlaced) if facts.interlaced else None
        self._durations: dict[int, int] = {}

    def write(self, frames: Iterable[NativeFrame], progress: Progress) -> list[int]:
        """Write everything; the times given to the encoder, in order."""
        times: list[int] = []
        for native in frames:
            if times:
                self._check_order(times[-1], native)
            times.append(native.pts)
            self._send(self._picture(native), native)
            if self._info.frames:
                done = min(1.0, len(times) / self._info.frames)
                progress(done, f"frame {len(times)} of {self._info.frames}")
        if not times:
            raise MediaError(str(self._info.path), expected="at least one picture to write", got="none")
        with _as_media_error(self._part):
            self._mux(self._output.video.encode(None))
            self._copier.until(None)
        return times

    def _check_order(self, last: int, native: NativeFrame) -> None:
        here, before = (_rounded(pts * self._info.time_base, self._output.tick) for pts in (native.pts, last))
        if here <= before:
            raise MediaError(
                f"frame {native.index}",
                expected=f"a later time than the picture before it, in the container's ticks of {self._output.tick} s",
                got=f"pts {native.pts} after {last}",
                hint="an output in .mp4 or .mov, which keep the source's own ticks",
            )

    def _picture(self, native: NativeFrame) -> Any:
        planes = fit_planes(native.planes, self._source, self._target, self._plan.full_range)
        fitted = NativeFrame(planes, native.pts, native.duration, native.index)
        frame = to_av(fitted, self._target, self._info.width, self._info.height)
        frame.time_base = self._info.time_base
        color: ColorTags = self._info.color
        frame.color_primaries, frame.color_trc = color.primaries, color.transfer
        frame.colorspace, frame.color_range = self._plan.matrix, self._plan.range_code
        return frame if self._flag is None else self._flag(frame)

    def _send(self, frame: Any, native: NativeFrame) -> None:
        if native.duration:
            self._durations[native.pts] = native.duration
        with _as_media_error(self._part):
            self._mux(self._output.video.encode(frame))

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            # Not every encoder hands the duration on.
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            at = packet.dts if packet.dts is not None else packet.pts
            self._copier.until(at * (fraction(packet.time_base) or self._info.time_base))
            self._output.container.mux(packet)


class _FieldFlag:
    """Marks pictures as two fields, which PyAV has no attribute for; FFmpeg's ``setfield`` does it."""

    def __init__(self, info: ClipInfo, plan: EncoderPlan, order: str) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=info.width, height=info.height, format=VideoFormat(plan.pix_fmt), time_base=info.time_base
        )
        sink = self._graph.add("buffersink")
        self._graph.link_nodes(source, self._graph.add("setfield", order), sink).configure()

    def __call__(self, frame: Any) -> Any:
        self._graph.push(frame)
        return self._graph.pull()


def fit_planes(
    planes: tuple[np.ndarray, ...], source: PictureFormat, target: PictureFormat, full_range: bool | None
) -> tuple[np.ndarray, ...]:
    """Lay planes out as another format that holds them; every sample can be found again.

    Deeper samples are shifted up, or stretched where the range is full (255 becomes 1023). Finer chroma repeats
    samples. Grey gets neutral chroma; a missing alpha plane is opaque.

    Args:
        planes: Planes of ``source``.
        source: Their format.
        target: A format of the same family (YUV for grey) with no fewer bits and no coarser chroma.
        full_range: Whether YUV or grey samples use all codes.

    Returns:
        Planes of ``target``, of its dtype.
    """
    given = {p.role: (p, plane) for p, plane in zip(source.planes, planes, strict=True)}
    height, width = planes[0].shape
    stretch = source.family == "rgb" or bool(full_range)
    fitted = []
    for layout in target.planes:
        shape = plane_shape(layout, width, height)
        if layout.role not in given:
            top = (1 << target.depth) - 1 if layout.role == "a" else 1 << (target.depth - 1)
            fitted.append(np.full(shape, top, sample_dtype(target)))
            continue
        own, plane = given[layout.role]
        deep = _deepen(plane, source.depth, target, chroma=layout.role in "uv", stretch=stretch or layout.role == "a")
        if (own.x_shift, own.y_shift) != (layout.x_shift, layout.y_shift):
            deep = deep.repeat(1 << (own.y_shift - layout.y_shift), 0).repeat(1 << (own.x_shift - layout.x_shift), 1)
        fitted.append(np.ascontiguousarray(deep[: shape[0], : shape[1]]))
    return tuple(fitted)


def _deepen(plane: np.ndarray, depth: int, target: PictureFormat, *, chroma: bool, stretch: bool) -> np.ndarray:
    dtype = sample_dtype(target)
    if depth == target.depth:
        return plane
    if not stretch:
        return plane.astype(dtype) << (target.depth - depth)
    low, high = (1 << depth) - 1, (1 << target.depth) - 1
    zero = (1 << (depth - 1), 1 << (target.depth - 1)) if chroma else (0, 0)
    wide = np.round((plane.astype(np.float64) - zero[0]) * (high / low)) + zero[1]
    return np.clip(wide, 0, high).astype(dtype)


def _rounded(seconds: Fraction, tick: Fraction) -> int:
    """Ticks of a time, halves away from zero as FFmpeg rounds."""
    ticks = seconds / tick
    whole = int(abs(ticks) + Fraction(1, 2))
    return whole if ticks >= 0 else -whole


def _check_times(found: Sequence[Fraction], times: Sequence[int], base: Fraction, tick: Fraction) -> bool:
    """Compare the times in the file, in seconds, with those given to the encoder; whether they are exactly the same.

    Raises:
        IntegrityError: They differ by more than the container's rounding.
    """
    wanted = [_rounded(pts * base, tick) * tick for pts in times]
    if found != wanted:
        differ = (i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b)
        wrong = next(differ, min(len(found), len(wanted)))
        raise IntegrityError(
            f"the file written, frame {wrong}",
            expected=f"{len(wanted)} pictures" + (f", this one at {wanted[wrong]} s" if wrong < len(wanted) else ""),
            got=f"{len(found)} pictures" + (f", this one at {found[wrong]} s" if wrong < len(found) else ""),
        )
    return all(pts * base == time for pts, time in zip(times, wanted, strict=True))


def _read_back(part: Path) -> tuple[list[Fraction], list[Fraction]]:
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


def _late_starts(wanted: Mapping[int, Fraction], found: Sequence[Fraction]) -> tuple[str, ...]:
    """A note for every copied stream that begins elsewhere than in the source, rounding aside."""
    pairs = zip(sorted(wanted.items()), found, strict=False)
    return tuple(
        f"stream {index} begins {float(got - want):+.3f} s from where it did"
        for (index, want), got in pairs
        if abs(got - want) > _ROUNDING
    )


def _timing_notes(exact: bool, plan: EncoderPlan, tick: Fraction) -> tuple[str, ...]:
    return () if exact else (f"times are rounded to {plan.container}'s ticks of {tick} s; their order is kept",)


def _lost(info: ClipInfo, facts: SourceFacts, part: Path, destination: Path) -> tuple[str, ...]:
    """What the source says and the result does not, read back from the result."""
    result = probe(part)
    rgb = picture_format(info.pix_fmt).family == "rgb"  # a matrix and a range mean nothing there
    tags = ("primaries", "transfer", *(() if rgb else ("matrix", "full_range", "chroma_location")))
    lost = [
        f"colour tag {tag}"
        for tag in tags
        if getattr(info.color, tag) not in _UNSET and getattr(info.color, tag) != getattr(result.color, tag)
    ]
    lost += [words for name, words in _SHAPE.items() if getattr(info, name) != getattr(result, name)]
    found = source_facts(result)
    lost += [words for name, words in _FACTS.items() if getattr(facts, name) and not getattr(found, name)]
    lost += _lost_beside(info.path, part)
    return tuple(f"{destination.suffix} did not keep: {name}" for name in lost)


def _lost_beside(source: Path, part: Path) -> list[str]:
    with open_video(source) as (old, _), open_video(part) as (new, _):
        lost = [] if len(old.chapters()) == len(new.chapters()) else ["chapters"]
        kept = {k.lower(): v for k, v in new.metadata.items()}
        return lost + [f"tag {k}" for k, v in kept_tags(old.metadata).items() if kept.get(k.lower()) != v]
