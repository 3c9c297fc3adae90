"""Stage ``decode``: a handle that reads frames of the source by index, a window at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import ClipInfo
from vidinternal.core.config import StrictModel
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.picture import NativeFrame
from vidinternal.stages.artifacts import Box
from vidinternal.stages.base import Scope, Stage, StageContext


class FrameSource:
    """Reads any span of the clip; holds no more than the span asked for.

    Args:
        info: The clip.
    """

    def __init__(self, info: ClipInfo) -> None:
        self.info = info
        self.reader = ClipReader(info)

    @cached_property
    def pts(self) -> tuple[int, ...]:
        """Exact presentation time of every frame, in ticks of ``info.time_base``."""
        return tuple(self.reader.pts)

    def __len__(self) -> int:
        return len(self.pts)

    def native(self, start: int, end: int) -> Iterator[NativeFrame]:
        """Frames ``start`` to ``end`` (excluded) in the source's own planes."""
        return self.reader.frames(start, end)

    def rgb(self, start: int, end: int, box: Box | None = None) -> Tensor:
        """Frames ``start`` to ``end`` (excluded) as ``T 3 h w`` float32 RGB, cropped to ``box``."""
        y0, y1, x0, x1 = box or (0, self.info.height, 0, self.info.width)
        crops = [to_rgb(f, self.info)[:, y0:y1, x0:x1].astype(np.float32) for f in self.native(start, end)]
        return torch.from_numpy(np.stack(crops))


class Config(StrictModel):
    """``decode`` has no settings: frames are read as they are."""


class Decode(Stage):
    """Opens the source."""

    name = "decode"
    scope = Scope.CLIP
    summary = "Opens the clip; its frames are read by index, in their own planes, a window at a time."
    reads = ()
    writes = ("frames",)
    kept = False
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return the handle ``frames``."""
        del inputs
        return {"frames": FrameSource(context.info)}


STAGE = Decode
