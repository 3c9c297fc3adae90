"""Explicit randomness: a seed tree, one named branch per stage, window and purpose; no global seeding."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def branch(seed: int, *path: str | int) -> int:
    """Derive a child seed, the same for the same path on every machine.

    Args:
        seed: The parent seed.
        path: Names or indices of the branch, e.g. ``("inpaint", 3, "noise")``.

    Returns:
        A non-negative 63-bit integer.
    """
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *path: str | int) -> torch.Generator:
    """Return a CPU ``torch.Generator`` for the branch; draw on the CPU and move, so that devices agree."""
    import torch  # noqa: PLC0415 - core is imported by `--help`, which must not import torch

    return torch.Generator().manual_seed(branch(seed, *path))
