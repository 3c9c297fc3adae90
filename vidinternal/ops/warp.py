"""Backward warping and the forward/backward check.

Convention: ``F[t->t+s]`` in pixels, x then y, pixel centres, so that ``backward_warp(I[t+s], F) ~ I[t]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor


def pixel_grid(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return ``2 H W`` float32 pixel coordinates, x then y."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=device),
        torch.arange(width, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack((x, y))


def backward_warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Sample ``image`` at ``p + flow(p)``; differentiable in both.

    Args:
        image: ``N C H W``.
        flow: ``N 2 H W`` pixels.
        mode: ``bilinear``, ``nearest`` or ``bicubic``.

    Returns:
        ``N C H W``; samples outside the picture repeat its border. Pixel centres are aligned
        (``align_corners=True``), so an integer flow is an exact shift.
    """
    height, width = image.shape[-2:]
    target = pixel_grid(height, width, image.device).to(flow.dtype) + flow
    scale = flow.new_tensor([2.0 / max(width - 1, 1), 2.0 / max(height - 1, 1)])
    grid = target.permute(0, 2, 3, 1) * scale - 1.0
    return nn_functional.grid_sample(image, grid.to(image.dtype), mode=mode, padding_mode="border", align_corners=True)


def in_bounds(flow: Tensor) -> Tensor:
    """Return ``N 1 H W`` bool: ``p + flow(p)`` lies inside the picture."""
    height, width = flow.shape[-2:]
    x, y = (pixel_grid(height, width, flow.device) + flow).unbind(dim=1)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).unsqueeze(1)


def forward_backward_residual(forward: Tensor, backward: Tensor) -> Tensor:
    """Return ``N 1 H W``: ``|F(p) + B(p + F(p))|`` in pixels; infinite where ``p + F(p)`` leaves the picture."""
    missed = forward + backward_warp(backward, forward)
    residual = torch.hypot(missed[:, :1], missed[:, 1:])
    return residual.masked_fill(~in_bounds(forward), float("inf"))
