"""What is behind overlays that stand before a still place: what frames before and after them show there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.finding import Found, SpanRequest
from vidinternal.methods.subtitles.events import Box, Overlay, cover_name, draw, placed
from vidinternal.ops.masks import dilate
from vidinternal.ops.still_place import Looks, StillPlace, still_place

FRAMES = 8
"""Bare frames looked at on each side of an overlay, and pairs of frames while it is there."""
FAR = 48
"""Frames before and after an overlay in which bare ones are looked for."""
VALUES = 40_000_000
"""Samples held at once: of large places fewer frames are looked at."""
_LEAST = 3  # frames on one side that are as good as frames on both, and better than these with one or two on the other
_EDGE = 2  # pixels around what is drawn that tell nothing of the picture
_GAP = 1  # frames next to an overlay that may still show a trace of it, or already do


@dataclass(frozen=True)
class _Scene:
    """What all looks at a span share."""

    request: SpanRequest
    overlays: Sequence[Overlay]
    covers: Mapping[str, np.ndarray]

    def looks(self, at: Sequence[int], box: Box) -> Looks:
        """Frames with everything masked that lies over them."""
        y0, y1, x0, x1 = box
        clip = self.request.clip
        frames, masks = [], []
        for run in _runs(at):
            frames.append(clip.rgb(run.start, run.stop, box))
            masks.append(draw(self.overlays, self.covers, run, clip.size)[:, y0:y1, x0:x1])
        drawn = torch.from_numpy(np.concatenate(masks))[:, None]
        return Looks(torch.cat(frames), dilate(drawn, _EDGE), tuple(at))


def recover(
    found: Found, overlays: Sequence[Overlay], request: SpanRequest, within: Box | None = None
) -> tuple[Tensor, Tensor] | None:
    """What is behind the overlays of a span, where the place stands still.

    Args:
        found: With the covers of all overlays, also of those that are not to be removed.
        overlays: Those that are.
        request: The span.
        within: A piece of the picture that holds all of these overlays' boxes; the whole of it when None.

    Returns:
        Inside that piece, ``T 3 H W`` RGB and ``T 1 H W`` bool, where it is the picture; None where nothing is
        recovered.
    """
    span, (height, width) = request.span, request.clip.size
    every = [Overlay.from_json(e) for e in found.facts.get("events", ())]
    scene = _Scene(request, every, {cover_name(o.id): found.arrays[cover_name(o.id)].numpy() for o in every})
    top, bottom, left, right = within or (0, height, 0, width)
    frames = torch.zeros((len(span), 3, bottom - top, right - left))
    where = torch.zeros((len(span), 1, bottom - top, right - left), dtype=torch.bool)
    for overlay in overlays:
        first, last = max(span.start, overlay.start), min(span.stop, overlay.end)
        at = placed(overlay.box, request.clip.size)
        if first >= last or overlay.moves or at is None:
            continue
        box = _around(overlay.box, request.clip.size)
        place = _place(scene, overlay, range(first, last), box)
        if place is None:
            continue
        rows, columns = at[0]
        inside = (slice(rows.start - box[0], rows.stop - box[0]), slice(columns.start - box[2], columns.stop - box[2]))
        own = draw([overlay], scene.covers, range(first, last), request.clip.size)[:, None, rows, columns]
        sure = torch.from_numpy(own) & place.good[inside]
        target = (
            slice(first - span.start, last - span.start),
            slice(None),
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        frames[target] = torch.where(sure, place.at(range(first, last))[..., inside[0], inside[1]], frames[target])
        where[target] |= sure
    return (frames, where) if where.any() else None


def _place(scene: _Scene, overlay: Overlay, span: range, box: Box) -> StillPlace | None:
    """The place behind an overlay, judged over its frames in a span."""
    shot = next((s for s in scene.request.clip.shots() if s.start <= span.start < s.end), None)
    if shot is None:
        return None
    most = max(2, min(FRAMES, VALUES // (3 * 4 * (box[1] - box[0]) * (box[3] - box[2]))))
    before = range(max(shot.start, overlay.start - _GAP - FAR), overlay.start - _GAP)
    after = range(overlay.end + _GAP, min(shot.end, overlay.end + _GAP + FAR))
    found = [sorted(_barest(scene, overlay, near, most)) for near in (list(reversed(before)), list(after))]
    enough = [bare for bare in found if len(bare) >= _LEAST]
    sides = [scene.looks(bare, box) for bare in enough or found if bare]
    covered = _pairs(span, most)
    return still_place(scene.looks(covered, box), sides, max(4.0, scene.request.clip.size[0] / 60)) if sides else None


def _barest(scene: _Scene, overlay: Overlay, near: Sequence[int], most: int) -> list[int]:
    """The frames nearest to an overlay in which most of its place is bare, or at least a part of it."""
    y0, y1, x0, x1 = overlay.box
    inside = scene.request.clip.size
    free, partly = [], []
    others = [o for o in scene.overlays if o.id != overlay.id]
    for t in near:
        here = [o for o in others if o.start - _GAP <= t < o.end + _GAP]
        if not here:
            free.append(t)
        elif not draw(here, scene.covers, range(t, t + 1), inside)[0, y0:y1, x0:x1].all():
            partly.append(t)
        if len(free) == most:
            break
    return (free + partly)[:most]


def _pairs(span: range, most: int) -> list[int]:
    """Up to twice ``most`` frames of a span, two and two neighbours, spread over it."""
    if len(span) <= 2 * most:
        return list(span)
    starts = np.linspace(span.start, span.stop - 2, most).round().astype(int)
    return sorted({int(s) + k for s in starts for k in (0, 1)})


def _runs(at: Sequence[int]) -> list[range]:
    """Frames in ascending order as runs of consecutive ones."""
    runs: list[range] = []
    for t in at:
        if runs and runs[-1].stop == t:
            runs[-1] = range(runs[-1].start, t + 1)
        else:
            runs.append(range(t, t + 1))
    return runs


def _around(box: Box, size: tuple[int, int]) -> Box:
    margin = max(8, size[0] // 24)
    y0, y1, x0, x1 = box
    return max(0, y0 - margin), min(size[0], y1 + margin), max(0, x0 - margin), min(size[1], x1 + margin)
