"""How well overlays were found and removed, against a truth known for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch

from vidinternal.bench.subtitles.cases import BurntCase, grown
from vidinternal.bench.subtitles.draw import Box
from vidinternal.bench.subtitles.rows import FoundEvent, Removed
from vidinternal.ops import measures

OVERLAP = 0.5
"""Least intersection over union in time, share of the found box that lies in the true one, and share of the true box
that what was found covers, of a match."""


@dataclass
class EventScore:
    """What was found of what is there.

    Attributes:
        hits: Overlays that were found.
        missed: Those that were not.
        false: What was found and is not there.
        errors: Frames that starts and ends are off, two a hit.
        said: Texts read, with the truth's, of hits.
    """

    hits: int = 0
    missed: int = 0
    false: int = 0
    errors: list[int] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)

    def __add__(self, other: EventScore) -> EventScore:
        return EventScore(
            self.hits + other.hits,
            self.missed + other.missed,
            self.false + other.false,
            self.errors + other.errors,
            self.said + other.said,
        )

    @property
    def precision(self) -> float | None:
        """Share of what was found that is there; None where nothing was."""
        return self.hits / (self.hits + self.false) if self.hits + self.false else None

    @property
    def recall(self) -> float | None:
        """Share of what is there that was found; None where there is nothing."""
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None where nothing was there and nothing found."""
        whole = 2 * self.hits + self.missed + self.false
        return 2 * self.hits / whole if whole else None

    def as_row(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "event_hits": self.hits,
            "event_missed": self.missed,
            "event_false": self.false,
            "event_f1": self.f1,
            "timing_median": median(self.errors) if self.errors else None,
            "timing_max": max(self.errors) if self.errors else None,
            "timing_errors": list(self.errors),
            "cer": cer(self.said),
            "cer_letters": sum(len("".join(b.split())) for _, b in self.said),
        }


