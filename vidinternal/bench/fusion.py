"""Bench ``fusion``: what each part of ``internal`` is worth, and whether it stops where it should.

The rows of the ablation, from the smooth fill to the whole method; and, since the truth is known here, how far the look
that the held-out holes chose is from the look that the truth would have chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import Case, cases, count
from vidinternal.bench.score import run_method, summarise
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, Holdout, InpaintTask, Progress, no_progress
from vidinternal.core.seeds import branch
from vidinternal.learn.estimate import estimate
from vidinternal.learn.holdout import make_holdout
from vidinternal.methods.internal.candidates import Candidates
from vidinternal.methods.internal.coarse import Coarse, cell_side
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fit import Finish as FinishContract
from vidinternal.methods.internal.fit import GeneratorFit
from vidinternal.methods.internal.fusion import Committee, adapt, lean, start_nets
from vidinternal.methods.internal.method import Finish, Fused
from vidinternal.ops.flow_copy import never
from vidinternal.ops.measures import hole_psnr
from vidinternal.ops.resample import destroy
from vidinternal.runner.job import pick_device

CHEAP = ("harmonic", "telea", "flow_median", "propagation")
ORACLE = "best of these in each case"
START, ADAPTED, WHOLE = "fusion, as shipped", "fusion, adapted", "fusion and generator"
ORDER = (*CHEAP, ORACLE, START, ADAPTED, WHOLE)
DEFAULT_CASES = ("flower/caption", "person-pan/figure", "bunny/box")
CLOSE = 0.2
"""dB within which a stop counts as right."""


class _Watched(FinishContract):
    """Hands on what the generator makes, and measures every look against the truth.

    Args:
        inner: What makes the result.
        case: With the truth.
    """

    def __init__(self, inner: Finish, case: Case) -> None:
        self.inner, self.case = inner, case
        self.levels: list[float] = []

    def __call__(self, generated: Tensor) -> Tensor:
        """``T 3 H W`` result from the generator's ``T 3 H W``."""
        return self._measured(self.inner(generated))

    def glance(self, generated: Tensor) -> None:
        """Remember the generator's ``T 3 H W``."""
        self.inner.glance(generated)

    def untrained(self) -> Tensor:
        """``T 3 H W`` result without the generator."""
        return self._measured(self.inner.untrained())

    def _measured(self, result: Tensor) -> Tensor:
        self.levels.append(hole_psnr(result, self.case.truth, self.case.masks))
        return result

    def state(self) -> Mapping[str, Any]:
        """What is remembered, as a tree."""
        return self.inner.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what :meth:`state` gave."""
        self.inner.load_state(state)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run all rows on all cases.

    Args:
        options: Size, time, clips, seeds; ``methods`` is not used.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing, or no case fits the options.
    """
    options = options if options.cases else options.model_copy(update={"cases": DEFAULT_CASES})
    total = count(options)
    rows: list[dict[str, Any]] = []
    for place, case in enumerate(cases(options)):
        for k, name in enumerate(CHEAP):
            progress((place + k / len(ORDER)) / total, f"{case.name}: {name}")
            row = run_method(name, case, options.model_copy(update={"copies": 0}), timed=False).row
            rows.append({"case": case.name, "method": name, "hole_psnr": row["hole_psnr"]})
        best = max(r["hole_psnr"] for r in rows[-len(CHEAP) :])
        rows.append({"case": case.name, "method": ORACLE, "hole_psnr": best})
        for turn in range(options.seeds):
            progress((place + (len(CHEAP) + turn / options.seeds) / len(ORDER)) / total, f"{case.name}: internal")
            made = _internal(case, options.model_copy(update={"seed": options.seed + turn}))
            rows += [{**row, "seed": options.seed + turn} for row in made]
    progress(1.0, "done")
    for row in rows:
        row["behind"] = round(row["hole_psnr"] - _best(rows, row["case"]), 3)
    return BenchResult(
        bench="fusion",
        options=options.model_dump(mode="json"),
        columns=(
            Column("method", "what fills the hole"),
            Column("hole_psnr", "hole PSNR dB", 2),
            Column("tenth", "more than 0.1 dB behind the best cheap row"),
            Column("half", "more than 0.5 dB"),
            Column("worst", "worst, dB", 2),
        ),
        summary=_summary(rows),
        rows=rows,
        facts=_stops(rows),
        notes=(f"Mean over {total} cases, {options.seeds} seed(s).", *_words(_stops(rows))),
    )


