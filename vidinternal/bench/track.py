"""Bench ``track``: an object followed from the first frame's box and from its mask, against its true masks.

``--set clips=FOLDER --set masks=FOLDER`` takes clips with masks ``<clip>_mask.mkv``; without, figures are pasted into
the sample clips.
"""

from __future__ import annotations

import time
from statistics import fmean
from typing import Any

import numpy as np
import torch

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.track_cases import Labelled, labelled
from vidinternal.bench.track_rows import BASELINES, confidence, ours
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.ops.measures import spearman
from vidinternal.ops.regions import boundary_f, jaccard
from vidinternal.report.pictures import grid, label, overlay, png

OURS = "track"
STARTS = ("box", "mask")
COLUMNS = (
    Column("method", "row"),
    Column("j_box", "J from a box", 3),
    Column("f_box", "F from a box", 3),
    Column("j_mask", "J from a mask", 3),
    Column("f_mask", "F from a mask", 3),
    Column("worst", "worst J", 3),
    Column("seconds_per_frame", "s/frame", 3),
)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Follow every labelled object by every row.

    Args:
        options: Size, frames, clips, masks, cases.
        progress: Tells how far it is.

    Raises:
        UsageError: There is no labelled clip, or none of the wanted name.
    """
    wanted = labelled(options)
    rows: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    known: list[tuple[float, float]] = []
    for place, (name, make) in enumerate(wanted):
        case = make()
        for k, start in enumerate(STARTS):
            progress((place + k / 2) / len(wanted), f"{name} from a {start}")
            found, shown = _case(case, start, options)
            rows += found
            known += shown.pop("confidence")
            pictures[f"{name} from a {start}"] = _strip(case, shown)
    progress(1.0, "done")
    ahead = _ahead(rows)
    told = spearman(*(torch.tensor(v, dtype=torch.float64) for v in zip(*known, strict=True))) if known else None
    facts = {"ahead_everywhere": not ahead, "behind": ahead, "confidence_spearman": told}
    notes = (
        f"Mean over {len(wanted)} clips and all frames but the first; F within 0.8 % of the diagonal.",
        "Ahead of every row on every clip." if not ahead else f"Behind a row on: {', '.join(ahead)}.",
        *(() if told is None else (f"Rank correlation of a frame's confidence and its J: {told:.2f}.",)),
    )
    return BenchResult(
        bench="track",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=_summary(rows),
        rows=rows,
        facts=facts,
        notes=notes,
        pictures=pictures,
    )


def _case(case: Labelled, start: str, options: BenchOptions) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of one case, and masks to look at."""
    began = time.process_time()
    mine, found = ours(case, start, options)
    spent = {OURS: (time.process_time() - began) / len(case.frames)}
    shown: dict[str, Any] = {OURS: mine}
    for name, follow in BASELINES.items():
        began = time.process_time()
        # every row begins with the same first mask; from a box that is what GrabCut makes of it
        shown[name] = follow(case, mine[0] if start == "box" else case.truth[0])
        spent[name] = (time.process_time() - began) / len(case.frames)
    frames = range(1, len(case.frames))
    rows = []
    for name, masks in shown.items():
        overlap = [jaccard(masks[t], case.truth[t]) for t in frames]
        rows.append(
            {
                "case": case.name,
                "start": start,
                "method": name,
                "j": round(fmean(overlap), 4),
                "f": round(fmean(boundary_f(masks[t], case.truth[t]) for t in frames), 4),
                "seconds_per_frame": round(spent[name], 3),
            }
        )
    sure = confidence(found)
    shown["confidence"] = [(float(sure[t]), jaccard(mine[t], case.truth[t])) for t in frames]
    return rows, shown


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for name in (OURS, *BASELINES):
        mine = [r for r in rows if r["method"] == name]
        entry: dict[str, Any] = {"method": name, "worst": min(r["j"] for r in mine)}
        entry["seconds_per_frame"] = fmean(r["seconds_per_frame"] for r in mine)
        for start in STARTS:
            entry |= {f"{k}_{start}": fmean(r[k] for r in mine if r["start"] == start) for k in ("j", "f")}
        found.append(entry)
    return sorted(found, key=lambda e: -(e["j_box"] + e["j_mask"]))


def _ahead(rows: list[dict[str, Any]]) -> list[str]:
    """Where another row is better."""
    mine = {(r["case"], r["start"]): r["j"] for r in rows if r["method"] == OURS}
    worse = [r for r in rows if r["method"] != OURS and r["j"] > mine[r["case"], r["start"]]]
    return [f"{r['case']} from a {r['start']} ({r['method']} {r['j']:.2f})" for r in worse]


def _strip(case: Labelled, shown: dict[str, np.ndarray]) -> bytes:
    """Four moments, a row each: the truth and what each row makes of it."""
    moments = sorted({round(k) for k in np.linspace(0, len(case.frames) - 1, 4)})
    columns = {"truth": case.truth, **shown}
    cells = [[label(overlay(case.frames[t], m[t]), f"{n} {t}") for n, m in columns.items()] for t in moments]
    return png(grid(cells))
