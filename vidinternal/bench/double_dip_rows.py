"""The rows of bench ``double_dip``: what every method makes of a case, and how good that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.double_dip_cases import Mixture, Pair, box_hint, layers_psnr
from vidinternal.bench.track_cases import Labelled
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import UserError
from vidinternal.core.seeds import branch
from vidinternal.methods import image_method
from vidinternal.methods.double_dip.segment import CUT_AT
from vidinternal.ops.cut_out import boxed
from vidinternal.ops.measures import flow_of, psnr, ssim, warping_error
from vidinternal.ops.regions import jaccard
from vidinternal.ops.spatial_fill import spatial_fill
from vidinternal.runner.job import pick_device
from vidinternal.stages.lift.arrays import Beside, Lifted, lift_arrays
from vidinternal.stages.lift.deflicker import errors_between, on_arrays
from vidinternal.stages.lift.run import LiftSettings

ALONE = ", every picture by itself"
STEADIED = ", deflickered"
"""Behind a row's name: the same with the finisher of ``deflicker=true`` behind it."""
START = "double_dip's start, no network"
_LEAST_SSIM = 11


@dataclass(frozen=True)
class Rows:
    """What came of a case.

    Attributes:
        rows: One a method.
        shown: Pictures to look at, ``3 H W`` by name.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    shown: dict[str, Tensor] = field(default_factory=dict)


def lifted(
    name: str, task: str, frames: Tensor, options: BenchOptions, settings: Mapping[str, Any], beside: Beside | None
) -> Lifted:
    """A method on pictures that belong together, as the stage runs it."""
    method = image_method(name, task)
    config = method.card.config.model_validate(settings)
    context = FitContext(branch(options.seed, task, name), pick_device(options.device))
    return lift_arrays(frames, method, config, context, LiftSettings(), beside)


def by_itself(name: str, task: str, frames: Tensor, options: BenchOptions, settings: Mapping[str, Any]) -> Tensor:
    """A method on every picture as if it were the only one: ``T 3 H W``."""
    made = []
    for k in range(len(frames)):
        own = options.model_copy(update={"seed": branch(options.seed, "alone", k)})
        made.append(lifted(name, task, frames[k : k + 1], own, settings, None).frames)
    return torch.cat(made)


def steps(options: BenchOptions, name: str) -> dict[str, Any]:
    """Settings of a method of a short schedule: ``--set iterations`` steps where it trains."""
    return {"iterations": options.iterations} if name == "double_dip" else {}


def wanted(options: BenchOptions, name: str) -> bool:
    """Whether the options ask for a method's rows."""
    return not options.methods or name in options.methods


def steadied(source: Tensor, made: Tensor, options: BenchOptions) -> Tensor:
    """What the finisher makes of a result ``T 3 H W``; the result itself where it leaves it as it is."""
    context = FitContext(branch(options.seed, "deflicker"), pick_device(options.device))
    return on_arrays(source, made, errors_between(source, made), context)[0]


def dehazed(case: Pair, options: BenchOptions) -> Rows:
    """The hazy input, and every dehazing method on the clip as a whole and on every picture by itself."""
    makers: dict[str, Callable[[], Tensor]] = {"hazy input": lambda: case.seen}
    done: dict[str, Tensor] = {}

    def whole(name: str) -> Tensor:
        done[name] = lifted(name, "dehaze", case.seen, options, steps(options, name), None).frames
        return done[name]

    def alone(name: str) -> Tensor:
        done[name + ALONE] = by_itself(name, "dehaze", case.seen, options, steps(options, name))
        return done[name + ALONE]

    for name in ("dark_channel", "double_dip"):
        if not wanted(options, name):
            continue
        makers[name] = partial(whole, name)
        if len(case.seen) > 1:
            makers[name + ALONE] = partial(alone, name)
    for name in ("double_dip", "double_dip" + ALONE) if len(case.seen) > 1 else ():
        if name in makers:
            # the seconds of these rows are the finisher's own
            makers[name + STEADIED] = lambda n=name: steadied(case.seen, done[n], options)
    # means over clips and over pictures would not be of the same cases in every row
    return _pictures("dehaze" if len(case.seen) > 1 else "dehaze, one picture", case, makers)


def unmarked(case: Pair, options: BenchOptions) -> Rows:
    """A mark: the input, a fill of exactly the marked pixels, all pictures together, and the first one with a hint."""
    where = case.where if case.where is not None else torch.ones_like(case.seen[:, :1], dtype=torch.bool)
    makers: dict[str, Callable[[], Tensor]] = {
        "marked input": lambda: case.seen,
        "telea, mark known": lambda: spatial_fill(case.seen, where, "telea", 3.0),
    }
    if wanted(options, "double_dip"):
        settings = steps(options, "double_dip")
        makers["double_dip, no hint"] = lambda: (
            lifted("double_dip", "restore", case.seen, options, settings, None).frames
        )
    rows = _pictures("watermark", case, makers)
    if wanted(options, "double_dip"):
        first = Pair(case.name, case.seen[:1], case.truth[:1], where[:1])
        hint = Beside(hints=box_hint(where[:1]).isnan().float())
        one = {
            "marked input, one picture": lambda: first.seen,
            "double_dip, one picture and a box": lambda: (
                lifted("double_dip", "restore", first.seen, options, steps(options, "double_dip"), hint).frames
            ),
        }
        more = _pictures("watermark", first, one)
        rows = Rows(rows.rows + more.rows, rows.shown | more.shown)
    return rows


