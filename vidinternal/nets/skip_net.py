"""The skip encoder-decoder of the Deep Image Prior family, in two and three dimensions.

Sources: ``ulyanov2018deep`` (the network) and ``zhang2019internal`` (its presets for video, the separate flow head,
the 3-D variant). One class covers them all; what differs is the :class:`SkipNetConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.errors import UsageError
from vidinternal.nets.initialise import initialise
from vidinternal.ops.downsampler import downsample, lanczos


@dataclass(frozen=True)
class Head:
    """One output of the network: a 1x1 convolution of its own on the last features.

    Attributes:
        name: Key in the network's output.
        channels: Its channels.
        sigmoid: Whether the output is squashed to (0, 1), as pictures are; flow is linear.
    """

    name: str
    channels: int
    sigmoid: bool = False


Upsample = Literal["nearest", "bilinear"]
_EachLevel = TypeVar("_EachLevel", int, str)


@dataclass(frozen=True)
class SkipNetConfig:
    """Shape of a :class:`SkipNet`; the defaults are the Deep Image Prior's standard network.

    Attributes:
        in_channels: Channels of the input noise.
        down: Channels of each level on the way down; their number is the depth.
        up: Channels of each level on the way up.
        skip: Channels of each level's skip connection; 0 for none.
        kernel_down: Side of the kernels on the way down, odd; one for all levels, or one each.
        kernel_up: Side of the kernels on the way up, odd; one for all levels, or one each.
        kernel_skip: Side of the skip kernels, odd.
        upsample: How a deeper level is brought to the size of the level above; one for all levels, or one each, the
            finest first.
        downsample: How a level is halved: by the stride of its first convolution, or after it by averages, by maxima or
            by a Lanczos filter.
        activation: What follows each norm: LeakyReLU(0.2), Swish, ELU or nothing.
        padding: What a convolution sees beyond the border.
        up_1x1: Whether a 1x1 convolution ends each level on the way up.
        bias: Whether convolutions have a bias.
        temporal: 3-D: kernels with a side above 1 also span 3 frames; time is padded by repetition and never strided.
        heads: The outputs.
    """

    in_channels: int = 32
    down: tuple[int, ...] = (128,) * 5
    up: tuple[int, ...] = (128,) * 5
    skip: tuple[int, ...] = (4,) * 5
    kernel_down: int | tuple[int, ...] = 3
    kernel_up: int | tuple[int, ...] = 3
    kernel_skip: int = 1
    upsample: Upsample | tuple[Upsample, ...] = "bilinear"
    downsample: Literal["stride", "avg", "max", "lanczos2", "lanczos3"] = "stride"
    activation: Literal["leaky_relu", "swish", "elu", "none"] = "leaky_relu"
    padding: Literal["reflection", "zero"] = "reflection"
    up_1x1: bool = True
    bias: bool = True
    temporal: bool = False
    heads: tuple[Head, ...] = (Head("image", 3, sigmoid=True),)

    @property
    def depth(self) -> int:
        """Number of levels."""
        return len(self.down)

    def signature(self) -> str:
        """A text that is equal for networks whose weights are interchangeable."""
        sizes = ":".join("-".join(map(str, part)) for part in (self.down, self.up, self.skip))
        heads = "+".join(f"{h.name}{h.channels}{'s' if h.sigmoid else 'l'}" for h in self.heads)
        extras = "1x1" if self.up_1x1 else "no1x1", "bias" if self.bias else "nobias"
        extras += tuple(x for x in (self.downsample, self.activation) if x not in ("stride", "leaky_relu"))
        flags = ",".join((_joined(self.upsample), self.padding, *extras))
        kernels = f"k{_joined(self.kernel_down)}.{_joined(self.kernel_up)}.{self.kernel_skip}"
        return f"skip{'3d' if self.temporal else '2d'}:in{self.in_channels}:{sizes}:{kernels}:{flags}:{heads}"


def each_level(value: _EachLevel | tuple[_EachLevel, ...], depth: int) -> tuple[_EachLevel, ...]:
    """A setting of every level, the finest first, from one for all of them or one each.

    Raises:
        UsageError: There is one each, and their number is not the depth.
    """
    found = value if isinstance(value, tuple) else (value,) * depth
    if len(found) != depth:
        raise UsageError("skip network", expected=f"one value, or one for each of {depth} levels", got=_joined(value))
    return found


def _joined(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def fitting_depth(height: int, width: int, depth: int, kernel: int = 5) -> int:
    """The largest depth, up to ``depth``, that a picture of this size allows.

    Reflection needs a map larger than the padding, so at the deepest level each side must have at least
    ``kernel // 2 + 1`` pixels (3 for the paper's 5x5 kernels): depth 6 needs sides above 128, depth 3 above 16,
    depth 1 above 4.

    Args:
        height: Pixels.
        width: Pixels.
        depth: Levels wanted.
        kernel: Side of the kernels on the way down.

    Returns:
        Between 1 and ``depth``.

    Raises:
        UsageError: Not even one level fits.
    """
    least = max(2, kernel // 2 + 1)
    shortest = min(height, width)
    for levels in range(depth, 0, -1):
        if -(-shortest // 2**levels) >= least:
            return levels
    raise UsageError(
        "picture size",
        expected=f"both sides of at least {2 * least - 1} pixels",
        got=f"{width}x{height}",
        hint="process a larger region around the hole",
    )


class SkipNet(nn.Module):
    """Encoder-decoder with thin skip connections.

    Each level: ``conv stride 2 - BN - act - conv - BN - act`` down; ``upsample - concat(skip, deeper) - BN - conv -
    BN - act [- conv 1x1 - BN - act]`` up, with LeakyReLU(0.2). Batch norm always uses the statistics of the batch it
    is given, at inference too, as published; it therefore keeps no running averages. Any size at which the depth fits
    works: an upsampled map is cropped to its level's size.

    Args:
        config: Its shape.

    Raises:
        UsageError: The channel lists differ in length, or a kernel is even.
    """

    def __init__(self, config: SkipNetConfig) -> None:
        super().__init__()
        if not config.depth or len({len(config.down), len(config.up), len(config.skip)}) != 1:
            got = f"{len(config.down)}, {len(config.up)} and {len(config.skip)}"
            raise UsageError("skip network", expected="as many down, up and skip channels as levels", got=got)
        kernel_down = each_level(config.kernel_down, config.depth)
        kernel_up = each_level(config.kernel_up, config.depth)
        if any(k % 2 == 0 for k in (*kernel_down, *kernel_up, config.kernel_skip)):
            raise UsageError("skip network", expected="odd kernels", got=config.signature())
        self.config = config
        self.enlarging = each_level(config.upsample, config.depth)
        self.down, self.skips, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = (config.in_channels, *config.down[:-1])
        for level, (source, width, thin) in enumerate(zip(inputs, config.down, config.skip, strict=True)):
            encode = _halving(config, source, width, kernel_down[level])
            encode += _block(config, width, width, kernel_down[level])
            self.down.append(nn.Sequential(*encode))
            self.skips.append(nn.Sequential(*(_block(config, source, thin, config.kernel_skip) if thin else ())))
            deeper = config.up[level + 1] if level + 1 < config.depth else width
            decode = [_norm(thin + deeper), *_block(config, thin + deeper, config.up[level], kernel_up[level])]
            if config.up_1x1:
                decode += _block(config, config.up[level], config.up[level], 1)
            self.up.append(nn.Sequential(*decode))
        self.heads = nn.ModuleDict(
            {head.name: PaddedConv(config, config.up[0], head.channels, kernel=1) for head in config.heads}
        )

    @classmethod
    def build(cls, config: SkipNetConfig, generator: torch.Generator) -> SkipNet:
        """Make a network on the CPU with start weights from ``generator``; touches no global random state."""
        with torch.device("meta"):
            network = cls(config)
        network = network.to_empty(device="cpu")
        initialise(network, generator)
        return network

    def forward(self, noise: Tensor) -> dict[str, Tensor]:
        """Map ``N C H W`` to each head's ``N channels H W`` float32; in 3-D, N are consecutive frames of one clip.

        The heads run in float32 even under autocast: a sigmoid near 1 in bfloat16 has fewer levels than 8 bits.
        """
        x, skips, sizes = noise, [], []
        for down, skip in zip(self.down, self.skips, strict=True):
            skips.append(skip(x) if len(skip) else None)  # pyright: ignore[reportArgumentType]
            sizes.append((x.shape[-2], x.shape[-1]))
            x = down(x)
        for level in range(self.config.depth - 1, -1, -1):
            height, width = sizes[level]
            x = _enlarged(x, self.enlarging[level])[..., :height, :width]
            skip = skips[level]
            x = self.up[level](x if skip is None else torch.cat((skip, x), dim=1))
        with torch.autocast(x.device.type, enabled=False):
            outputs = {head.name: self.heads[head.name](x.float()) for head in self.config.heads}
        return {
            head.name: torch.sigmoid(outputs[head.name]) if head.sigmoid else outputs[head.name]
            for head in self.config.heads
        }


class PaddedConv(nn.Module):
    """A convolution that keeps the size (halves it at stride 2) and pads as the network's config says.

    With ``temporal`` and a kernel above 1 it spans 3 frames: each frame is stacked with the one before and the one
    after it along the channels, the clip's first and last frame being repeated, and convolved in 2-D. That is a
    3-D convolution of kernel ``3 k k`` written out, with the same parameters.

    Args:
        config: For dimension, padding and bias.
        source: Channels in.
        target: Channels out.
        kernel: Side of the kernel, odd.
        stride: Spatial stride.
    """

    def __init__(self, config: SkipNetConfig, source: int, target: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.side = kernel // 2
        self.temporal = config.temporal and kernel > 1
        self.reflect = config.padding == "reflection" and self.side > 0
        own = 0 if self.reflect else self.side
        # torch's own 3-D convolution corrupts the heap in its bfloat16 backward pass on AMX processors (torch 2.13)
        self.conv = nn.Conv2d(3 * source if self.temporal else source, target, kernel, stride, own, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Pad and convolve ``N C H W``; with ``temporal``, N are consecutive frames of one clip."""
        if self.reflect:
            x = nn_functional.pad(x, (self.side,) * 4, mode="reflect")
        if self.temporal:
            x = torch.cat((torch.cat((x[:1], x[:-1])), x, torch.cat((x[1:], x[-1:]))), dim=1)
        return self.conv(x)


