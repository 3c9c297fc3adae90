"""What changes in the frames of a window: rectangles of the source's own planes, or whole frames made anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from vidinternal.stages.frame_store import FrameStore, WholeFrames


@dataclass(frozen=True)
class Patches:
    """The samples that change, in the planes of the clip that is written: the source's own, or whole frames of it.

    Attributes:
        frames: For each changed frame of the clip, one ``(y0, x0, samples)`` per plane, or None for a plane that does
            not change; ``samples`` replaces a rectangle of the plane and equals the source wherever no mask touches.
        seam: Mean absolute difference of the two fills of cross-faded frames inside the hole, in 8-bit codes; None
            where the window has no overlap.
        full: Whether samples beside the mask, in the whole work area, were meant to change.
        size: Rows and columns of the frames as they are stored, where every frame was made anew, perhaps of another
            size than the source's; they are then read one by one. None where frames are the source's with changes.
    """

    frames: Mapping[int, tuple[tuple[int, int, np.ndarray] | None, ...]]
    seam: float | None = None
    full: bool = False
    size: tuple[int, int] | None = None

    @classmethod
    def whole(cls, store: FrameStore, size: tuple[int, int]) -> Patches:
        """Frames that were made anew, their planes kept by ``put_planes``.

        Args:
            store: The planes.
            size: Rows and columns as they are stored.
        """
        return cls(WholeFrames(store), full=True, size=size)

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder; whole frames that lie in files stay where they are too."""
        if isinstance(self.frames, WholeFrames):
            _write(folder, {"whole": {"size": self.size, "frames": list(self.frames)}})
            self.frames.store.copy_to(folder / "frames")
            return
        arrays: dict[str, np.ndarray] = {}
        places: dict[str, list[list[int] | None]] = {}
        for index, planes in self.frames.items():
            places[str(index)] = [None if p is None else [p[0], p[1]] for p in planes]
            arrays |= {f"{index}.{k}": p[2] for k, p in enumerate(planes) if p is not None}
        _write(folder, {"places": places, "seam": self.seam, "full": self.full})
        if arrays:
            plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            save_file(plain, folder / "patches.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Patches:
        """Read itself back; whole frames are read when they are asked for."""
        meta = json.loads((folder / "patches.json").read_text(encoding="utf-8"))
        if "whole" in meta:
            height, width = meta["whole"]["size"]
            return cls.whole(FrameStore(folder / "frames", meta["whole"]["frames"]), (height, width))
        path = folder / "patches.safetensors"
        arrays = load_file(path) if path.exists() else {}
        frames = {
            int(index): tuple(
                None if place is None else (place[0], place[1], arrays[f"{index}.{k}"])
                for k, place in enumerate(places)
            )
            for index, places in meta["places"].items()
        }
        return cls(frames, meta["seam"], meta["full"])


def _write(folder: Path, value: Mapping[str, Any]) -> None:
    (folder / "patches.json").write_text(json.dumps(value, indent=1), encoding="utf-8")
