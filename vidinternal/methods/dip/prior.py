"""The network and what it is fed: ``x = f_theta(z)``."""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.seeds import branch, generator
from vidinternal.learn.precision import arithmetic
from vidinternal.methods.dip.presets import Preset
from vidinternal.methods.dip.problems import Observation
from vidinternal.nets.skip_net import SkipNet

Z_SCALE = 0.1
"""The input noise is uniform between 0 and this."""
_Z_SEED = 1711
_BANK = 1 << 18


def fixed_noise(channels: int, height: int, width: int) -> Tensor:
    """``1 C H W`` uniform in [0, 0.1), the same for every picture of that size.

    It is a part of the network rather than a random result: weights of one picture are of use to the next only with the
    input that they were trained on.
    """
    return torch.rand(1, channels, height, width, generator=generator(_Z_SEED, "z")) * Z_SCALE


def meshgrid(height: int, width: int) -> Tensor:
    """``1 2 H W``: each pixel's column and row, from 0 to 1."""
    rows, columns = torch.linspace(0, 1, height), torch.linspace(0, 1, width)
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((across, down))[None]


def blurred_over(picture: Tensor, places: Tensor) -> Tensor:
    """The picture with some pixels replaced by the mean of the others near by, so that they cannot be copied.

    Args:
        picture: ``1 3 h w``.
        places: ``1 1 h w`` bool.
    """
    known = (~places).float()
    total = nn_functional.avg_pool2d(picture * known, 5, stride=1, padding=2, count_include_pad=False)
    share = nn_functional.avg_pool2d(known, 5, stride=1, padding=2, count_include_pad=False)
    return torch.where(places, total / share.clamp_min(1e-6), picture)


class Jitter:
    """Noise that is added to the input at every step.

    Args:
        like: The input.
        deviation: Of the noise; 0 = none.
        random: Draws it, on the CPU, so that devices agree.
        bank: Whether it is drawn once and read from another place at every step, instead of drawn anew.
    """

    def __init__(self, like: Tensor, deviation: float, random: torch.Generator, *, bank: bool) -> None:
        self.like, self.deviation, self.random = like, deviation, random
        self.bank: Tensor | None = None
        if bank and deviation > 0:
            drawn = torch.randn(like.numel() + _BANK, generator=generator(random.initial_seed(), "bank"))
            self.bank = (drawn * deviation).to(like.device)

    def __call__(self) -> Tensor:
        """The input with other noise."""
        if self.deviation <= 0:
            return self.like
        if self.bank is None:
            noise = torch.randn(self.like.shape, generator=self.random) * self.deviation
            return self.like + noise.to(self.like.device)
        start = int(torch.randint(_BANK, (1,), generator=self.random))
        return self.like + self.bank[start : start + self.like.numel()].view(self.like.shape)


class Prior:
    """A network, its input, and the arithmetic it runs in.

    Args:
        preset: Shape and input.
        observation: Size, and the picture that is the input where the preset says so.
        seed: Gives the start weights.
        device: Where it runs.
        hidden: ``1 1 h w`` bool, pixels that must not be seen in the input; None = none.
    """

    def __init__(
        self,
        preset: Preset,
        observation: Observation,
        seed: int,
        device: torch.device,
        hidden: Tensor | None = None,
    ) -> None:
        self.preset, self.device = preset, device
        self.network = SkipNet.build(preset.network, generator(branch(seed, "weights")))
        self.layout = torch.channels_last if preset.lean else torch.contiguous_format
        self.network.to(device=device, memory_format=self.layout)  # pyright: ignore[reportCallIssue]
        self.z = self._input(observation, hidden).to(device)

    @property
    def signature(self) -> str:
        """Tells which weights fit; what the network is fed belongs to it."""
        return f"{self.preset.network.signature()}:{self.preset.source}"

    def __call__(self, z: Tensor) -> Tensor:
        """``1 3 H W`` float32 in (0, 1) from an input like :attr:`z`."""
        with arithmetic(self.device, self.preset.precision):
            return self.network(z.contiguous(memory_format=self.layout))["image"]

    def _input(self, observation: Observation, hidden: Tensor | None) -> Tensor:
        height, width = observation.size
        if self.preset.source == "meshgrid":
            return meshgrid(height, width)
        if self.preset.source == "guide" and observation.guide is not None:
            return observation.guide
        if self.preset.source == "picture":
            return observation.x_0 if hidden is None else blurred_over(observation.x_0, hidden)
        return fixed_noise(self.preset.network.in_channels, height, width)
