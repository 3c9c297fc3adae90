"""How well a blur kernel explains pictures, without a sharp one to compare with.

What recurs in a picture at another scale recurs with the same blur in that scale's own pixels: a picture shrunk by the
kernel that made it is as sharp, pixel for pixel, as the picture itself (``michaeli2013nonparametric`` says so of single
patches). Sharpness here is that of all edges together, in four directions, whatever their number and contrast.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from vidinternal.ops.imresize import output_size, shrink_by_kernel
from vidinternal.ops.kernels import anisotropic_gaussian, kernel_shift

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_BORDER = 3
_FLAT = 1e-4
"""Mean difference of neighbours below which there is nothing to judge by: a fortieth of an 8-bit code."""
LEAST_SIDE = 24
"""Pixels a side below which a picture, once shrunk, shows too little."""


def sharpness(pictures: Tensor) -> Tensor | None:
    """``log(mean |second differences| / mean |first differences|)`` in four directions, a vector of 4.

    Args:
        pictures: ``K C h w``, judged together.

    Returns:
        Right, down, down right, down left; None where the pictures are flat or too small.
    """
    grey = pictures.double().mean(dim=1)[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
    if min(grey.shape[-2:]) < 6:
        return None
    found = []
    for down, right in _DIRECTIONS:
        first = _difference(grey, down, right)
        level = first.abs().mean()
        if float(level) < _FLAT:
            return None
        found.append((_difference(first, down, right).abs().mean() / level).clamp(min=1e-6).log())
    return torch.stack(found)


def _difference(x: Tensor, down: int, right: int) -> Tensor:
    height, width = x.shape[-2:]
    ahead = x[:, down:, max(right, 0) : width + min(right, 0)]
    return ahead - x[:, : height - down, max(-right, 0) : width - max(right, 0)]


def kernel_misfit(pictures: Tensor, kernel: Tensor, scale: tuple[float, float] = (2.0, 2.0)) -> float | None:
    """How much sharper or softer the pictures become, pixel for pixel, when shrunk by a kernel: 0 = it explains them.

    Args:
        pictures: ``K 3 h w`` in [0, 1].
        kernel: ``kh kw`` in line with the scale.
        scale: Vertical and horizontal.

    Returns:
        Mean of ``|log ratio|`` over four directions; None where there is nothing to judge by.
    """
    if min(n / s for n, s in zip(pictures.shape[-2:], scale, strict=True)) < LEAST_SIDE / 2:
        return None
    smaller = (1 / scale[0], 1 / scale[1])
    shrunk = shrink_by_kernel(
        pictures.float(), kernel, smaller, output_size(pictures.shape[-2], pictures.shape[-1], smaller)
    )
    before, after = sharpness(pictures), sharpness(shrunk)
    return None if before is None or after is None else float((before - after).abs().mean())


_SIDE = 17
_NARROWEST, _WIDEST = 0.02, 9.0  # variances, squared pixels
_ROUND = 0.02
"""What a kernel pays for being oval: where the picture does not tell, it is round."""
NARROWER = 0.85
"""Width that is answered, of the width that fits best. A kernel too wide makes upscaling ring, one too narrow only
leaves some blur. By back-projection alone, over 10 pictures with random blur, 1.0, 0.9 and 0.8 gain 1.7, 1.8 and 1.7 dB
over the cubic on average, and 0.2, 1.0 and 0.7 on the worst; what goes on to the limit, as a network does, wants the
narrower."""


def fitted_gaussian(pictures: Tensor) -> Tensor | None:
    """The oval Gaussian that explains pictures best as the kernel of scale 2, by :func:`kernel_misfit`.

    Three numbers, found by a simplex search in about a hundred looks; no network.

    Args:
        pictures: ``K 3 h w`` in [0, 1].

    Returns:
        ``kh kw`` in line with scale 2; None where there is nothing to judge by.
    """
    before = sharpness(pictures)
    if before is None or min(pictures.shape[-2:]) < LEAST_SIDE:
        return None
    size = output_size(pictures.shape[-2], pictures.shape[-1], 0.5)
    pictures = pictures.float().mean(dim=1, keepdim=True)  # sharpness is that of their sum

    def cost(place: np.ndarray) -> float:
        after = sharpness(shrink_by_kernel(pictures, _oval(place), 0.5, size))
        missed = 10.0 if after is None else float((before - after).norm())
        return missed + _ROUND * float(place[2] ** 2 + (place[0] - place[1]) ** 2)

    options = {"maxfev": 160, "xatol": 0.02, "fatol": 0.002}
    # a simplex that begins with sides of a third of an octave, not of 5 % of where it stands
    begin = np.array([[0.3, 0.3, 0.0], [0.8, 0.3, 0.0], [0.3, 0.8, 0.0], [0.3, 0.3, 0.3]])
    found = minimize(cost, begin[0], method="Nelder-Mead", options={**options, "initial_simplex": begin})
    return _oval(found.x, NARROWER)


def _oval(place: np.ndarray, width: float = 1.0) -> Tensor:
    """The Gaussian whose covariance is the exponential of ``[[a, c], [c, b]]``, x first, in line with scale 2."""
    a, b, c = (float(np.clip(v, -6, 3)) for v in place)
    values, axes = np.linalg.eigh(np.array([[a, c], [c, b]]))
    first, second = (float(np.clip(v, _NARROWEST, _WIDEST)) for v in width**2 * np.exp(values))
    theta = math.atan2(float(axes[1, 0]), float(axes[0, 0]))
    return kernel_shift(anisotropic_gaussian(_SIDE, (first, second), theta), 2.0)
