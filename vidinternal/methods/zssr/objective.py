"""The equations of ``shocher2018zero``, in its words.

A *son* is a *father* made smaller; what is learned from such pairs is then done to the picture itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.ops.imresize import imresize, output_size, shrink


def father_to_son(
    hr_father: Tensor, sf: tuple[float, float], kernel: Tensor | None, noise: Tensor | None = None
) -> Tensor:
    """``I_son = (I_father * k) down by s + n``, clipped.

    Args:
        hr_father: ``N 3 H W``.
        sf: Vertical and horizontal factor, at least 1.
        kernel: ``k l`` in line with ``sf``; None = the antialiased cubic.
        noise: ``n``, of the son's size; None = none.

    Returns:
        ``N 3 h w`` with ``h = ceil(H / s)``.
    """
    size = son_size(hr_father.shape[-2], hr_father.shape[-1], sf)
    son = shrink(hr_father, (1 / sf[0], 1 / sf[1]), size, kernel)
    return (son if noise is None else son + noise).clamp(0, 1)


def son_size(height: int, width: int, sf: tuple[float, float]) -> tuple[int, int]:
    """Rows and columns of the son of a father."""
    return output_size(height, width, (1 / sf[0], 1 / sf[1]))


def interpolated(lr: Tensor, sf: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """The network's input: the small picture brought to the size of the large one by cubic interpolation."""
    return imresize(lr, sf, size)


PREPARED = 4
PREPARED_KERNEL = 12
"""Back-projections of the prepared input: under a blur much more is to be had, and more slowly."""


def prepared(lr: Tensor, sf: tuple[float, float], size: tuple[int, int], kernel: Tensor | None) -> Tensor:
    """The input of preset ``fast``: interpolated, then back-projected.

    What linear algebra can undo of the blur the network need not learn; on a blur of sigma 2 this alone is worth 4 to
    6 dB, and the network's task hardly depends on the kernel any more.
    """
    start = interpolated(lr, sf, size)
    return back_projection(start, lr, sf, kernel, PREPARED if kernel is None else PREPARED_KERNEL)


def reconstruction(hr_father: Tensor, reconstructed: Tensor, weights: Tensor | None = None) -> Tensor:
    """``L_1 = mean |I_father - f(I_son)|`` over all pixels and channels; ``weights`` ``N 1 H W`` of mean 1 or None."""
    error = (hr_father - reconstructed).abs()
    return (error if weights is None else error * weights).mean()


def mse_rec(hr_father: Tensor, reconstructed: Tensor) -> float:
    """Mean squared error of the picture made from its own son: what the learning rate is judged by."""
    return float((hr_father - reconstructed.clamp(0, 1)).double().square().mean())


def temporal(hr: Tensor, warped: Tensor, valid: Tensor) -> Tensor:
    """``L_t = mean_v |I_t - W(I_{t-1})|`` over the pixels where the flow can be believed; 0 where it is nowhere.

    Args:
        hr: ``N 3 H W``, the network's present output.
        warped: ``N 3 H W``, the picture before, carried along the flow; no gradient goes there.
        valid: ``N 1 H W`` bool.
    """
    error = (hr - warped.detach()).abs() * valid
    return error.sum() / (valid.sum() * hr.shape[1]).clamp(min=1)


def back_projection(hr: Tensor, lr: Tensor, sf: tuple[float, float], kernel: Tensor | None, times: int) -> Tensor:
    """``I <- clip(I + (I_lr - (I * k) down by s) up by s)``: what does not shrink to the input is put right.

    Args:
        hr: ``N 3 H W``.
        lr: ``N 3 h w``.
        sf: Vertical and horizontal factor.
        kernel: As for :func:`father_to_son`.
        times: How often.
    """
    size = (hr.shape[-2], hr.shape[-1])
    small = (lr.shape[-2], lr.shape[-1])
    for _ in range(times):
        left = lr - shrink(hr, (1 / sf[0], 1 / sf[1]), small, kernel)
        hr = (hr + imresize(left, sf, size)).clamp(0, 1)
    return hr


def slope_and_error(steps: list[int], errors: list[float]) -> tuple[float, float]:
    """Slope of the least-squares line through ``errors`` and the standard error of that slope."""
    x = torch.tensor(steps, dtype=torch.float64)
    y = torch.tensor(errors, dtype=torch.float64)
    centred = x - x.mean()
    spread = centred.square().sum()
    slope = (centred * y).sum() / spread
    rest = (y - y.mean() - slope * centred).square().sum()
    return float(slope), float((rest / max(1, len(steps) - 2) / spread).sqrt())
