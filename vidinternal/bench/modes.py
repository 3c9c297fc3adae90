"""Bench ``modes``: the paper's four modes at equal optimiser steps, and how steady each is in time.

``zhang2019internal`` claims that consistency grows from DIP over DIP-Vid and DIP-Vid-3DCN to DIP-Vid-Flow.
"""

from __future__ import annotations

from typing import Any

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.before_after import strip
from vidinternal.bench.cases import cases, count
from vidinternal.bench.score import Outcome, run_method, summarise
from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.methods import card

MODES = ("dip", "dip_vid", "dip_vid_3d", "dip_vid_flow")
"""In the order of the paper's claim, least consistent first."""

DEFAULT_CASES = ("flower/box", "person/box")
"""What is run where no cases are asked for: a box that stands still, so that only a mode's own flicker moves in it."""

COLUMNS = (
    Column("method", "mode"),
    Column("temporal_error", "temporal error, codes", 2),
    Column("warping_error_e3", "warping error ×10³", 2),
    Column("hole_psnr", "hole PSNR dB", 2),
    Column("hole_ssim", "hole SSIM", 3),
    Column("self_score", "self-score dB", 2),
    Column("iterations", "iterations", 0),
    Column("seconds", "seconds", 1),
    Column("failures", "failures"),
)


def mode_settings(name: str, iterations: int) -> StrictModel:
    """Settings of a mode for a short schedule.

    The paper's step size, weights and batches; ``iterations`` steps in all, ten in a row on a batch where the paper
    has a hundred, so that a short schedule sees the whole clip more than once. The held-out score is not used to stop.
    """
    config = card(name, "inpaint").config
    short = {"inner_iterations": 10} if "inner_iterations" in config.model_fields else {}
    return config.model_validate({"iterations": iterations, "look_every": max(10, iterations // 4), **short})


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run the modes on all cases.

    Args:
        options: Size, iterations, clips; ``seconds`` is not used.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing, or no case fits the options.
    """
    options = options if options.cases else options.model_copy(update={"cases": DEFAULT_CASES})
    modes = tuple(m for m in MODES if not options.methods or m in options.methods)
    total = count(options)
    rows: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    for place, case in enumerate(cases(options)):
        outcomes: dict[str, Outcome] = {}
        for k, mode in enumerate(modes):
            progress((place + k / len(modes)) / total, f"{case.name}: {mode}")
            outcomes[mode] = run_method(mode, case, options, mode_settings(mode, options.iterations), timed=False)
            rows.append(dict(outcomes[mode].row))
        pictures[case.name] = strip(case, {m: o.composite for m, o in outcomes.items()})
    progress(1.0, "done")
    keys = tuple(c.key for c in COLUMNS[1:-1])
    order = {mode: k for k, mode in enumerate(MODES)}
    summary = sorted(summarise(rows, keys, best="hole_psnr"), key=lambda e: order[e["method"]])
    return BenchResult(
        bench="modes",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=summary,
        rows=rows,
        notes=(f"Mean over {total} cases; {options.iterations} optimiser steps each, in the order of the paper.",),
        pictures=pictures,
    )
