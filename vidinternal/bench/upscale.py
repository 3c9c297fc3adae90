"""Bench ``upscale``: clips made half as large and enlarged again, judged against what they were.

``--set clips=FOLDER`` takes other footage, ``cases`` some clips, ``methods`` some rows; ``width``, ``height`` and
``frames`` say what the truth is like; ``iterations`` cuts what learns short at its first picture where it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import read_sample, samples
from vidinternal.bench.clip_scores import CLOCK, QUALITY, clock, judged, means
from vidinternal.core.contracts import FitContext, Progress, no_progress
from vidinternal.core.errors import UsageError, nearest
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import branch
from vidinternal.methods import card, image_method
from vidinternal.ops.imresize import imresize
from vidinternal.ops.measures import flow_of
from vidinternal.report.pictures import grid, label, png, to_picture
from vidinternal.runner.job import pick_device
from vidinternal.stages.lift.arrays import lift_arrays

SCALE = 2
ROWS = ("bicubic", "lanczos", "zssr alone", "zssr")
"""Interpolation; every frame a picture of its own; carried from frame to frame, as the pipeline does it."""
COLUMNS = (
    *QUALITY,
    Column("later", "seconds a later frame", 2),
    Column("share", "time of zssr alone, share", 3),
    Column("iterations", "iterations", 0),
)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run all rows on all clips.

    Args:
        options: Size, frames, clips, device, seed.
        progress: Tells how far it is.

    Raises:
        UsageError: There is no such row or clip.
    """
    for name in options.methods:
        if name not in ROWS:
            raise UsageError("--set methods", expected="a row", got=repr(name), hint=nearest(name, ROWS))
    wanted = [r for r in ROWS if not options.methods or r in options.methods]
    whole = {side: getattr(options, side) // SCALE * SCALE for side in ("width", "height")}
    options = options.model_copy(update=whole)
    every = samples(options)
    chosen = [s for s in every if not options.cases or any(word in s.name for word in options.cases)]
    if not chosen:
        known = ", ".join(s.name for s in every)
        raise UsageError("--set cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    rows: list[dict[str, Any]] = []
    shown: dict[str, bytes] = {}
    for place, sample in enumerate(chosen):
        truth = read_sample(sample, options)
        seen = (imresize(truth, 1 / SCALE).clamp(0, 1) * 255).round() / 255
        flow = flow_of(truth)
        made: dict[str, Tensor] = {}
        mine = []
        for k, name in enumerate(wanted):
            progress((place + k / len(wanted)) / len(chosen), f"{sample.name}: {name}")
            facts, made[name] = _made(name, seen, options, sample.name)
            mine.append({"case": sample.name, "method": name, **facts, **judged(made[name], truth, flow)})
        rows += _related(mine)
        middle = len(truth) // 2
        cells = {"input": seen[middle].repeat_interleave(2, -1).repeat_interleave(2, -2)}
        cells |= {name: frames[middle] for name, frames in made.items()} | {"truth": truth[middle]}
        shown[sample.name] = png(grid([[label(to_picture(p), t) for t, p in cells.items()]]))
    progress(1.0, "done")
    return BenchResult(
        bench="upscale",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=means(rows, COLUMNS),
        rows=rows,
        notes=_notes(options, rows),
        pictures=shown,
    )


def _made(name: str, seen: Tensor, options: BenchOptions, case: str) -> tuple[dict[str, Any], Tensor]:
    """What a row makes of a clip, with its account."""
    base = name.removesuffix(" alone")
    chosen, method = card(base, "upscale"), image_method(base, "upscale")
    # a bench tells what the method makes, not what it would rather not make
    given: dict[str, Any] = {"without_gain": "learned"} if "without_gain" in chosen.config.model_fields else {}
    if chosen.trains and "iterations" in options.model_fields_set:
        given["iterations"] = options.iterations
    config = chosen.config.model_validate({"scale": float(SCALE), **given})
    context = FitContext(branch(options.seed, "bench upscale", case), pick_device(options.device))
    now, count = clock(context.device), len(seen)
    begun = now()
    if name == base:
        ends: list[float] = []  # of its pictures: the first costs more than those after it

        def seen_so_far(share: float, text: str) -> None:
            if text == f"{len(ends) + 1} of {count} pictures":
                ends.append(now())

        lifted = lift_arrays(seen, method, config, replace(context, progress=seen_so_far))
        each = (now() - begun) / count
        later = (ends[-1] - ends[0]) / (count - 1) if len(ends) == count else each
        facts = {"iterations": lifted.facts.get("iterations") or None, "seconds_frame": each, "later": later}
        return {**facts, "notes": list(lifted.facts.get("notes", ()))[:6]}, lifted.frames
    made, steps = [], 0
    for k, frame in enumerate(seen.split(1)):
        own = FitContext(branch(context.seed, "frame", k), context.device)
        result = method.apply(ImageTask(frame, frame), config, own)
        made.append(result.frames)
        steps += result.iterations
    each = (now() - begun) / count
    return {"iterations": steps, "seconds_frame": each, "later": each}, torch.cat(made)


def _related(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    alone = next((r["seconds_frame"] for r in rows if r["method"] == "zssr alone"), None)
    learned = ("zssr", "zssr alone")
    return [{**r, "share": r["seconds_frame"] / alone if alone and r["method"] in learned else None} for r in rows]


def _notes(options: BenchOptions, rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    clips = len({r["case"] for r in rows})
    notes = [
        f"Mean over {clips} clips of {options.frames} frames, shrunk by {SCALE} with the antialiased cubic, in 8 bits. "
        "zssr alone: every frame as a picture of its own, with its eightfold median; zssr: weights go on from frame to "
        "frame. Warping error along "
        f"the truth's flow; {torch.get_num_threads()} threads.",
        CLOCK,
    ]
    if "iterations" in options.model_fields_set:
        notes.append(f"Learning was cut short at {options.iterations} iterations on a first picture.")
    return tuple(notes)
