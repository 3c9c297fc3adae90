"""The generator: fixed noise to frames, as in ``zhang2019internal``, rebuilt for speed.

No batch norm (with it the hole gets worse as the known part gets better), zero padding, and a pixel-unshuffle stem:
most of the work happens at a half or a quarter of the size.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.seeds import generator
from vidinternal.methods.internal.config import Config

NOISE_SCALE = 0.1
SLOPE = 0.2
LARGE_SIDE = 320


def fold(config: Config, height: int, width: int) -> int:
    """Pixels folded into channels on each side."""
    if config.unshuffle != "auto":
        return int(config.unshuffle)
    return 4 if max(height, width) >= LARGE_SIDE else 2


def smooth_noise(frames: int, height: int, width: int, key_frames: int, seed: int) -> Tensor:
    """Input noise that turns smoothly in time, so that nothing flickers where nothing ties frames together.

    ``z_t = 0.1 (cos(a) n_k + sin(a) n_{k+1})``, ``a`` from 0 to pi/2 between two key frames; unit variance throughout.

    Returns:
        ``T 1 H W`` float32.
    """
    keys = 2 + (frames - 1) // key_frames
    maps = torch.randn(keys, 1, height, width, generator=generator(seed, "noise"))
    rows = []
    for t in range(frames):
        k, angle = t // key_frames, (t % key_frames) / key_frames * math.pi / 2
        rows.append(math.cos(angle) * maps[k] + math.sin(angle) * maps[k + 1])
    return NOISE_SCALE * torch.stack(rows)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn_functional.leaky_relu(self.first(x), SLOPE)
        return nn_functional.leaky_relu(self.second(x), SLOPE)


class Generator(nn.Module):
    """U-Net from folded noise to folded frames.

    Args:
        channels: Of each level.
        folded: Pixels folded into channels on each side.
    """

    def __init__(self, channels: tuple[int, ...], folded: int) -> None:
        super().__init__()
        self.folded = folded
        self.step = folded * 2 ** (len(channels) - 1)
        self.stem = _Block(folded**2, channels[0])
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(_Block(a, b, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(_Block(a + b, a) for a, b in reversed(pairs))
        self.head = nn.Conv2d(channels[0], 3 * folded**2, 1)

    def forward(self, noise: Tensor) -> Tensor:
        """``N 1 H W`` noise to ``N 3 H W`` RGB in (0, 1)."""
        height, width = noise.shape[-2:]
        padded = nn_functional.pad(noise, (0, -width % self.step, 0, -height % self.step))
        x = self.stem(nn_functional.pixel_unshuffle(padded, self.folded))
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block in self.up:
            skip = skips.pop()
            x = nn_functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat((skip, x), dim=1))
        picture = nn_functional.pixel_shuffle(self.head(x), self.folded)
        return torch.sigmoid(picture[..., :height, :width].float())


def build(config: Config, height: int, width: int, seed: int) -> Generator:
    """A generator with weights drawn from the seed (He's initialisation)."""
    net = Generator(config.channels, fold(config, height, width))
    random = generator(seed, "weights")
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
            else:
                fan_in = weight[0].numel()
                gain = math.sqrt(2 / (1 + SLOPE**2))
                weight.copy_(torch.randn(weight.shape, generator=random) * gain / math.sqrt(fan_in))
    return net


def signature(net: Generator) -> str:
    """Equal for generators whose weights fit each other."""
    widths = "-".join(str(block.first.out_channels) for block in (net.stem, *net.down))  # pyright: ignore
    return f"internal/{widths}/fold{net.folded}"
