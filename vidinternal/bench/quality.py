"""Bench ``quality``: what a method makes of the time it is given, one curve for each that trains."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import Any

from vidinternal.bench import drawn
from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import cases, count
from vidinternal.bench.score import default_methods, run_method
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.methods import card

DEFAULT_CASES = ("flower/caption", "person-pan/figure", "bunny/box")
"""What is run where no cases are asked for: nothing is shown elsewhere, everything is, and some is."""
DEFAULT_METHODS = ("internal", "dip_vid_flow", "propagation", "flow_median", "harmonic", "telea")


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run every method that trains once for each of ``options.times`` on all cases, and the others once.

    Args:
        options: Times, size, clips, methods; ``seconds`` is not used.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing, or no case or method fits the options.
    """
    chosen = {} if options.cases else {"cases": DEFAULT_CASES}
    chosen |= {} if options.methods else {"methods": DEFAULT_METHODS}
    options = options.model_copy(update=chosen)
    times, methods, total = sorted(options.times), default_methods(options), count(options)
    rows: list[dict[str, Any]] = []
    for place, case in enumerate(cases(options)):
        for method in methods:
            for limit in times if card(method, "inpaint").trains else (None,):
                progress(place / total, f"{case.name}: {method}" + (f", {limit:g} s" if limit else ""))
                timed = options if limit is None else options.model_copy(update={"seconds": limit})
                rows.append({**run_method(method, case, timed).row, "limit": limit})
    progress(1.0, "done")
    summary = _summary(rows)
    told = options.model_dump(mode="json")
    return BenchResult(
        bench="quality",
        options=told,
        columns=(
            Column("method", "method"),
            *(Column(_key(t), f"{t:g} s", 2) for t in times),
            Column("any", "in the time it takes", 2),
            Column("seconds", "seconds", 1),
        ),
        summary=summary,
        rows=rows,
        notes=(f"Hole PSNR in dB, mean over {total} cases; an own run for every time.",),
        pictures={"quality against time": drawn.quality({"summary": summary, "options": told})},
    )


def _key(limit: float) -> str:
    return f"after_{limit:g}"


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a method: the mean after every time, or the one level of a method that takes the time it takes."""
    found: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if "failed" in row:
            continue
        name = "any" if row["limit"] is None else _key(row["limit"])
        found[row["method"]][name].append(row["hole_psnr"])
        if row["limit"] is None:
            found[row["method"]]["seconds"].append(row["seconds"])
    table = [{"method": m, **{k: fmean(v) for k, v in values.items()}} for m, values in found.items()]
    return sorted(table, key=lambda e: max(v for k, v in e.items() if k not in ("method", "seconds")), reverse=True)
