"""What a lift keeps from group to group and from window to window, as trees of plain values and tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vidinternal.core.contracts import Checkpoints
from vidinternal.learn.state_tree import attach_tensors, detach_tensors
from vidinternal.stages.lift.account import Account
from vidinternal.stages.lift.motion import Flicker


class Scoped:
    """Checkpoints of one group and tile: pieces of another group never fit."""

    def __init__(self, inner: Checkpoints, tile: int, group: int) -> None:
        self._inner, self._prefix, self._scope = inner, f"tile{tile}-", f"group {group}: "

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        """The piece of this group."""
        return self._inner.load(self._prefix + piece, self._scope + fits)

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        """Save a piece now."""
        self._inner.save(self._prefix + piece, self._scope + fits, state)

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save a piece when it is due."""
        self._inner.offer(self._prefix + piece, self._scope + fits, state)


@dataclass
class LiftState:
    """What goes on from group to group.

    Attributes:
        after: Index of the picture that is to be made next.
        picture: ``1 3 H W`` the last picture made; None at the beginning of a take.
        layers: Its layers.
        tiles: What the method returned for each tile.
        shot: What was found for the take.
        weights: What the bank may keep, from the last group; None where nothing is trained.
        signature: Of those weights.
        flicker: Warping errors so far, of this window.
        account: What the method told, of this window.
    """

    after: int
    picture: Tensor | None = None
    layers: dict[str, Tensor] = field(default_factory=dict)
    tiles: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    shot: dict[str, Tensor] | None = None
    weights: dict[str, Tensor] | None = None
    signature: str | None = None
    flicker: Flicker = field(default_factory=Flicker)
    account: Account = field(default_factory=Account)

    def carried(self) -> dict[str, Any]:
        """What the next window of the take goes on from."""
        tiles = {name: dict(state) for name, state in self.tiles.items()}
        return {"after": self.after, "picture": self.picture, "layers": self.layers, "tiles": tiles, "shot": self.shot}

    def tree(self) -> dict[str, Any]:
        """Everything."""
        told = {"flicker": self.flicker.as_list(), "account": self.account.as_tree()}
        return {**self.carried(), "weights": self.weights, "signature": self.signature, **told}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> LiftState:
        """Undo :meth:`tree`, or :meth:`carried` with nothing told yet."""
        told = {k: v for k, v in kept.items() if k not in ("flicker", "account", "deflicker")}
        state = cls(**told)
        if "account" in kept:
            state.flicker, state.account = Flicker.of(kept["flicker"]), Account.of(kept["account"])
        return state


def plain_tree(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A state as it would be read back from a file: sums must not round otherwise for where tensors lay in memory."""
    kept: list[Tensor] = []

    def put(tensor: Tensor) -> str:
        kept.append(tensor.detach().cpu().contiguous().clone())
        return str(len(kept) - 1)

    return attach_tensors(detach_tensors(tree, put), lambda name: kept[int(name)])
