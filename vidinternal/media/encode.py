"""Pictures to a file: every time, tag and other stream of the source kept, the name given only to a finished file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.media.codecs import EncoderPlan, EncodeSettings, choose, refused
from vidinternal.media.mux import Copier, Header, Output, kept_tags, open_output
from vidinternal.media.part_file import as_media_error, part_file
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.smart.gops import UnsafeError
from vidinternal.media.smart.rendering import Edited, SmartPlan, SmartReport, SmartWriter, plan_smart
from vidinternal.media.source_facts import SourceFacts, source_facts
from vidinternal.media.stills.output import StillsJob, StillsWritten, write_stills
from vidinternal.media.stills.plan import still_plan, writes_stills
from vidinternal.media.stream import open_video
from vidinternal.media.times import check_times, late_starts, read_back, timing_notes
from vidinternal.media.writer import Writer

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
        verification: What ``check`` found in the finished file.
        smart: Which groups of pictures were copied, or why none was.
    """

    path: Path
    frames: int
    codec: str
    encoder: str
    pix_fmt: str
    crf: float | None
    bytes: int
    seconds: float
    pts_exact: bool
    copied: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    verification: Mapping[str, Any] | None = None
    smart: SmartReport = field(default_factory=SmartReport)


def encode(
    info: ClipInfo,
    frames: Iterable[NativeFrame] | Edited,
    destination: Path,
    settings: EncodeSettings,
    *,
    progress: Progress = no_progress,
    check: Callable[[Path], Mapping[str, Any]] | None = None,
    token: str = "",
) -> EncodeReport:
    """Write pictures as the video of a copy of the source.

    The file grows beside the destination under a hidden name and replaces it in one step once it is whole and its
    times have been read back; whatever happens before, the destination stays as it was and nothing is left behind.

    Args:
        info: The source, which gives every other stream, tag, chapter and the ticks of ``frames``' times.
        frames: The pictures in the source's layout and in order, any number from one; or what is known of them before
            they are asked for, so that groups of pictures that nothing changed are copied (``settings.smart``).
        destination: The file to be.
        settings: How to write.
        progress: Told after every picture where the source's length is known.
        check: Looks at the whole file while it still has its hidden name; what it raises keeps the file from getting
            its final one.
        token: Stands in the hidden name, so that what a killed run left is known; drawn at random when empty.

    Raises:
        ConfigError: A setting does not belong to the codec.
        MediaError: The container or codec cannot hold the clip, times do not increase, or writing fails.
        IntegrityError: The file written does not hold the times it should.
    """
    began = time.monotonic()
    size = frames.remade if isinstance(frames, Edited) else None
    plan = choose(settings, info, destination, size)
    if writes_stills(info, destination):
        still = still_plan(info, destination, settings.still_quality, frame_pts(info), size)
        whole = frames.frames(0, len(frame_pts(info))) if isinstance(frames, Edited) else frames
        made = write_stills(StillsJob(info, still, destination, token, progress, check), whole)
        return _stills_report(plan, destination, made, time.monotonic() - began)
    if isinstance(frames, Edited) and frames.soft is not None:
        plan = replace(plan, soft=frames.soft)
    facts = source_facts(info)
    with part_file(destination, token) as part:
        film = _write_film(part, info, frames, plan, facts, smart=settings.smart, progress=progress)
        notes = (*plan.notes, *film.notes, *_lost(info, facts, part, destination))
        size = part.stat().st_size
        verification = None if check is None else check(part)
    described = {s.index: f"{s.index} {s.kind} {s.codec}".strip() for s in info.streams}
    return EncodeReport(
        path=destination,
        frames=film.frames,
        codec=plan.codec,
        encoder=plan.encoder,
        pix_fmt=plan.pix_fmt,
        crf=plan.crf,
        bytes=size,
        seconds=time.monotonic() - began,
        pts_exact=film.pts_exact,
        copied=tuple(described[i] for i in film.kept),
        notes=notes,
        verification=verification,
        smart=film.smart,
    )


