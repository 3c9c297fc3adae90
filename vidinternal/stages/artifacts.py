"""The artifacts that pass between stages, and how each is kept in a folder of the workspace.

Arrays are stored as safetensors and everything else as JSON, so that any artifact can be looked at and nothing is
unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from vidinternal.core.clip import Shot, Window
from vidinternal.core.contracts import FlowField, FlowSet
from vidinternal.core.finding import Found
from vidinternal.ops.bars import NO_BARS, Bars, inside
from vidinternal.stages.made import Made
from vidinternal.stages.patches import Patches

Box = tuple[int, int, int, int]
"""``(y0, y1, x0, x1)`` in pixels, ends excluded."""


class Artifact(Protocol):
    """Something a stage writes and a later one reads."""

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read itself back."""
        ...


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)


def _save_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Windows:
    """How the clip is cut.

    Attributes:
        shots: Uncut takes that tile the clip.
        windows: Pieces of shots that fit in memory, in order.
    """

    shots: tuple[Shot, ...]
    windows: tuple[Window, ...]

    def owned(self, window: Window) -> range:
        """The frames this window writes: all of its own but those its successor cross-fades."""
        following = self.windows[window.index + 1] if window.index + 1 < len(self.windows) else None
        shared = following is not None and following.overlap > 0
        return range(window.start, following.start if shared and following else window.end)

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder."""
        _save_json(
            folder / "windows.json",
            {"shots": [asdict(s) for s in self.shots], "windows": [asdict(w) for w in self.windows]},
        )

    @classmethod
    def load(cls, folder: Path) -> Windows:
        """Read itself back."""
        value = _load_json(folder / "windows.json")
        return cls(tuple(Shot(**s) for s in value["shots"]), tuple(Window(**w) for w in value["windows"]))


@dataclass(frozen=True)
class MaskTrack:
    """What is to be filled in one window.

    Attributes:
        masks: ``T 1 H W`` bool on the frames as they are shown, True = to fill.
        box: The work area: the holes of all pictures with a margin of known picture; None when nothing is masked.
        per_frame: Pictures that methods see of a frame: 2 where it is interlaced. ``box`` lies in one picture.
        recovered: ``T 3 h w`` float32 RGB inside ``box``: the picture under an overlay, known without filling; or None.
        where: ``T 1 h w`` bool, inside ``box`` and under ``masks``: what ``recovered`` answers; the rest is filled.
        seen: ``T 1 h w`` bool, the part of ``where`` that other places show: the same in other frames, or a black bar's
            other pixels; the rest shone through.
        bars: Black bars along the sides of ``box``; methods do not get to see them.
    """

    masks: Tensor
    box: Box | None
    per_frame: int = 1
    recovered: Tensor | None = None
    where: Tensor | None = None
    seen: Tensor | None = None
    bars: Bars = NO_BARS

    def to_fill(self) -> Tensor:
        """``T 1 h w`` bool inside ``box``, or of the whole frames without one: what no picture was recovered for."""
        if self.box is None or self.where is None:
            return self.masks
        y0, y1, x0, x1 = self.box
        return self.masks[..., y0:y1, x0:x1] & ~self.where

    def with_bars(self, bars: Bars, colour: Tensor) -> MaskTrack:
        """With every masked pixel on black bars recovered.

        Args:
            bars: Along the sides of ``box``.
            colour: ``3`` RGB.
        """
        if self.box is None:
            return self
        y0, y1, x0, x1 = self.box
        masked = self.masks[..., y0:y1, x0:x1]
        on = torch.ones_like(masked)
        rows, columns = inside(bars, y1 - y0, x1 - x0)
        on[..., rows, columns] = False
        on &= masked
        known = torch.zeros((len(on), 3, *on.shape[-2:])) if self.recovered is None else self.recovered
        where, seen = (on if t is None else t | on for t in (self.where, self.seen))
        return replace(self, recovered=torch.where(on, colour.view(3, 1, 1), known), where=where, seen=seen, bars=bars)

    def with_recovered(self, frames: Tensor) -> Tensor:
        """``T 3 h w`` frames inside ``box`` with what was recovered laid over them."""
        if self.recovered is None or self.where is None:
            return frames
        return torch.where(self.where, self.recovered, frames)

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder; recovered colours are kept with 16 bits."""
        array = self.masks.cpu().numpy()
        arrays = {"packed": np.packbits(array)}
        if self.recovered is not None and self.where is not None:
            colours = self.recovered.cpu().numpy().clip(0, 1)
            arrays |= {"recovered": np.round(colours * 65535).astype(np.uint16), "where": self.where.cpu().numpy()}
            arrays |= {} if self.seen is None else {"seen": self.seen.cpu().numpy()}
        _save_arrays(folder / "masks.safetensors", arrays)
        _save_json(
            folder / "masks.json",
            {"shape": array.shape, "box": self.box, "per_frame": self.per_frame, "bars": self.bars},
        )

    @classmethod
    def load(cls, folder: Path) -> MaskTrack:
        """Read itself back."""
        meta = _load_json(folder / "masks.json")
        shape = tuple(meta["shape"])
        arrays = load_file(folder / "masks.safetensors")
        array = np.unpackbits(arrays["packed"], count=int(np.prod(shape))).astype(bool).reshape(shape)
        masks, box = torch.from_numpy(array), tuple(meta["box"]) if meta["box"] else None
        bars = tuple(meta["bars"])
        if "recovered" not in arrays:
            return cls(masks, box, meta["per_frame"], bars=bars)
        colours = torch.from_numpy(arrays["recovered"].astype(np.float32) / 65535)
        seen = torch.from_numpy(arrays["seen"]) if "seen" in arrays else None
        return cls(masks, box, meta["per_frame"], colours, torch.from_numpy(arrays["where"]), seen, bars)


