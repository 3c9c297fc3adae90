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
from vidinternal.methods.subtitles import box_blend
from vidinternal.methods.subtitles.events import Box, Overlay, cover_name, draw, placed
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.unblend import OPAQUE, Blend, estimate_blend, fade_gain

_FRAMES, _RUN = 24, 4  # looked at for each overlay, in runs of consecutive ones
_LEAST_PIXELS = 24
_BETTER = 0.6  # most of a fill's squared error that may be left where a box is taken off
_PIECE = 8  # pixels around a box that are looked at with it
COPIED = 38.0
"""dB of what is un-blended on known places from which it is taken even where other frames show the place bare."""
_PAIRS, _SOON, _PAST = (
    5,
    40,
    3.0,
)  # pairs of frames to tell the speed; frames, and times the mark's thickness, to travel
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
            blend = _even_box(clip, overlay, overlays, covers) or _blend(clip, overlay, overlays, covers)
            told = {"used": False, "because": "no known place of its shape beside it"} if blend is None else blend.facts
            facts[overlay.id] = told
            if blend is not None:
                used = bool(blend.use.any()) or (bool(blend.solid.any()) and _fades(overlay))
                why = "" if used else "filling is as good"
                if used and overlay.kind == "logo" and _copies_are_better(clip, overlay, covers, told):
                    used, why = False, "the picture moves, and other frames show what is behind it"
                facts[overlay.id] = {"used": used, **({"because": why} if why else {}), **told}
                if used:
                    arrays |= _arrays(clip, overlay, blend, (overlays, covers))
        progress((number + 1) / len(overlays), f"what shows through, overlay {number + 1} of {len(overlays)}")
    return arrays, facts


