"""The downsampler of the Deep Image Prior: a windowed sinc, its phase and its border (``ulyanov2018deep``).

A picture that is ``factor`` times smaller is a weighted mean of the large one around the middle of each small pixel.
The kernel is separable and sums to one. For an even factor that middle lies between two pixels, so the kernel has an
even number of taps (phase 0.5); for an odd one it lies on a pixel (phase 0).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.errors import UsageError

Filter = Literal["lanczos2", "lanczos3", "gauss12", "gauss1sq2", "box"]
_SUPPORT = {"lanczos2": 2, "lanczos3": 3}
_GAUSS = {"gauss12": (7, 0.5), "gauss1sq2": (9, 1 / math.sqrt(2))}


def lanczos(name: str, factor: int) -> Tensor:
    """Taps of one side of the Lanczos kernel for a whole factor, float32, sum 1.

    ``sinc(d) sinc(d / a)`` at the distances ``d`` of the taps in small pixels, ``|d| < a``: ``2 a factor`` taps where
    the factor is even, one more where it is odd.

    Args:
        name: ``lanczos2`` or ``lanczos3``: their lobes ``a``.
        factor: At least 2.

    Raises:
        UsageError: The factor is below 2.
    """
    if factor < 2:
        raise UsageError("downsampler", expected="a factor of at least 2", got=str(factor))
    lobes = _SUPPORT[name]
    count = 2 * lobes * factor + factor % 2
    at = (torch.arange(count, dtype=torch.float64) - (count - 1) / 2) / factor
    taps = torch.sinc(at) * torch.sinc(at / lobes)
    return (taps / taps.sum()).float()


def taps(name: Filter, factor: int) -> Tensor:
    """Taps of one side of any of the original's kernels, float32, sum 1.

    ``gauss12`` and ``gauss1sq2`` have a fixed width of 7 and 9 taps at half the distance, whatever the factor, as
    published; ``box`` is the mean of the pixels under a small one.

    Raises:
        UsageError: The factor is below 2.
    """
    if name in _SUPPORT:
        return lanczos(name, factor)
    if factor < 2:
        raise UsageError("downsampler", expected="a factor of at least 2", got=str(factor))
    if name == "box":
        return torch.full((factor,), 1.0 / factor)
    width, sigma = _GAUSS[name]
    at = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2) / 2
    weights = torch.exp(-at.square() / (2 * sigma**2))
    return (weights / weights.sum()).float()


def downsample(pictures: Tensor, kernel: Tensor, factor: int) -> Tensor:
    """Filter with a separable kernel and keep every ``factor``-th pixel; the border is repeated outward.

    The middle of the taps lies on the middle of each small pixel, to half a pixel where number of taps and factor
    differ in parity.

    Args:
        pictures: ``N C H W``, both sides multiples of the factor.
        kernel: Taps of one side.
        factor: A whole number.

    Returns:
        ``N C H/factor W/factor``.

    Raises:
        UsageError: A side is no multiple of the factor.
    """
    height, width = pictures.shape[-2:]
    if height % factor or width % factor:
        raise UsageError("downsampler", expected=f"sides that are multiples of {factor}", got=f"{width}x{height}")
    channels, count = pictures.shape[1], len(kernel)
    before = (count - factor) // 2
    after = count - factor - before
    weights = kernel.to(pictures).expand(channels, 1, -1)
    x = nn_functional.pad(pictures, (before, after, before, after), mode="replicate")
    x = nn_functional.conv2d(x, weights[:, :, :, None], stride=(factor, 1), groups=channels)
    return nn_functional.conv2d(x, weights[:, :, None, :], stride=(1, factor), groups=channels)
