"""One method on one case, judged against the truth; and how well the methods' self-scores know."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import Case
from vidinternal.core.budget import Budget
from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FitContext, FlowSet, MethodCard
from vidinternal.core.errors import ResourceError, UserError
from vidinternal.core.seeds import branch
from vidinternal.methods import card, cards, flow_method
from vidinternal.ops import measures
from vidinternal.ops.masks import bounding_box
from vidinternal.ops.reference_flow import reference_flow
from vidinternal.runner.job import pick_device
from vidinternal.runner.memory import available_memory
from vidinternal.stages.fill_window import FillRequest, fill_window
from vidinternal.stages.memory import MemoryPlan

_UNLIMITED_SIDE = 1 << 30


@dataclass(frozen=True)
class Outcome:
    """What a method made of a case.

    Attributes:
        row: Its line of the table.
        composite: ``T 3 H W``, known pixels pasted back; None when the method failed.
    """

    row: Mapping[str, Any]
    composite: Tensor | None


def default_methods(options: BenchOptions) -> tuple[str, ...]:
    """The methods to compare: those asked for, or all that need nothing beside the clip.

    Raises:
        PipelineError: A method that was asked for does not exist; the message names the nearest.
    """
    if options.methods:
        return tuple(card(name, "inpaint").name for name in options.methods)
    return tuple(c.name for c in cards("inpaint") if not c.needs)


def run_method(
    name: str, case: Case, options: BenchOptions, config: StrictModel | None = None, *, timed: bool = True
) -> Outcome:
    """Fill a case as the pipeline would, paste the known pixels back and measure.

    Args:
        name: An inpainting method.
        case: What to fill.
        options: Time, seed, device, copies.
        config: The method's settings; None = its defaults.
        timed: Whether a method that trains has to end after ``options.seconds``.

    Returns:
        The row and the picture; where the method refuses, a row that says why.
    """
    chosen = card(name, "inpaint")
    device = pick_device(options.device)
    seed = branch(options.seed, case.name)
    row: dict[str, Any] = {"case": case.name, "method": name, "paper": chosen.paper}
    started = time.monotonic()
    try:
        if device.type == "cpu":
            check_memory(chosen, case, available_memory())
        flow = case_flow(case, chosen.flow_strides, device)
        flow_seconds = time.monotonic() - started
        limit = max(0.5, options.seconds - flow_seconds) if timed and chosen.trains else None
        result, account = fill_window(
            case.input,
            case.masks,
            flow,
            FillRequest(name, config or chosen.config(), max_side=_UNLIMITED_SIDE, copies=options.copies),
            FitContext(seed=seed, device=device, budget=Budget(limit)),
        )
    except UserError as error:
        return Outcome(row | {"failed": error.message}, None)
    seconds = flow_seconds + result.seconds
    composite = torch.where(case.masks, result.frames.cpu().clamp(0, 1), case.input)
    row |= judge(composite, case) | {
        "seconds": round(seconds, 3),
        "seconds_with_score": round(time.monotonic() - started, 3),
        "iterations": result.iterations,
        "iterations_per_second": round(result.iterations / result.seconds, 2) if result.iterations else None,
        "self_score": account["expected_psnr"],
        "stopped": result.stopped,
        "notes": list(result.notes),
    }
    return Outcome(row, composite)


def check_memory(chosen: MethodCard, case: Case, free: int) -> None:
    """Refuse what would be killed halfway: what a run shrinks works on whole pictures here.

    Args:
        chosen: Of the method.
        case: What it would fill.
        free: Bytes that this process may take.

    Raises:
        ResourceError: Pictures of this size, or the surroundings of the hole alone where that is enough, need more.
    """
    count, _, height, width = case.input.shape
    y0, y1, x0, x1 = (None if chosen.work_side else bounding_box(case.masks, 64)) or (0, height, 0, width)
    plan = MemoryPlan(
        limit=free,
        picture=height * width,
        bytes_per_pixel=chosen.bytes_per_pixel,
        bytes_at_once=chosen.bytes_at_once,
        strides=len(chosen.flow_strides),
    )
    needed = plan.needed(count, y1 - y0, x1 - x0)
    if needed > free:
        raise ResourceError(
            f"method '{chosen.name}' on {count} frames of {width}x{height}",
            expected=f"{needed / 2**30:.1f} GiB of memory",
            got=f"{free / 2**30:.1f} GiB free",
            hint="smaller with --set width=W --set height=H, or --set 'methods=[...]' without it",
        )


def case_flow(case: Case, strides: Sequence[int], device: torch.device) -> FlowSet:
    """The reference flow that the pipeline's flow stage would give."""
    if not strides:
        return {}
    dis = flow_method("dis")
    settings = dis.card.config()
    return reference_flow(case.input, case.masks, strides, lambda a, b: dis.flow(a, b, settings, device))


def judge(composite: Tensor, case: Case) -> dict[str, float | int]:
    """All measures of a composite.

    Args:
        composite: ``T 3 H W``.
        case: Truth and masks.
    """
    codes = (composite * 255).round()
    changed = (codes != (case.input * 255).round()) & ~case.masks
    flow, valid = case.motion
    return {
        "hole_psnr": round(measures.hole_psnr(composite, case.truth, case.masks), 3),
        "hole_ssim": round(measures.ssim(composite, case.truth, case.masks), 4),
        "full_psnr": round(measures.psnr(composite, case.truth), 3),
        "changed_outside": int(changed.sum()),
        "temporal_error": round(measures.temporal_error(composite, case.truth, case.masks), 3),
        "warping_error_e3": round(1e3 * measures.warping_error(composite, flow, valid, case.masks), 4),
    }


