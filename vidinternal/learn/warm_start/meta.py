"""The start learned on the sample clips: weights from which a few steps reach far on any of them.

Made by ``python -m vidinternal.bench.meta_start`` with Reptile (``nichol2018reptile``) over shots of the clips in
``clips/`` and of nothing else. Weights are kept as 8-bit codes with a scale for each output channel: a start needs no
more, and the file stays small. Networks that differ in their first and last layers alone share what lies between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import torch
from safetensors.torch import load, save
from torch import Tensor

FILE = "meta.safetensors"
_LEVELS = 127


def signatures() -> tuple[str, ...]:
    """The networks it has weights for."""
    return tuple(sorted(_opened()[1]))


def meta_start(signature: str) -> dict[str, Tensor] | None:
    """Start weights for a network, float32; None where none were learned for it."""
    tensors, index = _opened()
    if signature not in index:
        return None
    return decoded(tensors, index[signature])


def decoded(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors of one network, float32, from what :func:`unpacked` gives."""
    return {name: _decoded(tensors[f"{key}.code"], tensors[f"{key}.scale"]) for name, key in names.items()}


def packed(networks: Mapping[str, Mapping[str, Tensor]], about: Mapping[str, str]) -> bytes:
    """A file of start weights.

    Args:
        networks: For each signature its tensors; equal ones of equal name are kept once.
        about: How they were made, for whoever opens the file.
    """
    stored: dict[str, Tensor] = {}
    index: dict[str, dict[str, str]] = {}
    kept: dict[str, list[tuple[str, Tensor]]] = {}
    for signature, weights in networks.items():
        index[signature] = {}
        for name, tensor in weights.items():
            same = next((k for k, t in kept.get(name, []) if t.shape == tensor.shape and torch.equal(t, tensor)), None)
            if same is None:
                same = f"{len(kept.get(name, []))}.{name}"
                kept.setdefault(name, []).append((same, tensor))
                stored[f"{same}.code"], stored[f"{same}.scale"] = _coded(tensor)
            index[signature][name] = same
    return save(stored, metadata={**about, "index": json.dumps(index, sort_keys=True)})


def unpacked(data: bytes) -> tuple[dict[str, Tensor], dict[str, dict[str, str]]]:
    """Tensors as stored, and for each signature the stored name of every tensor."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return load(data), json.loads(header["__metadata__"]["index"])


@cache
def _opened() -> tuple[dict[str, Tensor], dict[str, dict[str, str]]]:
    place = files("vidinternal.learn.warm_start").joinpath(FILE)
    return unpacked(place.read_bytes()) if place.is_file() else ({}, {})


def _coded(tensor: Tensor) -> tuple[Tensor, Tensor]:
    rows = tensor.detach().float().reshape(len(tensor), -1)
    scale = rows.abs().amax(dim=1).clamp(min=1e-12) / _LEVELS
    return (rows / scale[:, None]).round().to(torch.int8).reshape(tensor.shape), scale


def _decoded(code: Tensor, scale: Tensor) -> Tensor:
    return code.float() * scale.reshape(-1, *[1] * (code.ndim - 1))
