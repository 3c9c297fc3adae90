"""A camera that moves over footage shot from a tripod, so that few sample clips show many kinds of motion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

MOTIONS = ("still", "near", "slow", "fast", "zoom", "shake")
"""What the camera does; ``still`` and ``near`` stand on a tripod, one with the whole view, one with a corner of it."""


@dataclass(frozen=True)
class Pose:
    """Where the camera looks.

    Attributes:
        zoom: Share of the largest possible view.
        across: 0 = left, 1 = right.
        down: 0 = top, 1 = bottom.
        degrees: Turn.
    """

    zoom: float
    across: float
    down: float
    degrees: float = 0.0


def pose(motion: str, share: float, signs: tuple[float, float]) -> Pose:
    """The pose of a motion.

    Args:
        motion: One of ``MOTIONS``.
        share: How much of the clip is over, 0 to 1.
        signs: -1 or 1 for each axis, the direction of the motion.
    """
    side, rise = signs
    wave = 2 * math.pi * share
    poses = {
        "still": Pose(1.0, 0.5, 0.5),
        "near": Pose(0.6, 0.5 + 0.4 * side, 0.5 + 0.4 * rise),
        "slow": Pose(0.8, 0.5 + 0.15 * side * (2 * share - 1), 0.5 + 0.15 * rise * (share - 0.5)),
        "fast": Pose(0.6, 0.5 + 0.45 * side * (2 * share - 1), 0.5 + 0.3 * math.sin(0.7 * wave + rise)),
        "zoom": Pose(0.75 + 0.15 * side * (2 * share - 1), 0.5 + 0.1 * rise * share, 0.5, 3 * share * side),
        "shake": Pose(
            0.75,
            0.5 + 0.12 * math.sin(1.1 * wave + side) + 0.04 * math.sin(5 * wave),
            0.5 + 0.12 * math.cos(0.8 * wave + rise) + 0.05 * math.sin(3.7 * wave),
            1.5 * math.sin(1.4 * wave),
        ),
    }
    return poses[motion]


def seen(picture: np.ndarray, view: Pose, size: tuple[int, int]) -> np.ndarray:
    """What the camera sees.

    Args:
        picture: ``H W 3`` float32.
        view: Where it looks.
        size: Rows and columns to see.

    Returns:
        ``rows columns 3`` float32.
    """
    height, width = picture.shape[:2]
    step = min(height / size[0], width / size[1]) * view.zoom
    columns, rows = size[1] * step, size[0] * step
    centre = columns / 2 + (width - columns) * view.across, rows / 2 + (height - rows) * view.down
    matrix = cv2.getRotationMatrix2D(centre, view.degrees, 1 / step)
    matrix[:, 2] += size[1] / 2 - centre[0], size[0] / 2 - centre[1]
    if step > 1.3:  # what would alias is blurred first
        picture = cv2.GaussianBlur(picture, (0, 0), 0.45 * step)
    return cv2.warpAffine(picture, matrix, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def filmed(frames: Tensor, motion: str, size: tuple[int, int], signs: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """``T 3 rows columns`` that the camera films of ``T 3 H W``, in steps of 8 bits as a file would have them."""
    pictures = [
        seen(f.permute(1, 2, 0).numpy(), pose(motion, t / max(1, len(frames) - 1), signs), size)
        for t, f in enumerate(frames)
    ]
    film = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (film * 255).round().clamp(0, 255) / 255
