"""Bench ``object_removal``: a moving object's mask track laid over another clip, the truth under it hidden.

``--set masks=FOLDER`` gives mask videos of real objects (each clip gets one of them in turn); without, a walking figure
stands for them. Beside the measures of bench ``inpaint`` it counts the frames that the detector of leftovers lists,
and those it lists of the truth itself, which are false alarms.
"""

from __future__ import annotations

from typing import Any

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.before_after import strip
from vidinternal.bench.cases import Case, cases, count, plan
from vidinternal.bench.inpaint import COLUMNS as MEASURED
from vidinternal.bench.inpaint import MEASURES
from vidinternal.bench.score import Outcome, default_methods, run_method, summarise
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError
from vidinternal.methods import card
from vidinternal.ops.leftovers import leftovers

TRUTH = "truth"
COLUMNS = (
    *(c for c in MEASURED if c.key not in ("iterations", "iterations_per_second")),
    Column("listed", "listed %", 1),
)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Remove an object that never was there, by every method.

    Args:
        options: Size, time, clips, masks, methods.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing, or no case or method fits the options.
    """
    hole = "figure" if options.masks is None else "object"
    wanted = tuple(f"{sample.name}/{kind}" for sample, kind in plan(options) if kind == hole)
    if not wanted:
        raise UsageError("bench cases", expected=f"a clip with hole {hole}", got=", ".join(options.cases))
    own = options.model_copy(update={"cases": wanted})
    methods, total = default_methods(own), count(own)
    rows: list[dict[str, Any]] = []
    alarms: list[float] = []
    pictures: dict[str, bytes] = {}
    for place, case in enumerate(cases(own)):
        outcomes: dict[str, Outcome] = {}
        alarms.append(_listed(case, case.truth))
        for k, method in enumerate(methods):
            progress((place + k / len(methods)) / total, f"{case.name}: {method}")
            for turn in range(own.seeds if card(method, "inpaint").trains else 1):
                seeded = own.model_copy(update={"seed": own.seed + turn})
                outcomes[method] = run_method(method, case, seeded)
                done = outcomes[method].composite
                listed = None if done is None else _listed(case, done)
                rows.append({**outcomes[method].row, "seed": seeded.seed, "listed": listed})
        pictures[case.name] = strip(case, {m: o.composite for m, o in outcomes.items()})
    progress(1.0, "done")
    summary = summarise(rows, (*MEASURES, "self_score", "seconds", "listed"), best="hole_psnr")
    for entry in summary:
        entry["changed_outside"] = sum(r.get("changed_outside", 0) for r in rows if r["method"] == entry["method"])
    false_alarms = sum(alarms) / len(alarms)
    return BenchResult(
        bench="object_removal",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=summary,
        rows=rows,
        facts={"listed_of_the_truth": round(false_alarms, 2)},
        notes=(
            f"Mean over {total} cases; methods that train had {options.seconds:g} s a case.",
            f"listed: frames that the detector of leftovers names; of the truth itself it names {false_alarms:.1f} %.",
        ),
        pictures=pictures,
    )


def _listed(case: Case, frames: Any) -> float:
    """Percent of the frames with a hole that are suspicious."""
    found = leftovers(frames, case.masks)
    return 100.0 * sum(bool(one.suspicious()) for one in found.values()) / max(1, len(found))
