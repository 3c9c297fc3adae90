"""The networks of image methods in bench ``warm_start``: one picture, one start, fits of several lengths.

What was done to a picture is known, so each fit is judged by the picture that nobody saw. A fit's step size follows its
own length, so a short fit is made as such: a look into a longer one would be at weights that still shake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vidinternal.bench.denoise import noisy
from vidinternal.bench.double_dip_cases import with_haze
from vidinternal.bench.warm_trial import Lesson, Student, Trial
from vidinternal.bench.zssr_cases import small
from vidinternal.core.contracts import Starts
from vidinternal.core.imaging import ImageTask
from vidinternal.learn.warm_start.pool import Pool
from vidinternal.methods import card, image_method
from vidinternal.ops.measures import psnr

SHARES = (0.1, 0.25, 1.0)
"""Lengths of the fits, of the longest."""


@dataclass(frozen=True)
class Seen:
    """A picture as a method gets it, and what it was."""

    frame: Tensor
    truth: Tensor


def middle(lesson: Lesson) -> Tensor:
    """``1 3 H W``, the shot's middle picture."""
    truth = lesson.case.truth
    return truth[len(truth) // 2 : len(truth) // 2 + 1]


def shrunk(lesson: Lesson) -> Seen:
    """Half as large, in 8 bits."""
    made = small("cubic", lesson.case.name, middle(lesson))
    return Seen(made.seen, made.truth)


def grainy(lesson: Lesson) -> Seen:
    """With noise of 25 codes, its own in every shot."""
    return Seen(noisy(middle(lesson), lesson.seed, lesson.case.name), middle(lesson))


def foggy(lesson: Lesson) -> Seen:
    """With haze, the same in all shots of a clip."""
    pair = with_haze(middle(lesson), lesson.case.name.partition("/")[0], 0)
    return Seen(pair.seen, pair.truth)


@dataclass(frozen=True)
class ImageStudent:
    """Trains one image method on the middle picture of a shot.

    Attributes:
        method: Its name.
        task: What it is asked for.
        see: Makes what it gets.
        steps: Optimiser steps of the longest fit, of the bench's ``iterations``.
        settings: Beside the steps.
        learned: Settings by which it begins from weights that come along, learned on the sample clips; its ``meta``.
    """

    method: str
    task: str
    see: Callable[[Lesson], Seen]
    steps: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    learned: Mapping[str, Any] | None = None

    def __call__(self, lesson: Lesson, starts: Starts | None) -> Trial:
        """Fit as often as there are lengths; the longest is what is returned and carried on."""
        seen, method = self.see(lesson), image_method(self.method, self.task)
        settings = dict(self.settings)
        meta = isinstance(starts, Pool) and starts.scheme == "meta" and self.learned is not None
        if meta:
            settings |= self.learned or {}
        curve: list[tuple[int, float, float]] = []
        result = None
        for share in SHARES:
            count = max(1, round(share * self.steps * lesson.iterations))
            config = card(self.method, self.task).config.model_validate({**settings, "iterations": count})
            began = time.monotonic()
            result = method.apply(ImageTask(seen.frame, seen.frame), config, lesson.context(None if meta else starts))
            score = psnr((result.frames * 255).round() / 255, seen.truth)
            curve.append((count, time.monotonic() - began, score))
        if result is None or result.weights is None or result.signature is None:
            raise RuntimeError(f"{self.method} left no weights")
        last = curve[-1][2]
        return Trial(
            curve=tuple(curve),
            true=last,
            weights=result.weights,
            signature=result.signature,
            warm=result.warm or meta,
            final=last,
            learned=self.learned is not None,
        )


def image_students() -> dict[str, tuple[str, Student]]:
    """By name, the method and what trains it."""
    # as in a clip: one copy; nothing is held back to decide whether to learn at all, which would be steps uncounted
    plain = {"hold_back": False, "without_gain": "learned", "ensemble": 1}
    made = (
        ("zssr", ImageStudent("zssr", "upscale", shrunk, 5 / 3, {**plain, "start": "random"}, {"start": "learned"})),
        ("zssr as shipped", ImageStudent("zssr", "upscale", shrunk, 5 / 3, plain)),
        ("zs_n2n", ImageStudent("zs_n2n", "denoise", grainy, 2.5, {"crop": 48})),
        ("double_dip dehaze", ImageStudent("double_dip", "dehaze", foggy, 2 / 3, {"side": 64})),
        ("dip denoise", ImageStudent("dip", "denoise", grainy, 2.5)),
    )
    return {name: (student.method, student) for name, student in made}
