"""State as a tree of plain values and tensors, and values of our own types made into such trees and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn

T = TypeVar("T")

_REFERENCE = "$tensor"


def detach_tensors(tree: Any, put: Callable[[Tensor], str]) -> Any:
    """The tree with every tensor handed to ``put`` and replaced by the name it gives back; JSON-ready.

    Raises:
        TypeError: Something in the tree is neither plain nor a tensor.
    """
    if isinstance(tree, Tensor):
        return {_REFERENCE: put(tree)}
    if isinstance(tree, Mapping):
        for key in tree:
            if not isinstance(key, str) or key.startswith("$"):
                raise TypeError(f"state: keys are text without a leading $, got {key!r}")
        return {key: detach_tensors(value, put) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [detach_tensors(value, put) for value in tree]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"state: expected plain values and tensors, got {type(tree).__name__}")


def attach_tensors(tree: Any, get: Callable[[str], Tensor]) -> Any:
    """Undo :func:`detach_tensors`."""
    if isinstance(tree, dict):
        if tree.keys() == {_REFERENCE}:
            return get(tree[_REFERENCE])
        return {key: attach_tensors(value, get) for key, value in tree.items()}
    return [attach_tensors(value, get) for value in tree] if isinstance(tree, list) else tree


def to_tree(value: Any) -> Any:
    """A value of our own types, dataclasses and arrays included, as a tree."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_tree(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, Mapping):
        return {key: to_tree(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_tree(entry) for entry in value]
    return value


def from_tree(kind: type[T], tree: Any) -> T:
    """Undo :func:`to_tree`, given the type: a dataclass, an array, a tensor, plain values, or tuples and dicts of such.

    Only the types written in the code are ever made; the tree names none.
    """
    return _read(kind, tree)


def _read(kind: Any, tree: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{f.name: _read(hints[f.name], tree[f.name]) for f in fields(kind)})
    if kind is np.ndarray:
        return tree.numpy()
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(tree, list):
        kinds = inner[:1] * len(tree) if inner[1:] == (...,) else inner
        return tuple(_read(k, entry) for k, entry in zip(kinds, tree, strict=True))
    if origin is list and isinstance(tree, list):
        return [_read(inner[0], entry) for entry in tree]
    if isinstance(tree, dict) and origin is not None and inner:
        return {key: _read(inner[-1], entry) for key, entry in tree.items()}
    return tree


def optimiser_tree(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimiser: per parameter in order, and the settings of its groups."""
    state = optimiser.state_dict()
    count = sum(len(group["params"]) for group in state["param_groups"])
    return {
        "state": [dict(state["state"].get(k, {})) for k in range(count)],
        "groups": [{k: v for k, v in group.items() if k != "params"} for group in state["param_groups"]],
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tree: Mapping[str, Any]) -> None:
    """Give an optimiser the state it had; moments lie in memory as their parameters do, so that sums round alike."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter, saved in zip(parameters, tree["state"], strict=True):
        optimiser.state[parameter] = {name: _like(parameter, value) for name, value in saved.items()}
    for group, saved in zip(optimiser.param_groups, tree["groups"], strict=True):
        group.update({k: tuple(v) if isinstance(group.get(k), tuple) else v for k, v in saved.items()})


def _like(parameter: Tensor, value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()


def network_tree(network: nn.Module) -> dict[str, Tensor]:
    """The live tensors of a network by name, buffers included; to be written before it trains on."""
    return {name: tensor.detach() for name, tensor in network.state_dict().items()}