@dataclass(frozen=True)
class InClip:
    """What a method found in the whole clip.

    Attributes:
        found: Facts, arrays, and files for people, which lie beside them under their own names.
    """

    found: Found

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder."""
        _save_json(folder / "found.json", {"facts": dict(self.found.facts), "files": sorted(self.found.files)})
        if self.found.arrays:
            _save_arrays(folder / "found.safetensors", {k: v.cpu().numpy() for k, v in self.found.arrays.items()})
        for name, content in self.found.files.items():
            (folder / name).write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> InClip:
        """Read itself back."""
        meta = _load_json(folder / "found.json")
        path = folder / "found.safetensors"
        arrays = load_file(path) if path.exists() else {}
        files = {name: (folder / name).read_bytes() for name in meta["files"]}
        return cls(Found(meta["facts"], {k: torch.from_numpy(v) for k, v in arrays.items()}, files))


@dataclass(frozen=True)
class Flows:
    """Reference flow inside the work area of one window; kept as float16 (finer than 0.01 px below 16 px).

    Attributes:
        fields: By signed stride; empty when no method asked for flow or nothing is masked.
    """

    fields: FlowSet = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder."""
        arrays: dict[str, np.ndarray] = {}
        for stride, entry in self.fields.items():
            arrays[f"flow{stride:+d}"] = entry.flow.cpu().numpy().astype(np.float16)
            arrays[f"valid{stride:+d}"] = entry.valid.cpu().numpy()
        _save_json(folder / "flow.json", {"strides": sorted(self.fields)})
        if arrays:
            _save_arrays(folder / "flow.safetensors", arrays)

    @classmethod
    def load(cls, folder: Path) -> Flows:
        """Read itself back."""
        strides = _load_json(folder / "flow.json")["strides"]
        arrays = load_file(folder / "flow.safetensors") if strides else {}
        return cls(
            {
                s: FlowField(
                    torch.from_numpy(arrays[f"flow{s:+d}"].astype(np.float32)),
                    torch.from_numpy(arrays[f"valid{s:+d}"]),
                    s,
                )
                for s in strides
            }
        )


