"""Bench ``dip``: the Deep Image Prior as published and ours, beside what needs no training and the paper's figures.

First the protocol is checked: bicubic enlargement of Set5 by four must come out at 28.44 dB with the paper's crop. Then
every case is fitted by the published schedule (``dip, faithful``) and by ours in one run; the truth is only looked at
from beside. ``iterations`` is the length of the published schedule here, at most its own; ours is as much shorter as
the presets are. ``width`` and ``height`` crop the pictures. Whole pictures by whole schedules: ``--set width=512 --set
height=512 --set iterations=11000``, which takes days on a processor: ``--set seconds=N`` cuts the published schedule
alone, whose whole time is told from its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.dip_cases import SET5_BICUBIC, Picture, cases, protocol
from vidinternal.bench.dip_pieces import learned
from vidinternal.bench.dip_rows import CUT_ROW, FAITHFUL_ROW, LEARNED, Curve, quick
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.report.pictures import grid, label, png, to_picture

COLUMNS = (
    Column("case", "case"),
    Column("method", "method"),
    Column("psnr", "PSNR dB", 2),
    Column("best", "best on the way", 2),
    Column("early", "at early stop", 2),
    Column("gap", "stop behind best", 2),
    Column("same", "faithful at as many steps", 2),
    Column("same_time", "faithful after as long", 2),
    Column("iterations", "iterations", 0),
    Column("seconds", "seconds", 0),
    Column("ms", "ms a step", 0),
    Column("whole", "whole published schedule, s", 0),
    Column("share", "faithful result after, share of its time", 2),
    Column("paper", "paper dB", 2),
    Column("share_paper", "paper's dB after, share of the published schedule", 2),
)
_KEYS = tuple(c.key for c in COLUMNS[2:])


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Check the protocol and run all rows on all cases.

    Args:
        options: ``clips`` is a folder with pictures; ``cases`` chooses, e.g. ``denoise/``; ``methods`` the rows.
        progress: Tells how far it is.

    Raises:
        UsageError: There is no picture, or no case fits.
    """
    checked = list(protocol(options))
    chosen = cases(options)
    rows: list[dict[str, Any]] = []
    shown: dict[str, bytes] = {}
    for place, (name, make) in enumerate(chosen):
        progress(place / len(chosen), name)
        mine, pictures = _case(
            make(), options, lambda share, text, at=place: progress((at + share) / len(chosen), text)
        )
        rows += mine
        shown[name] = png(grid([[label(to_picture(p[0]), title) for title, p in pictures.items()]]))
    progress(1.0, "done")
    return BenchResult(
        bench="dip",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=_summary(rows),
        rows=rows,
        facts={"protocol": checked, "protocol_mean": _mean(checked)},
        notes=(*_protocol_note(checked), *_notes(options, chosen), *_pieces_note(rows)),
        pictures=shown,
    )


def _case(case: Picture, options: BenchOptions, progress: Progress) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """The rows of a case, and the pictures by row."""
    quick_rows = quick(case)
    rows = [row for row, _ in quick_rows]
    pictures = {row["method"]: made for row, made in quick_rows}
    reference: tuple[Curve, dict[str, Any]] | None = None
    wanted = [r for r in LEARNED if not options.methods or r in options.methods]
    for number, name in enumerate(wanted):
        progress(number / len(wanted), f"{case.case}: {name}")
        row, made, curve = learned(name, case, options)
        if name == FAITHFUL_ROW:
            reference = curve, row
        elif reference is not None:
            row |= _beside(row, curve, *reference)
        rows.append(row)
        pictures[row["method"]] = made
    pictures["truth"] = case.truth
    return rows, pictures


def _beside(row: dict[str, Any], curve: Curve, published: Curve, its: dict[str, Any]) -> dict[str, Any]:
    """What ours is beside the published schedule: at equal steps, at equal time, and how soon it is as good."""
    reached = curve.reached(its["psnr"]) if its["method"] == FAITHFUL_ROW else None
    level = row["paper"]
    as_paper = None if level is None else curve.reached(level)
    return {
        "same": published.at(row["iterations"]),
        "same_time": published.after(row["seconds"]),
        "share": None if reached is None else reached / its["seconds"],
        "share_paper": None if as_paper is None else as_paper / its["whole"],
    }


def _summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by case and size, in the order they came, with what the table shows."""
    return [{"case": f"{row['case']}, {row['size']}"} | {k: row.get(k) for k in ("method", *_KEYS)} for row in rows]


def _mean(checked: Sequence[dict[str, Any]]) -> float | None:
    whole = {entry["name"] for entry in checked} == set(SET5_BICUBIC)
    return round(fmean(entry["bicubic"] for entry in checked), 3) if whole else None


def _protocol_note(checked: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    mean = _mean(checked)
    if mean is None:
        return ("The protocol was not checked: the five pictures of Set5 are not all in the folder.",)
    worst = max(abs(entry["bicubic"] - entry["paper"]) for entry in checked)
    return (
        f"Protocol: bicubic Set5 x4 comes out at {mean:.2f} dB (published: 28.44), at most {worst:.2f} dB off in a "
        "picture.",
    )


def _pieces_note(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    cut = [f"{row['case']}, {row['method']}: {row['pieces']}" for row in rows if "pieces" in row]
    told = "Fitted in overlapping pieces, as a run does (iterations: their mean)"
    return (f"{told}: {'; '.join(cut)}.",) if cut else ()


def _notes(options: BenchOptions, chosen: Sequence[object]) -> tuple[str, ...]:
    cut = ""
    if "seconds" in options.model_fields_set:
        cut = f" `{CUT_ROW}`: ended after {options.seconds:g} s on the wall; its whole time is told from its steps."
    return (
        f"{len(chosen)} cases, pictures cropped to at most {options.width}x{options.height}; published schedules of at "
        f"most {options.iterations} steps, ours in proportion. The paper's figures stand where the picture is whole."
        f"{cut} Seconds are the processor's.",
        "PSNR: RGB; for enlargements luma without the border. Where pixels were missing, known ones are as they came. "
        "Early stop: least variance of the last outputs (ES-WMV), its stored picture; best on the way looks at the "
        "truth.",
    )
