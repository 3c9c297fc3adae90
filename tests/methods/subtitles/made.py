"""Clips with overlays, made in memory: a moving texture, letters drawn over it, and the truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import Shot
from vidinternal.core.finding import Asked, BySmall, FindContext, Found, SpanRequest
from vidinternal.methods import mask_method
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.events import Overlay

SIZE = (180, 320)


class Clip(BySmall):
    """A clip of pictures in memory, ``T H W 3`` uint8; a ``ClipView``."""

    def __init__(self, pictures: np.ndarray, cuts: Sequence[int] = ()) -> None:
        self.pictures, self.size = pictures, (pictures.shape[1], pictures.shape[2])
        bounds = [0, *cuts, len(pictures)]
        self._shots = tuple(Shot(i, a, b) for i, (a, b) in enumerate(itertools.pairwise(bounds)))

    def shots(self) -> Sequence[Shot]:
        return self._shots

    def __len__(self) -> int:
        return len(self.pictures)

    def seconds(self, index: int) -> Fraction:
        return Fraction(index, 25)

    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        chosen = self.pictures[list(indices)]
        if height is None or height == self.size[0]:
            return chosen
        wide = round(self.size[1] * height / self.size[0])
        return np.stack([cv2.resize(p, (wide, height), interpolation=cv2.INTER_AREA) for p in chosen])

    def rgb(self, start: int, end: int, box: tuple[int, int, int, int] | None = None) -> Tensor:
        y0, y1, x0, x1 = box or (0, self.size[0], 0, self.size[1])
        return torch.from_numpy(self.pictures[start:end, y0:y1, x0:x1].astype(np.float32) / 255).permute(0, 3, 1, 2)


def texture(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Coarse coloured blobs with grain, larger than the picture."""
    rng = np.random.default_rng(seed)
    high, wide = size[0] + 160, size[1] + 160
    coarse = cv2.resize(rng.uniform(40, 190, (high // 16, wide // 16, 3)), (wide, high), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(rng.normal(0, 40, (high, wide, 3)), (0, 0), 1.5)
    return np.clip(coarse + fine, 0, 255)


def moving(frames: int = 40, speed: tuple[int, int] = (2, 3), seed: int = 0) -> np.ndarray:
    """A texture under a camera that pans: ``T H W 3`` float64 with noise of a sensor."""
    big, rng = texture(seed), np.random.default_rng(seed + 1)
    high, wide = SIZE
    rows = []
    for t in range(frames):
        y, x = (speed[0] * t) % 150, (speed[1] * t) % 150
        rows.append(big[y : y + high, x : x + wide] + rng.normal(0, 1.5, (high, wide, 3)))
    return np.stack(rows)


def letters(text: str, at: tuple[int, int], scale: float = 0.6, outline: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """White letters with a black outline: their colours ``H W 3`` and their alpha ``H W``; ``at`` is x, y."""
    inner = np.zeros(SIZE, np.uint8)
    cv2.putText(inner, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 2, cv2.LINE_AA)
    outer = cv2.dilate(inner, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * outline + 1,) * 2))
    alpha = outer.astype(float) / 255
    shade = np.where(alpha > 0, inner / 255 / np.maximum(alpha, 1e-6), 0)
    return np.repeat(np.clip(shade, 0, 1)[..., None] * 255, 3, 2), alpha


def laid(pictures: np.ndarray, drawn: tuple[np.ndarray, np.ndarray], start: int, end: int, fade: int = 0) -> np.ndarray:
    """Lay letters over frames ``start`` to ``end`` in place; returns their truth, ``T H W`` bool."""
    color, alpha = drawn
    truth = np.zeros(pictures.shape[:3], bool)
    for t in range(start, end):
        share = min(1.0, (t - start + 1) / (fade + 1), (end - t) / (fade + 1))
        own = (alpha * share)[..., None]
        pictures[t] = own * color + (1 - own) * pictures[t]
        truth[t] = alpha * share > 0.05
    return truth


def done(pictures: np.ndarray, cuts: Sequence[int] = ()) -> Clip:
    """The clip, in whole levels."""
    return Clip(np.clip(pictures, 0, 255).round().astype(np.uint8), cuts)


def find(clip: Clip, config: Config | None = None, **asked: object) -> tuple[Found, list[Overlay]]:
    """Search without reading; what was found and its overlays."""
    config = config or Config(detector="temporal")
    given = Asked(Path("film.mkv"), Path("clean.mkv"), **asked)  # pyright: ignore[reportArgumentType]
    found = mask_method("subtitles").find(clip, config, FindContext(given, torch.device("cpu")))
    return found, [Overlay.from_json(e) for e in found.facts["events"]]


def masks(found: Found, clip: Clip, config: Config | None = None) -> np.ndarray:
    """The masks of all frames, ``T H W`` bool."""
    none = torch.zeros(len(clip), 1, *clip.size, dtype=torch.bool)
    request = SpanRequest(range(len(clip)), clip, none, none)
    span = mask_method("subtitles").masks(found, request, config or Config(detector="temporal"))
    return span.masks[:, 0].numpy()


def recall_precision(got: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Of the truth how much was got; of what was got how much is truth or its neighbour."""
    wide = np.stack([cv2.dilate(t.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for t in truth])
    return float((got & truth).sum() / max(1, truth.sum())), float((got & wide).sum() / max(1, got.sum()))
