"""What is under half-transparent overlays of a film: found out over each one's whole time, taken off span by span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.finding import ClipView, Found, SpanRequest
from vidinternal.methods.subtitles.events import Box, Overlay, cover_name, draw, placed
from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.unblend import OPAQUE, Blend, estimate_blend, fade_gain

_FRAMES, _RUN = 24, 4  # looked at for each overlay, in runs of consecutive ones
_LEAST_PIXELS = 24
_SEEN_THROUGH = 2, round(255 * OPAQUE)


def unblend_name(overlay_id: str, what: str) -> str:
    """Name of an array of :func:`estimate`.

    ``what`` is ``blend`` (``4 h w`` float32: share let through, then what is added), ``use`` (``h w`` uint8, 1 =
    recover, 2 = recover while it fades) or ``gain`` (one float32 for each of its frames, how much of it the frame
    shows; negative where that cannot be told).
    """
    return f"unblend-{what}-{overlay_id}"


def estimate(
    clip: ClipView, overlays: Sequence[Overlay], covers: Mapping[str, np.ndarray], progress: Progress = no_progress
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Find out which overlays let the picture through, and how much of it.

    Args:
        clip: The clip.
        overlays: Those that are to be removed.
        covers: Covers of these and of all others, by :func:`vidinternal.methods.subtitles.events.cover_name`.
        progress: Told after every overlay.

    Returns:
        Arrays by :func:`unblend_name`; and facts by the overlay's name: what was measured on known places and whether
        it is used.
    """
    arrays: dict[str, Tensor] = {}
    facts: dict[str, Any] = {}
    for number, overlay in enumerate(overlays):
        if _may_show_through(overlay, covers[cover_name(overlay.id)]):
            blend = _blend(clip, overlay, overlays, covers)
            told = {"used": False, "because": "no known place of its shape beside it"} if blend is None else blend.facts
            facts[overlay.id] = told
            if blend is not None:
                used = bool(blend.use.any()) or (bool(blend.solid.any()) and _fades(overlay))
                facts[overlay.id] = {"used": used, **({} if used else {"because": "filling is as good"}), **told}
                if used:
                    arrays |= _arrays(clip, overlay, blend, (overlays, covers))
        progress((number + 1) / len(overlays), f"what shows through, overlay {number + 1} of {len(overlays)}")
    return arrays, facts


def recover(found: Found, overlays: Sequence[Overlay], request: SpanRequest) -> tuple[Tensor, Tensor] | None:
    """Take overlays off a span of frames.

    Args:
        found: With the arrays of :func:`estimate`.
        overlays: Those that are to be removed.
        request: The span.

    Returns:
        ``T 3 H W`` RGB and ``T 1 H W`` bool, where it is the picture; None where nothing is recovered.
    """
    span, size = request.span, request.clip.size
    mine = [
        o
        for o in overlays
        if unblend_name(o.id, "blend") in found.arrays and o.start < span.stop and o.end > span.start
    ]
    if not mine:
        return None
    frames = torch.zeros((len(span), 3, *size))
    where = torch.zeros((len(span), 1, *size), dtype=torch.bool)
    twice = torch.zeros_like(where)
    for overlay in mine:
        first, last = max(span.start, overlay.start), min(span.stop, overlay.end)
        (y0, y1, x0, x1), rows = overlay.box, slice(first - span.start, last - span.start)
        gain = found.arrays[unblend_name(overlay.id, "gain")][first - overlay.start : last - overlay.start]
        own = _kept(found, overlay)
        picture, sure = own.recover(request.clip.rgb(first, last, overlay.box), gain.clamp(min=0))
        sure = sure & (gain >= 0).view(-1, 1, 1, 1)
        place = (rows, slice(None), slice(y0, y1), slice(x0, x1))
        twice[place] |= where[place] & sure
        where[place] |= sure
        frames[place] = torch.where(sure, picture, frames[place])
    # what several overlays share is none of them alone
    where &= ~twice
    where &= ~_others(found, overlays, request)
    return (frames, where) if where.any() else None


def _others(found: Found, overlays: Sequence[Overlay], request: SpanRequest) -> Tensor:
    """``T 1 H W`` bool, where an overlay that is removed but not taken off lies, with its edge."""
    solid = [o for o in overlays if unblend_name(o.id, "blend") not in found.arrays]
    covers = {cover_name(o.id): found.arrays[cover_name(o.id)].numpy() for o in solid}
    masks = draw(solid, covers, request.span, request.clip.size)
    return torch.from_numpy(np.stack([_wider(m) for m in masks])).unsqueeze(1)


