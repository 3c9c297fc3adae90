"""Strips to look at: the input, what was taken for overlay, what every row made of it, and the clean clip."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from vidinternal.bench.subtitles.cases import BurntCase
from vidinternal.bench.subtitles.rows import Removed
from vidinternal.report.pictures import Picture, fitted, grid, label, overlay, png, to_picture

_WIDTH = 480


def sheet(case: BurntCase, seen: torch.Tensor, results: Mapping[str, Removed]) -> bytes:
    """A PNG with one row a method and up to two moments side by side, cut to the case's area.

    Below the input, the pixels that are truly touched are tinted, and below that those that a row took for overlay.

    Args:
        case: The truth.
        seen: ``T 3 h w``, the input inside the area.
        results: By the row's name.
    """
    y0, y1, x0, x1 = case.area
    middle = {(o.start + o.end - 1) // 2 for o in case.overlays}
    moments = sorted(middle)[:2]
    touched = case.touched[:, y0:y1, x0:x1]
    lines: dict[str, list[Picture]] = {
        "input": [to_picture(seen[t]) for t in moments],
        "truth": [overlay(to_picture(seen[t]), touched[t]) for t in moments],
    }
    for name, removed in results.items():
        if removed.masks is not None:
            found = removed.masks[:, y0:y1, x0:x1]
            lines[f"{name}: found"] = [overlay(to_picture(seen[t]), found[t]) for t in moments]
        lines[name] = [to_picture(removed.frames[t]) for t in moments]
    lines["clean"] = [to_picture(case.clean[t][:, y0:y1, x0:x1].astype(np.float32) / 255) for t in moments]
    return png(grid([[label(fitted(p, _WIDTH), name) for p in cells] for name, cells in lines.items()]))
