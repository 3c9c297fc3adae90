"""Named tensors in one safetensors file, with a signature that tells which network they fit. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vidinternal.core.durable import replacing
from vidinternal.core.errors import ConfigError, UsageError

_FORMAT = "vidinternal-1"


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        tensors: By name, on the CPU.
        signature: Tells which network they fit; None in a file made elsewhere.
        metadata: What else was stored, as JSON values.
    """

    tensors: Mapping[str, Tensor]
    signature: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file appears whole or not at all.

    Args:
        path: Where; the folder must exist.
        checkpoint: What.

    Raises:
        UsageError: The folder does not exist.
    """
    if not path.parent.is_dir():
        raise UsageError(str(path), expected="a folder that exists", got=str(path.parent))
    header = {
        "format": _FORMAT,
        "signature": checkpoint.signature or "",
        "metadata": json.dumps(dict(checkpoint.metadata), sort_keys=True),
    }
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    with replacing(path) as written:
        save_file(tensors, written, metadata=header)


def load(path: Path, signature: str | None = None) -> Checkpoint:
    """Read a safetensors file, ours or another's.

    Args:
        path: The file.
        signature: The signature it must have; None accepts any.

    Raises:
        UsageError: The file is missing or is no safetensors file.
        ConfigError: Its signature is another one.
    """
    if not path.is_file():
        raise UsageError(str(path), expected="a .safetensors file", got="no such file")
    try:
        with safe_open(path, framework="pt") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
        metadata = json.loads(header.get("metadata", "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UsageError(str(path), expected="a .safetensors file", got=str(error)) from error
    found = header.get("signature") or None
    if signature is not None and found != signature:
        raise ConfigError(
            str(path),
            expected=f"weights of {signature}",
            got=f"weights of {found}" if found else "weights without a signature",
            hint="start from weights saved by the same method with the same network settings",
        )
    return Checkpoint(tensors, found, metadata)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Copy a network's named tensors to the CPU."""
    # clone: on a CPU `.cpu()` returns the live tensor, which training goes on changing
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def restore(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy named tensors into a network.

    Args:
        network: Changed in place.
        tensors: Exactly its names and shapes.
        where: What the tensors are, for the message, e.g. ``start_weights``.

    Raises:
        ConfigError: A name is missing or unknown, or a shape differs; nothing has been changed then.
    """
    own = network.state_dict()
    for name in [*own, *tensors]:
        expected = tuple(own[name].shape) if name in own else None
        got = tuple(tensors[name].shape) if name in tensors else None
        if expected != got:
            raise ConfigError(
                where,
                expected=f"'{name}' of shape {expected}" if expected is not None else f"no tensor '{name}'",
                got=f"shape {got}" if got is not None else "no such tensor",
                hint="these weights belong to another network; leave them out, or use the settings they were made with",
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
