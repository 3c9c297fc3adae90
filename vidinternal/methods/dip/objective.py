"""The equations of the Deep Image Prior under the paper's names, and those of its later stopping rules.

``x = f_theta(z)`` is the network's output, ``x_0`` what was observed; ``theta* = argmin E(f_theta(z); x_0)``. Means go
over all pixels and channels, masked ones included, as published: a larger hole lowers the loss, not its gradient at a
known pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def E(x: Tensor, x_0: Tensor, m: Tensor | None = None) -> Tensor:
    """``||(x - x_0) . m||^2``, a scalar: denoising, JPEG and flash without ``m``, inpainting with it.

    With ``x = d(f)`` it is the super-resolution term, with ``x = Phi(f)`` the pre-image term.

    Args:
        x: ``N C h w``.
        x_0: ``N C h w``.
        m: ``N 1 h w``, 1 = known; None = all.
    """
    difference = x - x_0 if m is None else (x - x_0) * m
    return difference.square().mean()


def E_feature(features: Tensor, wanted: Tensor) -> Tensor:
    """``||Phi(x) - Phi(x_0)||^2 / ||Phi(x_0)||^2``, a scalar: 1 is what a blank output of the layer would give."""
    return (features - wanted).square().sum() / wanted.square().sum().clamp_min(1e-12)


def R_tv(x: Tensor) -> Tensor:
    """Total variation, anisotropic: mean ``|dx| + |dy|``, a scalar."""
    return x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()


def L_temporal(x: Tensor, before: Tensor, valid: Tensor) -> Tensor:
    """Mean squared distance to the frame before, carried along the flow, where the flow can be believed; a scalar.

    Args:
        x: ``1 3 H W``.
        before: ``1 3 H W``.
        valid: ``1 1 H W``, 0 or 1.
    """
    return ((x - before) * valid).square().mean()


def psnr_to(x_0_error: float) -> float:
    """PSNR in dB of a mean squared error, peak 1; what backtracking compares."""
    return -10.0 * torch.log10(torch.tensor(max(x_0_error, 1e-12), dtype=torch.float64)).item()


def divergence(f: Callable[[Tensor], Tensor], y: Tensor, at_y: Tensor, probe: Tensor, step: float) -> Tensor:
    """``div_y f(y) / n`` by one probe ``b``: ``b . (f(y + e b) - f(y)) / (e n)``, a scalar.

    Args:
        f: Maps pictures like ``y`` to pictures like ``y``.
        y: ``N C H W``.
        at_y: ``f(y)``, already computed.
        probe: Standard normal, like ``y``.
        step: ``e``.
    """
    return (probe * (f(y + step * probe) - at_y)).mean() / step


def SURE(x: Tensor, y: Tensor, sigma: float, spread: Tensor) -> Tensor:
    """``||f(y) - y||^2 / n - sigma^2 + 2 sigma^2 div / n``: the risk of ``x = f(y)``, its truth never seen; a scalar.

    Args:
        x: ``N C H W``, ``f(y)``.
        y: ``N C H W``.
        sigma: Deviation of the noise, in [0, 1].
        spread: :func:`divergence`.
    """
    return (x - y).square().mean() - sigma**2 + 2.0 * sigma**2 * spread


def estimated_sigma(y: Tensor) -> float:
    """Deviation of white noise in a picture: ``median(|d|) / 0.6745`` of its finest diagonal differences.

    ``d = (a - b - c + e) / 2`` over blocks of two by two pixels has the noise's deviation and little else where the
    picture is smooth (``donoho1994ideal``).

    Args:
        y: ``N C H W`` in [0, 1], both sides at least 2.
    """
    height, width = y.shape[-2] // 2 * 2, y.shape[-1] // 2 * 2
    a, b = y[..., 0:height:2, 0:width:2], y[..., 0:height:2, 1:width:2]
    c, e = y[..., 1:height:2, 0:width:2], y[..., 1:height:2, 1:width:2]
    return float(((a - b - c + e) / 2).abs().median() / 0.6745)
