"""Images as a clip: numbered ones in a folder, a single one, or an animation; read like any other clip."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from vidinternal.core.clip import ClipInfo, ColorTags, ReadPolicy, StreamInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.orientation import turn_of
from vidinternal.media.picture import NativeFrame
from vidinternal.media.refusals import too_large
from vidinternal.media.stills.animation import SUFFIXES, Animation, animation, canvases, is_animation
from vidinternal.media.stills.image_sequence import image_kind, images_in, names_many, sequence_files
from vidinternal.media.stills.read import StillHeader, read_still, still_header

USUAL_FPS = Fraction(25)
"""Frames per second of images, which carry no times, where nobody says otherwise."""
_JUST_ALPHA = {"rgb24", "rgba"}


@dataclass(frozen=True)
class Images:
    """The images of a sequence.

    Attributes:
        files: In order.
        headers: One for each.
        pix_fmt: The layout that holds all of them.
    """

    files: tuple[Path, ...]
    headers: tuple[StillHeader, ...]
    pix_fmt: str


def is_stills(path: Path) -> bool:
    """Whether a path is a folder, pattern or glob of images, an image, or an animation."""
    if path.is_dir():
        return bool(images_in(path))
    if names_many(path):
        return True
    return path.is_file() and (image_kind(path) is not None or path.suffix.lower() in SUFFIXES)


def is_sequence(path: Path) -> bool:
    """Whether a path is a folder, pattern or glob of images."""
    return names_many(path) or (path.is_dir() and bool(images_in(path)))


def images(path: Path) -> Images:
    """The images of a sequence, all of one size and layout.

    Raises:
        MediaError: Numbers are missing or used twice, or an image cannot be used or differs; names it.
    """
    files = tuple(sequence_files(path)) if is_sequence(path) else (path,)
    stats = tuple((f, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return _images(stats)


@lru_cache(maxsize=16)
def _images(stats: tuple[tuple[Path, int, int], ...]) -> Images:
    files = tuple(f for f, _, _ in stats)
    headers = tuple(still_header(f) for f in files)
    first = headers[0]
    for file, header in zip(files, headers, strict=True):
        mixed_palettes = (header.indexed or first.indexed) and {header.pix_fmt, first.pix_fmt} <= _JUST_ALPHA
        alike = header.pix_fmt == first.pix_fmt or mixed_palettes
        if _shape(header) != _shape(first) or not alike:
            raise MediaError(
                f"{file}: differs from the images before it",
                expected=f"{_described(first)} as {files[0].name}",
                got=_described(header),
                hint="bring all images to one size, kind and layout, or give the others a folder of their own",
            )
    layouts = {h.pix_fmt for h in headers}
    return Images(files, headers, "rgba" if "rgba" in layouts else first.pix_fmt)


def _shape(header: StillHeader) -> tuple[str, int, int, int]:
    return header.kind, header.width, header.height, header.orientation


def _described(header: StillHeader) -> str:
    turned = "" if header.orientation == 1 else f", EXIF orientation {header.orientation}"
    return f"{header.width}x{header.height} {header.kind} {header.pix_fmt}{turned}"


def probe_stills(path: Path, policy: ReadPolicy) -> ClipInfo:
    """Learn what images or an animation hold.

    Raises:
        MediaError: They cannot be used; names the image and what is wrong.
    """
    if is_animation(path):
        return _probe_animation(path, animation(path), policy)
    found = images(path)
    head = found.headers[0]
    _check_size(found.files[0], head.width, head.height, policy)
    first = read_still(found.files[0], head, found.pix_fmt)
    rotation, mirrored, _ = turn_of(head.matrix)
    rate = policy.fps or USUAL_FPS
    return ClipInfo(
        path=path,
        width=head.width,
        height=head.height,
        pix_fmt=found.pix_fmt,
        time_base=1 / rate,
        rate=rate,
        frames=len(found.files),
        duration=float(len(found.files) / rate),
        color=first.color,
        rotation=rotation,
        mirrored=mirrored,
        streams=(StreamInfo(0, "video", head.kind),),
        policy=policy,
    )


def _probe_animation(path: Path, found: Animation, policy: ReadPolicy) -> ClipInfo:
    _check_size(path, found.width, found.height, policy)
    seconds = sum(found.durations) * found.time_base
    return ClipInfo(
        path=path,
        width=found.width,
        height=found.height,
        pix_fmt=found.pix_fmt,
        time_base=found.time_base,
        rate=len(found.durations) / seconds,
        frames=len(found.durations),
        duration=float(seconds),
        color=ColorTags(),
        streams=(StreamInfo(0, "video", found.kind),),
        policy=policy,
    )


def _check_size(path: Path, width: int, height: int, policy: ReadPolicy) -> None:
    if width * height > policy.max_pixels:
        raise too_large(path, f"{width}x{height}", policy.max_pixels)


def stills_pts(info: ClipInfo) -> tuple[int, ...]:
    """Presentation times in ticks of ``info.time_base``."""
    return animation(info.path).pts if is_animation(info.path) else tuple(range(len(images(info.path).files)))


def stills_bytes(info: ClipInfo) -> dict[int, int]:
    """Bytes that each picture takes, by its presentation tick; frames of an animation share its file equally."""
    times = stills_pts(info)
    if is_animation(info.path):
        return dict.fromkeys(times, info.path.stat().st_size // len(times))
    return dict(zip(times, (f.stat().st_size for f in images(info.path).files), strict=True))


def stills_frames(info: ClipInfo, start: int, end: int) -> Iterator[NativeFrame]:
    """Pictures ``start`` (included) to ``end`` (excluded) in order.

    Raises:
        MediaError: An image is damaged, or no longer what it was.
    """
    if is_animation(info.path):
        found = replace(animation(info.path), pix_fmt=info.pix_fmt)
        for index, planes in enumerate(canvases(info.path, found, start, end), start):
            yield NativeFrame(planes, found.pts[index], found.durations[index], index)
        return
    found = images(info.path)
    for index in range(start, end):
        still = read_still(found.files[index], found.headers[index], info.pix_fmt)
        yield NativeFrame(still.planes, index, 1, index)


@contextmanager
def stand_in(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file of one tiny picture that stands where a clip's own file is looked at for other streams, tags and chapters.

    Images have none of them; how they are to be turned stands in it as it would in a film.
    """
    matrix = None
    if not is_animation(path):
        matrix = images(path).headers[0].matrix
    file = io.BytesIO()
    with av.open(file, "w", format="matroska", container_options={"fflags": "bitexact"}) as writing:
        video: Any = writing.add_stream("rawvideo", rate=25, width=2, height=2, pix_fmt="gray")
        if matrix is not None:
            video.set_display_matrix(matrix)
        frame = av.VideoFrame.from_ndarray(np.zeros((2, 2), np.uint8), "gray")
        frame.pts = 0
        writing.mux([*video.encode(frame), *video.encode(None)])
    with av.open(io.BytesIO(file.getvalue()), "r") as container:
        yield container, container.streams.video[0]
