"""What a pipeline is made of; each stage declares what it reads and writes.

A stage lives in ``stages/<name>.py`` and is found by that name.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from vidinternal.core.errors import PipelineError, nearest

if TYPE_CHECKING:
    from vidinternal.stages.base import Stage

_SUPPORT = {
    "base",
    "artifacts",
    "work_area",
    "fill_window",
    "memory",
    "out_of_memory",
    "preview",
    "promise",
    "clip_view",
    "lay_over",
    "output_clip",
    "frame_store",
    "guided",
    "made",
    "patches",
    "lift",
    "per_frame",
    "blur_kernel",
}


def names() -> tuple[str, ...]:
    """Names of all stages, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _SUPPORT))


def stage_class(name: str) -> type[Stage]:
    """The class of a stage.

    Raises:
        PipelineError: There is no stage of that name; the message names the nearest.
    """
    if name not in names():
        raise PipelineError(f"stage '{name}'", expected="a stage", got=repr(name), hint=nearest(name, names()))
    return importlib.import_module(f"{__name__}.{name}").STAGE
