"""Holes of the kinds that people need filled, drawn by rule: captions, a moving figure, a fixed box, a logo."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

_Ellipse = tuple[tuple[float, float], tuple[float, float], float]
"""Centre and half axes in figure heights, x then y, and degrees."""

LINES = ("Internal learning", "from one clip")
"""What the caption says."""


def caption(frames: int, height: int, width: int) -> Tensor:
    """A caption of two lines near the bottom, the same in every frame.

    Returns:
        ``T 1 H W`` bool.
    """
    picture = np.zeros((height, width), dtype=np.uint8)
    font, line = cv2.FONT_HERSHEY_SIMPLEX, round(0.15 * height)
    for row, text in enumerate(LINES):
        (unit, _), _ = cv2.getTextSize(text, font, 1.0, 1)
        scale = min(0.75 * line / 22, 0.85 * width / unit)
        thickness = max(1, round(3 * scale))
        x = round((width - unit * scale) / 2)
        cv2.putText(picture, text, (x, round(height * 0.78) + row * line), font, scale, 255, thickness, cv2.LINE_8)
    # the outline that captions have
    grown = cv2.dilate(picture, np.ones((3, 3), np.uint8)) > 0
    return torch.from_numpy(grown).expand(frames, 1, height, width).clone()


def figure(frames: int, height: int, width: int) -> Tensor:
    """A walking figure, a union of ellipses with swinging limbs, that crosses the picture from left to right.

    Returns:
        ``T 1 H W`` bool.
    """
    size = 0.8 * height
    masks = np.zeros((frames, 1, height, width), dtype=np.uint8)
    for t in range(frames):
        share = t / max(frames - 1, 1)
        x = width * (0.22 + 0.56 * share)
        y = height * (0.5 + 0.06 * math.sin(2 * math.pi * share))
        swing = 32 * math.sin(2 * math.pi * 1.5 * share)
        parts: list[_Ellipse] = [
            ((0.0, -0.08), (0.13, 0.22), 0.0),
            ((0.0, -0.40), (0.09, 0.11), 0.0),
            *(_limb((0.0, 0.08), 0.42, sign * swing) for sign in (1, -1)),
            *(_limb((0.0, -0.24), 0.32, -sign * 0.8 * swing) for sign in (1, -1)),
        ]
        for (px, py), (ax, ay), angle in parts:
            centre = round(x + px * size), round(y + py * size)
            axes = max(1, round(ax * size)), max(1, round(ay * size))
            cv2.ellipse(masks[t, 0], centre, axes, angle, 0, 360, 1, -1)
    return torch.from_numpy(masks).bool()


def _limb(joint: tuple[float, float], length: float, angle: float) -> _Ellipse:
    """An ellipse that hangs from ``joint``, turned by ``angle`` degrees."""
    turn = math.radians(angle)
    centre = joint[0] - math.sin(turn) * length / 2, joint[1] + math.cos(turn) * length / 2
    return centre, (0.055, length / 2), angle


def box(frames: int, height: int, width: int) -> Tensor:
    """A rectangle of about 6 % of the picture right of the middle, the same in every frame.

    Returns:
        ``T 1 H W`` bool.
    """
    masks = torch.zeros((frames, 1, height, width), dtype=torch.bool)
    top, left = round(0.38 * height), round(0.55 * width)
    masks[:, :, top : top + round(0.30 * height), left : left + round(0.20 * width)] = True
    return masks


def logo(frames: int, height: int, width: int) -> Tensor:
    """A station's logo in the upper right corner, about 3 % of the picture, the same in every frame.

    Returns:
        ``T 1 H W`` bool.
    """
    masks = torch.zeros((frames, 1, height, width), dtype=torch.bool)
    top, right = round(0.06 * height), round(0.95 * width)
    masks[:, :, top : top + round(0.16 * height), right - round(0.17 * width) : right] = True
    return masks


GLASS = "glass"
"""Name of the hole under a half-transparent logo; beside :data:`HOLES`, for what is under it is not all gone."""


def glass(height: int, width: int) -> tuple[Tensor, Tensor]:
    """A station's half-transparent logo where :func:`logo` is: a dark panel with a lighter ring and bar on it.

    Returns:
        Opacity ``1 H W``, above 0 just where :func:`logo` is, and colour ``3 H W``, both float32.
    """
    place = logo(1, height, width)[0]
    rows, columns = place[0].any(dim=1).nonzero(), place[0].any(dim=0).nonzero()
    (top, bottom), (left, right) = ((int(x.min()), int(x.max()) + 1) for x in (rows, columns))
    marks = np.zeros((height, width), dtype=np.uint8)
    size, middle = bottom - top, (top + bottom) // 2
    cv2.circle(marks, (left + size // 2, middle), round(0.3 * size), 255, max(1, round(0.1 * size)), cv2.LINE_AA)
    bar = (left + size, middle - round(0.1 * size)), (right - max(2, size // 6), middle + round(0.1 * size))
    cv2.rectangle(marks, *bar, 255, -1)
    bright = torch.from_numpy(marks).float().div(255).unsqueeze(0)
    return torch.where(place, 0.35 + 0.25 * bright, 0.0), (0.05 + 0.85 * bright).expand(3, -1, -1).clone()


HOLES = {"caption": caption, "figure": figure, "box": box, "logo": logo}
"""By name."""
