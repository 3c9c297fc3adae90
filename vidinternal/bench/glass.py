"""What taking a half-transparent logo off is worth, beside filling its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import torch

from vidinternal.bench.cases import Case
from vidinternal.ops.masks import bounding_box
from vidinternal.ops.resample import destroy
from vidinternal.ops.unblend import estimate_blend

FILLS = ("internal", "propagation")
"""What fills the pixels that cannot be recovered; the first of them that is run."""


def taken_off(case: Case) -> Case | None:
    """The case with what can be recovered recovered, and only the rest still masked.

    Args:
        case: Shows its hole half-transparently, ``seen``.

    Returns:
        None where nothing is recovered.
    """
    box = None if case.seen is None else bounding_box(case.masks, 64)
    if case.seen is None or box is None:
        return None
    y0, y1, x0, x1 = box
    seen, masks = case.seen[..., y0:y1, x0:x1], case.masks[..., y0:y1, x0:x1]
    blend = estimate_blend(seen, masks, masks.all(dim=0))
    if blend is None:
        return None
    picture, sure = blend.recover(seen)
    sure = sure & masks
    if not sure.any():
        return None
    frames, left = case.truth.clone(), case.masks.clone()
    frames[..., y0:y1, x0:x1] = torch.where(sure, picture, frames[..., y0:y1, x0:x1])
    left[..., y0:y1, x0:x1] &= ~sure
    return Case(case.name, case.truth, left, destroy(frames, left), case.seen)


def compare(case: Case, methods: Sequence[str], fill: Callable[[str, Case], Any]) -> dict[str, Any] | None:
    """Recover what can be recovered and fill the rest.

    Args:
        case: Any; nothing is done where it does not show its hole.
        methods: Those that are run.
        fill: Runs a method on a case and gives its whole picture, or None.
    """
    method = next((m for m in FILLS if m in methods), None)
    if case.seen is None or method is None:
        return None
    rest = taken_off(case)
    if rest is None:
        return {"case": case.name, "method": method, "recovered": 0.0, "composite": None}
    composite = fill(method, rest) if rest.masks.any() else rest.input
    share = 1 - float(rest.masks.sum()) / float(case.masks.sum())
    return {"case": case.name, "method": method, "recovered": round(share, 4), "composite": composite}


def words(found: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What it came to, in a sentence; empty where no case had a half-transparent hole.

    Args:
        found: One a case, with ``hole_psnr`` taken off and ``filled_psnr`` filled; None where nothing was recovered.
    """
    if not found:
        return ()
    done = [f for f in found if f["hole_psnr"] is not None]
    gains = [f["hole_psnr"] - f["filled_psnr"] for f in done if f["filled_psnr"] is not None]
    line = f"Half-transparent logos: taken off in {len(done)} of {len(found)} cases"
    if gains:
        line += (
            f", {fmean(f['recovered'] for f in done):.0%} of their pixels, the rest filled by {done[0]['method']}: "
            f"{fmean(gains):+.2f} dB beside filling all of it, {min(gains):+.2f} dB in the worst case"
        )
    return (line + ". The rows of the table fill all of it.",)
