"""What is observed of a picture, for every problem: ``x_0``, the operator in front of it, and which pixels count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.errors import MaskError, UsageError
from vidinternal.core.imaging import ImageTask
from vidinternal.methods.dip.config import DenoiseConfig, RestoreConfig, UpscaleConfig
from vidinternal.methods.dip.features import read_phi
from vidinternal.methods.dip.objective import E, E_feature, estimated_sigma
from vidinternal.methods.dip.presets import Problem
from vidinternal.ops.downsampler import downsample, taps
from vidinternal.ops.imresize import shrink_by_kernel

_KINDS: dict[str, Problem] = {"region": "region", "text": "text", "pixels": "pixels", "sparse": "sparse"}
HELD_OUT, ENOUGH, MOST_HELD_OUT = 0.03, 2000, 0.1
"""Usual share of pixels held out; how many are enough to judge by; the largest share that is taken to have them."""


def itself(x: Tensor) -> Tensor:
    """The operator of a picture that is observed as it is."""
    return x


@dataclass(frozen=True)
class Observation:
    """What a fit goes by.

    Attributes:
        problem: Which preset solves it.
        x_0: ``1 C h w``, or features; on the device.
        size: Rows and columns of the picture to be made.
        forward: From a picture ``1 3 H W`` to something like ``x_0``.
        known: ``1 1 h w`` float, 1 = counts; None = all.
        energy: ``E`` of two things like ``x_0`` and ``known``.
        guide: ``1 3 H W``, the second picture of a pair.
        sigma: Deviation of the noise in [0, 1], where there is any.
        whole: Whether ``x_0`` is made of pixels, some of which may be held out.
        notes: What a person should know.
    """

    problem: Problem
    x_0: Tensor
    size: tuple[int, int]
    forward: Callable[[Tensor], Tensor] = itself
    known: Tensor | None = None
    energy: Callable[[Tensor, Tensor, Tensor | None], Tensor] = E
    guide: Tensor | None = None
    sigma: float | None = None
    whole: bool = True
    notes: tuple[str, ...] = ()

    @property
    def can_hold_out(self) -> bool:
        """Whether there are pixels to hold out and others left to learn from."""
        return self.whole and (self.known is None or int(self.known.sum()) > 1)


def noisy(task: ImageTask, config: DenoiseConfig, device: torch.device) -> Observation:
    """Denoising."""
    x_0 = task.frames.float().to(device)
    sigma = estimated_sigma(x_0) if config.sigma is None else config.sigma / 255.0
    return Observation("denoise", x_0, _size(x_0), sigma=sigma)


def small(task: ImageTask, config: UpscaleConfig, device: torch.device) -> Observation:
    """Super-resolution: ``d`` is the Lanczos downsampler, or the shot's blur kernel and every n-th pixel."""
    x_0 = task.frames.float().to(device)
    scale = int(config.scale)
    height, width = _size(x_0)
    if "kernel" in task.shot:
        blur = task.shot["kernel"].to(device)

        def forward(x: Tensor) -> Tensor:
            return shrink_by_kernel(x, blur, 1 / scale, (height, width))
    else:
        kernel = taps(config.downsampler, scale).to(device)

        def forward(x: Tensor) -> Tensor:
            return downsample(x, kernel, scale)

    return Observation("upscale", x_0, (scale * height, scale * width), forward)


def damaged(task: ImageTask, config: RestoreConfig, device: torch.device) -> Observation | None:
    """Restoration; None where the mask selects nothing and the picture is fine as it is.

    Raises:
        MaskError: Everything is missing, or no mask says what is.
        UsageError: A flash pair lacks its second picture, or the two differ in size.
        ConfigError: Settings of the classifier are wrong.
    """
    x_0 = task.frames.float().to(device)
    damage = kind_of_damage(task, config)
    if damage == "jpeg":
        return Observation("jpeg", x_0, _size(x_0))
    if damage == "flash":
        return Observation("flash", x_0, _size(x_0), guide=_guide(task).float().to(device))
    if damage == "features":
        return _inverted(x_0, config, device)
    missing = _missing(task, config)
    if not bool(missing.any()):
        return None
    if bool(missing.all()):
        part = "picture" if task.place is None else "tile of the picture"
        raise MaskError(
            "restore",
            expected="known pixels to learn from",
            got=f"a mask that selects the whole {part}",
            hint="a smaller mask" if task.place is None else "a smaller mask, or larger tiles: restore.tile",
        )
    problem = _kind(missing, task) if damage == "holes" else damage
    known = (~missing).float().to(device)
    return Observation(problem, x_0 * known, _size(x_0), known=known)


