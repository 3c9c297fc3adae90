"""The rows of bench ``dip``: classical methods, the published schedule, ours; a curve against a hidden truth each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.dip_cases import Picture, enlarged
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import branch, generator
from vidinternal.methods.dip.config import Config, DenoiseConfig, RestoreConfig, UpscaleConfig
from vidinternal.methods.dip.method import solve
from vidinternal.methods.dip.presets import FAITHFUL, FAST, Problem
from vidinternal.methods.dip.problems import Observation, damaged, noisy, small
from vidinternal.methods.dip.stopping import WindowedVariance
from vidinternal.runner.job import pick_device

FAITHFUL_ROW, FAST_ROW, HELD_ROW = "dip, faithful", "dip, fast", "dip, fast, held-out stop"
CUT_ROW = "dip, faithful, cut"
"""A published schedule that ``seconds`` ended before its time."""
LEARNED = (FAITHFUL_ROW, FAST_ROW, HELD_ROW)
_PROBLEMS: dict[str, Problem] = {"denoise": "denoise", "upscale": "upscale", "pixels": "pixels", "text": "text"}


def classical(case: Picture) -> dict[str, Tensor]:
    """What needs no training, ``1 3 H W`` by name, what the method is given first."""
    if case.task == "upscale":
        return {"bicubic": enlarged(case.seen, "cubic"), "Lanczos": enlarged(case.seen, "lanczos3")}
    array = np.ascontiguousarray((case.seen[0] * 255).round().byte().permute(1, 2, 0).numpy()[..., ::-1])
    if case.task == "denoise":
        # all channels at once, as strong as the noise; windows of the size that this strength wants
        made = cv2.fastNlMeansDenoising(array, None, 25, 5, 15)
        return {"as it came": case.seen, "non-local means": _back(made)}
    hole = np.zeros(array.shape[:2], np.uint8) if case.missing is None else case.missing[0, 0].numpy().astype(np.uint8)
    return {"as it came": case.seen, "Telea": _back(cv2.inpaint(array, hole, 3, cv2.INPAINT_TELEA))}


def _back(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array[..., ::-1])).permute(2, 0, 1)[None].float() / 255


@dataclass
class Curve:
    """What every iterate is worth by the truth, and where ES-WMV would have stopped; nothing of it reaches the fit.

    Attributes:
        case: With the truth.
        rule: ES-WMV beside the fit.
        every: Iterations between two looks.
        levels: dB of the mean of the outputs by iteration.
        times: Processor seconds of the fit alone by iteration; of the wall where it runs on another device.
        stop: Where ES-WMV's patience came to an end; None where it did not.
        spent: Seconds of the fit alone up to the last iterate that was shown.
        kept: The mean of the outputs at every look, ``1 3 H W`` in 8 bits, where such a dictionary is given.
    """

    case: Picture
    rule: WindowedVariance
    every: int
    levels: dict[int, float] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    stop: int | None = None
    clock: Callable[[], float] = time.process_time
    kept: dict[int, Tensor] | None = None
    spent: float = 0.0
    _mark: float = 0.0

    def __post_init__(self) -> None:
        """Begin to count."""
        self._mark = self.clock()

    def __call__(self, iteration: int, output: Tensor, mean: Tensor) -> None:
        """See an iterate."""
        self.spent += self.clock() - self._mark
        if self.stop is None and self.rule.look(iteration, output, mean):
            self.stop = iteration
        if iteration == 1 or iteration % self.every == 0:
            self.levels[iteration] = self.case.score(_pasted(self.case, mean))
            self.times[iteration] = self.spent
            if self.kept is not None:
                self.kept[iteration] = (_pasted(self.case, mean).clamp(0, 1) * 255).round().byte()
        self._mark = self.clock()

    def at(self, iteration: int) -> float | None:
        """DB of the last look up to an iteration; None where the fit never came so far."""
        known = [i for i in self.levels if i <= iteration]
        return self.levels[max(known)] if known and max(self.levels) >= iteration - self.every else None

    def after(self, seconds: float) -> float | None:
        """DB of the last look after so many seconds; None where the fit was over before."""
        known = [i for i in self.levels if self.times[i] <= seconds]
        return self.levels[max(known)] if known and self.spent >= 0.95 * seconds else None

    def reached(self, level: float) -> float | None:
        """Seconds after which the mean of the outputs was first worth that much; None = never."""
        return next((self.times[i] for i in sorted(self.levels) if self.levels[i] >= level), None)

    def stored(self) -> Tensor | None:
        """What ES-WMV stored."""
        return None if self.rule.best is None else _pasted(self.case, self.rule.best)

    def chosen(self) -> float | None:
        """DB of what ES-WMV stored."""
        stored = self.stored()
        return None if stored is None else self.case.score(stored)


def _pasted(case: Picture, made: Tensor) -> Tensor:
    made = made.detach().float().cpu()
    return made if case.missing is None else torch.where(case.missing, made, case.seen)


def iterations_of(row: str, case: Picture, options: BenchOptions) -> int:
    """Steps of a row: ``options.iterations`` for the published schedule, its own at most; ours in proportion."""
    problem = _PROBLEMS[case.task]
    published = FAITHFUL[problem].iterations
    share = 1.0 if row == FAITHFUL_ROW else FAST[problem].iterations / published
    return max(10, round(min(options.iterations, published) * share))


def settings(row: str, case: Picture, options: BenchOptions) -> Config:
    """Settings of a row for a case."""
    preset: Literal["faithful", "fast"] = "faithful" if row == FAITHFUL_ROW else "fast"
    common: dict[str, Any] = {"preset": preset, "iterations": iterations_of(row, case, options)}
    common |= {"stop": "held_out"} if row == HELD_ROW else {"stop": "never"}
    if case.task == "denoise":
        return DenoiseConfig(sigma=25.0, **common)
    if case.task == "upscale":
        return UpscaleConfig(**common)
    return RestoreConfig(damage="pixels" if case.task == "pixels" else "text", **common)


def fit(row: str, case: Picture, options: BenchOptions, *, keep: bool = False) -> tuple[dict[str, Any], Tensor, Curve]:
    """Run one row on one case as a whole: the row, the picture, the curve.

    ``options.seconds``, where given, cuts the published schedule; ``keep``: whether the curve keeps its pictures.
    """
    config = settings(row, case, options)
    steps = config.iterations or 1
    seed, device = branch(options.seed, case.case), pick_device(options.device)
    most = options.seconds if row == FAITHFUL_ROW and "seconds" in options.model_fields_set else None
    context = FitContext(seed=seed, device=device, budget=Budget(most))
    task = ImageTask(case.seen, case.seen, hints=None if case.missing is None else case.missing.float())
    window, patience = max(2, min(100, steps // 20)), max(1, steps // 3)
    rule = WindowedVariance(window, patience, generator(seed, "beside"))
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    curve = Curve(case, rule, max(1, steps // 60), clock=clock, kept={} if keep else None)
    result = solve(_observed(task, config, device), task, config, context, curve)
    made = _pasted(case, result.frames)
    level, best = case.score(made), max(curve.levels.values())
    seconds, each = curve.spent, curve.spent / result.iterations
    chosen = curve.chosen()
    found = {
        "psnr": level,
        "best": best,
        "best_iteration": max(curve.levels, key=curve.levels.__getitem__),
        "early": chosen,
        "early_iteration": rule.iteration,
        "early_stop": curve.stop,
        "gap": None if chosen is None else best - chosen,
        "iterations": result.iterations,
        "seconds": seconds,
        "ms": 1000 * each,
        "stopped": result.stopped,
        "curve": {str(i): [round(v, 3), round(curve.times[i], 2)] for i, v in curve.levels.items()},
    }
    if row == FAITHFUL_ROW:
        found["whole"] = each * FAITHFUL[_PROBLEMS[case.task]].iterations
        row = CUT_ROW if result.stopped == "budget" else row
    return {**_named(case, row), **found}, made, curve


def _observed(task: ImageTask, config: Config, device: torch.device) -> Observation:
    if isinstance(config, DenoiseConfig):
        return noisy(task, config, device)
    if isinstance(config, UpscaleConfig):
        return small(task, config, device)
    if isinstance(config, RestoreConfig) and (found := damaged(task, config, device)) is not None:
        return found
    raise ValueError("the case has nothing to restore")


def quick(case: Picture) -> list[tuple[dict[str, Any], Tensor]]:
    """The rows of the classical methods."""
    return [({**_named(case, name), "psnr": case.score(made)}, made) for name, made in classical(case).items()]


def _named(case: Picture, method: str) -> dict[str, Any]:
    return {"case": case.case, "task": case.task, "size": case.size, "method": method, "paper": case.paper()}
