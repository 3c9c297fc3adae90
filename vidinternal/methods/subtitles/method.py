"""Burnt-in text, boxes behind it and logos: searched, told, and turned into masks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from vidinternal.core.errors import MaskError
from vidinternal.core.finding import (
    EXTENTS,
    Asked,
    ClipView,
    FindContext,
    Found,
    MaskedSpan,
    MaskMethod,
    SpanRequest,
)
from vidinternal.methods.subtitles import CARDS, bare, detect, events_file, ocr, sheet, unblend
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.detect import Seen
from vidinternal.methods.subtitles.detect_scan import Speed, plan
from vidinternal.methods.subtitles.events import Overlay, cover_name, draw, extents, numbered, within
from vidinternal.methods.subtitles.narrow import Allowed


class Subtitles(MaskMethod):
    """Finds overlays by how they stand still over the picture, and come and go at once."""

    card = CARDS[0]

    def check(self, asked: Asked, config: Config) -> None:
        """Refuse what cannot be done.

        Raises:
            MaskError: The extra ``ocr`` is asked for and missing, or the events file makes no sense.
        """
        if config.detector in ("ocr", "both") and not ocr.installed():
            raise MaskError(
                f"masks.detector={config.detector}",
                expected="the extra 'ocr' (rapidocr and onnxruntime)",
                got="an installation without it",
                hint="pip install 'vidinternal[ocr]', or --set masks.detector=temporal",
            )
        if asked.events is not None:
            events_file.check_events(asked.events)
        if asked.subtitles is not None:
            events_file.read_srt(asked.subtitles)

    def find(self, clip: ClipView, config: Config, context: FindContext) -> Found:
        """Search the clip, or take the events a person has edited."""
        began = time.perf_counter()
        asked, speed, notes = context.asked, Speed(), []
        reads = config.detector in ("ocr", "both") or (config.detector == "auto" and ocr.installed())
        if asked.events is not None:
            seen = detect.as_told(clip, events_file.read_events(asked.events, clip), config)
            notes += _unused(asked)
        else:
            seen = detect.search(clip, config, detect.Way(reads, Allowed(asked, clip), speed, context.progress))
            seen = _narrowed(seen, asked, clip, notes)
        names = numbered(item.overlay for item in seen)
        by_id = {item.overlay.id: item.cover for item in seen}
        overlays = [after for _, after in names]
        covers = {cover_name(after.id): by_id[before.id] for before, after in names}
        removed = [o for o in overlays if o.kind in config.kinds]
        arrays, unblended = unblend.estimate(clip, removed, covers, context.progress)
        seconds = time.perf_counter() - began
        scan = plan(clip, config)
        # An events file has nothing searched.
        searched = len(clip) / max(1e-6, speed.reading + speed.looking) if speed.looking else None
        facts: dict[str, Any] = {
            "events": [o.to_json() for o in overlays],
            "notes": notes + _notes(overlays, config, len(clip), asked),
            "detector": "both" if reads and config.detector == "auto" else config.detector,
            "unblended": unblended,
            "scan": {
                "frames": len(clip),
                "step": scan.step,
                "height": scan.height,
                "seconds": round(seconds, 3),
                "frames_per_second": round(len(clip) / max(1e-6, seconds), 1),
                "reading_seconds": round(speed.reading, 3),
                "looking_seconds": round(speed.looking, 3),
                "closer_seconds": round(speed.closely, 3),
                "scanned_per_second": None if searched is None else round(searched, 1),
            },
        }
        arrays |= {name: torch.from_numpy(cover) for name, cover in covers.items()}
        bounds = extents(removed, len(clip), clip.size)
        if asked.mask:
            bounds[:] = (0, clip.size[0], 0, clip.size[1])  # it may cover anything
        arrays[EXTENTS] = torch.from_numpy(bounds)
        return Found(facts, arrays, _files(clip, overlays, covers))

    def masks(self, found: Found, request: SpanRequest, config: Config) -> MaskedSpan:
        """What overlays of the kinds to be removed touch, and what a given mask adds.

        Rectangles told where to look: they are not masks. Where overlay and given mask meet, the picture under the
        overlay is recovered if that can be done: from before and after it where the place stands still, else from
        under it where it lets something through.
        """
        overlays = [Overlay.from_json(e) for e in found.facts.get("events", ())]
        removed = [o for o in overlays if o.kind in config.kinds]
        covers = {cover_name(o.id): found.arrays[cover_name(o.id)].numpy() for o in removed}
        drawn = torch.from_numpy(draw(removed, covers, request.span, request.clip.size)).unsqueeze(1)
        masks = drawn | request.given
        box = within([o for o in removed if not o.moves], request.span, request.clip.size)
        if not request.recover or box is None:
            return MaskedSpan(masks)
        mine = drawn[..., box[0] : box[1], box[2] : box[3]]
        under, beside = (part.recover(found, removed, request, box) for part in (unblend, bare))
        if beside is None:
            return MaskedSpan(masks) if under is None else MaskedSpan(masks, under[0], under[1] & mine, box=box)
        picture, seen = beside[0], beside[1] & mine
        if under is None:
            return MaskedSpan(masks, picture, seen, seen, box)
        return MaskedSpan(masks, torch.where(seen, picture, under[0]), (under[1] & mine) | seen, seen, box)


def _narrowed(seen: Sequence[Seen], asked: Asked, clip: ClipView, notes: list[str]) -> list[Seen]:
    """Without what a subtitle file, if it fits, knows nothing of."""
    if asked.subtitles is None:
        return list(seen)
    cues = events_file.read_srt(asked.subtitles)
    text = [item.overlay for item in seen if item.overlay.kind == "text"]
    offset = events_file.apparent_offset(cues, text, clip)
    if offset is not None:
        notes.append(offset)
        return list(seen)

    def spoken(o: Overlay) -> bool:
        start, end = clip.seconds(o.start), clip.seconds(o.end)
        return any(cue.start < end and start < cue.end for cue in cues)

    kept = [item for item in seen if item.overlay.kind != "text" or spoken(item.overlay)]
    if len(kept) < len(seen):
        notes.append(f"{asked.subtitles.name}: {len(seen) - len(kept)} overlays at other times than its lines are left")
    return kept


def _unused(asked: Asked) -> list[str]:
    """What was given to narrow a search that is not made."""
    given = [name for name, value in (("--region", asked.regions), ("--subtitles", asked.subtitles)) if value]
    return [f"{' and '.join(given)}: nothing to narrow, the events file tells all of it"] if given else []


def _notes(overlays: Sequence[Overlay], config: Config, frames: int, asked: Asked) -> list[str]:
    """What a person should read."""
    if not overlays:
        rest = "only what the mask covers is removed" if asked.mask else "nothing to remove"
        return [f"no burnt-in text, box or logo was found in {frames} frames: {rest}"]
    notes = []
    for kind in dict.fromkeys(o.kind for o in overlays):
        count = sum(o.kind == kind for o in overlays)
        if kind not in config.kinds:
            kinds = ",".join([*config.kinds, kind])
            place = next(o for o in overlays if o.kind == kind)
            (y0, y1, x0, x1) = place.box
            where = f"{x0},{y0},{x1 - x0},{y1 - y0}"
            notes.append(f"found and left: {count} {kind} ({where}); to remove it: --set 'masks.kinds=[{kinds}]'")
    return notes


def _files(clip: ClipView, overlays: Sequence[Overlay], covers: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    if not overlays:
        return {}
    return {
        "sheet.png": sheet.contact_sheet(clip, overlays, covers),
        "events.json": events_file.to_json(overlays, clip),
        "events.srt": events_file.to_srt(overlays, clip),
    }


METHODS = (Subtitles(),)
