"""RAFT through torchvision's network definition."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.contracts import FlowMethod
from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.learn.checkpoint import load, restore
from vidinternal.methods.raft import CARDS
from vidinternal.methods.raft.config import Config
from vidinternal.ops.torchvision_door import raft

LEAST_SIDE = 128
"""Shortest side the network takes: its coarsest correlation map must not vanish."""

_HINT = "save torchvision's state_dict once with safetensors.torch.save_file and set flow.weights=FILE.safetensors"


@lru_cache(maxsize=1)
def _network(path: Path, _changed: int, size: str, device: torch.device) -> nn.Module:
    """The network with its weights; read again when the file has changed."""
    network = raft("large" if size == "large" else "small")
    restore(network, load(path).tensors, f"raft weights {path}")
    return network.to(device).requires_grad_(False)


def _load(config: Config, device: torch.device) -> nn.Module:
    path = config.weights
    if path is None:
        raise ConfigError("flow.weights", expected="a file with RAFT's weights", got="nothing", hint=_HINT)
    if not path.is_file():
        raise ConfigError("flow.weights", expected="a .safetensors file", got=f"no file {path}", hint=_HINT)
    try:
        return _network(path.resolve(), path.stat().st_mtime_ns, config.size, device)
    except ConfigError:
        raise
    except UsageError as error:
        # Not safetensors: a .pth would have to be unpickled, which can run code.
        if error.where != str(path.resolve()):
            raise
        raise ConfigError("flow.weights", expected="a .safetensors file", got=str(path), hint=_HINT) from error


def network_size(height: int, width: int) -> tuple[int, int]:
    """The size pictures are enlarged to: multiples of 8, the shorter side at least 128."""
    scale = max(1.0, LEAST_SIDE / min(height, width))
    return -(-round(height * scale) // 8) * 8, -(-round(width * scale) // 8) * 8


class Raft(FlowMethod):
    """Recurrent all-pairs field transforms."""

    card = CARDS[0]

    def flow(self, source: Tensor, target: Tensor, config: Config, device: torch.device) -> Tensor:
        """Return ``N 2 H W`` pixels with ``target(p + F(p)) ~ source(p)``, on the device of ``source``.

        Raises:
            ConfigError: The weights are missing, are no safetensors file, or belong to another network.
            UsageError: torchvision is not installed, or the pictures do not belong together.
        """
        if source.ndim != 4 or source.shape[1] != 3 or source.shape != target.shape:
            raise UsageError(
                "raft", expected="two tensors N 3 H W", got=f"{tuple(source.shape)} and {tuple(target.shape)}"
            )
        network = _load(config, device)
        height, width = source.shape[-2:]
        large = network_size(height, width)
        ratio = source.new_tensor([width / large[1], height / large[0]], dtype=torch.float32).view(1, 2, 1, 1)
        flows = [source.new_zeros((0, 2, height, width), dtype=torch.float32)]
        if not len(source):
            return flows[0]
        with torch.inference_mode():
            for pair in zip(source.split(config.pairs), target.split(config.pairs), strict=True):
                first, second = (_resize(p.float(), large).to(device) * 2 - 1 for p in pair)
                flow = network(first, second, num_flow_updates=config.updates)[-1]
                flows.append(_resize(flow.to(source.device), (height, width)) * ratio)
        return torch.cat(flows).clone()


def _resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    if pictures.shape[-2:] == size:
        return pictures
    return nn_functional.interpolate(pictures, size=size, mode="bilinear", align_corners=False)


METHODS = (Raft(),)