@dataclass(frozen=True)
class _Film:
    """A film that was written and whose times have been read back; see :class:`EncodeReport`."""

    frames: int
    pts_exact: bool
    kept: tuple[int, ...]
    notes: tuple[str, ...]
    smart: SmartReport


def _write_film(
    part: Path,
    info: ClipInfo,
    frames: Iterable[NativeFrame] | Edited,
    plan: EncoderPlan,
    facts: SourceFacts,
    *,
    smart: bool,
    progress: Progress,
) -> _Film:
    """Write the pictures and all other streams into a file, and make sure of the times in it."""
    copying, summary = _smart(info, frames, plan, facts, smart=smart)
    with (
        open_video(info.path, info.video_index) as (source, _),
        _output(part, source, info, plan, facts, copying and copying.header) as output,
    ):
        copier = Copier(source, output, tolerant=info.policy.tolerant, origin=frame_pts(info)[0] * info.time_base)
        if copying is not None and isinstance(frames, Edited):
            times = SmartWriter(info, copying, output, copier).write(frames, progress)
        else:
            times = Writer(info, plan, facts, output, copier).write_all(frames, progress)
        tick = output.tick
    found, starts = read_back(part)
    exact = check_times(found, times, info.time_base, tick)
    told = (summary.note,) if isinstance(frames, Edited) else ()
    told += timing_notes(exact, plan.container, tick)
    return _Film(len(times), exact, output.kept, (*told, *late_starts(copier.starts, starts)), summary)


def encoded_spans(info: ClipInfo, edited: Edited, plan: EncoderPlan, *, smart: bool) -> tuple[range, ...]:
    """The frames that :func:`encode` would encode, in runs; none where every picture is copied.

    Args:
        info: The source.
        edited: What is known of the pictures.
        plan: How they are written.
        smart: Whether groups that nothing changed are copied.

    Raises:
        MediaError: The source cannot be read.
    """
    found, _ = _smart(info, edited, plan, source_facts(info), smart=smart)
    return (range(len(frame_pts(info))),) if found is None else found.spans


def _smart(
    info: ClipInfo, frames: Iterable[NativeFrame] | Edited, plan: EncoderPlan, facts: SourceFacts, *, smart: bool
) -> tuple[SmartPlan | None, SmartReport]:
    """What of the source is copied; None where the whole is encoded."""
    if not isinstance(frames, Edited):
        return None, SmartReport(whole_because="it is not known which pictures are changed")
    if frames.remade is not None:
        return None, SmartReport(whole_because="every picture was made anew")
    if not smart:
        return None, SmartReport(whole_because="encode.smart is off")
    try:
        found = plan_smart(info, plan, facts, frames.touched)
    except UnsafeError as error:
        return None, SmartReport(whole_because=str(error))
    return found, found.report


def _stills_report(plan: EncoderPlan, destination: Path, made: StillsWritten, seconds: float) -> EncodeReport:
    return EncodeReport(
        path=destination,
        frames=made.frames,
        codec=plan.codec,
        encoder=plan.encoder,
        pix_fmt=plan.pix_fmt,
        crf=None,
        bytes=made.bytes,
        seconds=seconds,
        pts_exact=made.pts_exact,
        notes=made.notes,
        verification=made.verification,
    )


@contextmanager
def _output(
    part: Path, source: InputContainer, info: ClipInfo, plan: EncoderPlan, facts: SourceFacts, header: Header | None
) -> Iterator[Output]:
    """The open output; finished on the way out, or dropped after an error."""
    with as_media_error(part):
        try:
            output = open_output(str(part), source, info, plan, facts=facts, header=header)
        except ValueError as error:  # an argument, not the disk
            raise refused(plan, error) from error
    try:
        yield output
    except BaseException:
        with suppress(av.error.FFmpegError, OSError, ValueError):
            output.container.close()
        raise
    with as_media_error(part):
        output.container.close()


def _lost(info: ClipInfo, facts: SourceFacts, part: Path, destination: Path) -> tuple[str, ...]:
    """What the source says and the result does not, read back from the result."""
    result = probe(part, ReadPolicy(max_pixels=info.policy.max_pixels))
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
