"""The generator network of each mode: noise of one frame -> that frame and its flow to its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.seeds import branch, generator
from vidinternal.learn.checkpoint import load, restore, snapshot
from vidinternal.methods.video_inpainting.config import SharedConfig
from vidinternal.nets.skip_net import Head, SkipNet, SkipNetConfig, fitting_depth

KERNEL_DOWN = 5


def network_config(
    config: SharedConfig, size: tuple[int, int], strides: Sequence[int] = (), *, temporal: bool = False
) -> SkipNetConfig:
    """The paper's network for a picture size: depth 6, 16 to 128 channels, 4 skip channels, kernels 5, 3 and 1.

    Args:
        config: The mode's settings.
        size: Height and width.
        strides: Strides with a predicted flow: each takes 2 channels forward and 2 backward, in this order.
        temporal: Whether the network is the 3-D one.

    Raises:
        UsageError: The picture is too small for a single level.
    """
    depth = fitting_depth(*size, config.depth, KERNEL_DOWN)
    missing = max(0, depth - len(config.channels))
    channels = (config.channels + config.channels[-1:] * missing)[:depth]
    heads = [Head("image", 3, sigmoid=True)]
    if strides:
        heads.append(Head("flow", 4 * len(strides)))
    return SkipNetConfig(
        in_channels=1,
        down=channels,
        up=channels,
        skip=(4,) * depth,
        kernel_down=KERNEL_DOWN,
        kernel_up=3,
        kernel_skip=1,
        upsample="nearest",
        padding="reflection",
        temporal=temporal,
        heads=tuple(heads),
    )


def input_noise(shape: tuple[int, int, int], scale: float, seed: int) -> Tensor:
    """``T 1 H W`` uniform in [0, scale), drawn once for the whole window and kept."""
    total, height, width = shape
    return torch.rand(total, 1, height, width, generator=generator(seed, "noise")) * scale


@dataclass(frozen=True)
class Output:
    """What the generator makes of some frames' noise.

    Attributes:
        image: ``N 3 H W`` float32.
        flows: ``N 4S H W`` float32 normalised flow, forward and backward for each stride; None without flow.
    """

    image: Tensor
    flows: Tensor | None


class Generator:
    """A network, where it runs and in which arithmetic.

    Args:
        shape: Its shape.
        seed: Gives its start weights.
        device: Where it runs.
        config: For the arithmetic and the weights to start from.
        strides: Strides of its flow channels.
    """

    def __init__(
        self, shape: SkipNetConfig, seed: int, device: torch.device, config: SharedConfig, strides: Sequence[int] = ()
    ) -> None:
        self.strides = tuple(strides)
        suffix = f":strides{'-'.join(map(str, self.strides))}" if self.strides else ""
        self.signature = shape.signature() + suffix
        self.device, self._reduced = device, config.precision == "bfloat16"
        network = SkipNet.build(shape, generator(branch(seed, "weights")))
        self.network = network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def start_from(self, config: SharedConfig, context: FitContext) -> None:
        """Take over the weights of ``context.start``, else of the file ``config.start_weights``, else none.

        Weights of the context that are known to belong to another network are left aside.

        Raises:
            UsageError: The file cannot be read.
            ConfigError: The file's weights belong to another network, or the context's do and it was not known.
        """
        if context.start is not None and context.start_signature in (None, self.signature):
            restore(self.network, context.start, "start weights")
        elif config.start_weights is not None:
            restore(self.network, load(config.start_weights, self.signature).tensors, str(config.start_weights))

    def __call__(self, noise: Tensor) -> Output:
        """Generate from ``N 1 H W`` noise; batch statistics make the N frames depend on one another."""
        with self.arithmetic():
            made = self.network(noise)
        return Output(made["image"], made.get("flow"))

    def arithmetic(self) -> torch.autocast:
        """The context in which networks run: bfloat16 where it is asked for."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._reduced)

    def flow(self, output: Output, stride: int) -> Tensor:
        """``N 2 H W``: the normalised flow of a signed stride."""
        if output.flows is None:
            raise ValueError(f"this generator makes no flow, stride {stride} was asked for")
        first = 4 * self.strides.index(abs(stride)) + (0 if stride > 0 else 2)
        return output.flows[:, first : first + 2]

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights."""
        return snapshot(self.network)
