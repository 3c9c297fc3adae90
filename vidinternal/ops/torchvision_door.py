"""The one place that imports torchvision.

The Linux wheels of torchvision on PyPI are built for CUDA. Beside a CPU-only torch their compiled extension cannot be
loaded, and then the import fails, because torchvision describes operators (``torchvision::nms``) that nobody has
defined. What is needed here, RAFT, is plain Python: so the operators' schemas are defined
first, without an implementation. Calling one still fails, and says why.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import warnings
from functools import cache
from types import ModuleType
from typing import Literal

import torch
from torch import nn

from vidinternal.core.errors import UsageError

_HINT = "pip install --no-deps torchvision pillow   (in the version made for your torch)"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[torch.library.Library] = []  # definitions last as long as these objects


@cache
def torchvision_module() -> ModuleType:
    """Import torchvision, with or without its compiled operators.

    Raises:
        UsageError: torchvision or a package it needs is not installed, or it is made for another torch.
    """
    _require_match()
    try:
        return _import()
    except ModuleNotFoundError as error:
        raise UsageError(
            f"torchvision needs the package '{error.name}'", expected="it installed", got="none", hint=_HINT
        ) from error
    except RuntimeError as error:
        if not re.search(r"operator torchvision::\w+ does not exist", str(error)):
            raise
    _define_schemas()
    return _import()


def _require_match() -> None:
    """Refuse a torchvision that is not installed, or whose metadata pins another release of torch."""
    try:
        wanted = importlib.metadata.requires("torchvision") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError("torchvision", expected="the package installed", got="no such package", hint=_HINT) from error
    pins = [m[1] for r in wanted if (m := re.match(r"torch\s*\(?==\s*([0-9]+\.[0-9]+)", r))]
    have = re.match(r"[0-9]+\.[0-9]+", torch.__version__)
    # Releases that differ in the last number alone go together.
    if pins and have and pins[0] != have[0]:
        raise UsageError(
            f"torchvision {importlib.metadata.version('torchvision')}",
            expected=f"torch {pins[0]}, which it was made for",
            got=f"torch {torch.__version__}",
            hint=_HINT,
        )


def _import() -> ModuleType:
    """Import torchvision, leaving no half-imported module behind."""
    before = set(sys.modules)
    try:
        with warnings.catch_warnings():
            # Its image decoders are not used here, and they warn that they could not be loaded either.
            warnings.filterwarnings("ignore", message="Failed to load image Python extension", category=UserWarning)
            return importlib.import_module("torchvision")
    except BaseException:
        for name in set(sys.modules) - before:
            if name.split(".")[0] == "torchvision":
                del sys.modules[name]
        raise


def _define_schemas() -> None:
    """Define the operators that torchvision only describes, without an implementation."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.split("(")[0]):
            library.define(schema)
    _libraries.append(library)


def raft(size: Literal["large", "small"]) -> nn.Module:
    """The RAFT network (``teed2020raft``) with UNINITIALISED parameters, to be loaded by the caller; in eval mode.

    Its input are two ``N 3 H W`` pictures in [-1, 1], sides multiples of 8 and at least 128; it returns the flows
    ``N 2 H W`` of all its iterations.
    """
    module = torchvision_module().models.optical_flow
    with torch.device("meta"):  # no memory is filled, and no global random number is drawn
        network = {"large": module.raft_large, "small": module.raft_small}[size](weights=None, progress=False)
    return network.to_empty(device="cpu").eval()
