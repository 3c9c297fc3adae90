"""The dark channel prior (``he2009dark``): haze as ``I = t J + (1 - t) A``.

Out of doors, nearly every small neighbourhood of a clear picture has something dark in one of its colours, a shadow or
a leaf. What is bright in all three is haze: the dark channel of a hazy picture tells how much of it there is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

LEAST_LIGHT = 0.02
"""Airlight below which a picture is taken as black: nothing can be divided by it."""


def dark_channel(frames: Tensor, side: int = 15) -> Tensor:
    """``D(p)``, the least value of any colour within ``side`` x ``side`` pixels around p.

    Args:
        frames: ``N 3 H W``.
        side: Of the neighbourhood, odd, pixels; it is cut at the border.

    Returns:
        ``N 1 H W``.
    """
    least = frames.amin(dim=1, keepdim=True)
    # a square's least value is the least of its rows' least values; the pooling pads with minus infinity
    rows = nn_functional.max_pool2d(-least, (1, side), stride=1, padding=(0, side // 2))
    return -nn_functional.max_pool2d(rows, (side, 1), stride=1, padding=(side // 2, 0))


def airlight(frames: Tensor, side: int = 15, share: float = 0.001) -> Tensor:
    """``A``, the colour of the haze: the mean of where the dark channel is brightest in all of these pictures.

    Args:
        frames: ``K 3 H W`` pictures of one shot.
        side: Of the dark channel's neighbourhood, odd, pixels.
        share: Of the pixels of all pictures together that are taken; pixels as bright as the last of them count too.

    Returns:
        ``3``, at least :data:`LEAST_LIGHT`.
    """
    dark = dark_channel(frames, side).flatten()
    wanted = max(1, round(share * dark.numel()))
    least = dark.topk(wanted).values[-1]
    where = (dark >= least).view(len(frames), 1, *frames.shape[-2:]).to(frames.dtype)
    return ((frames * where).sum(dim=(0, 2, 3)) / where.sum()).clamp(min=LEAST_LIGHT)


def transmission(frames: Tensor, light: Tensor, side: int = 15, omega: float = 0.95) -> Tensor:
    """``t(p) = 1 - omega D(I / A)(p)``, how much of the scene's own light arrives.

    Args:
        frames: ``N 3 H W``.
        light: ``3`` the airlight, or ``N 3 H W`` where it is not the same everywhere.
        side: Of the dark channel's neighbourhood, odd, pixels.
        omega: Share of the haze that is taken away; a little left far off keeps the depth.

    Returns:
        ``N 1 H W`` in [0, 1].
    """
    return (1 - omega * dark_channel(frames / spread(light).clamp(min=LEAST_LIGHT), side)).clamp(0, 1)


def clear(frames: Tensor, light: Tensor, t: Tensor, least: float = 0.1) -> Tensor:
    """``J = (I - A) / max(t, least) + A``, the scene without haze.

    Args:
        frames: ``N 3 H W``.
        light: ``3`` the airlight, or ``N 3 H W``.
        t: ``N 1 H W`` the transmission.
        least: Transmission below which the noise would be raised too far.

    Returns:
        ``N 3 H W`` in [0, 1].
    """
    own = spread(light)
    return ((frames - own) / t.clamp(min=least) + own).clamp(0, 1)


def hazy(scene: Tensor, light: Tensor, t: Tensor) -> Tensor:
    """``I = t J + (1 - t) A`` (``koschmieder1924theorie``), the haze put on.

    Args:
        scene: ``N 3 H W``.
        light: ``3`` the airlight, or ``N 3 H W``.
        t: ``N 1 H W`` the transmission.
    """
    return t * scene + (1 - t) * spread(light)


def spread(light: Tensor) -> Tensor:
    """An airlight of three numbers as ``1 3 1 1``; maps stay as they are."""
    return light.view(1, 3, 1, 1) if light.ndim == 1 else light


def light_map(light: Tensor, like: Tensor) -> Tensor:
    """The airlight as ``N 3 H W`` in [0, 1], as a layer is kept."""
    return spread(light).to(like).clamp(0, 1).expand_as(like).contiguous()


def mean_light(light: Tensor) -> list[float]:
    """The airlight's mean colour, rounded, for a report."""
    colour = light if light.ndim == 1 else light.mean(dim=(0, 2, 3))
    return [round(float(c), 4) for c in torch.as_tensor(colour).cpu()]