def _internal(case: Case, options: BenchOptions) -> list[dict[str, Any]]:
    """The rows of ``internal`` on a case: fused as shipped, fused as adapted, and with the generator."""
    seed, device = branch(options.seed, case.name), pick_device(options.device)
    config = Config(iterations=options.iterations)
    holdout = make_holdout(case.input, case.masks, seed, options.copies) if options.copies else None
    context = FitContext(seed=seed, device=device, budget=Budget(options.seconds), holdout=holdout)
    hidden = case.masks if holdout is None else case.masks | holdout.masks
    copying = config.propagation()
    task = InpaintTask(destroy(case.input, hidden), hidden)
    step = cell_side(task.picture_side)
    blind = Coarse.of(Candidates.of(task.frames, hidden, copying, never), step)
    seeing = blind if holdout is None else Coarse.of(Candidates.of(case.input, case.masks, copying, never), step)
    parts = None if holdout is None else holdout.parts

    def fused(nets: Committee, leaning: float = 0.0) -> tuple[Fused, Fused]:
        first = Fused(blind, nets, parts, leaning)
        return first, first if seeing is blind else Fused(seeing, nets, parts, leaning)

    def row(name: str, frames: Tensor) -> dict[str, Any]:
        level = round(hole_psnr(frames, case.truth, case.masks), 3)
        return {"case": case.name, "method": name, "hole_psnr": level} | _self_score(holdout, frames, level)

    shipped = fused(start_nets())
    rows = [row(START, Finish(case.input, *shipped, holdout).laid_over(shipped[1].frames, shipped[0].frames))]
    nets = adapt(blind, holdout, seed)
    pair = fused(nets, lean(nets, blind, seeing, holdout, seed))
    finish = _Watched(Finish(case.input, *pair, holdout), case)
    rows.append(row(ADAPTED, finish.inner.laid_over(pair[1].frames, pair[0].frames)))
    fit = GeneratorFit(task, pair[0].frames, pair[0].made.confidence, config, replace(context, device=device))
    watch, stopped = fit.run(finish)
    rows.append(
        row(WHOLE, watch.best.kept().cpu())
        | {"stopped": stopped, "looks": [round(x, 3) for x in finish.levels], "iterations": fit.pace.iteration}
    )
    return rows


def _self_score(holdout: Holdout | None, frames: Tensor, level: float) -> dict[str, Any]:
    if holdout is None:
        return {}
    found = estimate(holdout.errors(frames))
    return {"self_score": round(found.psnr, 3), "inside": found.low <= level <= found.high}


def _best(rows: list[dict[str, Any]], case: str) -> float:
    return next(r["hole_psnr"] for r in rows if r["case"] == case and r["method"] == ORACLE)


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = summarise(rows, ("hole_psnr",), best="hole_psnr")
    for entry in table:
        gaps = [r["behind"] for r in rows if r["method"] == entry["method"]]
        entry["tenth"] = f"{sum(g < -0.1 for g in gaps)} of {len(gaps)}"
        entry["half"] = f"{sum(g < -0.5 for g in gaps)} of {len(gaps)}"
        entry["worst"] = min(gaps)
    return sorted(table, key=lambda e: ORDER.index(e["method"]))


def _stops(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How often the chosen look is close to the one that the truth would choose; how often the interval holds it."""
    whole = [r for r in rows if r["method"] == WHOLE]
    lost = [max(r["looks"]) - r["hole_psnr"] for r in whole]
    scored = [r for r in rows if "self_score" in r]
    return {
        "stops": len(lost),
        "close": round(fmean(x <= CLOSE for x in lost), 3),
        "lost": round(fmean(lost), 3),
        "scored": len(scored),
        "inside": round(fmean(r["inside"] for r in scored), 3) if scored else None,
        "off": round(fmean(abs(r["self_score"] - r["hole_psnr"]) for r in scored), 3) if scored else None,
    }


def _words(facts: Mapping[str, Any]) -> tuple[str, ...]:
    words = (
        f"The look that was kept is at most {CLOSE:g} dB behind the best one by the truth in {facts['close']:.0%} of "
        f"{facts['stops']} fits, {facts['lost']:.2f} dB on average.",
    )
    if facts["inside"] is None:
        return words
    return (
        *words,
        f"The interval around the self-score holds the truth in {facts['inside']:.0%} of {facts['scored']} fills; "
        f"mean absolute error {facts['off']:.1f} dB.",
    )
