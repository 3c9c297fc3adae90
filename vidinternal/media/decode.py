"""Random access to a clip's pictures, a window at a time, with exact indices."""

from __future__ import annotations

import shlex
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator
from types import TracebackType
from weakref import WeakSet

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo, Damage
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.media.damage import hopeless, mended
from vidinternal.media.picture import NativeFrame, from_av
from vidinternal.media.probe import TimeTable, time_table
from vidinternal.media.stills.clip import is_stills, stills_frames
from vidinternal.media.stream import check_picture, open_video, pictures


class _WrongLandingError(Exception):
    """A seek did not lead to the pictures it promised; read from the start instead."""


class ClipReader:
    """Reads any span of a clip's pictures, as the file holds them.

    Every call of :meth:`frames` opens the file for itself, so that spans can be read side by side and nothing stays
    open behind them; as a context manager the reader also ends the spans that are still being read.

    Args:
        info: The clip, from :func:`vidinternal.media.probe.probe`.
    """

    def __init__(self, info: ClipInfo) -> None:
        self.info = info
        self._table: TimeTable | None = None
        self._reading: WeakSet[Generator[NativeFrame]] = WeakSet()

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the spans that are still being read."""
        for span in tuple(self._reading):
            span.close()
        self._reading.clear()

    @property
    def pts(self) -> tuple[int, ...]:
        """Presentation time of every picture in ticks of ``info.time_base``."""
        return self._times().pts

    @property
    def damage(self) -> Damage:
        """What is damaged; nothing unless the clip's policy reads damaged files on."""
        return self._times().damage or Damage()

    def __len__(self) -> int:
        return len(self.pts)

    def _times(self) -> TimeTable:
        if self._table is None:
            self._table = time_table(self.info)
        return self._table

    def frames(self, start: int = 0, end: int | None = None) -> Iterator[NativeFrame]:
        """Read pictures ``start`` (included) to ``end`` (excluded, None = all) in order.

        Raises:
            UsageError: The span is not inside the clip.
            MediaError: A picture is damaged, or its size or layout differs from the clip's.
        """
        count = len(self)
        end = count if end is None else end
        if not 0 <= start <= end <= count:
            where = f"frames {start} to {end} of {self.info.path}"
            raise UsageError(where, expected=f"a span inside 0 to {count}", got=f"{start} to {end}")
        span = self._span(start, end)
        self._reading.add(span)
        return span

    def _span(self, start: int, end: int) -> Generator[NativeFrame]:
        """Read with a seek where a key picture allows one, else, or when every seek misled, from the start."""
        for key in self._keys_before(start) if start < end else ():
            try:
                for frame in self._run(start, end, key):
                    start = frame.index + 1
                    yield frame
                return
            except _WrongLandingError:
                continue
        if start < end:
            yield from self._run(start, end, None)

    def _keys_before(self, start: int) -> tuple[int, ...]:
        """Times to seek to, best first; none where reading from the start is as good.

        Some containers seek by decoding time and land just behind the key picture asked for; asking for the one before
        then leads to the right one.
        """
        table = self._times()
        if table.damage is not None:
            return ()  # what a decoder conceals depends on all it has seen: reading again must give the same
        at = bisect_right(table.keys, table.pts[start])
        return tuple(key for key in reversed(table.keys[max(0, at - 3) : at]) if key > table.pts[0])

    def _run(self, start: int, end: int, key: int | None) -> Iterator[NativeFrame]:
        """Decode once, from key picture time ``key`` or from the beginning, and hand out the span."""
        if is_stills(self.info.path):
            yield from stills_frames(self.info, start, end)
            return
        table = self._times()
        if table.damage is not None:
            yield from self._mended(start, end)
            return
        stamps = _Stamps(table)
        with open_video(self.info.path, self.info.video_index, self.info.policy) as (container, stream):
            source = pictures(container, stream, self.info.path, table.pts, self.info.policy)
            numbered = enumerate(source) if key is None else _after_seek(container, stream, table, (key, start), source)
            for index, frame in numbered:
                check_picture(frame, self.info, index)
                if not stamps.agree(index, frame.pts):
                    raise self._unexpected(index, frame)
                if start <= index < end:
                    frame.pts = table.pts[index]
                    yield from_av(frame, index)
                if index + 1 >= end and not stamps.astray:
                    return
        if key is not None:
            raise _WrongLandingError
        raise MediaError(f"{self.info.path}: ends early", expected=f"{len(self)} pictures", got="fewer, or other times")

    def _mended(self, start: int, end: int) -> Iterator[NativeFrame]:
        """The span of a damaged clip, with something in every place."""
        table, index = self._times(), start - 1
        for index, frame in mended(self.info, table, (start, end)):
            frame.pts = table.pts[index]
            yield from_av(frame, index)
        if index + 1 < end:
            raise hopeless(self.info, len(self), len(self))

    def _unexpected(self, index: int, frame: av.VideoFrame) -> MediaError:
        return MediaError(
            f"{self.info.path}: pictures and timestamps disagree at frame {index}",
            expected=f"{len(self)} pictures at the times their packets tell",
            got=f"a picture at pts {frame.pts}",
            hint=f"ffmpeg -i {shlex.quote(str(self.info.path))} -c:v ffv1 -c:a copy repaired.mkv",
        )


class _Stamps:
    """Compares the times of decoded pictures with the table.

    Some files stamp a few neighbours in the wrong order. Pictures then stay in the decoder's order and take the times
    in order; but a picture that is missing or too many leaves a difference that never settles, and is told apart so.

    Args:
        table: The times expected.
    """

    patience = 16

    def __init__(self, table: TimeTable) -> None:
        self.table = table
        self.astray: set[int | None] = set()
        self.settled: int | None = None

    def agree(self, index: int, time: int | None) -> bool:
        """Whether picture ``index`` may have this time; to be called for every picture in order."""
        if index >= len(self.table.pts):
            return False
        if self.table.stamped and time != self.table.pts[index]:
            self.astray ^= {time}
            self.astray ^= {self.table.pts[index]}
        if not self.astray or self.settled is None:
            self.settled = index
        return index - self.settled < self.patience


def _after_seek(
    container: InputContainer,
    stream: VideoStream,
    table: TimeTable,
    target: tuple[int, int],
    source: Iterator[av.VideoFrame],
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Number the pictures after a seek to ``(key time, first index needed)``.

    Nothing counts before the first key picture: what comes earlier in time refers to pictures that were not decoded.

    Raises:
        _WrongLandingError: No key picture at or before the first one needed came, or times do not run on from it.
    """
    key, start = target
    try:
        container.seek(key, stream=stream, backward=True)
    except av.error.FFmpegError as error:
        raise _WrongLandingError from error
    index = None
    try:
        for frame in source:
            if index is None:
                if not _lands(frame, table):
                    continue
                index = bisect_left(table.pts, frame.pts or 0)
                if index > start:
                    raise _WrongLandingError
            if index >= len(table.pts) or frame.pts != table.pts[index]:
                raise _WrongLandingError
            yield index, frame
            index += 1
    except MediaError as error:
        raise _WrongLandingError from error


def _lands(frame: av.VideoFrame, table: TimeTable) -> bool:
    """Whether the picture is one of the table's key pictures."""
    at = bisect_left(table.keys, frame.pts) if frame.pts is not None else len(table.keys)
    return at < len(table.keys) and table.keys[at] == frame.pts
