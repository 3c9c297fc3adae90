"""The state of a running fit in files, so that a run that was killed goes on from its last checkpoint.

A piece of state is one safetensors file: small tensors inside, the rest of the tree as JSON in its header, a digest of
both. Tensors of many megabytes lie beside it, each in a file named by its digest, and are written only when they
change: the best output so far changes with a look, not with every iteration.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import Checkpoints
from vidinternal.core.durable import make_folder, replacing
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.learn.state_tree import attach_tensors, detach_tensors, from_tree, to_tree

T = TypeVar("T")

EVERY = 10.0
"""Seconds between two checkpoints, up to twice as many where saving takes long: a kill costs no more."""
LARGE = 16 * 2**20
"""Bytes from which a tensor gets a file of its own."""
_FORMAT = "vidinternal-state-1"


@dataclass
class CheckpointSettings:
    """What a checkpoint needs to know beside its place.

    Attributes:
        every: Least seconds between two.
        stop: Whether somebody asked to stop.
        budget: The window's time; what is spent of it stands in every checkpoint.
        damaged: Told the name of a file that cannot be used.
    """

    every: float = EVERY
    stop: Stop = field(default_factory=Stop)
    budget: Budget = field(default_factory=Budget)
    damaged: Callable[[str], None] = lambda _name: None


class FileCheckpoints:
    """Keeps the pieces of one fit in a folder; ``core.contracts.Checkpoints``.

    Args:
        folder: Made when something is saved.
        settings: How often, and who is told.
    """

    def __init__(self, folder: Path, settings: CheckpointSettings | None = None) -> None:
        self.folder, self.settings = folder, settings or CheckpointSettings()
        self._large: dict[str, dict[int, tuple[Tensor, int, str]]] = {}
        self._due = time.monotonic() + self.settings.every

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        """The piece as it was last saved; None where there is none, or none whole that belongs to ``fits``."""
        path = self._path(piece)
        if not path.is_file():
            return None
        try:
            tensors, header = _read(path)
            if header["fits"] != fits:
                return None
            return attach_tensors(header["tree"], lambda name: tensors[name] if name in tensors else self._blob(name))
        except (SafetensorError, OSError, ValueError, KeyError):
            self.settings.damaged(path.name)
            return None

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        """Save a piece now: written aside, flushed, then renamed into place."""
        self._save(piece, fits, state)

    def _save(self, piece: str, fits: str, state: Mapping[str, Any]) -> dict[int, tuple[Tensor, int, str]]:
        """Save a piece; its large tensors by their id."""
        make_folder(self.folder)
        small: dict[str, Tensor] = {}
        large: dict[int, tuple[Tensor, int, str]] = {}

        def put(tensor: Tensor) -> str:
            if tensor.numel() * tensor.element_size() >= LARGE:
                large[id(tensor)] = self._keep(tensor, self._large.get(piece, {}).get(id(tensor)))
                return large[id(tensor)][2]
            small[f"t{len(small)}"] = tensor.detach().cpu().contiguous().clone()
            return f"t{len(small) - 1}"

        tree = detach_tensors(state, put)
        header = {"fits": fits, "tree": tree, "spent": self.settings.budget.elapsed()}
        text = json.dumps({**header, "large": [name for _, _, name in large.values()]})
        self._write(self._path(piece), small, {"format": _FORMAT, "state": text, "digest": _digest(text, small)})
        self._forget_unused()
        return large

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save a piece if the last time is long enough ago, or if the work must stop.

        Raises:
            Interrupted: Somebody asked to stop, and the grace is over; the state has been saved.
        """
        overdue = self.settings.stop.overdue
        if not overdue and time.monotonic() < self._due:
            return
        started = time.monotonic()
        # held, so that the next offer knows them again; what is saved only once may go
        self._large[piece] = self._save(piece, fits, state())
        now = time.monotonic()
        # rarer where saving takes long, but never so rare that a kill costs more than twice the usual
        self._due = now + min(max(self.settings.every, 10 * (now - started)), 2 * self.settings.every)
        if overdue:
            raise Interrupted("the training's state is saved")

    def spent(self) -> float | None:
        """Seconds of the window's time that had been spent at the last checkpoint; None where there is none whole."""
        found = [_header(path).get("spent") for path in self.folder.glob("*.safetensors")]
        return max((s for s in found if s is not None), default=None)

    def _path(self, piece: str) -> Path:
        return self.folder / f"{piece}.safetensors"

    def _keep(self, tensor: Tensor, known: tuple[Tensor, int, str] | None) -> tuple[Tensor, int, str]:
        """Write a large tensor unless this very content is there."""
        if known is not None and known[0] is tensor and known[1] == tensor._version:
            return known
        plain = {"tensor": tensor.detach().cpu().contiguous()}
        name = _digest("", plain)
        path = self.folder / f"{name}.large"
        if not path.is_file():
            self._write(path, plain, {"format": _FORMAT, "digest": name})
        return tensor, tensor._version, name

    def _blob(self, name: str) -> Tensor:
        with safe_open(self.folder / f"{name}.large", framework="pt") as opened:
            tensor = opened.get_tensor("tensor")
        if _digest("", {"tensor": tensor}) != name:
            raise ValueError(f"{name} is not what was written")
        return tensor

    def _write(self, path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
        with replacing(path) as written:
            save_file(tensors, written, metadata=header)

    def _forget_unused(self) -> None:
        used = {name for path in self.folder.glob("*.safetensors") for name in _header(path).get("large", ())}
        for path in self.folder.glob("*.large"):
            if path.stem not in used:
                path.unlink(missing_ok=True)


class Keeps(Protocol):
    """The part of a context that tells where state is kept."""

    @property
    def checkpoint(self) -> Checkpoints | None:
        """Where; None = nowhere."""
        ...


def kept(context: Keeps, piece: str, fits: str, kind: type[T], make: Callable[[], T]) -> T:
    """What ``make`` makes, or what it made in an earlier run of this fit that was killed.

    Args:
        context: Of a fit or a stage; has the checkpoints, or none.
        piece: Name of the piece.
        fits: What it belongs to.
        kind: Its type, a dataclass of tensors, arrays and plain values.
        make: Makes it.
    """
    if context.checkpoint is None:
        return make()
    saved = context.checkpoint.load(piece, fits)
    if saved is not None:
        return from_tree(kind, saved)
    made = make()
    context.checkpoint.save(piece, fits, to_tree(made))
    return made


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:32]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as opened:
        header = opened.metadata() or {}
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    if header.get("digest") != _digest(header.get("state", ""), tensors):
        raise ValueError(f"{path.name} is not what was written")
    return tensors, json.loads(header["state"])


def _header(path: Path) -> dict[str, Any]:
    """The plain part of a piece, empty where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as opened:
            return json.loads((opened.metadata() or {}).get("state", "{}"))
    except (SafetensorError, OSError, ValueError):
        return {}
