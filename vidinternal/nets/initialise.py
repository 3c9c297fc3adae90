"""Start weights drawn from an explicit generator, so that no network depends on global random state."""

from __future__ import annotations

import math

import torch
from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fill every parameter in place with PyTorch's default distribution.

    Weights and biases of a convolution are uniform in ``+-1/sqrt(fan_in)``, which is what
    ``kaiming_uniform_(a=sqrt(5))`` amounts to; norms start as the identity. Parameters are filled in the order of
    ``network.modules()``, so the same generator gives the same network on every machine.

    Args:
        network: Made of convolutions and norms only, on the CPU.
        generator: A CPU generator.

    Raises:
        TypeError: The network has parameters in a kind of layer that is not known here.
    """
    with torch.no_grad():
        for module in network.modules():
            own = list(module.parameters(recurse=False))
            if isinstance(module, _CONVOLUTIONS):
                bound = 1.0 / math.sqrt(module.weight[0].numel())
                for parameter in own:
                    parameter.uniform_(-bound, bound, generator=generator)
            elif isinstance(module, _NORMS):
                if own:
                    module.weight.fill_(1.0)
                    module.bias.fill_(0.0)
            elif own:
                raise TypeError(f"no start distribution is known for {type(module).__name__}")