def kind_of_damage(
    task: ImageTask, config: RestoreConfig
) -> Literal["holes", "region", "texture", "text", "pixels", "sparse", "jpeg", "flash", "features"]:
    """What is wrong with a picture, from what is given beside it where the settings leave it open."""
    if config.damage != "auto":
        return config.damage
    if task.hints is not None or config.missing == "black":
        return "holes"
    return "jpeg" if task.guide is None else "flash"


def kind_of_holes(missing: Tensor) -> Problem:
    """Which of the paper's problems a mask is like.

    Nearly everything missing: ``sparse``. Much missing in specks that do not survive one erosion: ``pixels``. Strokes
    thinner than 1/16 of the shorter side: ``text``. Else ``region``.

    Args:
        missing: ``1 1 h w`` bool.
    """
    share = float(missing.float().mean())
    if share > 0.9:
        return "sparse"
    alive = missing.float()
    thin = max(2, min(missing.shape[-2:]) // 32)
    survived = 0.0
    for round_ in range(thin):
        alive = -nn_functional.max_pool2d(-alive, 3, stride=1, padding=1)
        survived = float(alive.mean()) / share
        if round_ == 0 and survived < 0.05 and share > 0.25:
            return "pixels"
    return "region" if survived > 0 else "text"


def _kind(missing: Tensor, task: ImageTask) -> Problem:
    """The kind of holes; on a clip that of the picture before, so that its network is of use."""
    before = None if task.previous is None else task.previous.state.get("problem")
    return _KINDS[before] if before in _KINDS else kind_of_holes(missing)


def hold_out(
    observation: Observation, random: torch.Generator, share: float | None = None
) -> tuple[Observation, Tensor]:
    """Keep a share of the known pixels from the loss; those pixels, ``1 1 h w`` bool, come along.

    Args:
        observation: The whole.
        random: Draws the places.
        share: None = :func:`usual_share`.
    """
    x_0 = observation.x_0
    drawn = torch.rand(1, 1, *x_0.shape[-2:], generator=random).to(x_0.device)
    known = torch.ones_like(drawn) if observation.known is None else observation.known
    share = usual_share(int((known > 0).sum())) if share is None else share
    places = (drawn < share) & (known > 0)
    if not bool(places.any()):  # a picture of a few pixels
        drawn = drawn.masked_fill(known == 0, 2.0)
        places = drawn == drawn.min()
    return replace(observation, known=known * (~places).float()), places


def usual_share(pixels: int) -> float:
    """The share of so many pixels that is held out: :data:`HELD_OUT`, or what gives :data:`ENOUGH` to judge by."""
    return min(MOST_HELD_OUT, max(HELD_OUT, ENOUGH / max(1, pixels)))


def _size(x: Tensor) -> tuple[int, int]:
    return int(x.shape[-2]), int(x.shape[-1])


def _missing(task: ImageTask, config: RestoreConfig) -> Tensor:
    if config.missing == "black":
        return (task.frames == 0).all(dim=1, keepdim=True)
    if task.hints is None:
        raise MaskError(
            "restore",
            expected=f"a mask that tells what is missing, for damage '{config.damage}'",
            got="none",
            hint="--mask FILE, --region X,Y,W,H, or missing=black where missing pixels are pure black",
        )
    return task.hints >= 0.5


def _guide(task: ImageTask) -> Tensor:
    if task.guide is None:
        raise UsageError("restore, damage 'flash'", expected="a second picture, taken with flash", got="none")
    if task.guide.shape != task.frames.shape:
        a, b = _size(task.frames), _size(task.guide)
        raise UsageError(
            "restore, damage 'flash'",
            expected=f"a flash picture of {a[1]}x{a[0]}, as the one without flash",
            got=f"{b[1]}x{b[0]}",
            hint="crop or resize the pair so that both show the same",
        )
    return task.guide


def _inverted(x_0: Tensor, config: RestoreConfig, device: torch.device) -> Observation:
    phi = read_phi(config.network, config.network_weights, config.layer, config.side).to(device)
    with torch.no_grad():
        wanted = phi(x_0)

    def energy(features: Tensor, target: Tensor, _known: Tensor | None) -> Tensor:
        return E_feature(features, target)

    note = f"features of {config.network}.{config.layer}, {wanted.numel()} numbers"
    return Observation("features", wanted, _size(x_0), phi, energy=energy, whole=False, notes=(note,))
