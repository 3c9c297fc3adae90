"""Going through a clip once: small pictures at a rate, more cheaply than decoding it, and pieces of chosen frames.

Pictures that no other refers to can be left out by the decoder, where the codec marks them: of a usual film with
B-pictures it then decodes a third to a half. Measured on 720p H.264, a picture in four at 360 rows: 0.6 s for 720
frames, where decord takes 1.2 s for the same and decoding all of them 0.75 s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from vidinternal.core.clip import ClipInfo
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import orientation, shown_size
from vidinternal.media.picture import NativeFrame, picture_format, to_av
from vidinternal.media.probe import TimeTable, time_table
from vidinternal.media.sample import Shrinker, sample_frames
from vidinternal.media.stills.clip import is_stills
from vidinternal.media.stream import open_video

Box = tuple[int, int, int, int]

_MARKS_UNUSED = frozenset({"h264", "hevc", "mpeg2video", "mpeg4"})
"""Codecs whose decoders know, before they decode, which pictures no other needs."""
_LEAST_STEP = 3
"""Below it nearly every picture is wanted, and none is left out."""
_AT_ONCE = 64
_EDGE = 8
"""Samples around a piece that are converted with it, so that its chroma is as in the whole picture; times 2 a shift."""


class _UnsureError(Exception):
    """The pictures do not come with the times that the table tells."""


def skim(info: ClipInfo, step: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
    """Look through a clip from the first frame to the last.

    Args:
        info: The clip.
        step: Frames between two looks; some looks come a few frames later, at the next picture that is decoded.
        height: Rows of the small upright pictures.

    Yields:
        The frame's index and ``h w 3`` uint8 RGB.

    Raises:
        MediaError: The clip cannot be read.
    """
    table, at = time_table(info), 0
    if table.stamped and table.damage is None and not is_stills(info.path):
        try:
            for index, picture in _decoded(info, table, step, height):
                yield index, picture
                at = index + step
        except (av.error.FFmpegError, _UnsureError):
            pass  # the strict reader below goes on, or tells what is wrong
        else:
            return
    rest = range(at, len(table.pts), step)
    for start in range(0, len(rest), _AT_ONCE):
        part = rest[start : start + _AT_ONCE]
        yield from zip(part, sample_frames(info, part, height).frames, strict=True)


def _decoded(info: ClipInfo, table: TimeTable, step: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
    """As :func:`skim`, without making sure of what it decodes.

    Raises:
        _UnsureError: A picture has no time, or one that the table does not know.
    """
    numbers = {pts: index for index, pts in enumerate(table.pts)}
    turn, (_, tall) = orientation(info), shown_size(info)
    wide, rows = turn.size(max(1, round(shown_size(info)[0] * height / tall)), height)
    shrink = Shrinker(info, rows, "rgb24", width=wide)
    with open_video(info.path, info.video_index, info.policy) as (container, stream):
        decoder = stream.codec_context
        if decoder is None:
            raise _UnsureError
        decoder.thread_type = "AUTO"
        leaves_out = step >= _LEAST_STEP and decoder.codec.canonical_name in _MARKS_UNUSED
        decoder.skip_frame = "NONREF" if leaves_out else "DEFAULT"
        due, last = 0, -1
        for frame in container.decode(stream):
            index = numbers.get(frame.pts) if frame.pts is not None else None
            if index is None or index <= last:
                raise _UnsureError
            if leaves_out and index - last > step + 2:
                decoder.skip_frame, leaves_out = "DEFAULT", False  # it leaves out too many
            last = index
            if index >= due:
                due += step * max(1, -(-(index + 1 - due) // step))
                small = np.moveaxis(turn.upright(np.moveaxis(shrink.frame(frame), -1, 0)), 0, -1)
                yield index, np.ascontiguousarray(small)
    if last + max(step, 8) < len(table.pts) - 1:
        raise _UnsureError


def pieces(info: ClipInfo, wanted: Mapping[int, Sequence[Box]]) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Cut pieces out of chosen frames, each of which is decoded once.

    Args:
        info: The clip.
        wanted: By the frame's index, boxes ``(y0, y1, x0, x1)`` of the upright picture.

    Yields:
        The frame's index and a ``h w 3`` uint8 RGB piece for each of its boxes, in order of time.

    Raises:
        MediaError: The clip cannot be read.
    """
    cut = _Cutter(info)
    with ClipReader(info) as reader:
        for start, end in _runs(sorted(wanted), time_table(info)):
            for native in reader.frames(start, end):
                if native.index in wanted:
                    yield native.index, [cut(native, box) for box in wanted[native.index]]


def _runs(indices: Sequence[int], table: TimeTable) -> list[tuple[int, int]]:
    """Spans to decode: broken where a seek to a later key picture saves some frames."""
    if not indices:
        return []
    breaks = [0]
    for k, (before, after) in enumerate(pairwise(indices), start=1):
        key = bisect_right(table.keys, table.pts[after])
        lead = bisect_right(table.pts, table.keys[key - 1]) - 1 if key else 0
        if lead - before > _EDGE:
            breaks.append(k)
    spans = [*breaks, len(indices)]
    return [(indices[a], indices[b - 1] + 1) for a, b in pairwise(spans)]


def cropped(native: NativeFrame, info: ClipInfo, box: Box) -> tuple[NativeFrame, tuple[int, int]]:
    """The samples around a box, in a picture of its own.

    Args:
        native: The picture as it is stored.
        info: The clip.
        box: ``(y0, y1, x0, x1)`` of the stored picture.

    Returns:
        The smaller picture, whose chroma inside the box is as in the whole, and the row and column of the box in it.
    """
    y0, y1, x0, x1 = box
    y, x = max(0, (y0 - _EDGE) & -_EDGE), max(0, (x0 - _EDGE) & -_EDGE)
    planes = tuple(
        plane[y >> p.y_shift : -(-(y1 + _EDGE) >> p.y_shift), x >> p.x_shift : -(-(x1 + _EDGE) >> p.x_shift)]
        for plane, p in zip(native.planes, picture_format(info.pix_fmt).planes, strict=True)
    )
    return NativeFrame(planes, native.pts, native.duration, native.index), (y0 - y, x0 - x)


class _Cutter:
    """Pieces of pictures in RGB.

    Args:
        info: The clip.
    """

    def __init__(self, info: ClipInfo) -> None:
        self._info, self._turn = info, orientation(info)
        self._format = picture_format(info.pix_fmt)
        self._full = next(i for i, p in enumerate(self._format.planes) if p.x_shift == p.y_shift == 0)
        self._scaler = VideoReformatter()

    def __call__(self, native: NativeFrame, box: Box) -> np.ndarray:
        """``h w 3`` uint8 RGB."""
        y0, y1, x0, x1 = box
        if self._turn.turns or self._turn.mirrored:
            whole = self._rgb(native)
            return np.ascontiguousarray(np.moveaxis(self._turn.upright(np.moveaxis(whole, -1, 0)), 0, -1)[y0:y1, x0:x1])
        part, (top, left) = cropped(native, self._info, box)
        return np.ascontiguousarray(self._rgb(part)[top : top + y1 - y0, left : left + x1 - x0])

    def _rgb(self, native: NativeFrame) -> np.ndarray:
        high, wide = native.planes[self._full].shape
        frame = to_av(native, self._format, wide, high)
        color = self._info.color
        frame.colorspace, frame.color_range = color.matrix, {None: 0, False: 1, True: 2}[color.full_range]
        return self._scaler.reformat(frame, wide, high, "rgb24").to_ndarray()
