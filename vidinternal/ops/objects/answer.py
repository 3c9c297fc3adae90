"""What a search for objects answers: facts, arrays, and the masks of any span of frames made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch

from vidinternal.core.errors import MaskError
from vidinternal.core.finding import EXTENTS, Asked, ClipView, FindContext, Found, MaskedSpan, SpanRequest
from vidinternal.core.hints import Hints, Span, frame_of, gather
from vidinternal.core.timecode import Point, Region
from vidinternal.ops.objects.cover import Reach, cover, extents
from vidinternal.ops.objects.path import Path, Track
from vidinternal.ops.objects.seeds import Place, ReadsImage

_LISTED = 20
"""Frames of the worklist that are named in a note."""
Ranges = list[tuple[int, int]]


def refuse_without_hints(asked: Asked) -> None:
    """Refuse a job without a hint, hints that cannot be read, and pictures that are not there.

    Raises:
        MaskError: Says which.
    """
    hints = gather(asked.objects, asked.hints)
    if not hints.hints:
        source, destination = asked.source.name, asked.destination.name
        raise MaskError(
            f"{asked.source}: no object was pointed at",
            expected="--object box=X,Y,W,H@FRAME (or point, not, polygon, scribble, mask), or --hints FILE",
            got="neither" if asked.hints is None else "a hints file without a hint",
            hint=f"vidinternal run remove_object {source} --object box=120,40,80,160@0 -o {destination}",
        )
    for hint in hints.hints:
        if hint.path is not None and not hint.path.is_file():
            raise MaskError(hint.where, expected="a picture", got=f"no file {hint.path}")


def reader(context: FindContext) -> ReadsImage:
    """What opens the pictures that hints name."""

    def nothing(path: FilePath) -> np.ndarray:
        raise RuntimeError(f"{path}: hints with pictures need a context that can read them")

    return context.image or nothing


def masks_of(found: Found, request: SpanRequest, reach: Reach) -> MaskedSpan:
    """The objects in a span of frames, and what was given or drawn beside them."""
    span = request.span
    together = torch.zeros_like(request.given)
    for k, facts in enumerate(found.facts["objects"]):
        small = (facts["size"][0], facts["size"][1])
        mine = cover(_path(found, f"{k}."), small, span, request.clip, reach)
        if f"{k}.shadow.boxes" in found.arrays:
            mine |= cover(_path(found, f"{k}.shadow."), small, span, request.clip, replace(reach, shutter=0.0))
        for row, index in enumerate(span):
            if facts["when"] is not None and not any(a <= index < b for a, b in facts["when"]):
                mine[row] = False
        together |= mine
    for x, y, width, height, start, end in found.facts["excluded"]:
        inside = [row for row, index in enumerate(span) if start <= index < end]
        together[inside, :, y : y + height, x : x + width] = False
    return MaskedSpan(together | request.given | request.drawn)


@dataclass(frozen=True)
class _Moment:
    """A point of time in a clip, as frames."""

    place: Place

    def frame(self, point: Point | None, where: str, otherwise: int) -> int:
        if point is None:
            return otherwise
        found = frame_of(point, self.place.times)
        if found is None:
            frames = len(self.place.times) - 1
            if otherwise == frames:
                return frames  # an end past the end is the end
            raise MaskError(where, expected=f"a start inside the clip of {frames} frames", got=str(point))
        return found


def when(hints: Hints, place: Place) -> dict[str, Ranges]:
    """First frame and the one after the last of every range, by object."""
    moment, frames = _Moment(place), len(place.times) - 1
    known = hints.names()

    def both(span: Span) -> tuple[int, int]:
        return moment.frame(span.start, span.where, 0), moment.frame(span.end, span.where, frames)

    return {name: [both(s) for s in own] for name, own in (hints.spans or {}).items() if name in known}


def excluded(hints: Hints, place: Place) -> list[list[int]]:
    """Rectangles that stay, each with its first frame and the one after its last."""
    moment, frames = _Moment(place), len(place.times) - 1
    found = []
    for region in hints.excluded:
        where = f"exclude region {region.x},{region.y},{region.width},{region.height}"
        height, width = place.size
        if region.x + region.width > width or region.y + region.height > height:
            got = f"one that reaches x={region.x + region.width}, y={region.y + region.height}"
            raise MaskError(where, expected=f"a rectangle inside the {width}x{height} picture", got=got)
        ends = moment.frame(region.start, where, 0), moment.frame(region.end, where, frames)
        found.append([region.x, region.y, region.width, region.height, *ends])
    return found


def doubtful(track: Track, least: float, spans: Ranges | None) -> list[int]:
    """Frames with less confidence than wanted, of those in which the object is to be masked and is not gone."""
    gone = {k for first, last, why in track.lost if "leaves" in why for k in range(first, last + 1)}
    inside = [not spans or any(a <= k < b for a, b in spans) for k in range(len(track.path.boxes))]
    unhinted = track.path.confidence.numpy() == 0
    hidden = {k for first, last, _ in track.lost for k in range(first, last + 1)}
    return [
        k
        for k, sure in enumerate(track.path.confidence.tolist())
        if sure < least and inside[k] and k not in gone and (not unhinted[k] or k in hidden)
    ]


def facts_of(
    tracks: Sequence[Track], worklist: Mapping[str, Ranges | list[int]], spans: Mapping[str, Ranges], kept: list[Any]
) -> dict[str, Any]:
    """What was found, JSON-ready; worklists, spans and excluded areas by object."""
    objects, notes = [], []
    for track in tracks:
        mine = list(worklist[track.name])
        objects.append(
            {
                "name": track.name,
                "size": list(track.size),
                "hints": list(track.anchors),
                "confidence": [round(float(c), 3) for c in track.path.confidence],
                "worklist": mine,
                "lost": [list(stretch) for stretch in track.lost],
                "when": [list(r) for r in spans[track.name]] if spans.get(track.name) else None,
            }
        )
        notes += track.notes
        if mine:
            told = ", ".join(str(k) for k in mine[:_LISTED]) + (", ..." if len(mine) > _LISTED else "")
            notes.append(f"{track.name}: unsure on {len(mine)} frames, a hint there helps: {told}")
    return {"objects": objects, "excluded": kept, "notes": notes}


def arrays_of(
    tracks: Sequence[Track], dark: Sequence[Path | None], clip: ClipView, asked: Asked, reach: Reach
) -> dict[str, torch.Tensor]:
    """Paths and shadows by their number, and the extents of the masks."""
    height, width = clip.size
    bounds = np.tile(np.array([height, 0, width, 0], np.int32), (len(clip), 1))
    arrays: dict[str, torch.Tensor] = {}
    for k, track in enumerate(tracks):
        for prefix, path in ((f"{k}.", track.path), (f"{k}.shadow.", dark[k])):
            if path is None:
                continue
            arrays |= {prefix + n: getattr(path, n) for n in ("boxes", "pixels", "confidence", "motion")}
            bounds = _united(bounds, extents(path, track.size, clip.size, reach))
    if asked.mask:
        bounds[:] = (0, height, 0, width)
    for region in asked.regions:
        bounds = _united(bounds, _bounds(region, len(clip)))
    return arrays | {EXTENTS: torch.from_numpy(bounds)}


def _bounds(region: Region, frames: int) -> np.ndarray:
    return np.tile(np.array([region.y, region.y + region.height, region.x, region.x + region.width]), (frames, 1))


def _united(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.stack([low[:, 0], high[:, 1], low[:, 2], high[:, 3]], axis=1).astype(np.int32)


def _path(found: Found, prefix: str) -> Path:
    boxes, pixels, sure, motion = (found.arrays[prefix + n] for n in ("boxes", "pixels", "confidence", "motion"))
    return Path(boxes, pixels, sure, motion, 0)
