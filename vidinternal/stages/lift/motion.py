"""How pictures of a take lie on each other: flow with its check, what is carried along it, and how much flickers."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.ops.dis import dis_flow
from vidinternal.ops.warp import backward_warp, forward_backward_residual

TOLERANCE = 1.1774
"""Largest forward/backward residual of believable flow, pixels, where ``exp(-r^2 / 2)`` falls below 1/2."""


@dataclass(frozen=True)
class Step:
    """Flow between a picture and the next, by Dense Inverse Search (``kroeger2016fast``), at the source's size.

    Attributes:
        onward: ``1 2 h w``, ``F[t -> t+1]``.
        back: ``1 2 h w``, ``F[t+1 -> t]``.
        known: ``1 1 h w`` bool, where ``onward`` can be believed.
        known_back: The same of ``back``.
    """

    onward: Tensor
    back: Tensor
    known: Tensor
    known_back: Tensor


def step_between(first: Tensor, second: Tensor) -> Step:
    """Flow both ways between two pictures ``1 3 h w``."""
    onward, back = dis_flow(first, second), dis_flow(second, first)
    known = forward_backward_residual(onward, back) < TOLERANCE
    return Step(onward, back, known, forward_backward_residual(back, onward) < TOLERANCE)


def enlarged(flow: Tensor, known: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Flow and its validity at another size; vectors grow with the picture."""
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow, known
    longer = flow.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    larger = nn_functional.interpolate(flow, size, mode="bilinear", align_corners=False) * longer
    return larger, nn_functional.interpolate(known.float(), size, mode="bilinear", align_corners=False) > 0.999


def carried_along(pictures: Tensor, flow: Tensor) -> Tensor:
    """What ``1 C H W`` looks like one picture later; ``flow`` is ``F[t+1 -> t]`` at its size."""
    return backward_warp(pictures, flow)


def misfit(first: Tensor, second: Tensor, onward: Tensor, known: Tensor) -> tuple[float, int]:
    """Sum and number of squared differences between a picture and its successor warped back onto it."""
    count = int(known.sum()) * first.shape[1]
    if not count:
        return 0.0, 0
    error = (backward_warp(second, onward) - first).square() * known
    return float(error.double().sum()), count


@dataclass
class Flicker:
    """Warping error of the source and of a result, gathered pair by pair.

    Attributes:
        source: Sum and count of the source's squared differences.
        made: Of the result's.
        pairs: Pairs of pictures seen.
    """

    source: tuple[float, int] = (0.0, 0)
    made: tuple[float, int] = (0.0, 0)
    pairs: int = 0

    def add(self, step: Step, source: tuple[Tensor, Tensor], made: tuple[Tensor, Tensor]) -> None:
        """Look at a pair: pictures of the source ``1 3 h w`` and of the result ``1 3 H W``."""
        size = (made[0].shape[-2], made[0].shape[-1])
        self.source = _plus(self.source, misfit(*source, step.onward, step.known))
        self.made = _plus(self.made, misfit(*made, *enlarged(step.onward, step.known, size)))
        self.pairs += 1

    def errors(self) -> tuple[float, float] | None:
        """Mean squared warping error of source and result, units of [0, 1] squared; None without a pair to compare."""
        if not (self.source[1] and self.made[1]):
            return None
        return self.source[0] / self.source[1], self.made[0] / self.made[1]

    def as_list(self) -> list[float]:
        """Everything, to be kept."""
        return [*self.source, *self.made, self.pairs]

    @classmethod
    def of(cls, kept: list[float]) -> Flicker:
        """Undo :meth:`as_list`."""
        source, known, made, counted, pairs = kept
        return cls((source, int(known)), (made, int(counted)), int(pairs))


def _plus(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, int]:
    return one[0] + other[0], one[1] + other[1]
