"""The pictures of a clip encoded, and their packets written between those of the streams that are copied."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import av.error

from vidinternal.core.clip import ClipInfo
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.fit_planes import Fitter
from vidinternal.media.mux import Copier, Output, open_output
from vidinternal.media.part_file import as_media_error
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import frame_pts
from vidinternal.media.segments import Segment, Stored, belongs_to, cut_evenly, in_segments, segment_length
from vidinternal.media.smart.gops import decoding_times
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.source_facts import SourceFacts
from vidinternal.media.stream import fraction, open_video
from vidinternal.media.times import check_order


class Writer:
    """Encodes pictures and interleaves their packets with the copied ones.

    Args:
        info: The clip.
        plan: How it is written.
        facts: What only its first picture tells.
        output: Where it is written.
        copier: Copies the other streams; None where packets are gathered instead of written.
    """

    def __init__(
        self, info: ClipInfo, plan: EncoderPlan, facts: SourceFacts, output: Output, copier: Copier | None
    ) -> None:
        self._info, self._plan, self._facts, self._output, self._copier = info, plan, facts, output, copier
        self._gathered: list[Stored] = []
        self._part = Path(output.container.name)
        self._fit = Fitter(info, plan, facts.interlaced)
        self._durations: dict[int, int] = {}
        self._written = 0
        self._times: list[int] | None = [] if plan.encoder == "mpeg2video" else None

    def write(self, frames: Iterable[NativeFrame], progress: Progress) -> list[int]:
        """Write everything; the times given to the encoder, in order."""
        times: list[int] = []
        for native in frames:
            if times:
                check_order(native.index, times[-1], native.pts, self._info.time_base, self._output.tick)
            times.append(native.pts)
            self._send(self._counted(self._fit(native), len(times) - 1), native)
            if self._info.frames:
                done = min(1.0, len(times) / self._info.frames)
                progress(done, f"frame {len(times)} of {self._info.frames}")
        if not times:
            raise MediaError(str(self._info.path), expected="at least one picture to write", got="none")
        with as_media_error(self._part):
            self._mux(self._with_dts(self._output.video.encode(None)))
            if self._copier is not None:
                self._copier.until(None)
        return times

    def _with_dts(self, rest: Sequence[Any]) -> Sequence[Any]:
        """The last packets; x265 never sets the decoding times of a clip shorter than its delay, and leaves garbage."""
        if self._plan.encoder == "libx265" and not self._written:
            times = decoding_times([p.pts for p in rest], [None] * len(rest))
            for packet, dts in zip(rest, times, strict=True):
                packet.dts = dts
        return rest

    def _counted(self, frame: Any, index: int) -> Any:
        """The picture, numbered in place of its time for an encoder that only counts."""
        if self._times is not None:
            self._times.append(frame.pts)
            frame.pts, frame.time_base = index, self._output.video.codec_context.time_base
        return frame

    def _timed(self, packet: Any) -> None:
        """Give the packet of such an encoder its times."""
        times = self._times
        if times is None:
            return
        first, number = times[0], packet.dts
        step = times[1] - first if len(times) > 1 else 1
        packet.pts, packet.dts = times[packet.pts], times[number] if number >= 0 else first + number * step
        packet.time_base = self._info.time_base

    def _send(self, frame: Any, native: NativeFrame) -> None:
        if native.duration:
            self._durations[native.pts] = native.duration
        with as_media_error(self._part):
            self._mux(self._output.video.encode(frame))

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            self._timed(packet)
            # Not every encoder hands the duration on.
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._written += 1
            if self._copier is None:
                self._gathered.append(Stored.of(packet))
                continue
            at = packet.dts if packet.dts is not None else packet.pts
            self._copier.until(at * (fraction(packet.time_base) or self._info.time_base))
            self._output.container.mux(packet)

    def write_all(self, edited: Edited | Iterable[NativeFrame], progress: Progress) -> list[int]:
        """Write everything, a long clip in segments where they are kept; the times given to the encoder, in order.

        Raises:
            MediaError: Times merge in the container's ticks, or writing fails.
        """
        if not isinstance(edited, Edited):
            return self.write(edited, progress)
        info, count = self._info, len(frame_pts(self._info))
        made = self._plan.pictures(info)
        spans = cut_evenly(count, segment_length(self._plan, made.width * made.height))
        if edited.keep is None or len(spans) == 1:
            return self.write(edited.frames(0, count), progress)
        times = list(frame_pts(info))
        for index, (before, here) in enumerate(itertools.pairwise(times), 1):
            check_order(index, before, here, info.time_base, self._output.tick)
        encode = partial(self._segment, edited, progress)
        for stored, dts in in_segments(spans, belongs_to(self._plan), edited.keep, encode):
            packet = stored.packet(info, dts)
            packet.stream = self._output.video
            with as_media_error(self._part):
                if self._copier is not None:
                    self._copier.until(dts * info.time_base)
                self._output.container.mux(packet)
        with as_media_error(self._part):
            if self._copier is not None:
                self._copier.until(None)
        return times

    def _segment(self, edited: Edited, progress: Progress, span: range) -> Segment:
        """Encode frames by an encoder of their own, set up for a container in memory that nobody reads."""
        info, count = self._info, len(frame_pts(self._info))

        def told() -> Iterator[NativeFrame]:
            for native in edited.frames(span.start, span.stop):
                yield native
                progress((native.index + 1) / count, f"frame {native.index + 1} of {count}")

        with open_video(info.path, info.video_index) as (source, _):
            with as_media_error(self._part):
                scratch = open_output(io.BytesIO(), source, info, self._plan, facts=self._facts, only=())
            try:
                writer = Writer(info, self._plan, self._facts, scratch, None)
                writer.write(told(), no_progress)
            finally:
                with suppress(av.error.FFmpegError, OSError, ValueError):
                    scratch.container.close()
        return Segment.of(writer._gathered)
