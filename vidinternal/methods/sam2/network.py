"""The one place that imports ``sam2``: its video predictor with weights from a safetensors file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.learn.checkpoint import load, restore
from vidinternal.methods.sam2.config import Config
from vidinternal.ops.torchvision_door import torchvision_module

INSTALL = "pip install sam2"
_CONVERT = "convert SAM 2's .pt once with safetensors.torch.save_file and set masks.weights=FILE.safetensors"
# SAM 2's own post-processing without the holes that only its CUDA extension fills; corrections stay in its memory
_OVERRIDES = (
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
    "++model.binarize_mask_from_pts_for_mem_enc=true",
    "++model.add_all_frames_to_correct_as_cond=true",
)


def require(config: Config) -> tuple[Path, str]:
    """Refuse settings with which it cannot run, before any work.

    Returns:
        The weights file and the network's name.

    Raises:
        ConfigError: Weights or network are missing.
        UsageError: ``sam2`` is not installed.
    """
    if config.weights is None:
        raise ConfigError("masks.weights", expected="a file with SAM 2's weights", got="nothing", hint=_CONVERT)
    if not config.weights.is_file():
        raise ConfigError(
            "masks.weights", expected="a .safetensors file", got=f"no file {config.weights}", hint=_CONVERT
        )
    if config.network is None:
        raise ConfigError(
            "masks.network",
            expected="the network that the weights are for",
            got="nothing",
            hint="--set masks.network=sam2.1_hiera_t",
        )
    if "sam2" not in sys.modules and importlib.util.find_spec("sam2") is None:
        raise UsageError(
            "masks.method=sam2", expected="the package sam2 installed", got="no such package", hint=INSTALL
        )
    return config.weights, config.network


def predictor(config: Config, device: torch.device) -> Any:
    """SAM 2's video predictor.

    Raises:
        ConfigError: The weights are missing, are no safetensors file, or belong to another network.
        UsageError: ``sam2`` or a package it needs is not installed.
    """
    weights, network = require(config)
    return _loaded(weights.resolve(), weights.stat().st_mtime_ns, network, device)


@lru_cache(maxsize=1)
def _loaded(weights: Path, _changed: int, network: str, device: torch.device) -> Any:
    try:
        tensors = load(weights).tensors
    except UsageError as error:
        # not safetensors: a .pt would have to be unpickled, which can run code
        raise ConfigError("masks.weights", expected="a .safetensors file", got=str(weights), hint=_CONVERT) from error
    torchvision_module()
    build = _module("sam2.build_sam")
    for name in ("sam2.sam2_video_predictor", "sam2.utils.misc"):
        _module(name).__dict__["tqdm"] = _quiet
    family = network.split("_", maxsplit=1)[0]
    with torch.random.fork_rng(devices=[]):  # it draws weights only to throw them away
        model = build.build_sam2_video_predictor(
            f"configs/{family}/{network}.yaml",
            None,
            device=str(device),
            hydra_overrides_extra=list(_OVERRIDES),
            apply_postprocessing=False,
        )
    restore(model, tensors, f"SAM 2's weights {weights} as {network}")
    return model


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            "masks.method=sam2",
            expected="the package sam2 with what it needs",
            got=f"no package '{error.name}'",
            hint=INSTALL,
        ) from error


def _quiet(items: Any, **_: Any) -> Any:
    """In place of its bars: progress is told by us."""
    return items
