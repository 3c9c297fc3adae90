"""What an image method made of one window beside its pictures: the account, layers, and what the next window needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vidinternal.learn.state_tree import attach_tensors, detach_tensors
from vidinternal.stages.frame_store import FrameStore

_LAYERS = "layers"


class State(Mapping[str, Any]):
    """A tree of plain values and tensors that lies in a folder and is read when something of it is asked for.

    Args:
        folder: Where :func:`save_state` has written it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.safetensors"
        self._tree: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))

    def __getitem__(self, key: str) -> Any:
        return attach_tensors(self._tree[key], self._tensor)

    def _tensor(self, name: str) -> Tensor:
        with safe_open(self._path, framework="pt") as opened:
            return opened.get_tensor(name)

    def __iter__(self) -> Any:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a tree into a folder.

    Raises:
        TypeError: Something in it is neither plain nor a tensor.
    """
    tensors: dict[str, Tensor] = {}

    def put(tensor: Tensor) -> str:
        name = f"t{len(tensors)}"
        tensors[name] = tensor.detach().cpu().contiguous().clone()
        return name

    # key by key: a tree that lies in a folder itself is then read piece by piece
    tree = {key: detach_tensors(state[key], put) for key in state}
    (folder / "state.json").write_text(json.dumps(tree), encoding="utf-8")
    if tensors:
        save_file(tensors, folder / "state.safetensors")


@dataclass(frozen=True)
class Made:
    """What was made of one window beside its pictures.

    Attributes:
        facts: JSON-ready account: method, iterations, seconds, stop reason, history, flicker, notes.
        layers: By frame of the clip and name ``C H W`` uint16 of all 16 bits, upright.
        state: What the window behind in the same shot goes on from: plain values and tensors.
        weights: Named weights for the weight bank; empty when the method does not train.
    """

    facts: Mapping[str, Any]
    layers: FrameStore = field(default_factory=FrameStore)
    state: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder; layers that lie in files stay where they are too."""
        (folder / "made.json").write_text(json.dumps(dict(self.facts), indent=1), encoding="utf-8")
        save_state(folder, self.state)
        if self.weights:
            weights = {k: v.detach().cpu().float().contiguous().clone() for k, v in self.weights.items()}
            save_file(weights, folder / "weights.safetensors")
        self.layers.copy_to(folder / _LAYERS)

    @classmethod
    def load(cls, folder: Path) -> Made:
        """Read the account back; layers, state and weights are read when they are asked for."""
        return cls(Made.facts_in(folder), FrameStore(folder / _LAYERS), State(folder), _Weights(folder))

    @staticmethod
    def facts_in(folder: Path) -> dict[str, Any]:
        """The account alone of what was saved into a folder."""
        return json.loads((folder / "made.json").read_text(encoding="utf-8"))

    @staticmethod
    def weights_in(folder: Path) -> dict[str, Tensor]:
        """The weights alone of what was saved into a folder; empty where there are none."""
        path = folder / "weights.safetensors"
        return load_file(path) if path.exists() else {}


class _Weights(Mapping[str, Tensor]):
    """Weights in a file, read when one is asked for."""

    def __init__(self, folder: Path) -> None:
        self._read = partial(Made.weights_in, folder)

    def __getitem__(self, name: str) -> Tensor:
        return self._read()[name]

    def __iter__(self) -> Any:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
