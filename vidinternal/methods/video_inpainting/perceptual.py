"""Features of VGG16 for the perceptual term, and how the hole reaches them.

Layout: 3x3 convolutions with padding 1 and ReLU, 2x2 max pooling; relu1_2, relu2_2 and relu3_3 are layers 3, 8 and 15
of torchvision's ``vgg16().features``, whose weight names are read. As published, the picture is fed as BGR in [0, 1]
without ImageNet normalisation: the term's weight of 0.01 was chosen for features of that scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.errors import ConfigError
from vidinternal.learn.checkpoint import load

_WIDTHS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256))
"""Channels of the convolutions of the three blocks that are used."""


class Vgg16(nn.Module):
    """The first three blocks of VGG16, fixed.

    Args:
        tensors: Weights by torchvision's names, ``features.N.weight`` and ``features.N.bias``; others are ignored.
        where: Their file, for messages.

    Raises:
        ConfigError: One that is needed is missing or has another shape.
    """

    def __init__(self, tensors: Mapping[str, Tensor], where: str) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        index = 0
        for widths in _WIDTHS:
            block = nn.ModuleList()
            for source, target in pairwise(widths):
                with torch.device("meta"):
                    convolution = nn.Conv2d(source, target, 3, padding=1)
                wanted = {"weight": (target, source, 3, 3), "bias": (target,)}
                for part, shape in wanted.items():
                    tensor = _weight(tensors, f"features.{index}.{part}", shape, where)
                    setattr(convolution, part, nn.Parameter(tensor, requires_grad=False))
                block.append(convolution)
                index += 2  # its ReLU has a number too
            self.blocks.append(block)
            index += 1  # the pooling after the block

    @classmethod
    def from_file(cls, path: Path) -> Vgg16:
        """Read a safetensors file.

        Raises:
            UsageError: It is missing or no safetensors file.
            ConfigError: It lacks a weight.
        """
        return cls(load(path).tensors, f"vgg_weights {path}")

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return relu1_2, relu2_2 and relu3_3 of ``N 3 H W`` RGB in [0, 1]; both sides at least 4 pixels."""
        x, features = pictures.flip(1), []
        for number, block in enumerate(self.blocks):
            x = nn_functional.max_pool2d(x, 2) if number else x
            for convolution in block:  # pyright: ignore[reportGeneralTypeIssues]
                x = nn_functional.relu(convolution(x))
            features.append(x)
        return features


def feature_holes(hole: Tensor) -> list[Tensor]:
    """``m_k``: which features of each layer see the hole, i.e. have a hole pixel in their receptive field.

    The hole goes through the same stack with every convolution grown to its support: 5, 14 and 40 pixels across at
    the three layers.

    Args:
        hole: ``N 1 H W`` float, 1 = to fill.

    Returns:
        ``N 1 h w`` float for each layer, 0 or 1.
    """
    x, holes = hole, []
    for number, widths in enumerate(_WIDTHS):
        x = nn_functional.max_pool2d(x, 2) if number else x
        for _ in widths[1:]:
            x = nn_functional.max_pool2d(x, 3, stride=1, padding=1)
        holes.append(x)
    return holes


def _weight(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...], where: str) -> Tensor:
    found = tensors.get(name)
    if found is None or tuple(found.shape) != shape:
        raise ConfigError(
            where,
            expected=f"'{name}' of shape {shape}",
            got="no such tensor" if found is None else f"shape {tuple(found.shape)}",
            hint="save torchvision's vgg16().state_dict() with safetensors.torch.save_file",
        )
    return found.float()
