"""Bench ``zssr``: enlarging by two, the published method and preset ``fast`` beside bicubic and Lanczos.

First what must be right before anything else: bicubic on Set5 by two comes out at the published 33.66 dB, and our
resize reproduces published small pictures sample by sample. ``--set clips=FOLDER`` takes a folder of pictures, ``--set
cases=[cubic/butterfly]`` some of them, ``--set methods=[bicubic,fast]`` some rows; ``iterations`` cuts the schedules
short where it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.clip_scores import CLOCK, clock
from vidinternal.bench.zssr_cases import BARS, PUBLISHED, SCALE, SET5, Small, cases, published_pairs, small
from vidinternal.core.contracts import FitContext, Progress, no_progress
from vidinternal.core.errors import UsageError, nearest
from vidinternal.core.imaging import ImageResult, ImageTask
from vidinternal.core.seeds import branch, generator
from vidinternal.methods import image_method
from vidinternal.methods.zssr.config import Config
from vidinternal.methods.zssr.recipe import recipe
from vidinternal.ops.imresize import imresize
from vidinternal.report.pictures import grid, label, png, to_picture
from vidinternal.runner.job import pick_device

COLUMNS = (
    Column("blur", "blur"),
    Column("method", "method"),
    Column("psnr", "Y-PSNR dB", 2),
    Column("ssim", "SSIM", 4),
    Column("over_bicubic", "over bicubic dB", 2),
    Column("to_faithful", "to faithful dB", 2),
    Column("iterations", "iterations", 0),
    Column("seconds", "seconds", 1),
    Column("ms", "ms a step", 1),
    Column("share", "time of faithful, share", 3),
    Column("published", "published dB", 2),
)
_MEANS = ("psnr", "ssim", "over_bicubic", "to_faithful", "iterations", "seconds", "ms", "share")
_FAST = recipe(Config(), None, clip=False, device=torch.device("cpu")).iterations
METHODS = ("bicubic", "lanczos", "fast", "fast by steps", "faithful", "faithful by steps")
"""The rows, cheapest first; by steps: by way of the paper's sizes between the small picture and the large one."""


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run all rows on all cases.

    Args:
        options: ``clips`` is a folder of pictures; ``cases`` and ``methods`` choose.
        progress: Tells how far it is.

    Raises:
        UsageError: There is no picture, no case or no such row.
    """
    for name in options.methods:
        if name not in METHODS:
            raise UsageError("--set methods", expected="a row", got=repr(name), hint=nearest(name, METHODS))
    wanted = [m for m in METHODS if not options.methods or m in options.methods]
    chosen = cases(options)
    rows: list[dict[str, Any]] = []
    shown: dict[str, bytes] = {}
    _warm_up(wanted, options)
    for place, (name, make) in enumerate(chosen):
        case = make()
        made: dict[str, Tensor] = {}
        for k, method in enumerate(wanted):
            progress((place + k / len(wanted)) / len(chosen), f"{name}: {method}")
            row, made[method] = measured(case, method, options)
            rows.append(row)
        compare_rows([row for row in rows if row["case"] == case.case])
        shown[name] = png(grid([[label(to_picture(p[0]), t) for t, p in {**made, "truth": case.truth}.items()]]))
    progress(1.0, "done")
    pairs = list(published_pairs(options))
    return BenchResult(
        bench="zssr",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=_summary(rows),
        rows=rows,
        facts={"published_pairs": pairs, "bars": BARS},
        notes=(*_notes(options, rows), *_pair_notes(pairs)),
        pictures=shown,
    )


def _warm_up(methods: Sequence[str], options: BenchOptions) -> None:
    """A step of every row on a tiny picture: what is made once for a process is not the first picture's."""
    tiny = small("cubic", "warm-up", torch.rand(1, 3, 48, 48, generator=generator(options.seed, "warm-up")))
    for method in methods:
        _maker(method, options.model_copy(update={"iterations": 1}))(tiny)


