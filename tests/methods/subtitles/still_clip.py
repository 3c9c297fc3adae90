"""A clip in memory with an overlay burnt in, seen as methods see clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import torch
from torch import Tensor

from tests.media_made import texture
from vidinternal.core.clip import Shot
from vidinternal.core.finding import BySmall


@dataclass
class Still(BySmall):
    """``core.finding.ClipView`` of ``T 3 H W`` frames at 24 a second."""

    frames: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.shape[-2], self.frames.shape[-1]

    def shots(self) -> Sequence[Shot]:
        return (Shot(0, 0, len(self)),)

    def __len__(self) -> int:
        return len(self.frames)

    def seconds(self, index: int) -> Fraction:
        return Fraction(index, 24)

    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        pictures = (self.frames[list(indices)].permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
        if height is None:
            return pictures
        wide = round(self.size[1] * height / self.size[0])
        return np.stack([cv2.resize(p, (wide, height), interpolation=cv2.INTER_AREA) for p in pictures])

    def rgb(self, start: int, end: int, box: tuple[int, int, int, int] | None = None) -> Tensor:
        y0, y1, x0, x1 = box or (0, self.size[0], 0, self.size[1])
        return self.frames[start:end, :, y0:y1, x0:x1].clone()


def moving(frames: int, height: int = 72, width: int = 112) -> Tensor:
    """``T 3 H W`` a picture with detail that slides by."""
    soft = [cv2.GaussianBlur(texture(k), (0, 0), 1.0) for k in range(3)]
    clip = np.stack([np.stack([np.roll(p, (t, 2 * t), (0, 1))[:height, :width] for p in soft]) for t in range(frames)])
    return torch.from_numpy(0.1 + 0.8 * (clip - clip.min()) / (clip.max() - clip.min())).float()
