"""The screened Laplace equation on scattered pixels: a field that starts from given borders and fades.

``sum_q (d(p) - d(q)) + pull d(p) = 0``, ``q`` over those of the four neighbours that are pixels of the field or have a
given border value; others do not exist (a Neumann edge). Far from every border the field fades to zero over about
``1/sqrt(pull)`` pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from vidinternal.ops.conjugate import conjugate_gradients

BLOCK = 40_000
"""Pixels solved at once: vectors of this length stay in the processor's cache."""
TOLERANCE = 3e-5
"""Largest residual left, in units of the field."""


def screened(where: Tensor, shape: tuple[int, int, int], sides: Tensor, totals: Tensor, pull: float) -> Tensor:
    """Solve for the field.

    Args:
        where: ``N`` the pixels of the field as flat indices into ``T H W``, ascending.
        shape: ``(T, H, W)``.
        sides: ``N`` how many of the pixel's neighbours have a given value.
        totals: ``N K`` the sum of those values.
        pull: Positive.

    Returns:
        ``N K`` float32.
    """
    _, height, width = shape
    place = where.cpu().numpy()
    many, total = sides.cpu().numpy().astype(np.float32), totals.float().cpu().numpy()
    field = np.zeros_like(total)
    frame = place // (height * width)
    # Blocks end with a frame: nothing is coupled across.
    ends = np.flatnonzero(np.diff(frame, append=-1)) + 1
    start = 0
    for number, end in enumerate(ends):
        if end - start >= BLOCK or number == len(ends) - 1:
            rows = slice(start, end)
            system = _system(place[rows], height, width, many[rows], pull)
            field[rows] = conjugate_gradients(system, total[rows], TOLERANCE)
            start = end
    return torch.from_numpy(field).to(totals.device)


def _system(place: np.ndarray, height: int, width: int, sides: np.ndarray, pull: float) -> sparse.csr_matrix:
    """The matrix between the pixels."""
    count = len(place)
    beside = np.flatnonzero((np.diff(place, append=-1) == 1) & (place % width < width - 1))
    below = np.minimum(np.searchsorted(place, place + width), count - 1)
    under = np.flatnonzero((place[below] == place + width) & (place // width % height < height - 1))
    one = np.concatenate((beside, under)).astype(np.int32)
    two = np.concatenate((beside + 1, below[under])).astype(np.int32)
    diagonal = sides + pull + np.bincount(one, minlength=count) + np.bincount(two, minlength=count)
    diagonal = diagonal.astype(np.float32)
    rows = np.concatenate((one, two, np.arange(count, dtype=np.int32)))
    columns = np.concatenate((two, one, np.arange(count, dtype=np.int32)))
    values = np.concatenate((np.full(2 * len(one), -1.0, np.float32), diagonal))
    return sparse.csr_matrix((values, (rows, columns)), shape=(count, count))
