"""What bench ``warm_start`` trains: one shot, one start, a curve of the score over iterations."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from vidinternal.bench.score import case_flow
from vidinternal.bench.warm_images import image_students
from vidinternal.bench.warm_trial import CPU, Lesson, Student, Trial
from vidinternal.core.contracts import Holdout, InpaintTask, Starts
from vidinternal.core.seeds import branch
from vidinternal.learn.holdout import make_holdout
from vidinternal.learn.warm_start.door import audition, part
from vidinternal.methods import card
from vidinternal.methods.internal.candidates import Candidates
from vidinternal.methods.internal.coarse import Coarse, cell_side
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fit import GeneratorFit
from vidinternal.methods.internal.fusion import Examples, FusionFit, FusionNet, examples, fit_fusion, fuse, start_nets
from vidinternal.ops.flow_copy import never
from vidinternal.ops.measures import hole_psnr
from vidinternal.ops.resample import destroy
from vidinternal.stages.fill_window import FillRequest, fill_window

LOOKS = 8
"""Looks at a fit, evenly spread."""


def method_student(name: str, lesson: Lesson, starts: Starts | None) -> Trial:
    """A method of the registry as the pipeline runs it, judged on the held-out pixels."""
    chosen = card(name, "inpaint")
    short = {"inner_iterations": 10} if "inner_iterations" in chosen.config.model_fields else {}
    look = {"look_every": max(1, lesson.iterations // LOOKS)} if "look_every" in chosen.config.model_fields else {}
    every = {"looks": LOOKS, "train": "always"} if "looks" in chosen.config.model_fields else {}
    config = chosen.config.model_validate({"iterations": lesson.iterations, **short, **look, **every})
    case = lesson.case
    request = FillRequest(name, config, max_side=1 << 30)
    result, _ = fill_window(
        case.input, case.masks, case_flow(case, chosen.flow_strides, CPU), request, lesson.context(starts)
    )
    curve = tuple((p.iteration, p.seconds, p.holdout_psnr) for p in result.history if p.holdout_psnr is not None)
    composite = torch.where(case.masks, result.frames, case.input)
    true = hole_psnr(composite, case.truth, case.masks)
    return Trial(curve, true, result.weights or {}, result.signature or "", result.warm)


class _Alone:
    """Scores the generator's own output, not what is stacked of it."""

    def __init__(self, first: Callable[[], Tensor]) -> None:
        self._first = first

    def __call__(self, generated: Tensor) -> Tensor:
        return generated

    def glance(self, generated: Tensor) -> None:
        del generated

    def untrained(self) -> Tensor:
        return self._first()

    def state(self) -> Mapping[str, object]:
        return {}

    def load_state(self, state: Mapping[str, object]) -> None:
        del state


@dataclass(frozen=True)
class _Seen:
    """A shot as ``internal`` sees it with the held-out pixels hidden."""

    holdout: Holdout
    task: InpaintTask
    made: Candidates


class InternalStudents:
    """The networks of ``internal`` one by one; what a shot's candidates are is found out once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], _Seen] = {}

    def _see(self, lesson: Lesson) -> _Seen:
        key = lesson.case.name, lesson.seed
        if key not in self._seen:
            case = lesson.case
            holdout = make_holdout(case.input, case.masks, lesson.seed, 2)
            if holdout is None:
                raise RuntimeError(f"nothing could be held out of {case.name}")
            masks = case.masks | holdout.masks
            task = InpaintTask(destroy(case.input, masks), masks)
            made = Candidates.of(task.frames, masks, Config().propagation(), never)
            self._seen[key] = _Seen(holdout, task, made)
        return self._seen[key]

    def generator(self, lesson: Lesson, starts: Starts | None) -> Trial:
        """``internal``'s generator alone, judged on the held-out pixels."""
        seen = self._see(lesson)
        config = Config.model_validate({"iterations": lesson.iterations, "looks": LOOKS})
        context = replace(lesson.context(starts), holdout=seen.holdout)
        fused = fuse(start_nets(), Coarse.of(seen.made, cell_side(seen.task.picture_side)))
        fit = GeneratorFit(seen.task, fused, seen.made.confidence, config, context)
        watch, _ = fit.run(_Alone(fit.render))
        curve = tuple((p.iteration, p.seconds, p.holdout_psnr or 0.0) for p in watch.history)
        case = lesson.case
        true = hole_psnr(torch.where(case.masks, watch.best.kept(), case.input), case.truth, case.masks)
        return Trial(curve, true, fit.weights(), fit.signature, fit.begun.warm)

    def fusion(self, lesson: Lesson, starts: Starts | None) -> Trial:
        """``internal``'s fusion networks; they learn from the held-out pixels, so they are judged under the real hole.

        A cold start is the shipped weights, which are a start learned on the sample clips already. The score is that of
        the whole committee: three as shipped and three adapted.
        """
        seen, case = self._see(lesson), lesson.case
        known = examples(seen.made, seen.holdout.masks, seen.holdout.truth, lesson.seed)
        real = examples(seen.made, case.masks, case.truth, lesson.seed)
        nets = list(start_nets())
        offered = None if starts is None else starts.of(_FUSION)
        warm = False
        if offered is not None:
            for k, net in enumerate(nets):
                own = replace(offered, weights=part(offered.weights, f"{k}."))
                warm |= audition(net, own, partial(_psnr, [net], known)).warm
        steps = max(1, lesson.iterations // 4)
        curve, weights = [], {}
        for count in sorted({0, *(round(steps * share) for share in (0.1, 0.25, 0.5, 1.0))}):
            began = time.monotonic()
            adapted = [_copy(net) for net in nets]
            for k, net in enumerate(adapted if count else ()):
                fit_fusion(net, known, branch(lesson.seed, k), FusionFit(steps=count))
            curve.append((count, time.monotonic() - began, _psnr([*start_nets(), *adapted], real)))
            weights = {f"{k}.{n}": t.clone() for k, net in enumerate(adapted) for n, t in net.state_dict().items()}
        return Trial(tuple(curve), curve[-1][2], weights, _FUSION, warm)


_FUSION = "internal/fusion"


def _copy(net: FusionNet) -> FusionNet:
    twin = start_nets()[0]
    twin.load_state_dict(net.state_dict())
    return twin


def _psnr(nets: Sequence[FusionNet], pixels: Examples) -> float:
    with torch.no_grad():
        weights = torch.stack([net(pixels.evidence) for net in nets]).mean(dim=0)
        fused = (weights.unsqueeze(2) * pixels.colours).sum(dim=1)
        return float(-10 * (fused - pixels.truth).square().mean().clamp(min=1e-10).log10())


def students() -> dict[str, tuple[str, Student]]:
    """What can be trained: by name, the method it belongs to and the student."""
    own = InternalStudents()
    made: dict[str, tuple[str, Student]] = {
        "internal generator": ("internal", own.generator),
        "internal fusion": ("internal", own.fusion),
        **image_students(),
    }
    for name in ("dip_vid", "dip_vid_3d", "dip_vid_flow", "internal"):
        made[name] = (name, partial(method_student, name))
    return made
