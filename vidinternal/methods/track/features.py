"""What the refining network sees of a frame: colour at three scales, texture, edges, motion, and how like the object.

Pictures are ``H W 3`` uint8 RGB, maps ``H W`` float32; flow is ``H W 2`` pixels, x then y.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from vidinternal.ops.dis import dis_flow

STATIC = 12
"""Channels that do not depend on the object."""
CHANNELS = STATIC + 5
_BINS = (16, 20, 20)
_CELLS = 16 * 20 * 20
_RING = 24


def flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``target(p + F(p)) ~ source(p)``."""
    pair = [torch.from_numpy(np.ascontiguousarray(p)).permute(2, 0, 1)[None].float() / 255 for p in (source, target)]
    return np.ascontiguousarray(dis_flow(pair[0], pair[1])[0].permute(1, 2, 0).numpy())


def sampled(picture: np.ndarray, vectors: np.ndarray, outside: float | None = None) -> np.ndarray:
    """``picture(p + vectors(p))``; outside the picture a constant, or its border repeated."""
    height, width = vectors.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    mode = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    fill = 0.0 if outside is None else outside
    return cv2.remap(picture, x + vectors[..., 0], y + vectors[..., 1], cv2.INTER_LINEAR, None, mode, fill)


def landed(belief: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """How much of the object lands on each pixel when every pixel of it follows its own flow, 0 to 1.

    What only backward flow would leave behind, on ground that the object has just uncovered, gets nothing.
    """
    height, width = belief.shape
    ys, xs = np.nonzero(belief > 0.05)
    x, y = xs + vectors[ys, xs, 0], ys + vectors[ys, xs, 1]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, below = x - left, y - top
    found = np.zeros(height * width, np.float32)
    corners = ((0, 0, (1 - right) * (1 - below)), (1, 0, right * (1 - below)))
    for dx, dy, share in (*corners, (0, 1, (1 - right) * below), (1, 1, right * below)):
        u, v = left + dx, top + dy
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        amount = (belief[ys, xs] * share)[inside]
        found += np.bincount((v * width + u)[inside], amount, minlength=height * width).astype(np.float32)
    return np.clip(1.6 * cv2.GaussianBlur(found.reshape(height, width), (0, 0), 1.0), 0, 1)


def lab(picture: np.ndarray) -> np.ndarray:
    """CIE Lab, ``H W 3`` float32."""
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def static(picture: np.ndarray) -> np.ndarray:
    """``H W 12``: Lab, twice blurred, its local spread, its edges."""
    colour = (lab(picture) - np.array([50, 0, 0], np.float32)) / np.array([30, 25, 25], np.float32)
    near, far = cv2.GaussianBlur(colour, (0, 0), 2), cv2.GaussianBlur(colour, (0, 0), 5)
    light = np.ascontiguousarray(colour[..., 0])
    spread = np.sqrt(np.maximum(cv2.GaussianBlur(light * light, (0, 0), 2) - near[..., 0] ** 2, 0))
    edges = [np.abs(cv2.Sobel(light, cv2.CV_32F, *way)) / 4 for way in ((1, 0), (0, 1))]
    return np.concatenate([colour, near, far, np.stack([2 * spread, *edges], axis=-1)], axis=-1)


def own_motion(vectors: np.ndarray, belief: np.ndarray) -> np.ndarray:
    """How far each pixel moves against the camera, in units of the object's own motion, 0 to 2.

    The camera is an affine flow, fitted to what is not the object by reweighted least squares.
    """
    height, width = belief.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    basis = np.stack([x / width - 0.5, y / height - 0.5, np.ones_like(x)], axis=-1)
    ground = np.zeros(belief.shape, bool)
    ground[::6, ::6] = True
    ground &= belief < 0.1
    if ground.sum() < 12:
        return np.zeros_like(belief)
    where, wanted = basis[ground], vectors[ground]
    weight = np.ones((len(where), 1), np.float32)
    camera = np.zeros((3, 2), np.float32)
    for _ in range(3):
        camera = np.linalg.lstsq(where * weight, wanted * weight, rcond=None)[0]
        weight = (1 / (1 + np.linalg.norm(wanted - where @ camera, axis=1, keepdims=True))).astype(np.float32)
    speed = np.linalg.norm(vectors - (basis @ camera).astype(np.float32), axis=-1)
    own = float(np.median(speed[belief > 0.5])) if (belief > 0.5).any() else 1.0
    return np.clip(speed / (own + 1), 0, 2).astype(np.float32)


class Colours:
    """Histograms of the object's colours and of those around it."""

    def __init__(self) -> None:
        self.object, self.other = np.zeros(_CELLS, np.float32), np.zeros(_CELLS, np.float32)

    def learn(self, picture: np.ndarray, belief: np.ndarray, rate: float) -> None:
        """Take in a frame.

        Args:
            picture: The frame.
            belief: How surely each pixel is the object.
            rate: Weight of this frame against those before.
        """
        inside = belief * (belief > 0.7)
        if inside.sum() < 4:
            return
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RING + 1, 2 * _RING + 1))
        around = cv2.dilate((belief > 0.5).astype(np.uint8), element)
        cells = _cells(picture)
        self.object += rate * (_histogram(cells, inside) - self.object)
        self.other += rate * (_histogram(cells, (belief < 0.2) * (0.15 + around)) - self.other)

    def likeness(self, picture: np.ndarray) -> np.ndarray:
        """Logarithm of how much more often a colour is the object's than its surroundings', -1.5 to 1.5."""
        cells = _cells(picture)
        ratio = np.log((self.object[cells] + 2e-5) / (self.other[cells] + 2e-5))
        return np.clip(ratio / 3, -1.5, 1.5).astype(np.float32)