def _wider(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 if mask.any() else mask


def _kept(found: Found, overlay: Overlay) -> Blend:
    blend, use = (found.arrays[unblend_name(overlay.id, n)] for n in ("blend", "use"))
    return Blend(blend[:1], blend[1:], (use[None] & 1) > 0, (use[None] & 2) > 0, 0.0, {})


def _fades(overlay: Overlay) -> bool:
    return bool(overlay.fade_in or overlay.fade_out)


def _may_show_through(overlay: Overlay, cover: np.ndarray) -> bool:
    """Whether it is worth a look: it stands still, has one form, and some of it is no more than half there."""
    if overlay.moves or cover.ndim != 2 or not (cover > 0).any():
        return False
    if overlay.kind != "text" or _fades(overlay):
        return True
    low, high = _SEEN_THROUGH
    hides = cv2.dilate((cover > high).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return int(((cover >= low) & (cover <= high) & ~hides).sum()) >= _LEAST_PIXELS


def _around(overlay: Overlay, size: tuple[int, int]) -> Box:
    """Its box with room for copies of its shape above, below and, where it is small, beside it."""
    y0, y1, x0, x1 = overlay.box
    tall, broad = y1 - y0 + 8, min(x1 - x0 + 8, max(32, y1 - y0 + 8))
    return max(0, y0 - tall), min(size[0], y1 + tall), max(0, x0 - broad), min(size[1], x1 + broad)


def _runs(overlay: Overlay) -> list[range]:
    """Frames that show all of it, from all over its time, in runs that are quick to read."""
    full = [t for t in overlay.frames if overlay.strength(t) >= 1]
    if not full:
        return []
    first, last = full[0], full[-1] + 1
    if last - first <= _FRAMES:
        return [range(first, last)]
    starts = np.linspace(first, last - _RUN, _FRAMES // _RUN).round().astype(int)
    return [range(int(s), int(s) + _RUN) for s in starts]


def _blend(
    clip: ClipView, overlay: Overlay, overlays: Sequence[Overlay], covers: Mapping[str, np.ndarray]
) -> Blend | None:
    size, box = clip.size, _around(overlay, clip.size)
    runs = _runs(overlay)
    inside = placed(overlay.box, size)
    y0, y1, x0, x1 = overlay.box
    if not runs or inside is None or inside[1] != (slice(0, y1 - y0), slice(0, x1 - x0)):
        return None
    y0, y1, x0, x1 = box
    crop = (slice(None), slice(y0, y1), slice(x0, x1))
    frames = torch.cat([clip.rgb(run.start, run.stop, box) for run in runs])
    others = [o for o in overlays if o.id != overlay.id]
    over = np.concatenate([draw(others, covers, run, size)[crop] for run in runs])
    layer = draw([overlay], covers, runs[0], size)[crop][0]
    ever: np.ndarray = np.asarray(over.any(axis=0))
    masks = torch.from_numpy(over | layer)[:, None]
    blend = estimate_blend(frames, masks, torch.from_numpy(layer & ~ever)[None])
    if blend is None:
        return None
    clear = torch.from_numpy(~_wider(_wider(ever)))[None]
    own = (overlay.box[0] - y0, overlay.box[1] - y0, overlay.box[2] - x0, overlay.box[3] - x0)
    cut = (slice(None), slice(own[0], own[1]), slice(own[2], own[3]))
    return Blend(
        left=blend.left[cut].contiguous(),
        added=blend.added[cut].contiguous(),
        use=(blend.use & clear)[cut].contiguous(),
        solid=(blend.solid & clear)[cut].contiguous(),
        guess_error=blend.guess_error,
        facts=blend.facts,
    )


def _arrays(
    clip: ClipView, overlay: Overlay, blend: Blend, scene: tuple[Sequence[Overlay], Mapping[str, np.ndarray]]
) -> dict[str, Tensor]:
    gain = torch.ones(len(overlay.frames))
    for t in overlay.frames:
        if overlay.strength(t) < 1:
            gain[t - overlay.start] = _gain(clip, overlay, t, blend, scene)
    use = blend.use[0].to(torch.uint8) + 2 * blend.solid[0].to(torch.uint8)
    made = {"blend": torch.cat([blend.left, blend.added]), "use": use, "gain": gain}
    return {unblend_name(overlay.id, what): array for what, array in made.items()}


def _gain(
    clip: ClipView,
    overlay: Overlay,
    frame: int,
    blend: Blend,
    scene: tuple[Sequence[Overlay], Mapping[str, np.ndarray]],
) -> float:
    """How much of it a frame of its fade shows; -1 where that cannot be told."""
    box = _around(overlay, clip.size)
    y0, y1, x0, x1 = box
    seen = clip.rgb(frame, frame + 1, box)
    masks = torch.from_numpy(draw(*scene, range(frame, frame + 1), clip.size)[:, y0:y1, x0:x1])[:, None]
    guess = harmonic_fill(seen, masks)
    rows, cols = (slice(overlay.box[k] - o, overlay.box[k + 1] - o) for k, o in ((0, y0), (2, x0)))
    found = fade_gain(seen[0, :, rows, cols], guess[0, :, rows, cols], blend)
    return -1.0 if found is None else found
