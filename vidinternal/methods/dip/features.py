"""Phi: the features of an image classifier of torchvision, its weights read from a file of the user's."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.errors import ConfigError, UsageError, nearest
from vidinternal.learn.checkpoint import load, restore
from vidinternal.ops.torchvision_door import torchvision_module

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which torchvision's weights expect


class _ReachedError(Exception):
    """Carries the features out of the network: what follows the layer would cost time and may change them in place."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


class Phi(nn.Module):
    """Output of one layer of a fixed classifier for a picture of any size.

    Args:
        network: In eval mode.
        layer: Name of a module, as in ``named_modules()``.
        side: Pixels of the square that pictures are brought to.
        where: What the network is, for messages.

    Raises:
        ConfigError: There is no such layer.
    """

    def __init__(self, network: nn.Module, layer: str, side: int, where: str) -> None:
        super().__init__()
        modules = dict(network.named_modules())
        if layer not in modules or not layer:
            raise ConfigError(
                "restore.layer", expected=f"a module of {where}", got=repr(layer), hint=nearest(layer, modules)
            )
        self.network, self.side, self.where = network.requires_grad_(False), side, where
        self.layer = layer
        modules[layer].register_forward_hook(_reach)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Features of ``N 3 H W`` RGB in [0, 1], whatever shape the layer gives, in float32.

        Raises:
            UsageError: The classifier never comes to the layer, or cannot take squares of that side.
        """
        x = pictures.float()
        if x.shape[-2:] != (self.side, self.side):
            x = nn_functional.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)
        x = (x - self.mean) / self.deviation  # pyright: ignore[reportOperatorIssue]
        try:
            self.network(x)
        except _ReachedError as reached:
            return reached.features
        except (RuntimeError, ValueError, AssertionError) as error:
            raise UsageError(
                f"side {self.side}",
                expected=f"a size that {self.where} takes",
                got=str(error).split("\n", maxsplit=1)[0],
                hint="restore.side=224",
            ) from error
        raise ConfigError(
            "layer", expected=f"a layer of {self.where} that a picture goes through", got=repr(self.layer)
        )


def _reach(_module: nn.Module, _inputs: object, output: object) -> None:
    if not isinstance(output, Tensor):
        raise ConfigError("restore.layer", expected="one whose output is a tensor", got=type(output).__name__)
    raise _ReachedError(output)


def classifier(name: str) -> nn.Module:
    """An image classifier of torchvision with UNINITIALISED parameters, to be loaded by the caller; in eval mode.

    Raises:
        ConfigError: There is none of that name.
        UsageError: torchvision is not installed.
    """
    models = torchvision_module().models
    known = models.list_models(module=models)
    if name not in known:
        raise ConfigError(
            "restore.network", expected="a classifier of torchvision", got=repr(name), hint=nearest(name, known)
        )
    special = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):  # no memory is filled, and no global random number is drawn
        network = models.get_model(name, weights=None, **special)
    return network.to_empty(device="cpu").eval()


def read_phi(name: str, weights: Path | None, layer: str, side: int) -> Phi:
    """Read a classifier and its weights; the last one read is kept.

    Raises:
        ConfigError: No file is given, it holds other weights, or network or layer have no such name.
        UsageError: The file cannot be read, or torchvision is not installed.
    """
    if weights is None:
        raise ConfigError(
            "restore.network_weights",
            expected="a safetensors file with the classifier's weights",
            got="none",
            hint="save torchvision's state_dict() of that network with safetensors.torch.save_file",
        )
    stamp = weights.stat().st_mtime_ns if weights.is_file() else 0
    return _read(name, weights, layer, side, stamp)


@lru_cache(maxsize=1)
def _read(name: str, weights: Path, layer: str, side: int, _stamp: int) -> Phi:
    network = classifier(name)
    restore(network, load(weights).tensors, str(weights))
    return Phi(network, layer, side, name)