def _cells(picture: np.ndarray) -> np.ndarray:
    colour = lab(picture)
    light = np.clip(colour[..., 0] / 100 * _BINS[0], 0, _BINS[0] - 1).astype(np.int64)
    a, b = (np.clip((colour[..., k] + 80) / 160 * _BINS[k], 0, _BINS[k] - 1).astype(np.int64) for k in (1, 2))
    return (light * _BINS[1] + a) * _BINS[2] + b


def _histogram(cells: np.ndarray, weight: np.ndarray) -> np.ndarray:
    counts = np.bincount(cells.ravel(), weight.ravel(), minlength=_CELLS).reshape(_BINS)
    for axis in range(3):
        line = np.moveaxis(counts, axis, 0)
        padded = np.pad(line, ((1, 1), (0, 0), (0, 0)))
        counts = np.moveaxis(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:], 0, axis)
    return (counts / max(counts.sum(), 1e-6)).ravel().astype(np.float32)


def distance(belief: np.ndarray) -> np.ndarray:
    """Signed distance from the object's outline, positive inside, -1.5 to 1.5 at 18 pixels."""
    inside = (belief > 0.5).astype(np.uint8)
    signed = cv2.distanceTransform(inside, cv2.DIST_L2, 3) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3)
    return np.clip(signed / 12, -1.5, 1.5)


def stack(still: np.ndarray, prior: np.ndarray | None, likeness: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """``17 H W`` float32, what the network gets.

    Args:
        still: From :func:`static`.
        prior: Where the object is expected; None where nothing is known of it.
        likeness: From :class:`Colours`.
        motion: From :func:`own_motion`.
    """
    expected = np.zeros_like(likeness) if prior is None else prior
    apart = np.full_like(likeness, -0.3) if prior is None else distance(prior)
    maps = np.stack([likeness, cv2.GaussianBlur(likeness, (0, 0), 2.5), motion, expected, apart], axis=-1)
    return np.ascontiguousarray(np.concatenate([still, maps], axis=-1).transpose(2, 0, 1).astype(np.float32))
