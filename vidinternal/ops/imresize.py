"""Resizing as MATLAB's ``imresize`` does it, and shrinking by a blur kernel given as numbers; differentiable.

Published super-resolution numbers are measured against pictures that ``imresize`` shrank. It differs from what image
libraries do by default: the interpolation kernel is stretched when shrinking (antialiasing), positions are pixel
centres, borders are mirrored, and scale and output size are two things: the size may be rounded, the scale is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.errors import UsageError

Interpolation = Literal["cubic", "lanczos2", "lanczos3", "linear", "box"]
Border = Literal["mirror", "replicate"]

_DENSE = 1 << 20  # up to so many weights one matrix product is faster than going through the taps


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution, a = -1/2."""
    a = x.abs()
    near = 1.5 * a**3 - 2.5 * a**2 + 1
    far = -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2
    return torch.where(a <= 1, near, torch.where(a <= 2, far, torch.zeros_like(a)))


def _lanczos(lobes: int) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.where(x.abs() < lobes, torch.sinc(x) * torch.sinc(x / lobes), torch.zeros_like(x))


def _linear(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _box(x: Tensor) -> Tensor:
    return ((x >= -0.5) & (x < 0.5)).to(x.dtype)


_KERNELS: Mapping[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "cubic": (_cubic, 4.0),
    "lanczos2": (_lanczos(2), 4.0),
    "lanczos3": (_lanczos(3), 6.0),
    "linear": (_linear, 2.0),
    "box": (_box, 1.0),
}
"""Each kernel and its width."""


@dataclass(frozen=True)
class _Taps:
    """How one side is resized: ``weights`` and ``places``, ``outputs taps``."""

    weights: Tensor
    places: Tensor


def scales(scale: float | tuple[float, float]) -> tuple[float, float]:
    """Vertical and horizontal factor.

    Raises:
        UsageError: Not one or two finite numbers above 0.
    """
    pair = (scale, scale) if isinstance(scale, int | float) else tuple(scale)
    if len(pair) != 2 or not all(math.isfinite(s) and s > 0 for s in pair):
        raise UsageError("scale", expected="one or two finite numbers above 0 (vertical, horizontal)", got=str(scale))
    return float(pair[0]), float(pair[1])


def output_size(height: int, width: int, scale: float | tuple[float, float]) -> tuple[int, int]:
    """``ceil(side * scale)``, where a product that is whole but for rounding counts as whole."""
    vertical, horizontal = scales(scale)
    return max(1, math.ceil(height * vertical - 1e-9)), max(1, math.ceil(width * horizontal - 1e-9))


def imresize(
    x: Tensor,
    scale: float | tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    interpolation: Interpolation = "cubic",
    *,
    antialias: bool = True,
    window: tuple[int, int, int, int] | None = None,
    border: Border = "mirror",
) -> Tensor:
    """Resize pictures.

    Output pixel ``u`` looks at ``(u + 1/2) / s - 1/2`` of the input; where ``s < 1`` the kernel is ``s h(s t)``.

    Args:
        x: ``... H W``, floating point.
        scale: One factor, or vertical and horizontal; None = what ``size`` says.
        size: ``(height, width)`` of the result; None = ``ceil(side * scale)``. Both may be given: the scale is exact
            and the size cuts or, by mirroring, goes on.
        interpolation: Which kernel.
        antialias: Whether the kernel is stretched when shrinking.
        window: ``(y, x, height, width)`` of the result: only that part is computed, the same values as in the whole.
        border: What lies outside the picture: its mirror image, or its last row and column again, as in older MATLABs,
            which made many of the published low-resolution pictures.

    Returns:
        ``... h w``, not clipped.

    Raises:
        UsageError: Neither scale nor size, an impossible one, an unknown kernel, or an empty picture.
    """
    height, width = x.shape[-2:]
    if interpolation not in _KERNELS:
        raise UsageError("imresize", expected=f"a kernel: {', '.join(_KERNELS)}", got=repr(interpolation))
    if not (height and width and x.is_floating_point()):
        raise UsageError("imresize", expected="a picture of real numbers", got=f"{tuple(x.shape)} {x.dtype}")
    if scale is None and size is None:
        raise UsageError("imresize", expected="a scale or a size", got="neither")
    factors = scales(scale) if scale is not None else (size[0] / height, size[1] / width) if size else (1.0, 1.0)
    target = size or output_size(height, width, factors)
    if min(target) < 1:
        raise UsageError("imresize", expected="a size of at least 1x1", got=f"{target[0]}x{target[1]}")
    top, left, rows, columns = window or (0, 0, *target)
    sides = [(-2, height, factors[0], top, rows), (-1, width, factors[1], left, columns)]
    for dim, length, factor, start, count in sorted(sides, key=lambda s: s[2]):  # the smaller factor first
        if factor == 1.0 and start == 0 and count == length:
            continue
        x = _along(x, dim, _taps(length, factor, (start, count), interpolation, antialias, border))
    return x


def shrink_by_kernel(x: Tensor, kernel: Tensor, scale: float | tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Blur by a kernel and keep every ``1/s``-th pixel.

    ``y[i] = sum_t k[t] x[round(i / s) + t - k // 2]``: correlation, borders mirrored, no interpolation. The first
    output pixel lies where the kernel's centre of mass falls around input pixel 0; to be in line with
    :func:`imresize` it must be at ``k // 2 + (1/s - 1) / 2``, where ``ops.kernels`` moves it.

    Args:
        x: ``N C H W``.
        kernel: ``k l``, summing to 1.
        scale: One factor, or vertical and horizontal, at most 1.
        size: ``(height, width)`` of the result.

    Raises:
        UsageError: The kernel is not two-dimensional, or the scale is impossible.
    """
    if kernel.ndim != 2:
        raise UsageError("blur kernel", expected="two dimensions", got=f"shape {tuple(kernel.shape)}")
    vertical, horizontal = scales(scale)
    height, width = x.shape[-2:]
    tall, wide = kernel.shape
    rows = _positions(size[0], vertical, height)
    columns = _positions(size[1], horizontal, width)
    kernel = kernel.to(x)
    step = (round(1 / vertical), round(1 / horizontal))
    # mirror and cut at once: every row that any output row needs, in order
    above, before = tall // 2, wide // 2
    reach = (torch.arange(-above, height + tall - above - 1), torch.arange(-before, width + wide - before - 1))
    padded = x.index_select(-2, _mirrored(reach[0], height).to(x.device))
    padded = padded.index_select(-1, _mirrored(reach[1], width).to(x.device))
    flat = padded.reshape(-1, 1, *padded.shape[-2:])
    even = rows == [i * step[0] for i in range(size[0])] and columns == [i * step[1] for i in range(size[1])]
    stride = step if even else (1, 1)
    blurred = nn_functional.conv2d(flat, kernel[None, None], stride=stride)
    if even:
        blurred = blurred[..., : size[0], : size[1]]
    else:
        blurred = blurred.index_select(-2, torch.tensor(rows, device=x.device))
        blurred = blurred.index_select(-1, torch.tensor(columns, device=x.device))
    return blurred.reshape(*x.shape[:-2], *size)


def shrink(x: Tensor, scale: float | tuple[float, float], size: tuple[int, int], kernel: Tensor | None) -> Tensor:
    """Shrink by :func:`shrink_by_kernel`, or by the antialiased cubic where there is no kernel."""
    return imresize(x, scale, size) if kernel is None else shrink_by_kernel(x, kernel, scale, size)


def _positions(count: int, scale: float, length: int) -> list[int]:
    return [min(length - 1, round(i / scale)) for i in range(count)]


def _mirrored(places: Tensor, length: int) -> Tensor:
    """``... 2 1 0 | 0 1 2 ... | n-1 n-2 ...``, as often as it takes."""
    folded = places.remainder(2 * length)
    return torch.where(folded < length, folded, 2 * length - 1 - folded)


@lru_cache(maxsize=256)
def _taps(
    length: int, scale: float, span: tuple[int, int], interpolation: str, antialias: bool, border: Border
) -> _Taps:
    """Weights of ``span[1]`` outputs from ``span[0]`` on, computed in double precision."""
    kernel, width = _KERNELS[interpolation]
    stretch = scale if antialias and scale < 1 else 1.0
    width = width / stretch
    centre = (torch.arange(span[0], span[0] + span[1], dtype=torch.float64) + 0.5) / scale - 0.5
    taps = math.ceil(width) + 2
    first = (centre - width / 2).floor()
    places = first[:, None] + torch.arange(taps, dtype=torch.float64)
    weights = stretch * kernel(stretch * (centre[:, None] - places))
    weights = weights / weights.sum(dim=1, keepdim=True)
    used = (weights != 0).any(dim=0)
    inside = _mirrored(places.long(), length) if border == "mirror" else places.long().clamp(0, length - 1)
    return _Taps(weights[:, used], inside[:, used])


def _along(x: Tensor, dim: int, taps: _Taps) -> Tensor:
    """Resize one side."""
    weights, places = taps.weights.to(x), taps.places.to(x.device)
    length, count = x.shape[dim], len(weights)
    if length * count <= _DENSE:
        matrix = x.new_zeros(count, length).scatter_add_(1, places, weights)
        return matrix @ x if dim == -2 else x @ matrix.T
    shape = (-1, 1) if dim == -2 else (-1,)
    total: Tensor | None = None
    for k in range(weights.shape[1]):
        part = x.index_select(dim, places[:, k]) * weights[:, k].view(shape)
        total = part if total is None else total + part
    assert total is not None
    return total