def match_events(found: Sequence[FoundEvent], case: BurntCase) -> EventScore:
    """Compare what was found with what is there.

    The lines of a sentence may be found one by one: all that lies in one true overlay's box at its time counts as one.
    The box behind a boxed sentence belongs to it.

    Args:
        found: What a program says.
        case: Overlays and their times.
    """
    score = EventScore()
    left = list(found)
    for overlay in case.overlays:
        span = case.times(overlay)
        box = grown(overlay.box, max(4, (overlay.box[1] - overlay.box[0]) // 5), case.size)
        near = [e for e in left if _in_time(e, span) >= OVERLAP and _inside(e.box, box) >= OVERLAP]
        left = [e for e in left if e not in near]
        own = [e for e in near if e.kind == overlay.kind]
        if not own or _covered(own, overlay.box) < OVERLAP:
            score += EventScore(missed=1, false=len(own))
            continue
        errors = [abs(min(e.start for e in own) - span.start), abs(max(e.end for e in own) - span.stop)]
        lines = [e.text for e in sorted(own, key=lambda e: e.box[0]) if e.text]
        score += EventScore(hits=1, errors=errors, said=[("\n".join(lines), overlay.text)] if lines else [])
    return score + EventScore(false=len(left))


def _in_time(event: FoundEvent, span: range) -> float:
    both = max(0, min(event.end, span.stop) - max(event.start, span.start))
    return both / max(1, max(event.end, span.stop) - min(event.start, span.start))


def _inside(box: Box, outer: Box) -> float:
    """Share of a box that lies in another."""
    rows = min(box[1], outer[1]) - max(box[0], outer[0])
    cols = min(box[3], outer[3]) - max(box[2], outer[2])
    return max(0, rows) * max(0, cols) / max(1, (box[1] - box[0]) * (box[3] - box[2]))


def _covered(events: Sequence[FoundEvent], box: Box) -> float:
    """Share of a box that events cover together."""
    y0, y1, x0, x1 = box
    seen = np.zeros((y1 - y0, x1 - x0), bool)
    for event in events:
        top, bottom, left, right = event.box
        seen[max(0, top - y0) : max(0, bottom - y0), max(0, left - x0) : max(0, right - x0)] = True
    return float(seen.mean())


def cer(said: Sequence[tuple[str, str]]) -> float | None:
    """Character error rate: edits per character of the truth, spaces and line ends not counted; None without text."""
    pairs = [("".join(a.split()), "".join(b.split())) for a, b in said]
    whole = sum(len(b) for _, b in pairs)
    return sum(edits(a, b) for a, b in pairs) / whole if whole else None


def edits(one: str, other: str) -> int:
    """Fewest insertions, deletions and replacements that turn one text into the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def mask_score(masks: np.ndarray, case: BurntCase) -> dict[str, float | None]:
    """Share of touched pixels that are in the masks, and share of the masks that is touched.

    Args:
        masks: ``T H W`` bool.
        case: Its ``touched`` is the truth.
    """
    both = int((masks & case.touched).sum())
    there, asked = int(case.touched.sum()), int(masks.sum())
    return {
        "mask_recall": both / there if there else None,
        "mask_precision": both / asked if asked else None,
    }


def residue(frames: np.ndarray, case: BurntCase) -> list[float]:
    """How much of each overlay's edges is left: 1 as it was, 0 gone.

    The gradient of what differs from the clean clip, averaged over the overlay's time, is projected on the gradient of
    what the overlay did to it: ``|<dr, dq>| / <dq, dq>``. It knows no script, and noise hardly moves it.

    Args:
        frames: ``T 3 h w`` float32 inside the case's area.
        case: The truth.
    """
    top, _, left, _ = case.area
    found = []
    for overlay in case.overlays:
        y0, y1, x0, x1 = grown(overlay.box, 2, case.size)
        rows, cols = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
        rest, whole = np.zeros((3, y1 - y0, x1 - x0)), np.zeros((3, y1 - y0, x1 - x0))
        for index in range(overlay.start, overlay.end):
            clean = case.clean[index][:, y0:y1, x0:x1].astype(np.float32) / 255
            rest += frames[index][:, rows, cols] - clean
            whole += case.burnt(index)[:, y0:y1, x0:x1] - clean
        inner, square = 0.0, 1e-12
        for a, b in zip(rest, whole, strict=True):
            for axis in ((1, 0), (0, 1)):
                p, q = (cv2.Sobel(x, cv2.CV_64F, *axis) for x in (a, b))
                inner, square = inner + float((p * q).sum()), square + float((q * q).sum())
        found.append(abs(inner) / square)
    return found


def judge(removed: Removed, case: BurntCase) -> dict[str, Any]:
    """All measures of a result but what needs an OCR engine.

    Args:
        removed: A row's result.
        case: The truth.
    """
    y0, y1, x0, x1 = case.area
    clean = torch.from_numpy(case.clean[..., y0:y1, x0:x1].astype(np.float32) / 255)
    boxes = torch.from_numpy(case.boxes[:, None, y0:y1, x0:x1].copy())
    touched = torch.from_numpy(case.touched[:, None, y0:y1, x0:x1].copy())
    flow, valid = measures.flow_of(clean)
    left = residue(removed.frames.numpy(), case)
    row: dict[str, Any] = {
        "text_psnr": round(measures.psnr(removed.frames, clean, boxes), 3),
        "text_ssim": round(measures.ssim(removed.frames, clean, boxes), 4),
        "glyph_psnr": round(measures.psnr(removed.frames, clean, touched), 3),
        "warping_error_e3": round(1e3 * measures.warping_error(removed.frames, flow, valid, boxes), 4),
        "residue": round(sum(left) / len(left), 4),
        "residue_most": round(max(left), 4),
        "seconds_per_frame": round(removed.seconds / len(clean), 3),
        "scan_fps": removed.scan,
        "changed_clean": removed.changed,
    }
    if removed.masks is not None:
        row |= mask_score(removed.masks, case)
    if removed.events is not None:
        row |= match_events(removed.events, case).as_row()
    return row
