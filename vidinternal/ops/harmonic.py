"""Harmonic (membrane) fill: Laplace's equation inside the hole, the known pixels around it as Dirichlet data.

With ``u`` known outside the hole ``H``, the fill solves ``sum_q (u(p) - u(q)) = 0`` for every ``p`` in ``H``, ``q``
running over those of its four neighbours that lie in the picture (so the picture's own edge is a Neumann edge). It is
the smoothest continuation (least Dirichlet energy), obeys the maximum principle, and reproduces linear ramps exactly
wherever the hole does not touch the picture's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.ops.conjugate import conjugate_gradients

DIRECT_LIMIT = 400_000
"""Unknowns up to which the sparse system is factorised; beyond, conjugate gradients start from a coarse solution."""

_OFFSETS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def harmonic_fill(values: Tensor, holes: Tensor, empty: float = 0.5) -> Tensor:
    """Fill holes with the harmonic continuation of what surrounds them, frame by frame.

    Frames that share one hole (a static caption) share one factorisation. A frame without a single known pixel gets
    the mean of the fills of the nearest frames before and after it that have some; where no frame has any, ``empty``.

    Args:
        values: ``T C H W``; what is under ``holes`` is never read.
        holes: ``T 1 H W`` bool, True = to fill.
        empty: The value where nothing at all is known.

    Returns:
        ``T C H W`` of the type and device of ``values``; known samples are untouched.

    Raises:
        UsageError: The shapes do not belong together.
    """
    if values.ndim != 4 or holes.shape != (len(values), 1, *values.shape[-2:]):
        raise UsageError(
            "harmonic_fill",
            expected="values T C H W and holes T 1 H W",
            got=f"{tuple(values.shape)} and {tuple(holes.shape)}",
        )
    exact = values.dtype if values.dtype in (torch.float32, torch.float64) else torch.float32
    filled = values.detach().to("cpu", exact, copy=True, memory_format=torch.contiguous_format)
    where = holes.detach().cpu().numpy().astype(bool)[:, 0]
    blank = [t for t in range(len(where)) if where[t].all()]
    for frames in _same_hole(where):
        _fill_frames(filled.numpy(), where[frames[0]], frames)
    _fill_blank(filled, blank, empty)
    return filled.to(values)


def _crop(hole: np.ndarray) -> tuple[slice, slice]:
    """The box one pixel wider than the hole."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)


@dataclass(frozen=True)
class _Problem:
    """``K H W`` data, and ``H W`` bool of what is unknown."""

    data: np.ndarray
    hole: np.ndarray


def _same_hole(where: np.ndarray) -> list[list[int]]:
    """Group the frames that have a hole, and not only a hole, by equal hole."""
    groups: dict[bytes, list[int]] = {}
    for t, hole in enumerate(where):
        if hole.any() and not hole.all():
            groups.setdefault(np.packbits(hole).tobytes(), []).append(t)
    return list(groups.values())


def _fill_frames(filled: np.ndarray, hole: np.ndarray, frames: list[int]) -> None:
    """Solve one hole for several frames at once, in place, in the crop one pixel wider than the hole."""
    rows, columns = _crop(hole)
    crop = hole[rows, columns]
    channels = filled.shape[1]
    data = np.concatenate([filled[t, :, rows, columns] for t in frames]).astype(np.float64)
    solution = _solve(_Problem(data, crop)).T
    for number, t in enumerate(frames):
        part = filled[t, :, rows, columns]
        part[:, crop] = solution[number * channels : (number + 1) * channels]


def _system(problem: _Problem) -> tuple[sparse.csc_matrix, np.ndarray]:
    """The matrix ``N N`` and right-hand sides ``N K`` of the discrete Laplace equation."""
    data, hole = problem.data, problem.hole
    height, width = hole.shape
    y, x = hole.nonzero()
    count = len(y)
    number = np.full(hole.shape, -1, dtype=np.int64)
    number[y, x] = np.arange(count)
    diagonal = np.zeros(count)
    right = np.zeros((count, len(data)))
    rows, columns = [], []
    for step_y, step_x in _OFFSETS:
        near_y, near_x = y + step_y, x + step_x
        inside = (near_y >= 0) & (near_y < height) & (near_x >= 0) & (near_x < width)
        diagonal += inside
        at = inside.nonzero()[0]
        neighbour = number[near_y[at], near_x[at]]
        unknown = neighbour >= 0
        rows.append(at[unknown])
        columns.append(neighbour[unknown])
        border = at[~unknown]
        right[border] += data[:, near_y[border], near_x[border]].T
    rows.append(np.arange(count))
    columns.append(np.arange(count))
    weights = np.full(sum(map(len, rows)), -1.0)
    weights[-count:] = diagonal
    place = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csc_matrix((weights, place), shape=(count, count)), right


def _solve(problem: _Problem) -> np.ndarray:
    """Solve for the hole; returns ``N K`` in row-major order of the hole."""
    matrix, right = _system(problem)
    if len(right) <= DIRECT_LIMIT:
        # The matrix is a symmetric M-matrix: diagonal pivots are safe, and the symmetric ordering halves the fill-in.
        factors = linalg.splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        return factors.solve(right)
    start = _coarse_start(problem.data, problem.hole)
    scale = float(np.abs(right).max()) or 1.0
    return conjugate_gradients(sparse.csr_matrix(matrix), right, 1e-6 * scale, start)


def _coarse_start(data: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Solve on a grid of half the size and enlarge: a start from which few iterations are left."""
    height, width = hole.shape
    pad = ((0, height % 2), (0, width % 2))
    known = np.pad(~hole, pad).astype(np.float64)
    cells = (known.shape[0] // 2, 2, known.shape[1] // 2, 2)
    weight = known.reshape(cells).sum(axis=(1, 3))
    sums = np.stack([(np.pad(np.where(hole, 0.0, d), pad)).reshape(cells).sum(axis=(1, 3)) for d in data])
    small = sums / np.maximum(weight, 1.0)
    coarse = weight == 0
    if coarse.any():
        small[:, coarse] = _solve(_Problem(small, coarse)).T
    size = (known.shape[1], known.shape[0])
    large = np.stack([cv2.resize(s, size, interpolation=cv2.INTER_LINEAR) for s in small])
    return large[:, :height, :width][:, hole].T


def _fill_blank(filled: Tensor, blank: list[int], empty: float) -> None:
    """Fill frames that know nothing from their nearest filled neighbours in time, in place."""
    full = [t for t in range(len(filled)) if t not in set(blank)]
    for t in blank:
        before, after = [s for s in full if s < t][-1:], [s for s in full if s > t][:1]
        filled[t] = filled[before + after].mean(dim=0) if full else empty
