"""What a run kept of every frame: what was to be filled, what with, how sure it is. A window in memory at a time.

Whatever is no longer in the workspace is left out and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vidinternal import methods
from vidinternal.core.clip import Window
from vidinternal.core.contracts import ORIGINS, decibels
from vidinternal.core.errors import MediaError, UserError
from vidinternal.media.fields import Scan, weave
from vidinternal.media.orientation import Orientation, orientation, shown_size
from vidinternal.stages.artifacts import Box, Fill, Flows, MaskTrack, Windows

if TYPE_CHECKING:
    from vidinternal.runner.run import Run

COPIED, UNBLENDED, LEARNED, SPATIAL = (ORIGINS.index(n) for n in ("copied", "unblended", "learned", "spatial"))


@dataclass(frozen=True)
class FrameMaps:
    """What is known of one frame, upright and at the clip's own size.

    Attributes:
        mask: ``H W`` bool, what was to be filled.
        origin: ``H W`` uint8, index into ``ORIGINS``; 0 outside the mask, and everywhere where the fill is gone.
        source: ``H W`` int32, frame of the clip that a pixel was copied from, -1 where it was not or is not known.
        error: ``H W`` float32 in [0, 1], RMS error to expect, 0 outside the mask; or None.
        reference: ``2 H W`` float32 pixels to the next picture; NaN outside the work area; or None.
        learned: The same of the method's own network.
    """

    mask: np.ndarray
    origin: np.ndarray
    source: np.ndarray
    error: np.ndarray | None
    reference: np.ndarray | None
    learned: np.ndarray | None


@dataclass(frozen=True)
class FrameFacts:
    """What is counted of one frame.

    Attributes:
        index: The frame.
        masked: Pixels that were to be filled.
        origins: How many of them are made of what, in the order of ``ORIGINS``.
        quality: PSNR in dB to expect of them; None where nothing was to be filled or nothing is known of it.
    """

    index: int
    masked: int
    origins: tuple[int, ...]
    quality: float | None


@dataclass(frozen=True)
class _Held:
    """The artifacts of one window; None what is gone."""

    window: Window
    track: MaskTrack | None
    fill: Fill | None
    flows: Flows | None


class Intermediate:
    """Reads what a run kept, window by window.

    Args:
        run: The run.
        scan: Whether its frames are one picture or two.

    Attributes:
        windows: How the clip is cut; None where that is no longer known.
        missing: What is no longer there, a line each.
    """

    def __init__(self, run: Run, scan: Scan) -> None:
        self._run = run
        self._scan: Scan = scan
        self._turn: Orientation = orientation(run.info)
        self._width, self._height = shown_size(run.info)
        self._made = {artifact for stage in run.spec.stages for artifact in stage.writes}
        self._gone: dict[str, list[int]] = {}
        self.windows: Windows | None = None
        try:
            self.windows = run.windows() if "windows" in self._made else None
        except MediaError:
            self._gone["how the clip was cut into windows"] = []

    @property
    def missing(self) -> tuple[str, ...]:
        """What is no longer in the workspace, one line a kind."""
        return tuple(f"{what}{_listed(which)}" for what, which in self._gone.items())

    def survey(self) -> Iterator[FrameFacts]:
        """Every frame of the clip, counted, in order; nothing where the windows are not known."""
        for window in self.windows.windows if self.windows else ():
            held = self._hold(window)
            for index in self.windows.owned(window) if self.windows else ():
                yield self._facts(held, index)

    def maps(self, indices: Sequence[int]) -> Iterator[tuple[int, FrameMaps]]:
        """Chosen frames with their maps, ascending; windows without any of them are not read."""
        wanted = set(indices)
        for window in self.windows.windows if self.windows else ():
            mine = [i for i in self.windows.owned(window) if i in wanted] if self.windows else []
            held = self._hold(window) if mine else None
            for index in mine:
                if held is not None:
                    yield index, self._maps(held, index)

    def _facts(self, held: _Held, index: int) -> FrameFacts:
        track, row = held.track, index - held.window.start
        if track is None or track.box is None or not track.masks[row].any():
            return FrameFacts(index, 0, (0,) * len(ORIGINS), None)
        if track.per_frame == 1:  # the work area is enough, and most clips are of this kind
            y0, y1, x0, x1 = track.box
            mask = track.masks[row, 0].numpy()[y0:y1, x0:x1]
            made = _origin(held.fill, track, row)
            error = None if held.fill is None or held.fill.error is None else held.fill.error[row, 0].numpy()
        else:
            maps = self._maps(held, index)
            mask, made, error = maps.mask, maps.origin, maps.error
        counts = np.bincount(made[mask], minlength=len(ORIGINS)) if made is not None else [0] * len(ORIGINS)
        rows = range(track.per_frame * row, track.per_frame * (row + 1))
        quality = _quality(held.fill, rows, None if error is None else error[mask])
        return FrameFacts(index, int(mask.sum()), tuple(int(n) for n in counts), quality)

    def _hold(self, window: Window) -> _Held:
        return _Held(
            window,
            self._read("masks", window, "masks"),
            self._read("fill", window, "fills"),
            self._read("flow", window, "reference flow"),
        )

    def _read(self, artifact: str, window: Window, words: str) -> Any:
        if artifact not in self._made:
            return None
        try:
            return self._run.read(artifact, window)
        except MediaError:
            gone = self._gone.setdefault(words, [])
            if window.index not in gone:
                gone.append(window.index)
            return None

    def _maps(self, held: _Held, index: int) -> FrameMaps:
        track, fill, row = held.track, held.fill, index - held.window.start
        blank = np.zeros((self._height, self._width), dtype=bool)
        mask = blank if track is None else track.masks[row, 0].numpy()
        if track is None or track.box is None:
            return FrameMaps(mask, blank.astype(np.uint8), np.full(blank.shape, -1, np.int32), None, None, None)
        rows = range(track.per_frame * row, track.per_frame * (row + 1))
        origin = self._woven(rows, track.box, lambda k: _origin(fill, track, k), 0, np.uint8)
        source = self._woven(rows, track.box, lambda k: _source(fill, held.window, track.per_frame, k), -1, np.int32)
        error = None
        if fill is not None and fill.error is not None:
            known = fill.error
            error = self._woven(rows, track.box, lambda k: known[k, 0].numpy(), 0, np.float32) * mask
        stride = held.flows.fields.get(1) if held.flows else None
        return FrameMaps(
            mask,
            np.where(mask, origin, 0).astype(np.uint8),
            np.where(mask, source, -1).astype(np.int32),
            error,
            None if stride is None else self._flow(rows, track.box, stride.flow),
            None if fill is None or fill.learned_flow is None else self._flow(rows, track.box, fill.learned_flow),
        )

    def _woven(self, rows: range, box: Box, of: Any, rest: float, kind: type) -> np.ndarray:
        """``H W`` of the whole upright frame from what lies in the work area of its pictures."""
        y0, y1, x0, x1 = box
        pictures = []
        for k in rows:
            height, width = self._height, self._width
            if len(rows) == 2:  # a field has every other line of the stored picture
                height, width = (height, width // 2) if self._turn.sideways else (height // 2, width)
            canvas = np.full((height, width), rest, dtype=kind)
            inside = of(k)
            if inside is not None:
                canvas[y0:y1, x0:x1] = inside
            pictures.append((self._turn.stored(canvas),))
        return np.ascontiguousarray(self._turn.upright(weave(pictures, self._scan)[0]))

    def _flow(self, rows: range, box: Box, flow: Tensor) -> np.ndarray | None:
        """Flow of a frame's only picture; that of two fields is between fields, which no frame shows."""
        if len(rows) == 2 or rows[0] >= len(flow):
            return None
        y0, y1, x0, x1 = box
        canvas = np.full((2, self._height, self._width), np.nan, dtype=np.float32)
        canvas[:, y0:y1, x0:x1] = flow[rows[0]].numpy()
        return canvas


