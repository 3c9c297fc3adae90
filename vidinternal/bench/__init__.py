"""Side-by-side tables measured on this machine.

A bench lives in ``bench/<name>.py`` or, with much beside it, in a package of that name, has one function
``run(options, progress)`` and is found by that name.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError, nearest

if TYPE_CHECKING:
    from vidinternal.bench.base import BenchOptions, BenchResult

_SUPPORT = {
    "base",
    "before_after",
    "camera",
    "cases",
    "clip_scores",
    "dip_cases",
    "dip_pieces",
    "dip_rows",
    "double_dip_cases",
    "double_dip_rows",
    "drawn",
    "fusion_start",
    "glass",
    "holes",
    "machine",
    "memory_child",
    "meta_start",
    "plot",
    "readme",
    "score",
    "track_cases",
    "track_rows",
    "warm_images",
    "warm_students",
    "warm_trial",
    "zssr_cases",
    "zssr_start",
}


def names() -> tuple[str, ...]:
    """Names of all benches, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _SUPPORT))


def run_bench(name: str, options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run a bench.

    Args:
        name: One of :func:`names`.
        options: How big, how long, on what.
        progress: Tells how far it is.

    Raises:
        UsageError: There is no bench of that name; the message names the nearest.
    """
    if name not in names():
        raise UsageError(f"bench '{name}'", expected="a bench", got=repr(name), hint=nearest(name, names()))
    return importlib.import_module(f"{__name__}.{name}").run(options, progress)
