"""The network of ``mansour2023zsn2n``: three layers that predict noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SLOPE = 0.2


class NoiseNet(nn.Module):
    """Two 3x3 layers with leaky ReLU and one of 1x1: 22,275 weights with 48 channels.

    Args:
        channels: Of the inner layers.
        random: Draws the start weights, as torch does for convolutions.
    """

    def __init__(self, channels: int, random: torch.Generator) -> None:
        super().__init__()
        self.signature = f"zs_n2n/{channels}"
        sides = [(3, channels, 3), (channels, channels, 3), (channels, 3, 1)]
        first, second, last = (nn.Conv2d(a, b, n, padding=n // 2) for a, b, n in sides)
        self.layers = nn.Sequential(first, nn.LeakyReLU(SLOPE), second, nn.LeakyReLU(SLOPE), last)
        with torch.no_grad():
            for layer in (first, second, last):
                bound = 1 / math.sqrt(layer.weight[0].numel())
                for tensor in layer.parameters():
                    tensor.copy_((2 * torch.rand(tensor.shape, generator=random) - 1) * bound)

    def forward(self, x: Tensor) -> Tensor:
        """The noise in ``N 3 H W``."""
        return self.layers(x)
