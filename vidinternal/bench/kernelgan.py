"""Bench ``kernelgan``: blur kernels estimated from pictures whose blur is known, and what they are worth downstream.

The recipe is that of DIV2KRK: every picture is shrunk by two with an oval Gaussian of 11x11 pixels of its own,
variances along its axes drawn from 0.35 to 5 squared pixels, any angle, every weight times 0.75 to 1.25; in 8 bits.
``--set clips=FOLDER`` takes a folder of pictures, ``--set cases=[butterfly]`` some of them, ``--set
methods=[cubic,fast,faithful,truth]`` the kernels that are compared; ``iterations`` cuts the upscaling short where it is
given.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.dip_cases import pictures
from vidinternal.bench.zssr_cases import SCALE, Small, eight_bits
from vidinternal.core.contracts import FitContext, Progress, no_progress
from vidinternal.core.errors import UsageError, nearest
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import branch, generator
from vidinternal.methods import card, image_method, kernel_method
from vidinternal.ops.imresize import imresize, shrink_by_kernel
from vidinternal.ops.kernel_fit import fitted_gaussian, kernel_misfit
from vidinternal.ops.kernels import anisotropic_gaussian, cubic_kernel, kernel_distance, kernel_shift
from vidinternal.report.pictures import grid, label, png, to_picture
from vidinternal.runner.job import pick_device

COLUMNS = (
    Column("kernel", "kernel"),
    Column("distance", "distance to the truth", 3),
    Column("nearer", "nearer than the cubic"),
    Column("misfit", "change in sharpness", 3),
    Column("chosen", "chosen over the cubic"),
    Column("psnr", "upscaled, Y-PSNR dB", 2),
    Column("over_cubic", "over the cubic dB", 2),
    Column("seconds", "seconds", 1),
)
KERNELS = ("cubic", "gaussian", "fast", "faithful", "truth")
"""What is compared: the ideal cubic, the Gaussian that `fast` begins with, the method's presets, and the truth."""
USUAL = ("cubic", "gaussian", "fast", "truth")
MOST = 10
"""Pictures that are taken unless some are asked for."""
_MEANS = ("distance", "misfit", "psnr", "over_cubic", "seconds")
_SIDE, _NARROW, _WIDE, _UNEVEN = 11, 0.35, 5.0, 0.25


@dataclass(frozen=True)
class _Found:
    """A kernel and what it cost.

    Attributes:
        kernel: ``kh kw`` in line with the scale; None where nothing was found.
        seconds: Wall seconds.
        better: Whether the method would have it rather than the cubic; None where nobody chooses.
        facts: What the method told.
    """

    kernel: Tensor | None
    seconds: float = 0.0
    better: bool | None = None
    facts: Mapping[str, Any] | None = None


