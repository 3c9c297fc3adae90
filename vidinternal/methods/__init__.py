"""One folder per method, found by its name; no table to edit.

A folder ``methods/<folder>/`` holds ``__init__.py`` (``CARDS``, light: imports neither torch nor cv2), ``config.py``
(its typed settings), ``method.py`` (``METHODS``, one object per card), ``objective.py`` where it has equations, and a
``README.md``. A folder with one card has the card's name; a paper with several modes has one card for each. A name
belongs to one folder for each task: ``dip`` fills holes in one folder and denoises in another.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from vidinternal.core.errors import PipelineError, nearest

if TYPE_CHECKING:
    from vidinternal.core.contracts import FlowMethod, InpaintMethod, MethodCard
    from vidinternal.core.finding import MaskMethod
    from vidinternal.core.imaging import ImageMethod, KernelMethod


@cache
def _folders() -> dict[tuple[str, str], str]:
    """Name and task of a card -> folder name, for every folder beside this file."""
    found: dict[tuple[str, str], str] = {}
    for module in pkgutil.iter_modules(__path__):
        for entry in importlib.import_module(f"{__name__}.{module.name}").CARDS:
            key = entry.name, entry.task
            if key in found:
                raise RuntimeError(f"method '{entry.name}' is declared by both {found[key]} and {module.name}")
            found[key] = module.name
    return found


def cards(task: str | None = None) -> tuple[MethodCard, ...]:
    """All method cards, sorted by name, of one task or of all."""
    found = (
        entry
        for folder in sorted(set(_folders().values()))
        for entry in importlib.import_module(f"{__name__}.{folder}").CARDS
    )
    return tuple(sorted((c for c in found if task in (None, c.task)), key=lambda c: c.name))


def card(name: str, task: str) -> MethodCard:
    """The card of a method.

    Raises:
        PipelineError: No method of that name does that task; the message names the nearest.
    """
    known = {c.name: c for c in cards(task)}
    if name not in known:
        raise PipelineError(
            f"method '{name}'", expected=f"a method for '{task}'", got=repr(name), hint=nearest(name, known)
        )
    return known[name]


def module_name(name: str, task: str) -> str:
    """Dotted name of the module that holds a method's code.

    Raises:
        PipelineError: No method of that name does that task.
    """
    card(name, task)
    return f"{__name__}.{_folders()[name, task]}.method"


def _load(name: str, task: str) -> object:
    wanted = card(name, task)
    module = importlib.import_module(module_name(name, task))
    return next(m for m in module.METHODS if m.card == wanted)


def inpaint_method(name: str) -> InpaintMethod:
    """Import and return the inpainting method of that name."""
    return _load(name, "inpaint")  # pyright: ignore[reportReturnType]


def flow_method(name: str) -> FlowMethod:
    """Import and return the flow method of that name."""
    return _load(name, "flow")  # pyright: ignore[reportReturnType]


def mask_method(name: str) -> MaskMethod:
    """Import and return the method of that name that tells what is to be removed."""
    return _load(name, "masks")  # pyright: ignore[reportReturnType]


def image_method(name: str, task: str) -> ImageMethod:
    """Import and return the method of that name for one of ``core.imaging.IMAGE_TASKS``."""
    return _load(name, task)  # pyright: ignore[reportReturnType]


def kernel_method(name: str) -> KernelMethod:
    """Import and return the method of that name that estimates blur kernels."""
    return _load(name, "kernel")  # pyright: ignore[reportReturnType]
