"""A plain stack of convolutions that learns what is to be added to its input: the network of ``shocher2018zero``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

INIT_VARIANCE = 0.1
"""Weights are drawn from ``N(0, 0.1 / fan_in)``: the untrained network adds next to nothing."""

_MEAN = 9  # pixels of a side over which the mean around a pixel is taken


@dataclass(frozen=True)
class StackShape:
    """What a stack looks like.

    Attributes:
        depth: Convolutions in all, 3x3, without biases; a (leaky) ReLU after each but the last.
        width: Channels between them.
        fold: Pixels of each side that are folded into channels before the first, and back after the last: 2 makes it
            four times as cheap, and blind to no pixel.
        channels: Of the picture.
        slope: Of the ReLUs below zero.
        detail: Where it is not 0, the network sees the picture less its mean around each pixel, so many times as
            large, and its output is as many times smaller: without biases it need not learn first to cancel flat
            colour.
    """

    depth: int = 8
    width: int = 64
    fold: int = 1
    channels: int = 3
    slope: float = 0.0
    detail: float = 0.0

    @property
    def signature(self) -> str:
        """Equal where weights fit."""
        name = f"conv_stack/{self.depth}x{self.width}/fold{self.fold}/{self.channels}"
        name += f"/slope{self.slope:g}" if self.slope else ""
        return name + (f"/detail{self.detail:g}" if self.detail else "")

    @property
    def reach(self) -> int:
        """Pixels by which the output at a pixel depends on its surroundings, at most."""
        return (self.depth + 1) * self.fold + (_MEAN // 2 if self.detail else 0)


class ConvStack(nn.Module):
    """``y = x + f(x)``.

    Args:
        shape: Of the network.
        generator: Draws the weights, on the CPU.
    """

    def __init__(self, shape: StackShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        ends = shape.channels * shape.fold**2
        widths = [ends, *[shape.width] * (shape.depth - 1), ends]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths))
        with torch.no_grad():
            for weight in self.parameters():
                weight.normal_(0.0, math.sqrt(INIT_VARIANCE / weight[0].numel()), generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """``N C H W`` to the same size, of any size; what does not fill a fold is mirrored."""
        fold, (height, width), gain = self.shape.fold, x.shape[-2:], self.shape.detail
        hidden = x
        if gain:
            hidden = (x - _mean_around(x)) * gain
        if fold > 1:
            hidden = nn_functional.pad(hidden, (0, -width % fold, 0, -height % fold), mode="replicate")
            hidden = nn_functional.pixel_unshuffle(hidden, fold)
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden if number == 0 else nn_functional.leaky_relu(hidden, self.shape.slope))
        if fold > 1:
            hidden = nn_functional.pixel_shuffle(hidden, fold)[..., :height, :width]
        return x + hidden.float() / (gain or 1.0)


def _mean_around(x: Tensor) -> Tensor:
    """Mean over the :data:`_MEAN` x :data:`_MEAN` pixels around each, fewer at the borders: rows, then columns."""
    for tall, wide in ((_MEAN, 1), (1, _MEAN)):
        x = nn_functional.avg_pool2d(x, (tall, wide), 1, (tall // 2, wide // 2), count_include_pad=False)
    return x
