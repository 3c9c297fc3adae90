"""Frames of a clip read once, in order; the last few stay at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vidinternal.media.color import to_rgb
from vidinternal.media.fields import split
from vidinternal.media.picture import NativeFrame

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource

_AHEAD = 16  # frames that are read and thrown away rather than begun anew at


class InOrder:
    """Reads frames as they are asked for; going forward costs one decoding of each.

    Args:
        frames: The clip.
        end: Frame behind the last that is ever wanted.
        keep: Frames that stay at hand.
    """

    def __init__(self, frames: FrameSource, end: int, keep: int) -> None:
        self.frames, self.end, self.keep = frames, end, max(1, keep)
        self._reading: Iterator[NativeFrame] = iter(())
        self._next = sys.maxsize  # nothing is being read
        self._held: dict[int, tuple[NativeFrame, Tensor | None]] = {}

    def native(self, index: int) -> NativeFrame:
        """A frame in the source's own planes."""
        if index not in self._held:
            self._advance(index)
        return self._held[index][0]

    def pictures(self, start: int, end: int) -> Tensor:
        """Pictures ``start`` to ``end`` (excluded) of the clip, ``T 3 h w`` float32 RGB, upright."""
        per = self.frames.per_frame
        rows = [self._upright(index) for index in range(start // per, -(-end // per))]
        first = start - start // per * per
        return torch.cat(rows)[first : first + end - start]

    def _upright(self, index: int) -> Tensor:
        native = self.native(index)
        known = self._held[index][1]
        if known is None:
            pictures = zip(split(native, self.frames.scan), self.frames.infos, strict=True)
            turned = [self.frames.turn.upright(to_rgb(own, info)).astype(np.float32) for own, info in pictures]
            known = torch.from_numpy(np.stack(turned))
            self._held[index] = native, known
        return known

    def _advance(self, index: int) -> None:
        if not self._next <= index < self._next + _AHEAD:
            self._reading, self._next = self.frames.native(index, max(self.end, index + 1)), index
        for native in self._reading:
            self._held[native.index] = native, None
            self._next = native.index + 1
            while len(self._held) > self.keep:
                del self._held[next(iter(self._held))]
            if native.index == index:
                return
        raise RuntimeError(f"frame {index} was not read")
