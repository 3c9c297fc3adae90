"""The guided filter (``he2010guided``): a map made to follow the edges of a picture.

Around every pixel the map is explained as a linear function of the guide's colours; the explanations of all the windows
that a pixel lies in are averaged. kornia's has the same equations, but its cost grows with the radius, and it fails
where the radius reaches the size of the picture: here the sums are running ones, and windows are cut at the border.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

RADIUS = 50
EPSILON = 1e-4
"""Double-DIP's settings, for transmissions and masks of its 500 to 800 pixels."""


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over the square of ``2 radius + 1`` pixels around each, cut at the border; cost does not depend on it.

    Args:
        x: ``N C H W``.
        radius: Pixels.

    Returns:
        ``N C H W`` of the same type.
    """
    if radius == 0:
        return x
    return _running_mean(_running_mean(x.double(), radius, -1), radius, -2).to(x.dtype)


def _running_mean(x: Tensor, radius: int, dim: int) -> Tensor:
    size = x.shape[dim]
    total = x.cumsum(dim)
    total = torch.cat((torch.zeros_like(total.narrow(dim, 0, 1)), total), dim)
    place = torch.arange(size, device=x.device)
    high, low = (place + radius + 1).clamp(max=size), (place - radius).clamp(min=0)
    shape = [1] * x.ndim
    shape[dim] = size
    return (total.index_select(dim, high) - total.index_select(dim, low)) / (high - low).view(shape)


def guided_filter(guide: Tensor, x: Tensor, radius: int = RADIUS, epsilon: float = EPSILON, every: int = 1) -> Tensor:
    """``q = mean(a) . I + mean(b)`` with ``a = (cov(I) + epsilon)^-1 cov(I, x)`` and ``b = mean(x) - a . mean(I)``.

    Args:
        guide: ``N 3 H W`` or ``N 1 H W``, the pictures whose edges are followed, in [0, 1].
        x: ``N C H W``, what is filtered.
        radius: Of the windows, pixels.
        epsilon: Variance of the guide below which a window is smoothed, above which its edges are kept.
        every: The windows' statistics are made on pictures this many times smaller (``he2015fast``): nearly the same,
            ``every ** 2`` times cheaper. 1 is exact.

    Returns:
        ``N C H W`` float32; it may leave the range of ``x`` a little.

    Raises:
        ValueError: Sizes differ.
    """
    if guide.shape[-2:] != x.shape[-2:] or len(guide) != len(x):
        raise ValueError(f"guide {tuple(guide.shape)} and map {tuple(x.shape)} differ in number or size")
    full = (guide.shape[-2], guide.shape[-1])
    own, target = guide.float(), x.float()
    small = (max(1, full[0] // every), max(1, full[1] // every))
    if small != full:
        own, target = (nn_functional.interpolate(t, small, mode="area") for t in (own, target))
    # in double: a covariance is a small difference of large numbers
    a, b = (t.float() for t in _coefficients(own.double(), target.double(), max(0, round(radius / every)), epsilon))
    if small != full:
        a, b = (nn_functional.interpolate(t, full, mode="bilinear", align_corners=False) for t in (a, b))
    n, channels = x.shape[:2]
    colours = guide.shape[1]
    return (a.view(n, channels, colours, *full) * guide.float().unsqueeze(1)).sum(dim=2) + b


def _coefficients(guide: Tensor, x: Tensor, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """``N C*colours H W`` slopes and ``N C H W`` offsets, averaged over the windows of each pixel."""
    n, colours, height, width = guide.shape
    channels = x.shape[1]
    mean_guide, mean_x = box_mean(guide, radius), box_mean(x, radius)
    together = box_mean(_products(x, guide), radius) - _products(mean_x, mean_guide)
    variance = _covariance(guide, mean_guide, radius)
    flat = together.view(n, channels, colours, height, width)
    a = torch.stack([torch.stack(_solve(variance, flat[:, c], epsilon), dim=1) for c in range(channels)], dim=1)
    b = mean_x - (a * mean_guide.unsqueeze(1)).sum(dim=2)
    return box_mean(a.flatten(1, 2), radius), box_mean(b, radius)


def _products(x: Tensor, guide: Tensor) -> Tensor:
    return (guide.unsqueeze(1) * x.unsqueeze(2)).flatten(1, 2)


def _covariance(guide: Tensor, mean: Tensor, radius: int) -> list[list[Tensor]]:
    """The guide's symmetric covariance, ``N H W`` an entry."""
    colours = guide.shape[1]
    rows: list[list[Tensor]] = [[mean] * colours for _ in range(colours)]
    for i in range(colours):
        for j in range(i, colours):
            entry = box_mean(guide[:, i : i + 1] * guide[:, j : j + 1], radius)[:, 0] - mean[:, i] * mean[:, j]
            rows[i][j] = rows[j][i] = entry
    return rows


def _solve(variance: list[list[Tensor]], right: Tensor, epsilon: float) -> list[Tensor]:
    """``(variance + epsilon)^-1 right`` by Cholesky's method, entry by entry: a batch of tiny systems is slow."""
    size = len(variance)
    lower: list[list[Tensor]] = []
    nothing = torch.zeros_like(right[:, 0])
    for i in range(size):
        row: list[Tensor] = []
        for j in range(i + 1):
            rest = variance[i][j] - sum((row[k] * (row if i == j else lower[j])[k] for k in range(j)), nothing)
            # rounding may take a variance of nothing just below nothing
            row.append((rest.clamp(min=0) + epsilon).sqrt() if i == j else rest / lower[j][j])
        lower.append(row)
    forward: list[Tensor] = []
    for i in range(size):
        done = sum((lower[i][k] * forward[k] for k in range(i)), nothing)
        forward.append((right[:, i] - done) / lower[i][i])
    solved: list[Tensor] = [right[:, 0]] * size
    for i in reversed(range(size)):
        done = sum((lower[k][i] * solved[k] for k in range(i + 1, size)), nothing)
        solved[i] = (forward[i] - done) / lower[i][i]
    return solved
