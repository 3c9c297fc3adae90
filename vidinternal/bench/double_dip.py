"""Bench ``double_dip``: haze, objects, reflections and watermarks, against cheap methods and hidden truth.

``--set clips=FOLDER`` takes clean clips that haze and marks are put on, ``--set masks=FOLDER`` with it objects' masks,
``--set pairs=FOLDER`` hazy pictures with their truth, ``--set stills=FOLDER`` pictures to be mixed. ``--set
iterations=N`` is how many steps a network is trained on a case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.double_dip_cases import haze_cases, mark_cases, mixture_cases, pair_cases
from vidinternal.bench.double_dip_rows import ALONE, Rows, dehazed, segmented, separated, unmarked
from vidinternal.bench.track_cases import labelled
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError
from vidinternal.report.pictures import Picture, grid, label, png, to_picture

COLUMNS = (
    Column("part", "task"),
    Column("method", "row"),
    Column("psnr", "PSNR dB", 2),
    Column("ssim", "SSIM", 3),
    Column("iou", "IoU", 3),
    Column("warping_error_e3", "warping error ×10³", 3),
    Column("seconds", "s/picture", 2),
    Column("cases", "cases"),
    Column("failures", "failures"),
)
SHORT = {"width": 128, "height": 80, "frames": 8}
"""Size of the cases where nothing else is asked for; a mark is told by eight pictures or more."""
HAZE_FRAMES = 4
"""Pictures of a dehazing case: each is trained on by itself too, to see how it flickers then."""
USUAL = ("haze/flower", "haze/person", "flower+figure", "flower+person", "mark/unlike", "mark/person-pan")
"""Cases that are run where none are asked for, beside all pairs."""
_ENLARGED = 256

Make = Callable[[], Rows]


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run every part on its cases.

    Args:
        options: Size, frames, iterations, folders, cases.
        progress: Tells how far it is.

    Raises:
        UsageError: No case has one of the wanted words in its name, or a folder lacks what it is for.
    """
    given = options.model_fields_set
    options = options.model_copy(update={k: v for k, v in SHORT.items() if k not in given})
    chosen = _chosen(options, options.frames if "frames" in given else HAZE_FRAMES)
    rows: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    for place, (name, make) in enumerate(chosen):
        progress(place / len(chosen), name)
        found = make()
        rows += found.rows
        pictures[name] = _strip(found)
    progress(1.0, "done")
    facts = _facts(rows)
    return BenchResult(
        bench="double_dip",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=_summary(rows),
        rows=rows,
        facts=facts,
        notes=_notes(facts, options),
        pictures=pictures,
    )


def plan(options: BenchOptions, haze_frames: int) -> list[tuple[str, Make]]:
    """All cases there are, by name, each run when it is called.

    Args:
        options: Size, frames, folders.
        haze_frames: Frames of the cases with haze.
    """
    # what is wanted of the labelled clips is chosen here, with all the others
    anything = options.model_copy(update={"cases": ()})
    found: list[tuple[str, Make]] = []
    hazy = options.model_copy(update={"frames": haze_frames})
    for name, make in (*haze_cases(hazy), *pair_cases(options)):
        found.append((name, lambda make=make: dehazed(make(), options)))
    for name, clip in labelled(anything) if _has_labels(options) else ():
        found.append((f"segment/{name}", lambda clip=clip: segmented(clip(), options)))
    for name, mix in mixture_cases(options):
        found.append((name, lambda mix=mix: separated(mix(), options)))
    for name, marked in mark_cases(options):
        found.append((name, lambda marked=marked: unmarked(marked(), options)))
    return found


def _has_labels(options: BenchOptions) -> bool:
    return options.masks is not None or options.clips == BenchOptions().clips


def _chosen(options: BenchOptions, haze_frames: int) -> list[tuple[str, Make]]:
    everything = plan(options, haze_frames)
    words = options.cases
    if not words and options.clips == BenchOptions().clips and options.stills is None:
        words = (*USUAL, "pair/")
    chosen = [(n, make) for n, make in everything if not words or any(word in n for word in words)]
    if not chosen:
        known = ", ".join(name for name, _ in everything)
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    return chosen


def _summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over the cases of every part and row, parts in order, the best row of each part first."""
    keys = [c.key for c in COLUMNS[2:-2]]
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for part, method in dict.fromkeys((r["part"], r["method"]) for r in rows):
        mine = [r for r in rows if (r["part"], r["method"]) == (part, method)]
        failures = sum("failed" in r for r in mine)
        entry: dict[str, Any] = {"part": part, "method": method, "cases": len(mine), "failures": failures}
        for key in keys:
            values = [r[key] for r in mine if key in r]
            entry[key] = fmean(values) if values else None
        table[part, method] = entry
    parts = list(dict.fromkeys(part for part, _ in table))
    return sorted(table.values(), key=lambda e: (parts.index(e["part"]), -(e["psnr"] or e["iou"] or 0.0)))


def _facts(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How ``double_dip`` stands beside what is cheap, and beside itself picture by picture."""

    def mean(part: str, method: str, key: str) -> float | None:
        values = [r[key] for r in rows if (r["part"], r["method"]) == (part, method) and key in r]
        return fmean(values) if values else None

    def ahead(part: str, key: str, rivals: tuple[str, str]) -> float | None:
        ours, theirs = (mean(part, method, key) for method in rivals)
        return None if ours is None or theirs is None else round(ours - theirs, 4)

    return {
        "dehaze_psnr_over_dark_channel": ahead("dehaze", "psnr", ("double_dip", "dark_channel")),
        "dehaze_picture_psnr_over_dark_channel": ahead("dehaze, one picture", "psnr", ("double_dip", "dark_channel")),
        "dehaze_warping_error_over_alone": ahead("dehaze", "warping_error_e3", ("double_dip", "double_dip" + ALONE)),
        "segment_iou_over_grabcut": ahead("segment", "iou", ("double_dip", "GrabCut")),
        "watermark_psnr_over_fill": ahead("watermark", "psnr", ("double_dip, no hint", "telea, mark known")),
    }


def _notes(facts: dict[str, Any], options: BenchOptions) -> tuple[str, ...]:
    notes = [
        f"At most {options.iterations} optimiser steps a case and network; no stop and no choice looks at the truth.",
        "PSNR of watermarks inside the mark; of layers the better way round, each at its best brightness and contrast.",
    ]
    flicker = facts["dehaze_warping_error_over_alone"]
    if flicker is not None:
        than = "steadier" if flicker < 0 else "no steadier"
        notes.append(f"The dehazed clip is {than} than its pictures dehazed one by one: {flicker:+.3f}.")
    return tuple(notes)


def _strip(found: Rows) -> bytes:
    cells: list[Picture] = []
    for name, frame in found.shown.items():
        factor = max(1, _ENLARGED // frame.shape[-1])
        large = frame.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)
        cells.append(label(to_picture(large), name))
    return png(grid([cells[k : k + 4] for k in range(0, len(cells), 4)]))
