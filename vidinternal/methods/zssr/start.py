"""The weights that come along, learned by ``python -m vidinternal.bench.zssr_start``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from torch import Tensor

from vidinternal.learn.warm_start.meta import decoded, unpacked

FILE = "start.safetensors"


def learned_start(signature: str) -> dict[str, Tensor] | None:
    """Start weights of a network by its ``StackShape.signature``; None where none come along for it."""
    tensors, index = _opened()
    return decoded(tensors, index[signature]) if signature in index else None


@cache
def _opened() -> tuple[dict[str, Tensor], dict[str, dict[str, str]]]:
    place = files("vidinternal.methods.zssr").joinpath(FILE)
    return unpacked(place.read_bytes()) if place.is_file() else ({}, {})
