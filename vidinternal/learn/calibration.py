"""How far off a fill is expected to be at each pixel, held against pixels whose truth is known.

A method knows where it was in doubt: where its candidates disagree, or deep inside a hole. How many codes of error that
doubt stands for differs from clip to clip, so it is fitted on the held-out holes: ``E[e^2] = a s^2 + b`` with
``a, b >= 0``, least squares over the hidden pixels; ``s`` is the method's spread, ``e`` the RMS error over RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from vidinternal.core.contracts import Holdout

MOST_PIXELS = 200_000
"""Hidden pixels that are looked at; more change nothing."""


@dataclass(frozen=True)
class Calibration:
    """From a method's spread to the error to expect.

    Attributes:
        scale: ``a``, what a squared spread of 1 stands for.
        floor: ``b``, the squared error where nothing was in doubt.
    """

    scale: float
    floor: float

    def error(self, spread: Tensor) -> Tensor:
        """Expected RMS error over RGB in [0, 1], of the shape of ``spread``."""
        return (self.scale * spread.float().square() + self.floor).sqrt().clamp(0, 1)


def calibrate(spread: Tensor, filled: Tensor, holdout: Holdout) -> Calibration:
    """Fit a calibration on the hidden pixels.

    Args:
        spread: ``T 1 H W``, from the same pass as ``filled``, for which these pixels were hidden.
        filled: ``T 3 H W``.
        holdout: What was hidden, and the truth.
    """
    hidden = holdout.masks.cpu()[:, 0]
    error = (filled.cpu() - holdout.truth.cpu()).permute(0, 2, 3, 1)[hidden].double().square().mean(dim=1).numpy()
    doubt = spread.cpu()[:, 0][hidden].double().square().numpy()
    step = max(1, len(error) // MOST_PIXELS)
    error, doubt = error[::step], doubt[::step]
    # Large errors would decide everything by their squares: each pixel counts by what is expected of it.
    size = np.sqrt(doubt / max(float(doubt.mean()), 1e-12) + 0.1)
    system = np.stack((doubt, np.ones_like(doubt)), axis=1) / size[:, None]
    (scale, floor), _ = nnls(system, error / size)
    return Calibration(float(scale), float(floor))


def depth(masks: Tensor) -> Tensor:
    """``T 1 H W`` float32: root of the distance to the nearest known pixel, for methods that tell no spread.

    Args:
        masks: ``T 1 H W`` bool, True = to fill.
    """
    rows = [cv2.distanceTransform(m[0].numpy().astype(np.uint8), cv2.DIST_L2, 5) for m in masks.cpu()]
    # where nothing at all is known the distance is without bound
    far = float(max(masks.shape[-2:]))
    return torch.from_numpy(np.stack(rows)).clamp(max=far).sqrt().unsqueeze(1)


def picture_errors(filled: Tensor, holdout: Holdout) -> list[float]:
    """Mean squared error of every picture on its hidden pixels; -1 where none of it was hidden.

    Args:
        filled: ``T 3 H W``.
        holdout: What was hidden, and the truth.
    """
    hidden, truth = holdout.masks.cpu(), holdout.truth.cpu()
    errors = []
    for picture, mask, true in zip(filled.cpu(), hidden, truth, strict=True):
        where = mask.expand_as(true)
        errors.append(float((picture[where] - true[where]).double().square().mean()) if mask.any() else -1.0)
    return errors


@dataclass(frozen=True)
class Doubt:
    """What the held-out holes of a window say of where its fill is off.

    Attributes:
        told: ``spread`` where the method told its own, ``depth`` where only the distance to the known is.
        scale: See :class:`Calibration`.
        floor: See :class:`Calibration`.
        pictures: Mean squared error of every picture on its hidden pixels, -1 where none of it was hidden.
    """

    told: str
    scale: float
    floor: float
    pictures: Sequence[float]

    @classmethod
    def of(cls, filled: Tensor, spread: Tensor | None, masks: Tensor, holdout: Holdout) -> Doubt:
        """Look at a fill that was blind to the held-out holes.

        Args:
            filled: ``T 3 H W``.
            spread: ``T 1 H W`` of the method, or None.
            masks: ``T 1 H W`` bool, everything that was hidden from it.
            holdout: The hidden pixels whose truth is known.
        """
        fitted = calibrate(depth(masks) if spread is None else spread, filled, holdout)
        told = "depth" if spread is None else "spread"
        return cls(told, fitted.scale, fitted.floor, picture_errors(filled, holdout))

    def error(self, spread: Tensor | None, masks: Tensor) -> Tensor:
        """``T 1 H W``: RMS error over RGB to expect in the hole ``masks``, 0 outside it."""
        values = depth(masks) if spread is None or self.told == "depth" else spread.cpu()
        return Calibration(self.scale, self.floor).error(values) * masks.cpu()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; errors with six digits, None where nothing was hidden."""
        pictures = [None if e < 0 else float(f"{e:.6g}") for e in self.pictures]
        return {"told": self.told, "scale": self.scale, "floor": self.floor, "pictures": pictures}
