"""The generator's weights averaged over the last steps: what it draws in a hole wanders from step to step.

Where known pixels tie nothing down, the picture moves on while the loss stands still; a running mean of the weights
draws the middle of that way. ``a <- d a + (1 - d) w`` with ``d = min(0.9, (1 + i) / (10 + i))`` at step ``i``, so that
the first steps are soon forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DECAY = 0.9


class Average:
    """A running mean of a network's weights.

    Attributes:
        kept: The mean by name; empty before the first step.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def take(self, net: nn.Module, step: int) -> None:
        """Let the weights after ``step``, counted from 0, count."""
        decay = min(DECAY, (1 + step) / (10 + step))
        for name, weight in net.state_dict().items():
            if name in self.kept:
                self.kept[name].lerp_(weight.detach(), 1 - decay)
            else:
                self.kept[name] = weight.detach().clone()

    def weights(self, net: nn.Module) -> Mapping[str, Tensor]:
        """The mean; before the first step the network's own weights."""
        return self.kept or net.state_dict()

    def __call__(self, net: nn.Module, value: Tensor) -> Tensor:
        """What the network gives for ``N C H W`` with the averaged weights."""
        value = value.contiguous(memory_format=torch.channels_last)
        return torch.func.functional_call(net, dict(self.weights(net)), (value,))

    def load_state(self, net: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Go on from ``kept``, laid in memory as the network's weights are, so that sums round alike."""
        like = net.state_dict()
        self.kept = {name: torch.empty_like(like[name]).copy_(value) for name, value in state.items()}
