"""Strips to look at: the input with its hole, what each method made of it, and the truth."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vidinternal.bench.cases import Case
from vidinternal.report.pictures import grid, label, overlay, png, to_picture


def strip(case: Case, results: Mapping[str, Tensor | None]) -> bytes:
    """A PNG with one column a method and three moments of the clip, first, middle and last, as rows.

    Args:
        case: Truth and hole.
        results: ``T 3 H W`` by the method's name; None for a method that failed, which is left out.
    """
    columns = {"hole": case.input, **{m: r for m, r in results.items() if r is not None}, "truth": case.truth}
    moments = sorted({0, len(case.truth) // 2, len(case.truth) - 1})
    rows = []
    for t in moments:
        cells = []
        for name, frames in columns.items():
            picture = to_picture(_enlarged(frames[t]))
            if name == "hole":
                picture = overlay(picture, _enlarged(case.masks[t].float())[0].numpy() > 0.5)
            cells.append(label(picture, name) if t == moments[0] else picture)
        rows.append(cells)
    return png(grid(rows))


def _enlarged(frame: Tensor) -> Tensor:
    """``C H W`` in a size that a person can judge: doubled below 320 pixels of width."""
    factor = 2 if frame.shape[-1] < 320 else 1
    return torch.repeat_interleave(torch.repeat_interleave(frame, factor, dim=-1), factor, dim=-2)
