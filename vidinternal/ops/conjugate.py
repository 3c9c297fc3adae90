"""Conjugate gradients for sparse symmetric systems, several right-hand sides at once, the same bits on every run."""

from __future__ import annotations

import numpy as np
from scipy import sparse

MOST_STEPS = 2000
"""Iterations after which the answer is taken as it is."""


def conjugate_gradients(
    matrix: sparse.csr_matrix, right: np.ndarray, tolerance: float, start: np.ndarray | None = None
) -> np.ndarray:
    """Solve ``matrix @ x = right`` for all columns as one system, with the diagonal as preconditioner.

    Args:
        matrix: ``N N``, symmetric, positive definite.
        right: ``N K``.
        tolerance: Largest element of the residual that is left.
        start: ``N K`` to start from; None = zero.

    Returns:
        ``N K`` of the type of ``right``.
    """
    inverse = np.reciprocal(np.asarray(matrix.diagonal(), dtype=right.dtype))[:, None]
    tiny = right.dtype.type(1e-30)
    solution = np.zeros_like(right) if start is None else start.astype(right.dtype)
    residual = right.copy() if start is None else right - matrix @ solution
    direction = residual * inverse
    energy = _dot(residual, direction)
    for _ in range(MOST_STEPS):
        if max(residual.max(initial=0.0), -residual.min(initial=0.0)) <= tolerance:
            break
        applied = matrix @ direction
        step = energy / max(_dot(direction, applied), tiny)
        solution += step * direction
        residual -= step * applied
        scaled = residual * inverse
        before, energy = energy, _dot(residual, scaled)
        direction *= energy / max(before, tiny)
        direction += scaled
    return solution


def _dot(one: np.ndarray, two: np.ndarray) -> np.floating:
    # Summed by numpy itself, not by BLAS: the same whatever the number of threads.
    return (one * two).sum()
