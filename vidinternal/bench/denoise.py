"""Bench ``denoise``: clips with noise put on them, and what takes it off, judged against what they were.

White Gaussian noise of 25 codes, drawn anew for every frame, clipped to 8 bits as a file would hold it. Nobody is told
its strength but OpenCV's non-local means, which need one. ``--set clips=FOLDER`` takes other footage, ``cases`` some
clips, ``methods`` some rows, ``dip`` among them, which takes minutes a frame; ``iterations`` cuts what learns short.
"""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import read_sample, samples
from vidinternal.bench.clip_scores import QUALITY, judged, means
from vidinternal.core.contracts import FitContext, Progress, no_progress
from vidinternal.core.errors import UsageError, nearest
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import branch, generator
from vidinternal.methods import card, image_method
from vidinternal.ops.measures import flow_of
from vidinternal.report.pictures import grid, label, png, to_picture
from vidinternal.runner.job import pick_device
from vidinternal.stages.lift.arrays import lift_arrays
from vidinternal.stages.lift.deflicker import errors_between, on_arrays

SIGMA = 25.0
"""Standard deviation of the noise, codes of 255."""
STRENGTH = 16.0
"""Of non-local means: of 8, 12, 16, 20 and 25 the one with the highest PSNR on two of the sample clips."""
ROWS = ("noisy", "nlm", "nlm temporal", "zs_n2n alone", "zs_n2n", "zs_n2n alone, deflickered", "dip")
"""Nothing done; OpenCV's non-local means, on frames and over five of them; every frame for itself; carried along; every
frame for itself with the finisher of ``deflicker=true`` behind it."""
USUAL = ROWS[:-1]
_STEADIED = ", deflickered"
COLUMNS = (*QUALITY, Column("iterations", "iterations", 0))


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
    wanted = [r for r in ROWS if r in (options.methods or USUAL)]
    every = samples(options)
    chosen = [s for s in every if not options.cases or any(word in s.name for word in options.cases)]
    if not chosen:
        known = ", ".join(s.name for s in every)
        raise UsageError("--set cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    rows: list[dict[str, Any]] = []
    shown: dict[str, bytes] = {}
    for place, sample in enumerate(chosen):
        truth = read_sample(sample, options)
        seen, flow = noisy(truth, options.seed, sample.name), flow_of(truth)
        middle = len(truth) // 2
        cells: dict[str, Tensor] = {}
        for k, name in enumerate(wanted):
            progress((place + k / len(wanted)) / len(chosen), f"{sample.name}: {name}")
            begun = time.monotonic()
            made, steps = denoised(name, seen, options, sample.name)
            each = (time.monotonic() - begun) / len(seen) if name != "noisy" else None
            rows.append(
                {"case": sample.name, "method": name, "seconds_frame": each, "iterations": steps}
                | judged(made, truth, flow)
            )
            cells[name] = made[middle]
        cells["truth"] = truth[middle]
        shown[sample.name] = png(grid([[label(to_picture(p), t) for t, p in cells.items()]]))
    progress(1.0, "done")
    return BenchResult(
        bench="denoise",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=means(rows, COLUMNS),
        rows=rows,
        facts={"sigma": SIGMA},
        notes=_notes(options, len(chosen)),
        pictures=shown,
    )


def noisy(truth: Tensor, seed: int, name: str) -> Tensor:
    """``T 3 H W`` with noise of :data:`SIGMA`, in 8 bits."""
    drawn = torch.randn(truth.shape, generator=generator(seed, "bench denoise", name))
    return (truth * 255 + SIGMA * drawn).round().clamp(0, 255) / 255


def denoised(name: str, seen: Tensor, options: BenchOptions, case: str) -> tuple[Tensor, int | None]:
    """What a row makes of a clip, and its optimiser steps."""
    if name == "noisy":
        return seen, None
    if name.endswith(_STEADIED):
        made, count = denoised(name.removesuffix(_STEADIED), seen, options, case)
        context = FitContext(branch(options.seed, "deflicker", case), pick_device(options.device))
        return on_arrays(seen, made, errors_between(seen, made), context)[0], count
    if name.startswith("nlm"):
        return _non_local_means(seen, temporal=name != "nlm"), None
    base = name.removesuffix(" alone")
    method, config = image_method(base, "denoise"), card(base, "denoise").config
    options_given = {"iterations": options.iterations} if "iterations" in options.model_fields_set else {}
    own = config.model_validate(options_given)
    context = FitContext(branch(options.seed, "bench denoise", case), pick_device(options.device))
    if name == base:
        lifted = lift_arrays(seen, method, own, context)
        return lifted.frames, lifted.facts.get("iterations")
    made, steps = [], 0
    for k, frame in enumerate(seen.split(1)):
        alone = FitContext(branch(context.seed, "frame", k), context.device)
        result = method.apply(ImageTask(frame, frame), own, alone)
        made.append(result.frames)
        steps += result.iterations
    return torch.cat(made), steps


def _non_local_means(seen: Tensor, *, temporal: bool) -> Tensor:
    """OpenCV's, over up to five frames, or each by itself."""
    codes = [np.ascontiguousarray((f.permute(1, 2, 0).flip(-1) * 255).round().byte().numpy()) for f in seen]
    made = []
    for t, frame in enumerate(codes):
        reach = min(2, t, len(codes) - 1 - t) if temporal else 0
        if reach:
            done = cv2.fastNlMeansDenoisingColoredMulti(codes, t, 2 * reach + 1, None, STRENGTH, STRENGTH, 7, 21)
        else:
            done = cv2.fastNlMeansDenoisingColored(frame, None, STRENGTH, STRENGTH, 7, 21)
        made.append(torch.from_numpy(np.asarray(done)).flip(-1).permute(2, 0, 1).float() / 255)
    return torch.stack(made)


def _notes(options: BenchOptions, clips: int) -> tuple[str, ...]:
    notes = [
        f"Mean over {clips} clips with white noise of {SIGMA:g} codes. Non-local means have the strength "
        f"that is best for this noise, {STRENGTH:g}; the others are not told. alone: every frame as a picture of its "
        f"own. {torch.get_num_threads()} threads."
    ]
    if "iterations" in options.model_fields_set:
        notes.append(f"Learning was cut short at {options.iterations} iterations on a first picture.")
    return tuple(notes)
