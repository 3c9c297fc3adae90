"""Bench ``inpaint``: every inpainting method on the same cases in the same time."""

from __future__ import annotations

from typing import Any

from vidinternal.bench import drawn, glass
from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.before_after import strip
from vidinternal.bench.cases import Case, cases, count
from vidinternal.bench.score import (
    Outcome,
    against_the_rest,
    default_methods,
    failures_told,
    judge,
    run_method,
    self_score_facts,
    summarise,
)
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.methods import card

MEASURES = ("hole_psnr", "hole_ssim", "full_psnr", "temporal_error", "warping_error_e3")
COLUMNS = (
    Column("method", "method"),
    Column("hole_psnr", "hole PSNR dB", 2),
    Column("hole_ssim", "hole SSIM", 3),
    Column("full_psnr", "full PSNR dB", 2),
    Column("temporal_error", "temporal error, codes", 2),
    Column("warping_error_e3", "warping error ×10³", 2),
    Column("self_score", "self-score dB", 2),
    Column("changed_outside", "changed outside"),
    Column("seconds", "seconds", 1),
    Column("iterations", "iterations", 0),
    Column("iterations_per_second", "its/s", 1),
    Column("failures", "failures"),
)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run all methods on all cases.

    Args:
        options: Size, time, clips, methods.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing, or no case or method fits the options.
    """
    methods, total = default_methods(options), count(options)
    rows: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    through: list[dict[str, Any]] = []
    for place, case in enumerate(cases(options)):
        outcomes: dict[str, Outcome] = {}
        for k, method in enumerate(methods):
            progress((place + k / len(methods)) / total, f"{case.name}: {method}")
            for turn in range(options.seeds if card(method, "inpaint").trains else 1):
                seeded = options.model_copy(update={"seed": options.seed + turn})
                outcomes[method] = run_method(method, case, seeded)
                rows.append({**outcomes[method].row, "seed": seeded.seed})
        taken = _taken_off(case, outcomes, options)
        if taken is not None:
            through.append(taken)
        pictures[case.name] = strip(case, {m: o.composite for m, o in outcomes.items()})
    progress(1.0, "done")
    facts = self_score_facts(rows)
    beside = against_the_rest(rows, "internal")
    pictures["self-score against truth"] = drawn.inpaint({"rows": rows})
    return BenchResult(
        bench="inpaint",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=_summary(rows),
        rows=rows,
        facts={"self_score": facts, "internal": beside, "half_transparent": through},
        notes=(
            f"Mean over {total} cases; methods that train had {options.seconds:g} s a case.",
            *_words(facts),
            *_stands(beside),
            *glass.words(through),
            *failures_told(rows),
        ),
        pictures=pictures,
    )


def _taken_off(case: Case, outcomes: dict[str, Outcome], options: BenchOptions) -> dict[str, Any] | None:
    """A half-transparent logo taken off instead of filled; None for other holes."""
    found = glass.compare(case, tuple(outcomes), lambda method, rest: run_method(method, rest, options).composite)
    if found is None:
        return None
    composite = found.pop("composite")
    filled = outcomes[found["method"]].row.get("hole_psnr")
    return {
        **found,
        "hole_psnr": None if composite is None else judge(composite, case)["hole_psnr"],
        "filled_psnr": filled,
    }


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = (*MEASURES, "self_score", "seconds", "iterations", "iterations_per_second")
    summary = summarise(rows, keys, best="hole_psnr")
    for entry in summary:
        entry["changed_outside"] = sum(r.get("changed_outside", 0) for r in rows if r["method"] == entry["method"])
        if not entry.get("iterations"):
            entry["iterations"] = None
    return summary


def _stands(beside: dict[str, Any]) -> tuple[str, ...]:
    """How ``internal`` stands beside what does not train, in a sentence."""
    if not beside:
        return ()
    return (
        f"internal against the methods that do not train: {beside['gain_over_best_single']:+.2f} dB over the best of "
        f"them on average, {beside['gain_over_best_of_each']:+.2f} dB over the best of them in each case, which is "
        f"known only afterwards; {beside['worst']:+.2f} dB in its worst case; at most 0.1 dB behind that best in "
        f"{beside['within_a_tenth']:.0%} of {beside['cases']} cases, at most 0.5 dB in {beside['within_a_half']:.0%}.",
    )


def _words(facts: dict[str, Any]) -> tuple[str, ...]:
    """What the correlation of self-score and truth means, in a sentence each."""
    words = []
    if facts["spearman_within_case"] is not None:
        words.append(
            f"Self-score against truth: rank correlation {facts['spearman_within_case']:.2f} across the methods of a "
            f"case (mean), {facts['spearman_all']:.2f} over all {facts['rows']} rows; "
            f"mean absolute error {facts['mean_absolute_error']:.1f} dB."
        )
    if facts["best_fixed"] is not None:
        words.append(
            f"Picking the method by self-score in each case: {facts['mean_hole_psnr_picked']:.2f} dB; always "
            f"{facts['best_fixed']}: {facts['mean_hole_psnr_best_fixed']:.2f} dB; the best pick possible: "
            f"{facts['mean_hole_psnr_oracle']:.2f} dB."
        )
    return tuple(words)