class Halve(nn.Module):
    """Halves both sides, rounded up, without parameters.

    Args:
        how: Averages or maxima of two by two, or a Lanczos filter (``ops.downsampler``).
    """

    def __init__(self, how: Literal["avg", "max", "lanczos2", "lanczos3"]) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        """``N C H W`` to ``N C ceil(H/2) ceil(W/2)``."""
        if self.how == "avg":
            return nn_functional.avg_pool2d(x, 2, ceil_mode=True)
        if self.how == "max":
            return nn_functional.max_pool2d(x, 2, ceil_mode=True)
        # an odd side gets its last line once more, as the ceiling of the pools does
        x = nn_functional.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), mode="replicate")
        return downsample(x, lanczos(self.how, 2), 2)


def _halving(config: SkipNetConfig, source: int, target: int, kernel: int) -> list[nn.Module]:
    if config.downsample == "stride":
        return _block(config, source, target, kernel, stride=2)
    convolution, *rest = _block(config, source, target, kernel)
    return [convolution, Halve(config.downsample), *rest]


def _enlarged(x: Tensor, how: str) -> Tensor:
    align = None if how == "nearest" else False
    return nn_functional.interpolate(x, scale_factor=2.0, mode=how, align_corners=align)


def _block(config: SkipNetConfig, source: int, target: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [PaddedConv(config, source, target, kernel=kernel, stride=stride), _norm(target), *_activation(config)]


def _activation(config: SkipNetConfig) -> list[nn.Module]:
    if config.activation == "none":
        return []
    if config.activation == "swish":
        return [nn.SiLU(inplace=True)]
    return [nn.ELU(inplace=True) if config.activation == "elu" else nn.LeakyReLU(0.2, inplace=True)]


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, track_running_stats=False)
