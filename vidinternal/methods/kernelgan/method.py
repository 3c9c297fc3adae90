"""``kernelgan``: from key frames to a kernel that is in line with the scale, and whether it is worth having."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.core.imaging import KernelMethod, KernelResult
from vidinternal.learn.pace import require_time
from vidinternal.methods.kernelgan import CARDS
from vidinternal.methods.kernelgan.config import Config
from vidinternal.methods.kernelgan.fit import KernelFit, middle
from vidinternal.methods.kernelgan.networks import KERNEL_SIDE, PATCH
from vidinternal.ops.kernel_fit import kernel_misfit
from vidinternal.ops.kernels import centre_of_mass, cubic_kernel, kernel_shift, mean_kernel, power_kernel, stretched

LEAST_CROP = KERNEL_SIDE + 2 * PATCH + 1
"""Pixels of a crop from which the generator makes two patches each way, the fewest that batch norm can do with: 28."""
LARGEST_SCALE = 16.0
MARGIN = 0.1
"""How much less than with the cubic the sharpness must change. Of 15 pictures each, shrunk by the cubic and by random
oval Gaussians, 13 fall on the right side of it."""
_JUDGED = 1024  # side of the middle of each picture by which kernels are judged


class KernelGan(KernelMethod):
    """The kernel of a shot by an internal GAN (``bellkligler2019kernelgan``)."""

    card = CARDS[0]

    def check(self, config: Config, size: tuple[int, int], scale: tuple[float, float]) -> tuple[str, ...]:
        """Refuse pictures without a crop in them, and scales out of reach.

        Raises:
            MediaError: The pictures are too small.
            UsageError: The scale is not within 1 and 16.
        """
        if not all(math.isfinite(s) and 1 <= s <= LARGEST_SCALE for s in scale):
            raise UsageError("kernelgan", expected=f"a scale of 1 to {LARGEST_SCALE:g}", got=str(scale))
        left = min(size) - 2 * config.border
        if left < LEAST_CROP:
            raise MediaError(
                "kernelgan",
                expected=f"pictures of at least {LEAST_CROP + 2 * config.border} pixels a side",
                got=f"{size[1]}x{size[0]}",
                hint="kernel=cubic, or a kernel from a file",
            )
        return () if _exact(scale) or max(scale) == 1 else (_STRETCHED.format(scale=_words(scale)),)

    def estimate(self, frames: Tensor, scale: tuple[float, float], config: Config, context: FitContext) -> KernelResult:
        """The kernel of all pictures together.

        Raises:
            MediaError: The pictures are too small.
            UsageError: The scale is out of reach.
            BudgetError: There is no time.
        """
        notes = [*self.check(config, (frames.shape[-2], frames.shape[-1]), scale)]
        require_time(context.budget)
        inner = _without_border(frames.detach().float().cpu(), config.border)
        judged = middle(inner, _JUDGED)
        cubic = cubic_kernel((2.0, 2.0))
        by_cubic = kernel_misfit(judged, cubic)
        if float((inner - inner.mean(dim=(-2, -1), keepdim=True)).abs().max()) < 1 / 255:
            note = "kernelgan: nothing to see in these pictures; the cubic kernel stands"
            return KernelResult(_at_scale(cubic, scale), better=False, notes=(*notes, note))
        crop = min(config.crop, *inner.shape[-2:]) // 2 * 2
        fit = KernelFit(inner, crop, config, context)
        stopped = fit.run()
        if stopped == "diverged":
            note = f"kernelgan: diverged at step {fit.pace.iteration}; the cubic kernel stands"
            return KernelResult(
                _at_scale(cubic, scale), better=False, stopped=stopped, iterations=fit.pace.iteration,
                seconds=fit.pace.seconds(), notes=(*notes, note),
            )  # fmt: skip
        kernel = kernel_shift(fit.kernel(), 2.0)
        if fit.gaussian is not None:
            # the one is right in width and has no shape, the other has one and comes out narrow
            kernel = kernel_shift(mean_kernel(kernel, fit.gaussian), 2.0)
        by_this = kernel_misfit(judged, kernel)
        better, told = _verdict(by_this, by_cubic)
        if stopped == "budget":
            notes.append(f"kernelgan: time ended at step {fit.pace.iteration} of {config.steps()}")
        facts = {
            "misfit": by_this,
            "misfit_cubic": by_cubic,
            "misfit_start": None if fit.gaussian is None else kernel_misfit(judged, fit.gaussian),
            "better_than_cubic": better,
            "width_pixels": _width(kernel),
            **{name: round(value, 6) for name, value in fit.terms.items()},
        }
        return KernelResult(
            _at_scale(kernel, scale), better, stopped, fit.pace.iteration, fit.pace.seconds(), (*notes, told), facts
        )


_STRETCHED = (
    "kernelgan: the kernel is learned at x2 and known exactly at x4, x8 and x16; that of {scale} is it stretched"
)


def _words(scale: tuple[float, float]) -> str:
    return f"x{scale[0]:g}" if scale[0] == scale[1] else f"x{scale[0]:g} down, x{scale[1]:g} across"


def _exact(scale: tuple[float, float]) -> bool:
    return scale[0] == scale[1] and scale[0] > 1 and math.log2(scale[0]).is_integer()


def _at_scale(kernel: Tensor, scale: tuple[float, float]) -> Tensor:
    """The kernel of a scale from that of x2."""
    return power_kernel(kernel, round(math.log2(scale[0]))) if _exact(scale) else stretched(kernel, scale)


def _without_border(frames: Tensor, border: int) -> Tensor:
    return frames[..., border : frames.shape[-2] - border, border : frames.shape[-1] - border]


def _verdict(this: float | None, cubic: float | None) -> tuple[bool, str]:
    """Whether the kernel is better, and what to tell."""
    if this is None or cubic is None:
        return False, "kernelgan: too little to see to judge the kernel by; the cubic one is the safer choice"
    told = f"shrunk by the estimated kernel the pictures change in sharpness by {this:.3f}, by the cubic {cubic:.3f}"
    if this < cubic - MARGIN:
        return True, f"kernelgan: {told}: the estimate explains them better"
    return False, f"kernelgan: {told}: not enough of a difference to leave the cubic for the estimate"


def _width(kernel: Tensor) -> list[float]:
    """Standard deviations of a kernel across its rows and columns, pixels."""
    values, found = kernel.double(), []
    for axis, centre in enumerate(centre_of_mass(kernel)):
        place = torch.arange(values.shape[axis], dtype=torch.float64) - centre
        found.append(round(math.sqrt(max(0.0, float(values.sum(dim=1 - axis) @ place.square()))), 3))
    return found


METHODS: tuple[Any, ...] = (KernelGan(),)