def summarise(rows: Sequence[Mapping[str, Any]], keys: Sequence[str], best: str) -> list[dict[str, Any]]:
    """Mean of every key over the cases of each method, best first.

    A method that failed a case has no mean that could stand beside the others' and comes last, with its failures.

    Args:
        rows: One a method and case.
        keys: What to average; values of None are left out of a mean.
        best: The key to sort by, highest first.
    """
    by_method: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_method[row["method"]].append(row)
    table = []
    for method, mine in by_method.items():
        failed = [r for r in mine if "failed" in r]
        entry: dict[str, Any] = {"method": method, "cases": len(mine), "failures": len(failed)}
        for key in keys if not failed else ():
            values = [r[key] for r in mine if r[key] is not None]
            entry[key] = fmean(values) if values else None
        table.append(entry)
    return sorted(table, key=lambda e: e.get(best, float("-inf")), reverse=True)


def failures_told(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Why methods failed, a sentence each: on how many cases, and what the first of them was told."""
    by_method: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if "failed" in row:
            by_method[row["method"]].setdefault(row["case"], row["failed"])
    return tuple(
        f"{method} failed on {len(mine)} {'case' if len(mine) == 1 else 'cases'}: {next(iter(mine.values()))}"
        for method, mine in by_method.items()
    )


def self_score_facts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How far the score on held-out holes tells the true one.

    Args:
        rows: One a method and case, with ``self_score`` and ``hole_psnr``.

    Returns:
        Correlation and mean absolute error over all rows; mean correlation across the methods of a case; mean true
        score of the method that the self-score would pick for each case, beside that of the best method for every case
        and of the best pick.
    """
    scored = [r for r in rows if r.get("self_score") is not None and "failed" not in r]
    by_case: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in scored:
        by_case[row["case"]].append(row)
    within = [_correlate(mine) for mine in by_case.values() if len(mine) >= 3]
    linear = [p for p, _ in within if p is not None]
    ranks = [s for _, s in within if s is not None]
    overall = _correlate(scored)
    picked = [max(mine, key=lambda r: r["self_score"])["hole_psnr"] for mine in by_case.values()]
    oracle = [max(r["hole_psnr"] for r in mine) for mine in by_case.values()]
    by_method: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in scored:
        by_method[row["method"]][row["case"]].append(row["hole_psnr"])
    complete = {m: fmean(map(fmean, v.values())) for m, v in by_method.items() if len(v) == len(by_case)}
    fixed = max(complete, key=lambda m: complete[m]) if complete else None
    off = [abs(r["self_score"] - r["hole_psnr"]) for r in scored]
    return {
        "rows": len(scored),
        "pearson_all": _rounded(overall[0]),
        "spearman_all": _rounded(overall[1]),
        "pearson_within_case": _rounded(fmean(linear) if linear else None),
        "spearman_within_case": _rounded(fmean(ranks) if ranks else None),
        "mean_absolute_error": _rounded(fmean(off) if off else None),
        "mean_hole_psnr_picked": _rounded(fmean(picked) if picked else None),
        "mean_hole_psnr_best_fixed": _rounded(complete[fixed] if fixed else None),
        "best_fixed": fixed,
        "mean_hole_psnr_oracle": _rounded(fmean(oracle) if oracle else None),
    }


def against_the_rest(rows: Sequence[Mapping[str, Any]], method: str) -> dict[str, Any]:
    """How a method stands beside the methods that do not train, in each case and on average.

    Args:
        rows: One a method, case and seed.
        method: The one to judge.

    Returns:
        Its mean gain in dB over the one row that is best on average, and over the best row of each case, which is known
        only afterwards; the worst case of the latter, and the shares of cases that lose at most 0.1 and 0.5 dB. Empty
        where there is nothing to compare.
    """
    cheap: defaultdict[str, dict[str, float]] = defaultdict(dict)
    own: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "failed" in row:
            continue
        if row["method"] == method:
            own[row["case"]].append(row["hole_psnr"])
        elif not card(row["method"], "inpaint").trains:
            cheap[row["case"]][row["method"]] = row["hole_psnr"]
    shared = [c for c in own if cheap[c]]
    names = set.intersection(*(set(cheap[c]) for c in shared)) if shared else set()
    if not names:
        return {}
    single = max(fmean(cheap[c][n] for c in shared) for n in names)
    gains = [fmean(own[c]) - max(cheap[c].values()) for c in shared]
    return {
        "method": method,
        "cases": len(shared),
        "gain_over_best_single": _rounded(fmean(fmean(own[c]) for c in shared) - single),
        "gain_over_best_of_each": _rounded(fmean(gains)),
        "worst": _rounded(min(gains)),
        "within_a_tenth": _rounded(fmean(g >= -0.1 for g in gains)),
        "within_a_half": _rounded(fmean(g >= -0.5 for g in gains)),
    }


def _correlate(rows: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    own = torch.tensor([r["self_score"] for r in rows], dtype=torch.float64)
    true = torch.tensor([r["hole_psnr"] for r in rows], dtype=torch.float64)
    return measures.pearson(own, true), measures.spearman(own, true)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
