"""The presets: what every setting left empty comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.learn.precision import fast_bfloat16
from vidinternal.methods.zssr.augment import Augmentation
from vidinternal.methods.zssr.config import Config
from vidinternal.nets.conv_stack import StackShape
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import kernel_shift

FAST = StackShape(fold=2, slope=0.1, detail=4.0)
"""The network of preset ``fast``."""
FRAME_RATE = 1e-4
"""Step size of the later pictures of a shot."""
_STEP = 3
"""What a pixel costs that is learned from: it goes forward and, at twice the price, back."""
_ALIKE = 0.02  # largest difference of a symmetric kernel to its mirror images, relative to its largest weight


@dataclass(frozen=True)
class Recipe:
    """Everything that training and rendering depend on.

    Attributes:
        shape: Of the network.
        prepared: Whether the network's input has been back-projected.
        iterations: Most optimiser steps at a size.
        rate: First or largest step size.
        slope_rule: Whether the published rule lowers it; else it follows a cosine.
        crop: Pixels of a side.
        batch: Crops in a step.
        augmentation: How they are drawn.
        ensemble: Copies of which the median is taken.
        back_projection: How often.
        learned_start: Whether training begins from the weights that come along.
        hold_back: Whether the gain over Lanczos is measured.
        half: Whether the network computes in bfloat16.
        kept_sons: Whether sons of crops that are not interpolated are made for whole pictures.
        rounded: Whether sons are noisy as if rounded to 8 bits: what undoes a blur makes much of such noise.
    """

    shape: StackShape
    prepared: bool
    iterations: int
    rate: float
    slope_rule: bool
    crop: int
    batch: int
    augmentation: Augmentation
    ensemble: int
    back_projection: int
    learned_start: bool
    hold_back: bool
    half: bool
    kept_sons: bool
    rounded: bool

    def signature(self, sf: tuple[float, float]) -> str:
        """Equal where weights are interchangeable."""
        return f"zssr/{self.shape.signature}/{'prepared' if self.prepared else 'cubic'}/{sf[0]:g}x{sf[1]:g}"


def recipe(config: Config, kernel: Tensor | None, *, clip: bool, device: torch.device, pixels: int = 1 << 62) -> Recipe:
    """The preset with the settings that were given.

    Args:
        config: Settings.
        kernel: The blur in line with the scale, or None.
        clip: Whether the picture is one of a clip.
        device: Where it is computed.
        pixels: Of the large picture; a clip's gets as many copies as cost no more than what is learned on it.
    """
    fast = config.preset == "fast"
    turning = kernel is None or symmetric(kernel, config.steps()[-1])
    usual_iterations = 3000 if not fast else 1000 if kernel is None else 600
    # the border of a crop is what a wide blur sees of a mirror
    usual_crop = 128 if not fast else 48 if kernel is None else 64
    usual_projection = 0 if config.noise_std else 10 if kernel is None else 2
    bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and fast and fast_bfloat16(device))
    crop, batch = config.crop or usual_crop, config.batch or (4 if fast else 1)
    copies = 8 if not clip else affordable(pixels, _STEP * config.frame_iterations * batch * crop**2)
    return Recipe(
        shape=FAST if fast else StackShape(),
        prepared=fast and not config.noise_std,
        iterations=config.iterations or usual_iterations,
        rate=config.learning_rate or (1.5e-3 if fast else 1e-3),
        slope_rule=not fast,
        crop=crop,
        batch=batch,
        augmentation=_augmentation(config, fast=fast, turning=turning),
        ensemble=(config.ensemble or (1 if config.noise_std else copies)) if turning else 1,
        back_projection=usual_projection if config.back_projection is None else config.back_projection,
        learned_start=(config.start or ("learned" if fast else "random")) == "learned",
        hold_back=(fast or clip) and not config.noise_std if config.hold_back is None else config.hold_back,
        half=bfloat16,
        kept_sons=fast,
        rounded=fast and kernel is not None,
    )


def affordable(pixels: int, work: int) -> int:
    """Copies of a picture of so many pixels that are enlarged for the price of ``work`` pixels; at least one."""
    return next((n for n in (8, 4, 2) if n * pixels <= work), 1)


def _augmentation(config: Config, *, fast: bool, turning: bool) -> Augmentation:
    if config.noise_std:
        # noise and blocks do not turn or lean with the picture
        return Augmentation(min_scale=0.75, scale_difference=0.0, shear=0.0, rotation=False)
    if fast:
        return Augmentation(as_is=0.0, exact=0.8, scale_difference=0.1, rotation=turning, by_gradient=0.5)
    return Augmentation(rotation=turning)


def symmetric(kernel: Tensor, sf: tuple[float, float]) -> bool:
    """Whether a kernel that is in line with the scale is its own mirror image and its own quarter turn."""
    aligned = kernel_shift(kernel, sf)
    lead = [min(round(s - 1), side - 1) for s, side in zip(sf, aligned.shape, strict=True)]
    part = aligned[lead[0] :, lead[1] :]
    mirrored = (part.flip(0), part.flip(1), part.T if part.shape[0] == part.shape[1] else part)
    far = max(float((part - other).abs().max()) for other in mirrored)
    return sf[0] == sf[1] and part.shape[0] == part.shape[1] and far <= _ALIKE * float(part.abs().max())


def kernel_of_step(kernel: Tensor, scale: tuple[float, float], step: tuple[float, float]) -> Tensor:
    """The kernel of a factor on the way from that of the whole scale: its second moments go with ``s^2 - 1``.

    As in ``ops.kernels.stretched``, which begins from scale 2: exact where the blur is Gaussian.
    """
    if step == scale:
        return kernel
    widths = [math.sqrt(max(0.0, s * s - 1) / max(1e-9, t * t - 1)) for s, t in zip(step, scale, strict=True)]
    made = kernel_shift(kernel, 1.0).double()
    for axis, width in enumerate(widths):
        if width <= 0:
            made = made.sum(dim=axis, keepdim=True)
            continue
        # an odd side, so that the middle stays the middle
        count = 2 * math.ceil((made.shape[axis] * width - 1) / 2) + 1
        size = (count, made.shape[1]) if axis == 0 else (made.shape[0], count)
        made = imresize(made[None, None], size=size)[0, 0]
    return kernel_shift((made / made.sum()).float(), step)