@dataclass(frozen=True)
class Fill:
    """What a method made of one window.

    Attributes:
        frames: ``T 3 h w`` float32 RGB inside ``box``, the method's full output; None when nothing is masked.
        box: The work area.
        provenance: ``T 1 h w`` int16 window frame each pixel was copied from, -1 = not copied; or None.
        weights: Named weights for warm starts; empty when the method does not train.
        facts: JSON-ready account: method, iterations, seconds, stop reason, history, self-score, notes.
        origin: ``T 1 h w`` uint8, what each pixel is mostly made of, an index into ``core.contracts.ORIGINS``; or None.
        error: ``T 1 h w`` float32 in [0, 1], RMS error over RGB to expect of each hole pixel; None where nothing was
            held out. Kept with 16 bits.
        learned_flow: ``T 2 h w`` float32 pixels, ``F[t -> t+1]`` of the method's own network; None where it has none.
            Kept as float16.
    """

    frames: Tensor | None
    box: Box | None
    provenance: Tensor | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    origin: Tensor | None = None
    error: Tensor | None = None
    learned_flow: Tensor | None = None

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder; colours are kept with 16 bits."""
        _save_json(folder / "fill.json", {"box": self.box, "facts": dict(self.facts)})
        arrays: dict[str, np.ndarray] = {}
        if self.frames is not None:
            arrays["frames"] = np.round(self.frames.cpu().numpy().clip(0, 1) * 65535).astype(np.uint16)
        if self.provenance is not None:
            arrays["provenance"] = self.provenance.cpu().numpy().astype(np.int16)
        if self.origin is not None:
            arrays["origin"] = self.origin.cpu().numpy().astype(np.uint8)
        if self.error is not None:
            arrays["error"] = np.round(self.error.cpu().numpy().clip(0, 1) * 65535).astype(np.uint16)
        if self.learned_flow is not None:
            arrays["learned_flow"] = self.learned_flow.cpu().numpy().astype(np.float16)
        if arrays:
            _save_arrays(folder / "fill.safetensors", arrays)
        if self.weights:
            weights = {k: v.detach().cpu().float().numpy() for k, v in self.weights.items()}
            _save_arrays(folder / "weights.safetensors", weights)

    @classmethod
    def load(cls, folder: Path) -> Fill:
        """Read itself back."""
        meta = _load_json(folder / "fill.json")
        path, weights_path = folder / "fill.safetensors", folder / "weights.safetensors"
        arrays = load_file(path) if path.exists() else {}
        frames, provenance, origin = (arrays.get(name) for name in ("frames", "provenance", "origin"))
        error, learned_flow = arrays.get("error"), arrays.get("learned_flow")
        weights = load_file(weights_path) if weights_path.exists() else {}
        return cls(
            None if frames is None else torch.from_numpy(frames.astype(np.float32) / 65535),
            tuple(meta["box"]) if meta["box"] else None,
            None if provenance is None else torch.from_numpy(provenance),
            {k: torch.from_numpy(v) for k, v in weights.items()},
            meta["facts"],
            None if origin is None else torch.from_numpy(origin),
            None if error is None else torch.from_numpy(error.astype(np.float32) / 65535),
            None if learned_flow is None else torch.from_numpy(learned_flow.astype(np.float32)),
        )

    @staticmethod
    def facts_in(folder: Path) -> dict[str, Any]:
        """The account alone of what was saved into a folder; its pictures are not read."""
        return _load_json(folder / "fill.json")["facts"]

    @staticmethod
    def weights_in(folder: Path) -> dict[str, Tensor]:
        """The weights alone of what was saved into a folder; empty where there are none."""
        path = folder / "weights.safetensors"
        return {k: torch.from_numpy(v) for k, v in load_file(path).items()} if path.exists() else {}


@dataclass(frozen=True)
class Again:
    """What was made once more of a window, where something of an overlay was left.

    Attributes:
        masks: In place of the window's; None where nothing was made again.
        patches: In place of the window's; None likewise.
        facts: JSON-ready: what was left, in which frames, before and after.
    """

    masks: MaskTrack | None = None
    patches: Patches | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder."""
        _save_json(folder / "again.json", {"facts": dict(self.facts), "made": self.masks is not None})
        if self.masks is not None and self.patches is not None:
            self.masks.save(folder)
            self.patches.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Again:
        """Read itself back."""
        meta = _load_json(folder / "again.json")
        if not meta["made"]:
            return cls(facts=meta["facts"])
        return cls(MaskTrack.load(folder), Patches.load(folder), meta["facts"])


@dataclass(frozen=True)
class Written:
    """The file that was written.

    Attributes:
        facts: JSON-ready account of the encoder: path, frames, codec, quality, bytes, notes.
    """

    facts: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write itself into an existing empty folder."""
        _save_json(folder / "result.json", dict(self.facts))

    @classmethod
    def load(cls, folder: Path) -> Written:
        """Read itself back."""
        return cls(_load_json(folder / "result.json"))


KINDS: Mapping[str, type[Artifact] | None] = {
    "frames": None,
    "found": InClip,
    "windows": Windows,
    "masks": MaskTrack,
    "flow": Flows,
    "fill": Fill,
    "patches": Patches,
    "made": Made,
    "again": Again,
    "result": Written,
}
"""Every artifact name and its type; None marks a handle that is made again instead of being stored."""
