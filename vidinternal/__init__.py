"""Clean footage by training a network on the one clip it is given.

The same verbs as on the command line, for notebooks: :func:`run` takes files, :func:`inpaint` takes arrays,
:func:`upscale`, :func:`denoise`, :func:`dehaze`, :func:`segment`, :func:`separate` and :func:`restore` take images and
clips as arrays, and image files. Nothing heavy is imported before one of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidinternal.engines.notebook import inpaint, run
    from vidinternal.engines.notebook_images import dehaze, denoise, restore, segment, separate, upscale

__all__ = ["dehaze", "denoise", "inpaint", "restore", "run", "segment", "separate", "upscale"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = "notebook" if name in ("inpaint", "run") else "notebook_images"
        return getattr(import_module(f"vidinternal.engines.{module}"), name)
    raise AttributeError(f"module 'vidinternal' has no attribute '{name}'; public: {', '.join(__all__)}")
