"""Interlaced pictures as what they are: two fields, half a picture's time apart, that share no line.

The lines of a picture belong to its fields in turn, and so do the lines of chroma (ISO/IEC 13818-2, 6.1.1.8). Taken
apart and put together again, every sample is where it was.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.color import field_color
from vidinternal.media.composite import touched
from vidinternal.media.damage import seen
from vidinternal.media.picture import NativeFrame, PictureFormat, picture_format
from vidinternal.media.source_facts import FieldMarks, Scan
from vidinternal.media.stills.clip import is_stills
from vidinternal.media.stream import open_video

_HEAD, _SPOTS, _AT_A_SPOT = 30, 6, 6  # telecine repeats after five pictures
# Their decoders mark no pictures, or only hand the container's word on.
_NO_WORD_OF_THEIR_OWN = frozenset({"huffyuv", "ffvhuff", "utvideo", "png", "v210", "rawvideo", "mjpeg", "cfhd"})
_CONTAINER_ORDERS: dict[int, Scan] = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}  # AV_FIELD_TT, _BB, _TB, _BT
_NAMES = {"progressive": "progressive", "tff": "top field first", "bff": "bottom field first"}


def scan_of(info: ClipInfo) -> Scan:
    """Whether a clip is interlaced, and which field comes first, by the marks of pictures from all over the clip.

    Raises:
        MediaError: Pictures of several kinds are mixed, or the clip cannot be taken apart into fields.
    """
    if is_stills(info.path):
        return "progressive"
    stat = info.path.stat()
    found = _marks(info, stat.st_size, stat.st_mtime_ns)
    if len(found) > 1:
        kinds = ", ".join(f"{count} {_NAMES[scan]}" for scan, count in found)
        order = next(scan for scan, _ in found if scan != "progressive")
        raise MediaError(
            f"{info.path}: progressive and interlaced pictures, or both field orders, are mixed",
            expected="pictures of one kind throughout",
            got=f"{kinds} among {sum(count for _, count in found)} looked at",
            hint=f"--set decode.scan={order} to process all as fields (none are blended), or undo a telecine first:"
            f" ffmpeg -i {shlex.quote(str(info.path))} -vf fieldmatch,decimate -c:v ffv1 film.mkv",
        )
    scan = found[0][0] if found else "progressive"
    if scan != "progressive":
        check_splits(info)
    return scan


def check_splits(info: ClipInfo) -> None:
    """Refuse a clip whose pictures cannot be taken apart into two equal fields.

    Raises:
        MediaError: Says what the height would have to be, or that each picture is one field already.
    """
    codec = next((s.codec for s in info.streams if s.index == info.video_index), "")
    quoted = shlex.quote(str(info.path))
    if codec == "hevc":
        raise MediaError(
            f"{info.path}: interlaced HEVC",
            expected="pictures that hold two fields",
            got="pictures of one field each",
            hint=f"ffmpeg -i {quoted} -vf weave -c:v ffv1 -c:a copy woven.mkv",
        )
    lines = 2 << max(p.y_shift for p in picture_format(info.pix_fmt).planes)
    if info.height % lines:
        raise MediaError(
            f"{info.path}: interlaced with fields of unequal size",
            expected=f"a height that is a multiple of {lines} for {info.pix_fmt}",
            got=f"{info.height} lines",
            hint=f"ffmpeg -i {quoted} -vf crop=iw:ih-{info.height % lines}:0:0 -c:v ffv1 -c:a copy cropped.mkv,"
            " or --set decode.scan=progressive if nothing moves",
        )


@lru_cache(maxsize=16)
def _marks(info: ClipInfo, size: int, changed: int) -> tuple[tuple[Scan, int], ...]:
    """Kinds of pictures and how many of each, the most frequent first."""
    del size, changed  # they are here to be part of the cache's key
    with open_video(info.path, info.video_index) as (container, stream):
        told = _CONTAINER_ORDERS.get(int(stream.codec_context.field_order))
        if stream.codec_context.codec.canonical_name in _NO_WORD_OF_THEIR_OWN:
            return ((told or "progressive", 1),)
        begin = stream.start_time or 0
        span = stream.duration or int((info.duration or 0) / info.time_base)
        found = Counter(_kinds(seen(container, stream, info.path, info.policy), info, _HEAD))
        if sum(found.values()) == _HEAD and span:
            for k in range(1, _SPOTS + 1):
                container.seek(begin + span * k // (_SPOTS + 1), stream=stream)
                stream.codec_context.flush_buffers()
                found.update(_spot(container, stream, info))
    return tuple(found.most_common())


def _spot(container: InputContainer, stream: VideoStream, info: ClipInfo) -> list[Scan]:
    """Marks of a few pictures behind a seek; none where decoding cannot begin there."""
    try:
        return list(_kinds(seen(container, stream, info.path, info.policy), info, _AT_A_SPOT))
    except (MediaError, av.error.FFmpegError):
        return []


def _kinds(frames: Iterator[av.VideoFrame], info: ClipInfo, count: int) -> Iterator[Scan]:
    """The mark of each of the first ``count`` pictures."""
    mark = FieldMarks(info)
    return (mark(frame) for _, frame in zip(range(count), frames, strict=False))


def field_infos(info: ClipInfo, scan: Scan) -> tuple[ClipInfo, ...]:
    """The clip as seen by each picture that is processed: itself, or its fields, the earlier one first."""
    if scan == "progressive":
        return (info,)
    return tuple(
        replace(info, height=info.height // 2, color=field_color(info, bottom=bool(bottom)))
        for bottom in _bottoms(scan)
    )


def split(native: NativeFrame, scan: Scan) -> tuple[NativeFrame, ...]:
    """A picture's fields in order of time; the picture itself where it is progressive. The planes are views."""
    if scan == "progressive":
        return (native,)
    return tuple(replace(native, planes=tuple(p[bottom::2] for p in native.planes)) for bottom in _bottoms(scan))


def weave(fields: Sequence[tuple[np.ndarray, ...]], scan: Scan) -> tuple[np.ndarray, ...]:
    """Put the planes of a picture's fields together again; inverse of :func:`split`.

    Args:
        fields: Planes of each field in order of time, or of the one progressive picture.
        scan: How they lie in the picture.
    """
    if scan == "progressive":
        return tuple(fields[0])
    woven = []
    for pair in zip(*fields, strict=True):
        plane = np.empty((2 * pair[0].shape[0], pair[0].shape[1]), pair[0].dtype)
        for bottom, lines in zip(_bottoms(scan), pair, strict=True):
            plane[bottom::2] = lines
        woven.append(plane)
    return tuple(woven)


def split_lines(lines: np.ndarray, scan: Scan) -> np.ndarray:
    """Take ``T H W`` apart into ``2T H/2 W``, the fields of each picture in order of time; as it is if progressive."""
    if scan == "progressive":
        return lines
    fields = np.stack([lines[:, bottom::2] for bottom in _bottoms(scan)], axis=1)
    return fields.reshape(-1, *fields.shape[2:])


def touched_samples(mask: np.ndarray, fmt: PictureFormat, scan: Scan) -> tuple[np.ndarray, ...]:
    """Which samples of each plane a mask may change: those of the fields, where a sample of chroma covers lines of one.

    Args:
        mask: ``H W`` bool on the stored picture.
        fmt: The picture's format.
        scan: Whether it is processed as fields.
    """
    return weave([touched(m, fmt) for m in split_lines(mask[None], scan)], scan)


def _bottoms(scan: Scan) -> tuple[int, int]:
    """First line of each field, in order of time."""
    return (0, 1) if scan == "tff" else (1, 0)