def _quality(fill: Fill | None, rows: range, errors: np.ndarray | None) -> float | None:
    """Decibels to expect of a frame: from the method's own doubt, else from what was hidden in the same frame."""
    if fill is None or errors is None or not len(errors):
        return None
    doubt = fill.facts.get("doubt") or {}
    hidden = [doubt["pictures"][k] for k in rows] if doubt.get("told") == "depth" else []
    known = [e for e in hidden if e is not None]
    return decibels(sum(known) / len(known) if known else float(np.square(errors, dtype=np.float64).mean()))


def _origin(fill: Fill | None, track: MaskTrack, row: int) -> np.ndarray | None:
    """``h w`` of one picture inside the work area."""
    if fill is None or fill.frames is None:
        return None
    if fill.origin is not None:
        made = fill.origin[row, 0].clone()
        made[made == 0] = _plain(fill.facts)
    else:
        made = torch.full(fill.frames.shape[-2:], _plain(fill.facts), dtype=torch.uint8)
        if fill.provenance is not None:
            made[fill.provenance[row, 0] >= 0] = COPIED
    if track.where is not None:
        made[track.where[row, 0]] = UNBLENDED
    if track.seen is not None:
        made[track.seen[row, 0]] = COPIED
    return made.numpy()


def _plain(facts: Mapping[str, Any]) -> int:
    """What a pixel is made of that was not copied, by the kind of method."""
    name = facts.get("method")
    try:
        return LEARNED if name and methods.card(name, "inpaint").trains else SPATIAL
    except UserError:  # a method that is no longer there
        return SPATIAL


def _source(fill: Fill | None, window: Window, per_frame: int, row: int) -> np.ndarray | None:
    """``h w`` int32 frame of the clip, -1 where nothing was copied."""
    if fill is None or fill.provenance is None:
        return None
    picture = fill.provenance[row, 0].numpy().astype(np.int32)
    return np.where(picture >= 0, window.start + picture // per_frame, -1)


def _listed(which: list[int]) -> str:
    if not which:
        return ""
    names = ", ".join(str(k + 1) for k in which[:8]) + (f" and {len(which) - 8} more" if len(which) > 8 else "")
    return f" of window{'s' * (len(which) != 1)} {names}"
