"""The registry's entry point."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.contracts import FlowMethod
from vidinternal.core.errors import ConfigError
from vidinternal.learn.checkpoint import load
from vidinternal.methods.raft import CARDS
from vidinternal.methods.raft.config import Config
from vidinternal.ops.torchvision_door import raft

SMALLEST_SIDE = 128
"""RAFT's correlation pyramid needs at least this many pixels on each side."""


@lru_cache(maxsize=2)
def network(size: str, weights: Path, modified: int) -> nn.Module:
    """The network with the user's weights.

    Args:
        size: ``large`` or ``small``.
        weights: The file.
        modified: Its time of change, so that a changed file is read again.

    Raises:
        ConfigError: The weights are not those of this network.
    """
    del modified
    net = raft("large" if size == "large" else "small")
    tensors = dict(load(weights).tensors)
    expected = net.state_dict()
    # Counters of batch norm are of no use here and absent from some exports.
    tensors |= {k: torch.zeros_like(v) for k, v in expected.items() if k.endswith("num_batches_tracked")}
    wrong = sorted(expected.keys() ^ tensors.keys()) or sorted(
        k for k, v in expected.items() if tensors[k].shape != v.shape
    )
    if wrong:
        raise ConfigError(
            f"flow.weights {weights}",
            expected=f"torchvision's raft_{size} parameters",
            got=f"{len(wrong)} that differ, first {wrong[0]}",
            hint="flow.size=small or large, as the weights are",
        )
    net.load_state_dict(tensors)
    return net.eval()


class Raft(FlowMethod):
    """RAFT (``teed2020raft``) on frames whose sides are continued to a multiple of 8."""

    card = CARDS[0]

    def flow(self, source: Tensor, target: Tensor, config: Config, device: torch.device) -> Tensor:
        """Return ``N 2 H W`` pixels with ``target(p + F(p)) ~ source(p)``.

        Raises:
            UsageError: The weights file is missing or is no safetensors file, or torchvision is not installed.
            ConfigError: The weights are not those of the network.
        """
        if not config.weights.is_file():
            raise ConfigError(f"flow.weights {config.weights}", expected="a .safetensors file", got="no such file")
        net = network(config.size, config.weights, config.weights.stat().st_mtime_ns).to(device)
        height, width = source.shape[-2:]
        bottom, right = (max(SMALLEST_SIDE, side + -side % 8) - side for side in (height, width))
        flows = []
        with torch.no_grad():
            for first, second in zip(source.split(1), target.split(1), strict=True):
                pair = torch.cat((first, second)).to(device).float() * 2 - 1
                pair = nn_functional.pad(pair, (0, right, 0, bottom), mode="replicate")
                flows.append(net(pair[:1], pair[1:], num_flow_updates=config.updates)[-1][..., :height, :width].cpu())
        return torch.cat(flows).to(source.device)


METHODS = (Raft(),)
