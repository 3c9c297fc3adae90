"""Clips for measurements: any size and length, quick to make; and pictures given, encoded as films are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.media.color import to_planes
from vidinternal.media.picture import NativeFrame, picture_format, to_av

_BT709 = ColorTags(primaries=1, transfer=1, matrix=1, full_range=False, chroma_location=1)


def lossy_film(path: Path, frames: Iterable[np.ndarray], rate: Fraction, crf: float) -> Path:
    """Write pictures as most films come: H.264, 4:2:0, 8 bit, BT.709.

    Args:
        path: The file; its suffix chooses the container.
        frames: ``3 H W`` RGB in [0, 1], all of one size with even sides.
        rate: Frames per second.
        crf: Constant quality of x264; 0 is lossless.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate, options={"crf": str(crf), "threads": "1"})
        stream.codec_context.time_base = 1 / rate
        for index, rgb in enumerate(frames):
            height, width = rgb.shape[-2:]
            if index == 0:
                _describe(stream, width, height)
            info = ClipInfo(path, width, height, "yuv420p", 1 / rate, rate, None, None, _BT709)
            planes = tuple(np.round(p).clip(0, 255).astype(np.uint8) for p in to_planes(rgb, info))
            frame = to_av(NativeFrame(planes, index, 1, index), picture_format(info.pix_fmt), width, height)
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _describe(stream: Any, width: int, height: int) -> None:
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.color_primaries, context.color_trc, context.colorspace = _BT709.primaries, _BT709.transfer, _BT709.matrix
    context.color_range = 1


def moving_texture(path: Path, size: tuple[int, int], frames: int, rate: int) -> Path:
    """Write a grey texture of blocks that moves slowly to and fro, as H.264.

    Args:
        path: The file; its suffix chooses the container.
        size: Width and height, even.
        frames: How many.
        rate: Frames per second.
    """
    width, height = size
    random = np.random.default_rng(0)
    coarse = random.integers(40, 200, (height // 8 + 17, width // 8 + 17), dtype=np.uint8)
    large = np.kron(coarse, np.ones((8, 8), dtype=np.uint8))
    grey = np.full((height // 2, width), 128, dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        for index in range(frames):
            x = abs((index // 2) % 256 - 128)
            planes = np.concatenate((large[x // 2 : x // 2 + height, x : x + width], grey))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
