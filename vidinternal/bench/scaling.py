"""Bench ``scaling``: what more frames, a larger hole and more pixels cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from vidinternal.bench import drawn
from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import SAMPLES, Case, make_case, read_sample
from vidinternal.bench.score import run_method
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.methods import card

METHODS = ("internal", "propagation")
FACTORS = (1, 2, 4)
AXES = ("frames", "hole", "pixels")
SAMPLE = next(s for s in SAMPLES if s.name == "flower-pan")
COLUMNS = (
    Column("method", "method"),
    Column("axis", "more"),
    *(Column(f"x{f}", f"x{f}, seconds", 1) for f in FACTORS),
    Column("exponent", "exponent", 2),
)


@dataclass(frozen=True)
class Point:
    """One size.

    Attributes:
        frames: Of the window.
        height: Pixels.
        width: Pixels.
        hole: Pixels of the hole in each frame.
    """

    frames: int
    height: int
    width: int
    hole: int


def points(options: BenchOptions, axis: str) -> list[Point]:
    """The sizes along an axis; each from the same smallest one."""
    frames, height, width = max(5, options.frames // 4), options.height, options.width
    hole = height * width // 40
    made = []
    for factor in FACTORS:
        side = math.sqrt(factor) if axis == "pixels" else 1.0
        made.append(
            Point(
                frames * factor if axis == "frames" else frames,
                round(height * side / 8) * 8,
                round(width * side / 8) * 8,
                hole * factor if axis == "hole" else hole,
            )
        )
    return made


def case_of(point: Point, options: BenchOptions) -> Case:
    """The sample at that size with a box in the middle that stands still."""
    size = {"frames": point.frames, "height": point.height, "width": point.width}
    truth = read_sample(SAMPLE, options.model_copy(update=size))
    rows = round(math.sqrt(point.hole * 0.6))
    columns = round(point.hole / rows)
    masks = torch.zeros((point.frames, 1, point.height, point.width), dtype=torch.bool)
    top, left = (point.height - rows) // 2, (point.width - columns) // 2
    masks[:, :, top : top + rows, left : left + columns] = True
    return make_case(f"{point.frames}x{point.height}x{point.width}/{point.hole}", truth, masks)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Time the methods at every size; those that train do ``options.iterations`` steps for every 20 frames.

    Args:
        options: The smallest size (a quarter of ``frames``), clips, methods.
        progress: Tells how far it is.

    Raises:
        UsageError: The sample clip is missing or too short.
    """
    methods = options.methods or METHODS
    rows: list[dict[str, Any]] = []
    case_of(points(options, "frames")[-1], options)  # a clip that is too short is told before any work
    for number, axis in enumerate(AXES):
        for place, (factor, point) in enumerate(zip(FACTORS, points(options, axis), strict=True)):
            case = case_of(point, options)
            for method in methods:
                progress((number + place / len(FACTORS)) / len(AXES), f"{axis} x{factor}: {method}")
                outcome = run_method(method, case, options, _settings(method, point, options), timed=False)
                rows.append({**outcome.row, "axis": axis, "factor": factor})
    progress(1.0, "done")
    summary = [_entry(method, axis, rows) for method in methods for axis in AXES]
    return BenchResult(
        bench="scaling",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=summary,
        rows=rows,
        notes=("Exponent 1 is linear: seconds grow as the quantity does; below 1, by less.",),
        pictures={"scaling": drawn.scaling({"summary": summary})},
    )


def _settings(method: str, point: Point, options: BenchOptions) -> Any:
    chosen = card(method, "inpaint")
    if not chosen.trains:
        return chosen.config()
    return chosen.config.model_validate({"iterations": max(1, options.iterations * point.frames // 20)})


def _entry(method: str, axis: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [r for r in rows if r["method"] == method and r["axis"] == axis]
    seconds = {f"x{r['factor']}": r["seconds_with_score"] for r in mine}
    steps = math.log(FACTORS[-1] / FACTORS[0])
    exponent = math.log(seconds[f"x{FACTORS[-1]}"] / seconds[f"x{FACTORS[0]}"]) / steps
    return {"method": method, "axis": axis, **seconds, "exponent": exponent}
