"""The layers' networks, what they are fed, and the eight ways to turn a picture (``gandelsman2019double``)."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from vidinternal.core.seeds import generator
from vidinternal.nets.skip_net import Head, SkipNet, SkipNetConfig, fitting_depth

TURNS = 8
"""Quarter turns and mirrored quarter turns of a picture."""
NOISE = 0.01
"""Width of the uniform noise a network is fed; batch normalisation makes any width the same but for the jitter."""
WALK = 0.01
"""Most that the noise of a frame differs from that of the frame before."""
_CHANNELS = (8, 16, 32, 64, 128)
_SKIPS = (0, 0, 0, 4, 4)


def turned(x: Tensor, turn: int) -> Tensor:
    """A picture ``... H W`` in one of :data:`TURNS` positions: quarter turns, mirrored from the fifth on; 0 = as is."""
    rotated = torch.rot90(x, turn % 4, (-2, -1))
    return rotated.flip(-1) if turn % TURNS >= 4 else rotated


def turned_back(x: Tensor, turn: int) -> Tensor:
    """Undo :func:`turned`."""
    straight = x.flip(-1) if turn % TURNS >= 4 else x
    return torch.rot90(straight, -(turn % 4), (-2, -1))


def uniform_noise(shape: tuple[int, ...], random: torch.Generator, scale: float = NOISE) -> Tensor:
    """``U(-0.5, 0.5) scale`` of that shape."""
    return (torch.rand(shape, generator=random) - 0.5) * scale


def correlated_noise(
    count: int,
    shape: tuple[int, int, int],
    random: torch.Generator,
    *,
    step: float = WALK,
    before: Tensor | None = None,
) -> Tensor:
    """Noise of consecutive frames, ``z_t+1 = z_t + U(0, 1) step``: frames alike in time are fed alike.

    The first is uniform, ten steps wide. That all steps are upwards makes no difference: the networks' first
    normalisation takes away the mean of every channel.

    Args:
        count: Frames.
        shape: ``C h w``.
        random: For the draws.
        step: Most that a frame's noise differs from the one before.
        before: ``1 C h w``, that of the frame before the first; None at the beginning.

    Returns:
        ``count C h w``.
    """
    steps = torch.rand((count, *shape), generator=random) * step
    if before is None:
        steps[0] = uniform_noise(shape, random, 10 * step)
        return steps.cumsum(dim=0)
    return before.to(steps) + steps.cumsum(dim=0)


def meshgrid(height: int, width: int) -> Tensor:
    """``1 2 h w``: where a pixel is, x then y, from 0 to 1; a network that sees nothing else draws smooth maps."""
    y, x = (torch.linspace(0, 1, n) for n in (height, width))
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1]).unsqueeze(0)


def skip_config(
    inputs: int, channels: int, size: tuple[int, int], *, levels: int = 5, kernel: int = 3, skips: int | None = None
) -> SkipNetConfig:
    """The paper's networks: five levels of 8 to 128 channels; three levels of 8 to 32 without skips for segmentation.

    Args:
        inputs: Channels of the noise.
        channels: Of the output, which is squashed to (0, 1) and called ``out``.
        size: Rows and columns; the depth falls to what fits them.
        levels: 1 to 5.
        kernel: Side of the kernels; 5 for transparency and watermarks.
        skips: Channels of every level's skip connection; None for the paper's 0, 0, 0, 4, 4. A network that is fed a
            picture, and shall follow its edges, needs them.

    Raises:
        UsageError: The picture is too small for one level.
    """
    depth = fitting_depth(*size, levels, kernel)
    widths = _CHANNELS[:depth]
    return SkipNetConfig(
        in_channels=inputs,
        down=widths,
        up=widths,
        skip=_SKIPS[:depth] if skips is None else (skips,) * depth,
        kernel_down=kernel,
        kernel_up=kernel,
        heads=(Head("out", channels, sigmoid=True),),
    )


class LayerStack(nn.Module):
    """Coupled networks, one a layer, each with its own input.

    Parameters set as attributes, such as an airlight, train with the networks.

    Args:
        seed: Every network draws its start from a branch of its own.

    Attributes:
        nets: By name.
        inputs: What each is fed, ``N C h w`` a row for every picture, or ``1 C h w`` where the layer is the same in
            all pictures.
        jittered: Layers whose input is jittered; all that are added, unless taken out.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.nets = nn.ModuleDict()
        self.inputs: dict[str, Tensor] = {}
        self.jittered: set[str] = set()

    def add(self, name: str, config: SkipNetConfig, z: Tensor) -> None:
        """Add a layer."""
        self.nets[name] = SkipNet.build(config, generator(self.seed, "layer", name))
        self.inputs[name] = z
        self.jittered.add(name)

    def signature(self) -> str:
        """A text that is equal for stacks whose weights are interchangeable."""
        nets = [f"{name}={net.config.signature()}" for name, net in self.nets.items() if isinstance(net, SkipNet)]
        own = [f"{name}={'x'.join(map(str, p.shape))}" for name, p in self.named_parameters(recurse=False)]
        return "double_dip/" + ";".join(nets + own)

    def place(self, device: torch.device) -> None:
        """Move networks and inputs to a device."""
        self.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.inputs = {
            name: z.to(device).contiguous(memory_format=torch.channels_last) for name, z in self.inputs.items()
        }

    def forward(
        self,
        rows: Tensor,
        *,
        turn: int = 0,
        jitter: float = 0.0,
        random: torch.Generator | None = None,
        only: Collection[str] | None = None,
    ) -> dict[str, Tensor]:
        """What the layers look like in some of the pictures.

        Every picture goes through the networks by itself: their normalisation would tie a picture to those it happens
        to be drawn with.

        Args:
            rows: Indices of the pictures.
            turn: How pictures are turned, see :func:`turned`.
            jitter: Width of the noise added to jittered inputs.
            random: Draws it; without one there is none.
            only: Layers to draw; None for all.

        Returns:
            By name ``len(rows) C h w``; one row for layers with one input.
        """
        drawn: dict[str, Tensor] = {}
        for name, net in self.nets.items():
            if only is not None and name not in only:
                continue
            z = self.inputs[name]
            own = z if len(z) == 1 else z[rows.to(z.device)]
            if jitter and random is not None and name in self.jittered:
                own = own + jitter * torch.randn(own.shape, generator=random).to(own)
            drawn[name] = torch.cat([net(one)["out"] for one in turned(own, turn).split(1)])
        return drawn
