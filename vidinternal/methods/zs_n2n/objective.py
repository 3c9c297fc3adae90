"""The terms of ``mansour2023zsn2n``: f is the network, which predicts the noise."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

Network = Callable[[Tensor], Tensor]


def halves(y: Tensor) -> tuple[Tensor, Tensor]:
    """``D_1 y`` and ``D_2 y``, ``N C H/2 W/2`` each: of every 2x2 pixels the mean of one diagonal, and of the other.

    Where noise is independent from pixel to pixel, theirs is independent of each other's, and the picture is the same.
    """
    a, b = y[..., 0::2, 0::2], y[..., 0::2, 1::2]
    c, d = y[..., 1::2, 0::2], y[..., 1::2, 1::2]
    return (b + c) / 2, (a + d) / 2


def residual_loss(clean: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """``L_res = 1/2 (|D_1 y - f(D_1 y) - D_2 y|^2 + |D_2 y - f(D_2 y) - D_1 y|^2)``, means over all samples.

    Args:
        clean: ``2N C h w``, the halves less what the network holds for their noise.
        first: ``N C h w``, ``D_1 y``.
        second: ``N C h w``, ``D_2 y``.
    """
    return nn_functional.mse_loss(clean, torch.cat((second, first)))


def consistency_loss(clean: Tensor, whole: Tensor) -> Tensor:
    """``L_cons = 1/2 sum_i |D_i y - f(D_i y) - D_i(y - f(y))|^2``, means over all samples.

    Args:
        clean: As above.
        whole: ``N C H W``, the picture less what the network holds for its noise.
    """
    return nn_functional.mse_loss(clean, torch.cat(halves(whole)))


def total_loss(f: Network, y: Tensor, weight: float) -> tuple[Tensor, dict[str, Tensor]]:
    """``L_res + weight L_cons``, and its terms by name.

    Args:
        f: The network.
        y: ``N 3 H W`` noisy, even sides.
        weight: Of ``L_cons``.
    """
    first, second = halves(y)
    small = torch.cat((first, second))
    clean = small - f(small)
    terms = {"L_res": residual_loss(clean, first, second)}
    if weight:
        terms["L_cons"] = consistency_loss(clean, y - f(y))
    return terms["L_res"] + weight * terms.get("L_cons", torch.zeros(())), terms


def agreement(now: Tensor, before: Tensor, valid: Tensor, noise: float) -> Tensor:
    """``1 1 H W`` in [0, 1]: where the picture before, carried along, shows the same as this one.

    Differences are looked at over 5x5 pixels, where what is left of the noise averages out; what remains beyond it is
    motion that the flow has missed, light that has changed, or something new.

    Args:
        now: ``1 3 H W`` denoised.
        before: ``1 3 H W`` denoised, carried along the flow.
        valid: ``1 1 H W`` bool.
        noise: Standard deviation of what is left of the noise in either, of the range 0 to 1.
    """
    apart = (now - before).mean(dim=1, keepdim=True)
    far = nn_functional.avg_pool2d(nn_functional.pad(apart, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return torch.exp(-far.square() / (2 * max(noise, 1e-3) ** 2)) * valid