def _pictures(part: str, case: Pair, makers: Mapping[str, Callable[[], Tensor]]) -> Rows:
    motion = flow_of(case.truth) if case.clip and len(case.truth) > 1 else None
    everywhere = torch.ones_like(case.truth[:, :1], dtype=torch.bool)
    found = Rows(shown={"truth": case.truth[0]})
    for name, make in makers.items():
        row: dict[str, Any] = {"part": part, "case": case.name, "method": name}
        began = time.perf_counter()
        try:
            made = make()
        except UserError as error:
            # such as a mark that cannot be told from a scene that stands still
            found.rows.append(row | {"failed": error.got})
            continue
        seconds = (time.perf_counter() - began) / len(made)
        row["psnr"] = round(psnr(made, case.truth, case.where), 3)
        if min(made.shape[-2:]) >= _LEAST_SSIM:
            row["ssim"] = round(ssim(made, case.truth, case.where), 4)
        if motion is not None:
            row["warping_error_e3"] = round(1e3 * warping_error(made, *motion, everywhere), 4)
        found.rows.append(row | {"seconds": round(seconds, 3)})
        found.shown[name] = made[0]
    return found


def segmented(case: Labelled, options: BenchOptions) -> Rows:
    """The object of the middle and the last frame from the box around it."""
    found = Rows()
    for t in sorted({len(case.frames) // 2, len(case.frames) - 1}):
        truth = torch.from_numpy(case.truth[t])[None, None]
        if not bool(truth.any()):
            continue
        frame = torch.from_numpy(case.frames[t]).permute(2, 0, 1)[None].float() / 255
        hint = box_hint(truth)
        makers: dict[str, Callable[[], np.ndarray]] = {
            "the box itself": lambda h=hint: h[0, 0].isnan().numpy(),
            "GrabCut": lambda h=hint, t=t: grab_cut(case.frames[t], h[0, 0].isnan().numpy()),
        }
        if wanted(options, "double_dip"):
            makers[START] = lambda f=frame, h=hint: boxed(f, h.isnan(), CUT_AT)[0, 0].numpy()
            makers["double_dip"] = lambda f=frame, h=hint: _mask(f, h, options)
        if not found.shown:
            found.shown["frame"] = frame[0]
            found.shown["truth"] = truth[0].float().expand(3, -1, -1)
        for name, make in makers.items():
            began = time.perf_counter()
            mask = make()
            seconds = time.perf_counter() - began
            row = {"part": "segment", "case": f"segment/{case.name}/{t}", "method": name}
            row |= {"iou": round(jaccard(mask, case.truth[t]), 4), "seconds": round(seconds, 3)}
            found.rows.append(row)
            found.shown.setdefault(name, torch.from_numpy(mask)[None].float().expand(3, -1, -1))
    return found


def grab_cut(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """``H W`` bool: GrabCut (``rother2004grabcut``) of ``H W 3`` uint8 RGB; what is outside the box is background."""
    labels = np.where(box, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    if box.all():
        return box
    cv2.setRNGSeed(0)
    bgr = np.ascontiguousarray(frame[..., ::-1])
    cv2.grabCut(bgr, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    return labels % 2 == 1


def _mask(frame: Tensor, hint: Tensor, options: BenchOptions) -> np.ndarray:
    made = lifted("double_dip", "segment", frame, options, steps(options, "double_dip"), Beside(hints=hint))
    return (made.layers["mask"][0, 0] > 0.5).numpy()


def separated(case: Mixture, options: BenchOptions) -> Rows:
    """What each way makes of the layers; the mixtures themselves are the yardstick."""
    ways: dict[str, Callable[[], tuple[Tensor, ...]]] = {
        "the mixture": lambda: (case.mixtures[0], case.mixtures[-1]),
    }
    two = len(case.mixtures) > 1

    def run(settings: Mapping[str, Any]) -> tuple[Tensor, ...]:
        beside = Beside(guide=case.mixtures[1]) if two else None
        layers = lifted("double_dip", "separate", case.mixtures[0], options, settings, beside).layers
        return layers["first"], layers["second"]

    if wanted(options, "double_dip"):
        learned = steps(options, "double_dip") | {"shares": "learned"}
        if two:
            ways["double_dip, shares searched"] = lambda: run({"shares": "searched"})
        ways["double_dip, networks"] = lambda: run(learned)
    found = Rows(shown={"truth": case.layers[0][0], "truth 2": case.layers[1][0]})
    for name, make in ways.items():
        began = time.perf_counter()
        made = make()
        seconds = time.perf_counter() - began
        row = {"part": "separate, two mixtures" if two else "separate, one mixture", "case": case.name}
        row |= {"method": name, "psnr": round(layers_psnr(made, case.layers), 3), "seconds": round(seconds, 3)}
        found.rows.append(row)
        found.shown.update({name: made[0][0], f"{name} 2": made[1][0]})
    return found