def random_kernel(seed: int, name: str) -> Tensor:
    """The blur of one picture, in line with the scale; the same for the same seed and name."""
    random = generator(seed, "bench kernelgan", name)
    first, second, angle = torch.rand(3, generator=random).tolist()
    spread = _WIDE - _NARROW
    oval = anisotropic_gaussian(_SIDE, (_NARROW + spread * first, _NARROW + spread * second), math.pi * angle)
    uneven = oval * (1 + _UNEVEN * (2 * torch.rand(oval.shape, generator=random) - 1))
    return kernel_shift(uneven / uneven.sum(), float(SCALE))


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Estimate and upscale.

    Args:
        options: ``clips`` is a folder of pictures; ``cases`` and ``methods`` choose; ``width`` and ``height``, where
            given, cut out the middle.
        progress: Tells how far it is.

    Raises:
        UsageError: There is no picture, or no such kernel.
    """
    for name in options.methods:
        if name not in KERNELS:
            raise UsageError("--set methods", expected="a kernel", got=repr(name), hint=nearest(name, KERNELS))
    wanted = [k for k in KERNELS if k in (options.methods or USUAL)]
    chosen = _chosen(options)
    rows: list[dict[str, Any]] = []
    shown: dict[str, bytes] = {}
    for place, name in enumerate(chosen):
        case = _case(name, options)
        made: dict[str, Tensor] = {}
        mine = []
        for k, kernel in enumerate(wanted):
            progress((place + k / len(wanted)) / len(chosen), f"{name}: {kernel}")
            row, made[kernel] = _measured(case, kernel, options)
            mine.append(row)
        base = next((r["psnr"] for r in mine if r["kernel"] == "cubic"), None)
        rows += [{**r, "over_cubic": None if base is None else round(r["psnr"] - base, 3)} for r in mine]
        shown[name] = png(grid([[label(to_picture(p[0]), t) for t, p in {**made, "picture": case.truth}.items()]]))
    progress(1.0, "done")
    return BenchResult(
        bench="kernelgan",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=_summary(rows),
        rows=rows,
        facts={"recipe": {"side": _SIDE, "variances": [_NARROW, _WIDE], "uneven": _UNEVEN, "scale": SCALE}},
        notes=_notes(options, chosen, rows),
        pictures=shown,
    )


def _chosen(options: BenchOptions) -> list[str]:
    names = sorted(pictures(options))
    if options.cases:
        names = [n for n in names if any(word in n for word in options.cases)]
        if not names:
            known = ", ".join(sorted(pictures(options))[:8])
            raise UsageError("--set cases", expected=f"a word of {known} ...", got=", ".join(options.cases))
        return names
    return names[:MOST]


def _case(name: str, options: BenchOptions) -> Small:
    truth = pictures(options)[name]()
    given = options.model_fields_set
    for dim, side in ((-2, "height"), (-1, "width")):
        kept = min(truth.shape[dim], getattr(options, side)) if side in given else truth.shape[dim]
        kept = kept // SCALE * SCALE
        truth = truth.narrow(dim, (truth.shape[dim] - kept) // 2, kept)
    truth, kernel = eight_bits(truth), random_kernel(options.seed, name)
    size = truth.shape[-2] // SCALE, truth.shape[-1] // SCALE
    return Small("oval", name, truth, eight_bits(shrink_by_kernel(truth, kernel, 1 / SCALE, size)), kernel)


def _found(case: Small, name: str, options: BenchOptions) -> _Found:
    begun = time.monotonic()
    if name == "truth":
        return _Found(case.kernel)
    if name == "cubic":
        return _Found(cubic_kernel((SCALE, SCALE)))
    if name == "gaussian":
        kernel = fitted_gaussian(case.seen)
        return _Found(kernel, time.monotonic() - begun)
    context = FitContext(branch(options.seed, "kernel", case.name), pick_device(options.device))
    config = card("kernelgan", "kernel").config.model_validate({"preset": name})
    result = kernel_method("kernelgan").estimate(case.seen, (float(SCALE), float(SCALE)), config, context)
    return _Found(result.kernel, time.monotonic() - begun, result.better, result.facts)


def _measured(case: Small, name: str, options: BenchOptions) -> tuple[dict[str, Any], Tensor]:
    """One row, and the picture upscaled with that kernel."""
    found, truth, cubic = _found(case, name, options), case.kernel, cubic_kernel((SCALE, SCALE))
    assert truth is not None
    kernel = cubic if found.kernel is None else found.kernel
    distance = kernel_distance(kernel, truth)
    made = _upscaled(replace(case, kernel=None if name == "cubic" else kernel), options)
    level, alike = case.score(made)
    row = {
        "case": case.name,
        "kernel": name,
        "distance": round(distance, 4),
        "nearer": None if name == "cubic" else bool(distance < kernel_distance(cubic, truth)),
        "misfit": kernel_misfit(case.seen, kernel),
        "chosen": found.better,
        "psnr": round(level, 3),
        "ssim": round(alike, 5),
        "bicubic_psnr": round(case.score(imresize(case.seen, float(SCALE)).clamp(0, 1))[0], 3),
        "seconds": round(found.seconds, 3),
        "facts": dict(found.facts or {}),
    }
    return row, made


def _upscaled(case: Small, options: BenchOptions) -> Tensor:
    chosen = card("zssr", "upscale").config
    cut = {"iterations": options.iterations} if "iterations" in options.model_fields_set else {}
    config = chosen.model_validate({"scale": float(SCALE), "without_gain": "learned", **cut})
    shot = {} if case.kernel is None else {"kernel": case.kernel}
    context = FitContext(branch(options.seed, "upscaled", case.name), pick_device(options.device))
    return image_method("zssr", "upscale").apply(ImageTask(case.seen, case.seen, shot=shot), config, context).frames


def _summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for kernel in dict.fromkeys(r["kernel"] for r in rows):
        mine = [r for r in rows if r["kernel"] == kernel]
        entry: dict[str, Any] = {"kernel": kernel, "cases": len(mine)}
        entry |= {k: fmean(values) for k in _MEANS if (values := [r[k] for r in mine if r[k] is not None])}
        for word in ("nearer", "chosen"):
            told = [r[word] for r in mine if r[word] is not None]
            entry[word] = f"{sum(told)} of {len(told)}" if told else None
        found.append(entry)
    return found


def _notes(options: BenchOptions, chosen: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    notes = [
        f"Mean over {len(chosen)} pictures, each shrunk by {SCALE} with an oval Gaussian of its own ({_SIDE}x{_SIDE}, "
        f"variances {_NARROW:g} to {_WIDE:g}, weights uneven by up to {100 * _UNEVEN:.0f} %); distance: sum of "
        f"absolute differences, at most 2. Upscaled by zssr, preset fast; bicubic alone "
        f"{fmean(r['bicubic_psnr'] for r in rows):.2f} dB."
    ]
    if {"width", "height"} & options.model_fields_set:
        notes.append(f"The middle {options.width}x{options.height} of each picture.")
    if "iterations" in options.model_fields_set:
        notes.append(f"Upscaling was cut short at {options.iterations} iterations.")
    return tuple(notes)
