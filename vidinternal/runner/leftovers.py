"""What a removal may have left behind: frames that a person should look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from vidinternal.ops.leftovers import leftovers
from vidinternal.stages.artifacts import Fill, MaskTrack

if TYPE_CHECKING:
    from vidinternal.core.clip import Window
    from vidinternal.runner.run import Run

_NAMED = 12
"""Frames named in a note."""


def left_behind(run: Run) -> list[dict[str, Any]]:
    """Every suspicious frame of a finished run with its measures and what is suspicious.

    Empty without a search, and where stage ``residue`` looks for what is left: outlines of thin letters say nothing.
    """
    if run.spec.stage("find") is None or run.spec.stage("inpaint") is None or run.spec.stage("residue") is not None:
        return []
    windows = run.windows()
    found: dict[int, dict[str, Any]] = {}
    for window in windows.windows:
        mine = _of_window(run, window)
        found |= {index: entry for index, entry in mine.items() if index in windows.owned(window)}
    return [found[index] for index in sorted(found)]


def _of_window(run: Run, window: Window) -> dict[int, dict[str, Any]]:
    track: MaskTrack = run.read("masks", window)
    fill: Fill = run.read("fill", window)
    if fill.frames is None or fill.box is None or track.box is None:
        return {}
    frames = run.handles["frames"]
    y0, y1, x0, x1 = track.box
    masks = frames.masks(track.masks)[..., y0:y1, x0:x1]
    # not the work area: that lacks a rim around the mask, too, where the result has the source's own pixels
    shown = track.with_recovered(frames.rgb(window.start, window.end, track.box))
    result = torch.where(masks, fill.frames.clamp(0, 1), shown)
    found: dict[int, dict[str, Any]] = {}
    for row, one in leftovers(result, masks).items():
        names = one.suspicious()
        if names:
            index = window.start + row // track.per_frame
            measures = {"score": one.score} | asdict(one)
            rounded = {k: None if v is None else round(v, 3) for k, v in measures.items()}
            found[index] = {"frame": index, "looks_like": list(names), **rounded}
    return found


def leftover_notes(found: list[dict[str, Any]]) -> list[str]:
    """One line a kind of leftover."""
    kinds: dict[str, list[int]] = {}
    for entry in found:
        for name in entry["looks_like"]:
            kinds.setdefault(name, []).append(entry["frame"])
    return [
        f"look at these frames, they may show {name}: {', '.join(map(str, frames[:_NAMED]))}"
        + (f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else "")
        for name, frames in kinds.items()
    ]