def recover(
    found: Found, overlays: Sequence[Overlay], request: SpanRequest, within: Box | None = None
) -> tuple[Tensor, Tensor] | None:
    """Take overlays off a span of frames.

    Args:
        found: With the arrays of :func:`estimate`.
        overlays: Those that are to be removed.
        request: The span.
        within: A piece of the picture that holds all of these overlays' boxes; the whole of it when None.

    Returns:
        Inside that piece, ``T 3 H W`` RGB and ``T 1 H W`` bool, where it is the picture; None where nothing is
        recovered.
    """
    span, size = request.span, request.clip.size
    mine = [
        o
        for o in overlays
        if unblend_name(o.id, "blend") in found.arrays and o.start < span.stop and o.end > span.start
    ]
    if not mine:
        return None
    top, bottom, left, right = within or (0, size[0], 0, size[1])
    frames = torch.zeros((len(span), 3, bottom - top, right - left))
    where = torch.zeros((len(span), 1, bottom - top, right - left), dtype=torch.bool)
    twice = torch.zeros_like(where)
    for overlay in mine:
        first, last = max(span.start, overlay.start), min(span.stop, overlay.end)
        (y0, y1, x0, x1), rows = overlay.box, slice(first - span.start, last - span.start)
        gain = found.arrays[unblend_name(overlay.id, "gain")][first - overlay.start : last - overlay.start]
        own = _kept(found, overlay)
        picture, sure = own.recover(request.clip.rgb(first, last, overlay.box), gain.clamp(min=0))
        sure = sure & (gain >= 0).view(-1, 1, 1, 1)
        place = (rows, slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        twice[place] |= where[place] & sure
        where[place] |= sure
        frames[place] = torch.where(sure, picture, frames[place])
    # what several overlays share is none of them alone
    where &= ~twice
    where &= ~_others(found, overlays, request)[..., top:bottom, left:right]
    return (frames, where) if where.any() else None


def _others(found: Found, overlays: Sequence[Overlay], request: SpanRequest) -> Tensor:
    """``T 1 H W`` bool, where an overlay that is removed but not taken off lies, with its edge."""
    solid = [o for o in overlays if unblend_name(o.id, "blend") not in found.arrays]
    covers = {cover_name(o.id): found.arrays[cover_name(o.id)].numpy() for o in solid}
    masks = draw(solid, covers, request.span, request.clip.size)
    return torch.from_numpy(np.stack([_wider(m) for m in masks])).unsqueeze(1)


def _wider(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 if mask.any() else mask


def _copies_are_better(
    clip: ClipView, overlay: Overlay, covers: Mapping[str, np.ndarray], told: Mapping[str, Any]
) -> bool:
    """Whether the picture travels past a mark within a second or two, by more than the mark is thick.

    Then other frames show all that is behind it, and copies of that are as good as the file is; what is un-blended has
    the file's noise enlarged, and the more so the more the mark hides.
    """
    if told.get("held_out_psnr") is None or told["held_out_psnr"] >= COPIED:
        return False
    cover = np.pad(covers[cover_name(overlay.id)] > 0, 1).astype(np.uint8)
    thick = 2 * float(cv2.distanceTransform(cover, cv2.DIST_L2, 5).max())
    box, speeds = _around(overlay, clip.size), []
    for run in [r for r in _runs(overlay) if len(r) > 1][:_PAIRS]:
        pair = clip.rgb(run.start, run.start + 2, box)
        hole = torch.from_numpy(_wider(_wider(draw([overlay], covers, range(run.start, run.start + 1), clip.size)[0])))
        hole = hole[None, None, box[0] : box[1], box[2] : box[3]].expand(2, -1, -1, -1)
        bare = harmonic_fill(pair, hole)
        flow = dis_flow(bare[:1], bare[1:])[0].norm(dim=0)
        speeds.append(float(flow[~hole[0, 0]].median()))
    return bool(speeds) and float(np.median(speeds)) * min(len(overlay.frames), _SOON) >= _PAST * thick


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


def _even_box(
    clip: ClipView, overlay: Overlay, overlays: Sequence[Overlay], covers: Mapping[str, np.ndarray]
) -> Blend | None:
    """A box measured where it comes and goes; None where that does not tell, or filling is as good."""
    if overlay.kind != "box":
        return None
    (high, wide), (y0, y1, x0, x1) = clip.size, overlay.box
    piece = max(0, y0 - _PIECE), min(high, y1 + _PIECE), max(0, x0 - _PIECE), min(wide, x1 + _PIECE)
    crop = (slice(piece[0], piece[1]), slice(piece[2], piece[3]))
    inside, pairs, error = box_blend.surely(overlay.box, piece), [], []
    for bare, seen in box_blend.sides(overlay, len(clip)):
        if draw(overlays, covers, range(bare, bare + 1), clip.size)[0][crop][inside].any():
            continue  # the next one is there already
        both = [clip.rgb(t, t + 1, piece) for t in (bare, seen)]
        pairs.append(tuple(p[0].permute(1, 2, 0).numpy() for p in both))
        hole = torch.from_numpy(_wider(_wider(cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)))
        filled = harmonic_fill(both[0], hole[None, None])
        error.append(float((filled - both[0])[0][:, torch.from_numpy(inside)].square().mean()))
    found = box_blend.measure(pairs, inside)
    if found is None or (found.noise / found.left) ** 2 > _BETTER * float(np.mean(error)):
        return None
    own = (y0 - piece[0], y1 - piece[0], x0 - piece[2], x1 - piece[2])
    shown = box_blend.strength(pairs, found, own)[own[0] : own[1], own[2] : own[3]]
    layer = torch.from_numpy(shown)[None]
    use = (layer == 1.0) | (layer == 0.0)  # a soft rim is filled
    facts = {"box": {"left": round(found.left, 3), "added": [round(c, 3) for c in found.added]}}
    return Blend(
        left=1 - layer * (1 - found.left),
        added=layer * torch.tensor(found.added).view(3, 1, 1),
        use=use,
        solid=torch.zeros_like(use),
        guess_error=float(np.mean(error)),
        facts={**facts, "noise": round(found.noise, 4), "fill_error": round(float(np.mean(error)) ** 0.5, 4)},
    )


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
