"""Clean footage by training a network on the one clip it is given.

The same verbs as on the command line, for notebooks: :func:`run` takes files, :func:`inpaint` takes arrays. Nothing
heavy is imported before one of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidinternal.engines.notebook import inpaint, run

__all__ = ["inpaint", "run"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("vidinternal.engines.notebook"), name)
    raise AttributeError(f"module 'vidinternal' has no attribute '{name}'; public: {', '.join(__all__)}")
