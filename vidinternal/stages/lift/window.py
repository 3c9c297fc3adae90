"""A window of a clip that is made picture by picture: where finished frames go, and what is done with them at last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import ClipInfo
from vidinternal.core.contracts import FitContext
from vidinternal.stages.frame_store import FrameStore, put_planes
from vidinternal.stages.lift.deflicker import Window, steady
from vidinternal.stages.lift.reader import InOrder
from vidinternal.stages.lift.run import Made
from vidinternal.stages.output_clip import layer_frame, whole_frame

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


@dataclass
class LiftedWindow:
    """A window at work.

    Attributes:
        frames: The source.
        span: Frames that the window makes.
        shot: Frames of its take.
        out: The clip to be written.
        planes: Finished frames.
        layers: Finished layers.
        made: Finished pictures, 16 bits, where a finisher wants to see them again.
        reader: Reads the source in order.
        rows: Pictures of a frame that is not yet whole, with their layers.
    """

    frames: FrameSource
    span: range
    shot: range
    out: ClipInfo
    planes: FrameStore
    layers: FrameStore
    made: FrameStore
    reader: InOrder
    rows: list[tuple[Tensor, Mapping[str, Tensor]]] = field(default_factory=list)

    def put(self, made: Made, *, keep: bool = False) -> None:
        """Keep what became of a group; a frame of two fields once both are there.

        Args:
            made: Pictures and layers.
            keep: Whether a finisher wants to see the pictures again.
        """
        per = self.frames.per_frame
        for k, picture in enumerate(made.frames):
            if keep:
                _store(self.made, made.start + k, picture)
            self.rows.append((picture, {name: layer[k] for name, layer in made.layers.items()}))
            if len(self.rows) == per:
                self._put_frame((made.start + k) // per)

    def _put_frame(self, index: int) -> None:
        pictures, layers = [p for p, _ in self.rows], [own for _, own in self.rows]
        put_planes(self.planes, index, whole_frame(pictures, self.reader.native(index), self.frames, self.out))
        if layers[0]:
            kept = {name: layer_frame([own[name] for own in layers], self.frames) for name in layers[0]}
            self.layers.put(index, kept)
        self.rows.clear()

    def deflicker(
        self, facts: dict[str, Any], context: FitContext, before: Mapping[str, Any] | None
    ) -> dict[str, Tensor]:
        """Give the finished window back steadier, where it flickers; what came of it goes into the account.

        Args:
            facts: The account, changed in place.
            context: Seed, device, what is left of the time, checkpoints.
            before: What the window before in the same take left, with ``deflicker``, weights if it was given back
                steadier; None at the beginning of a take.

        Returns:
            What the next window begins with; empty where this one was left as it is.
        """
        per, first = self.frames.per_frame, self.frames.per_frame * self.span.start
        told = facts.get("flicker")
        steadied = FrameStore(self.made.folder and self.made.folder.with_name("steadied"))
        window = Window(
            count=per * len(self.span),
            source=lambda k: self.reader.pictures(first + k, first + k + 1),
            made=lambda k: _stored(self.made, first + k),
            put=lambda k, picture: _store(steadied, first + k, picture[0]),
            last=None if before is None or before["after"] != first else before["picture"],
        )
        errors = None if told is None else (told["source"], told["before"])
        answer = steady(window, errors, context, (before or {}).get("deflicker") or None)
        facts["notes"] = [*facts["notes"], answer.note]
        facts["deflicker"] = {"taken": answer.taken, **answer.facts}
        if told is not None:
            facts["flicker"] = {**told, "after": answer.after}
        if answer.taken:
            for index in range(first, first + window.count):
                self.put(Made(index, _stored(steadied, index), {}))
        return dict(answer.weights)


def _store(store: FrameStore, index: int, picture: Tensor) -> None:
    """Keep ``3 H W`` with 16 bits."""
    array = picture.detach().cpu().clamp(0, 1).double().numpy()
    store.put(index, {"picture": np.rint(array * 65535).astype(np.uint16)})


def _stored(store: FrameStore, index: int) -> Tensor:
    """``1 3 H W`` as it was kept."""
    return torch.from_numpy(store[index]["picture"].astype(np.float32) / 65535)[None]
