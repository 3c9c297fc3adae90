"""The two networks (``bellkligler2019kernelgan``): a generator that is nothing but a kernel, a critic of patches."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

CHANNELS = 64
FILTERS = (7, 5, 3, 1, 1, 1)
KERNEL_SIDE = sum(FILTERS) - len(FILTERS) + 1
"""Pixels of the kernel that the filters make together: 13."""
PATCH = 7
"""Pixels of a patch that the discriminator judges."""
_GAIN = 0.1
_REHEARSAL, _REHEARSAL_RATE = 120, 4e-3


def _xavier(shape: tuple[int, int, int, int], random: torch.Generator) -> Tensor:
    fan = (shape[0] + shape[1]) * shape[2] * shape[3]
    return torch.randn(shape, generator=random) * (_GAIN * math.sqrt(2.0 / fan))


class Generator(nn.Module):
    """A deep linear network: convolutions without bias or activation, the last one with stride 2.

    Being linear it is one convolution, by :meth:`kernel`, and is run as that. Depth matters to how it learns, not to
    what it computes.

    Args:
        random: Draws the start weights.
    """

    def __init__(self, random: torch.Generator) -> None:
        super().__init__()
        channels = [1, *[CHANNELS] * (len(FILTERS) - 1), 1]
        shapes = [(b, a, n, n) for (a, b), n in zip(pairwise(channels), FILTERS, strict=True)]
        self.filters = nn.ParameterList([nn.Parameter(_xavier(shape, random)) for shape in shapes])

    def kernel(self) -> Tensor:
        """``13 13``: the filters convolved with each other, from the last to the first, where sums are smallest."""
        return self._from(0)[0, 0]

    def become(self, kernel: Tensor) -> None:
        """Make the filters such that :meth:`kernel` is ``13 13`` as given.

        Some steps on the kernel alone, which leave the filters as small as training would; then the first, in which the
        kernel is linear, takes the smallest change that gives the kernel wanted exactly.
        """
        wanted = kernel.to(self.filters[0])
        optimiser = torch.optim.Adam(self.parameters(), lr=_REHEARSAL_RATE)
        for step in range(_REHEARSAL):
            optimiser.param_groups[0]["lr"] = _REHEARSAL_RATE * (1 - step / _REHEARSAL)
            optimiser.zero_grad(set_to_none=True)
            (self.kernel() - wanted).square().sum().backward()
            optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            first = self.filters[0]
            rest = self._from(1)[0]
            side, reach = first.shape[-1], rest.shape[-1]
            # row by row: what a change of each weight of the first filter does to the kernel
            units = torch.eye(side * side, dtype=rest.dtype, device=rest.device).view(-1, 1, side, side)
            does = nn_functional.conv2d(units, rest[:, None].flip(-2, -1), padding=reach - 1)
            does = does.permute(1, 0, 2, 3).reshape(-1, KERNEL_SIDE * KERNEL_SIDE).double()
            missing = (wanted - self.kernel()).double().flatten()
            change = torch.linalg.lstsq(does.T, missing[:, None], driver="gelsd").solution
            first += change.to(first.dtype).view(first.shape)

    def _from(self, layer: int) -> Tensor:
        """``1 C n n``: the filters from that layer on, convolved with each other."""
        *before, made = self.filters[layer:]
        for weights in reversed(before):
            # full convolution, summed over the channels between
            side = made.shape[-1]
            made = nn_functional.conv2d(weights.transpose(0, 1), made.flip(-2, -1), padding=side - 1).transpose(0, 1)
        return made

    def layer_by_layer(self, x: Tensor) -> Tensor:
        """``N C h w`` by running every layer; the same as :meth:`forward` but for rounding, and 100 times the work."""
        flat = x.flatten(0, 1)[:, None]
        for weights in self.filters[:-1]:
            flat = nn_functional.conv2d(flat, weights)
        flat = nn_functional.conv2d(flat, self.filters[-1], stride=2)
        return flat.view(*x.shape[:2], *flat.shape[-2:])

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Tensor:
        """Shrink ``N C H W`` to ``N C (H-13)//2+1 (W-13)//2+1``, each channel alone; ``kernel`` where it is known."""
        return shrunk(x, self.kernel() if kernel is None else kernel)


def shrunk(x: Tensor, kernel: Tensor) -> Tensor:
    """``N C H W`` correlated with ``n n`` at every second place where it fits."""
    flat = nn_functional.conv2d(x.flatten(0, 1)[:, None], kernel[None, None], stride=2)
    return flat.view(*x.shape[:2], *flat.shape[-2:])


class SpectralConv(nn.Module):
    """A convolution whose weights are divided by their largest singular value (``miyato2018spectral``).

    One step of power iteration with every pass.

    Args:
        channels: In and out.
        side: Pixels of the filter.
        random: Draws the start weights.
    """

    u: Tensor

    def __init__(self, channels: tuple[int, int], side: int, random: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(_xavier((channels[1], channels[0], side, side), random))
        self.bias = nn.Parameter(torch.zeros(channels[1]))
        self.register_buffer("u", nn_functional.normalize(torch.randn(channels[1], generator=random), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve where the filter fits."""
        rows = self.weight.flatten(1)
        with torch.no_grad():
            v = nn_functional.normalize(rows.T @ self.u, dim=0)
            u = nn_functional.normalize(rows @ v, dim=0)
            self.u.copy_(u)
        return nn_functional.conv2d(x, self.weight / (u @ (rows @ v)), self.bias)


class Discriminator(nn.Module):
    """Tells for every 7x7 patch whether it is of the picture or of its shrunk copy; sees no more than the patch.

    Args:
        random: Draws the start weights.
    """

    def __init__(self, random: torch.Generator) -> None:
        super().__init__()
        layers: list[nn.Module] = [SpectralConv((3, CHANNELS), PATCH, random)]
        for _ in range(5):
            norm = nn.BatchNorm2d(CHANNELS, track_running_stats=False)
            with torch.no_grad():
                norm.weight.copy_(1 + 0.02 * torch.randn(CHANNELS, generator=random))
            layers += [SpectralConv((CHANNELS, CHANNELS), 1, random), norm, nn.ReLU()]
        layers += [SpectralConv((CHANNELS, 1), 1, random), nn.Sigmoid()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """``N 1 h-6 w-6`` in (0, 1) from ``N 3 h w``; 1 = of the picture."""
        return self.layers(x)
