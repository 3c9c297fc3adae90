"""What is masked of an object at the clip's own size: its outline on the picture's edges, soft border, motion blur."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.finding import ClipView
from vidinternal.ops.masks import dilate
from vidinternal.ops.objects.path import Path

_PIECE = 8


@dataclass(frozen=True)
class Reach:
    """How far the mask goes beyond the object.

    Attributes:
        soft: Pixels all around.
        shutter: Share of the way to the next frame that its border is smeared over.
        level: Belief from which a pixel is masked.
    """

    soft: int
    shutter: float
    level: float = 0.5


def extents(path: Path, small: tuple[int, int], full: tuple[int, int], reach: Reach) -> np.ndarray:
    """``T 4`` int32: first and last row, first and last column of the masks, ends excluded; ``H 0 W 0`` for none."""
    scale = np.array([full[0] / small[0], full[0] / small[0], full[1] / small[1], full[1] / small[1]])
    boxes = path.boxes.numpy().astype(np.float64) * scale
    way = np.abs(path.motion.numpy())[:, ::-1] * scale[[0, 2]] * reach.shutter
    margin = np.repeat(np.ceil(way) + reach.soft + 2 + np.ceil(2 * scale[[0, 2]]), 2, axis=1)
    grown = boxes + margin * np.array([-1, 1, -1, 1])
    limits = np.array([full[0], full[0], full[1], full[1]])
    found = np.clip(
        np.stack([np.floor(grown[:, 0]), np.ceil(grown[:, 1]), np.floor(grown[:, 2]), np.ceil(grown[:, 3])], 1),
        0,
        limits,
    )
    found[path.boxes.numpy()[:, 1] == 0] = (full[0], 0, full[1], 0)
    return found.astype(np.int32)


def cover(path: Path, small: tuple[int, int], span: range, clip: ClipView, reach: Reach) -> Tensor:
    """The masks of one object.

    Args:
        path: A row for every frame of the clip.
        small: Height and width of its frames.
        span: The frames wanted.
        clip: To see its edges.
        reach: How far the mask goes beyond the object.

    Returns:
        ``T 1 H W`` bool.
    """
    bounds = extents(path, small, clip.size, reach)
    masks = torch.zeros((len(span), 1, *clip.size), dtype=torch.bool)
    for first in range(span.start, span.stop, _PIECE):
        piece = range(first, min(span.stop, first + _PIECE))
        mine = bounds[piece.start : piece.stop]
        if not (mine[:, 1] > 0).any():
            continue
        box = tuple(int(v) for v in (mine[:, 0].min(), mine[:, 1].max(), mine[:, 2].min(), mine[:, 3].max()))
        y0, y1, x0, x1 = box
        pictures = clip.rgb(piece.start, piece.stop, (y0, y1, x0, x1))
        for row, index in enumerate(piece):
            if mine[row, 1] == 0:
                continue
            belief = cv2.resize(path.belief(index, small), clip.size[::-1], interpolation=cv2.INTER_LINEAR)
            inside = np.ascontiguousarray(belief[y0:y1, x0:x1])
            fitted = _fitted(pictures[row], inside, clip.size[0] / small[0]) > reach.level
            way = path.motion[index].numpy() * np.array([clip.size[1] / small[1], clip.size[0] / small[0]])
            masks[index - span.start, 0, y0:y1, x0:x1] = _grown(fitted, way * reach.shutter, reach.soft)
    return masks


def guided(guide: np.ndarray, wanted: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Guided filter (``he2010guided``): ``wanted`` with the edges of ``guide``, both ``H W`` float32."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    centre, level = mean(guide), mean(wanted)
    slope = (mean(guide * wanted) - centre * level) / (mean(guide * guide) - centre * centre + eps)
    return mean(slope) * guide + mean(level - slope * centre)


def _fitted(picture: Tensor, belief: np.ndarray, scale: float) -> np.ndarray:
    """The belief with the edges of the full-size picture."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
    return guided(grey, belief, max(2, round(1.5 * scale)), 1e-3)


def _grown(mask: np.ndarray, way: np.ndarray, soft: int) -> Tensor:
    """The mask smeared half of ``way`` forth and back, and grown by ``soft``."""
    steps = max(1, int(np.ceil(np.abs(way).max() / 2)))
    smeared = mask.astype(np.uint8)
    if np.abs(way).max() >= 1:
        height, width = mask.shape
        for k in range(-steps, steps + 1):
            shift = np.array([[1, 0, way[0] * k / (2 * steps)], [0, 1, way[1] * k / (2 * steps)]], np.float32)
            moved = cv2.warpAffine(mask.astype(np.uint8), shift, (width, height), flags=cv2.INTER_NEAREST)
            smeared = np.maximum(smeared, moved)
    return dilate(torch.from_numpy(smeared > 0)[None, None], soft)[0, 0]