def measured(case: Small, method: str, options: BenchOptions) -> tuple[dict[str, Any], Tensor]:
    """One row, and the picture."""
    now = clock(pick_device(options.device))
    begun = now()
    result = _maker(method, options)(case)
    seconds = now() - begun
    level, alike = case.score(result.frames)
    trained = result.iterations > 0
    row: dict[str, Any] = {
        "case": case.case,
        "blur": case.blur,
        "method": _title(method),
        "psnr": round(level, 3),
        "ssim": round(alike, 5),
        "seconds": round(seconds, 3),
        "iterations": result.iterations if trained else None,
        "ms": round(1e3 * seconds / result.iterations, 2) if trained else None,
        "stopped": result.stopped,
        "facts": dict(result.facts),
    }
    return row, result.frames


def _title(method: str) -> str:
    return method if method in ("bicubic", "lanczos") else f"zssr, {method}"


def _maker(method: str, options: BenchOptions) -> Callable[[Small], ImageResult]:
    if method in ("bicubic", "lanczos"):
        how = "cubic" if method == "bicubic" else "lanczos3"
        return lambda case: ImageResult(imresize(case.seen, float(SCALE), interpolation=how).clamp(0, 1))
    device = pick_device(options.device)
    cut = options.iterations if "iterations" in options.model_fields_set else None
    # a bench tells what the method makes, not what it would rather not make
    fast = method.startswith("fast")
    config = Config(
        preset="fast" if fast else "faithful",
        scale=float(SCALE),
        gradual="paper" if method.endswith("by steps") else "no",
        iterations=min(cut, _FAST) if cut and fast else cut,
        without_gain="learned",
    )

    def apply(case: Small) -> ImageResult:
        shot = {} if case.kernel is None else {"kernel": case.kernel}
        context = FitContext(seed=branch(options.seed, "bench zssr", case.case), device=device)
        return image_method("zssr", "upscale").apply(ImageTask(case.seen, case.seen, shot=shot), config, context)

    return apply


def compare_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Set every row of a case in relation to bicubic and to ``faithful``, in place."""
    known = {row["method"]: row for row in rows}
    for row in rows:
        if base := known.get("bicubic"):
            row["over_bicubic"] = round(row["psnr"] - base["psnr"], 3)
        if (full := known.get("zssr, faithful")) and row["iterations"]:
            row["to_faithful"] = round(row["psnr"] - full["psnr"], 3)
            row["share"] = round(row["seconds"] / full["seconds"], 4)


def _summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means by blur and method."""
    found = []
    for blur in dict.fromkeys(row["blur"] for row in rows):
        for method in dict.fromkeys(row["method"] for row in rows):
            mine = [row for row in rows if (row["blur"], row["method"]) == (blur, method)]
            if not mine:
                continue
            means = {k: fmean(values) for k in _MEANS if (values := [r[k] for r in mine if r.get(k) is not None])}
            whole = {row["case"].split("/")[1] for row in mine} == set(SET5)
            published = PUBLISHED.get(blur, {}).get(method) if whole else None
            found.append({"blur": blur, "method": method, **means, "published": published, "cases": len(mine)})
    return found


def _notes(options: BenchOptions, rows: Sequence[dict[str, Any]]) -> list[str]:
    count = len({row["case"] for row in rows})
    notes = [
        f"Mean over {count} pictures; Y-PSNR of 8 bits without {SCALE} border pixels. sigma2 and variance2: a Gaussian "
        f"that is known, of standard deviation 2 and 1.41, every second pixel kept; {torch.get_num_threads()} threads.",
        CLOCK,
    ]
    if {"width", "height"} & options.model_fields_set:
        notes.append("Parts of the pictures: not to be compared with published figures.")
    if "iterations" in options.model_fields_set:
        notes.append(f"Schedules were cut short at {options.iterations} iterations.")
    return notes


def _pair_notes(pairs: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{p['name']}: made from its truth with {p['border']} borders, {100 * p['differ']:.2f} % of samples differ, "
        f"by at most {p['largest']:.0f} codes (inside the border {p['inside']:.0f})."
        for p in pairs
    ]
