"""A clip of any size and length for measurements, quick to make."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


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
