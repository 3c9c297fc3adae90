"""The terms of ``bellkligler2019kernelgan`` and how their weights change; pictures are in [-1, 1] here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.ops.kernels import wanted_centre

SCALE = 2
SPARSITY_POWER = 0.2
BOUNDARY_WEIGHT = 30.0
_TINY = 1e-12  # keeps the slope of |k|^0.2 finite at 0


def gan_loss(judged: Tensor, real: bool) -> Tensor:
    """``|D(x) - 1|`` or ``|D(x)|``: mean absolute distance of the map of verdicts from the one that is wanted."""
    return (judged - (1.0 if real else 0.0)).abs().mean()


def bicubic_loss(made: Tensor, cubic: Tensor) -> Tensor:
    """``L_bic``: mean squared distance of what the generator makes of a crop from what the cubic makes of it."""
    return nn_functional.mse_loss(made, cubic)


def sum_to_one_loss(kernel: Tensor) -> Tensor:
    """``L_sum = |1 - sum k|``."""
    return (1 - kernel.sum()).abs()


def boundaries_loss(kernel: Tensor, mask: Tensor) -> Tensor:
    """``L_bound = mean |k m|`` with the mask of :func:`boundary_mask`."""
    return (kernel * mask).abs().mean()


def centralised_loss(kernel: Tensor) -> Tensor:
    """``L_center``: mean squared distance of the centre of mass from where it is in line with the cubic, pixels."""
    side = kernel.shape[-1]
    index = torch.arange(side, dtype=kernel.dtype, device=kernel.device)
    total = kernel.sum()
    centre = torch.stack((kernel.sum(dim=1) @ index, kernel.sum(dim=0) @ index)) / total
    return (centre - wanted_centre(side, SCALE)).square().mean()


def sparse_loss(kernel: Tensor) -> Tensor:
    """``L_sparse = mean |k|^0.2``."""
    return (kernel.abs() + _TINY).pow(SPARSITY_POWER).mean()


def boundary_mask(side: int) -> Tensor:
    """``side side``: 0 in the middle half, ``30 (1 - g)`` outside, g a Gaussian with peak 1 and sigma ``side``."""
    place = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    gauss = torch.exp(-(place**2) / (2 * side**2))
    mask = BOUNDARY_WEIGHT * (1 - torch.outer(gauss, gauss))
    margin = (side - (side // 2 + side % 2)) // 2 - 1
    mask[margin : side - margin, margin : side - margin] = 0
    return mask


@dataclass
class Weights:
    """Weights of the generator's five regularisers; the GAN's own is 1."""

    bicubic: float = 5.0
    sum_to_one: float = 0.5
    boundaries: float = 0.5
    centralised: float = 0.0
    sparse: float = 0.0


class Schedule:
    """First the generator learns the cubic, then it is set free; step sizes fall all along.

    Once ``L_bic`` is below 0.4 on three steps running, its weight falls to a hundredth with every phase, to 5e-6 at the
    least; below 5e-3 the two terms that shape the kernel come in.

    Args:
        iterations: Steps of the whole fit; phases are published for 3000 and keep their share.
        begun: Whether the generator is the cubic from the first step on.
    """

    def __init__(self, iterations: int, *, begun: bool = False) -> None:
        self.weights = Weights()
        self.phase = max(1, round(200 * iterations / 3000))
        self.slower = max(1, round(750 * iterations / 3000))
        self.near = 0
        self.free = begun

    def after(self, iteration: int, bicubic: float) -> float:
        """Change the weights after a step.

        Args:
            iteration: Its number, from 0.
            bicubic: What ``L_bic`` was.

        Returns:
            What the step sizes are to be multiplied by.
        """
        if not self.free:
            self.near = self.near + 1 if bicubic < 0.4 else 0
            self.free = self.near >= 3
        elif iteration and iteration % self.phase == 0:
            self.weights.bicubic = max(self.weights.bicubic / 100, 5e-6)
            if self.weights.bicubic < 5e-3:
                self.weights.centralised, self.weights.sparse = 1.0, 5.0
        return 0.1 if iteration and iteration % self.slower == 0 else 1.0

    def state(self) -> dict[str, Any]:
        """What a resumed fit needs."""
        return {"weights": asdict(self.weights), "near": self.near, "free": self.free}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.weights = Weights(**state["weights"])
        self.near, self.free = int(state["near"]), bool(state["free"])
