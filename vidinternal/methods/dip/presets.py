"""The paper's networks and schedules, a row for every problem, and ours beside them.

``faithful`` is the published notebook of that problem. What ``fast`` changes, what that was meant to gain and what it
did gain stands in the README.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import TILE
from vidinternal.methods.dip.config import Config, Stop
from vidinternal.nets.skip_net import SkipNetConfig, fitting_depth

Problem = Literal["denoise", "upscale", "region", "text", "pixels", "sparse", "jpeg", "flash", "features", "texture"]
Input = Literal["noise", "meshgrid", "guide", "picture"]


@dataclass(frozen=True)
class Preset:
    """How one problem is solved.

    Attributes:
        network: Its shape; the depth falls to what a picture's size allows.
        source: What the network is fed: fixed noise, a meshgrid, the second picture of a pair, or the picture itself.
        iterations: Optimiser steps on a picture.
        rate: Step size of Adam.
        jitter: Deviation of the noise added to the input at every step.
        average: Decay of the mean of the outputs; 0 = the last output.
        stop: The rule that ends it early, if any.
        annealed: Whether the step size warms up over :attr:`warm_up` steps and falls to zero along a cosine.
        backtrack: Whether weights are put back where the fit falls by 5 dB.
        precision: Arithmetic.
        warm_iterations: Steps on a picture that goes on from the one before.
        tile: Side, pixels of what is made, of the largest square that is fitted whole.
        lean: Ours: channels-last memory, jitter from a bank of noise, a mean of outputs that soon forgets the first.
    """

    network: SkipNetConfig
    source: Input = "noise"
    iterations: int = 3000
    rate: float = 0.01
    jitter: float = 0.0
    average: float = 0.0
    stop: Stop = "never"
    annealed: bool = False
    backtrack: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    warm_iterations: int = 300
    tile: int = TILE
    lean: bool = False


WARM_UP = 20
_LEVELS = 5


def _wide(**changes: object) -> SkipNetConfig:
    return replace(SkipNetConfig(), **changes)  # pyright: ignore[reportArgumentType]


def _narrow(inputs: int, channels: tuple[int, ...], **changes: object) -> SkipNetConfig:
    shape = SkipNetConfig(in_channels=inputs, down=channels, up=channels, skip=(4,) * len(channels))
    return replace(shape, **changes)  # pyright: ignore[reportArgumentType]


_JPEG = _narrow(3, (8, 16, 32, 64, 128), skip=(0, 0, 0, 4, 4))
_FEATURES = _narrow(
    32,
    (16, 32, 64, 128, 128, 128),
    kernel_down=(7, 7, 5, 5, 3, 3),
    kernel_up=(7, 7, 5, 5, 3, 3),
    downsample="avg",
    padding="zero",
    upsample="nearest",
)
_TEXT = _wide(skip=(128,) * _LEVELS, upsample="nearest")
_REGION = _wide(in_channels=2, skip=(0,) * _LEVELS, upsample="nearest")
_LIBRARY = _narrow(
    1, (16, 32, 64, 128, 128, 128), skip=(0,) * 6, kernel_down=5, up_1x1=False, upsample="nearest", padding="reflection"
)
_SPARSE = _narrow(32, (16, 32, 64, 128, 128), skip=(0,) * _LEVELS, downsample="avg")
_FLASH = _wide(in_channels=3, upsample=("nearest", "nearest", "bilinear", "bilinear", "bilinear"))

FAITHFUL: dict[Problem, Preset] = {
    "denoise": Preset(_wide(), iterations=3000, jitter=1 / 30, average=0.99, backtrack=True),
    "upscale": Preset(_wide(), iterations=2000, jitter=0.03),
    "region": Preset(_REGION, source="meshgrid", iterations=5001, jitter=0.03),
    "text": Preset(_TEXT, iterations=6001, jitter=0.03),
    "pixels": Preset(_wide(), iterations=11000, rate=0.001, jitter=0.03, backtrack=True),
    "sparse": Preset(_SPARSE, iterations=1000),
    "jpeg": Preset(_JPEG, iterations=2400, jitter=1 / 30, average=0.99, backtrack=True),
    "flash": Preset(_FLASH, source="guide", iterations=601, rate=0.1),
    "features": Preset(_FEATURES, iterations=3100, rate=0.001),
    "texture": Preset(_LIBRARY, iterations=3001),
}
"""As published; ``texture`` is the row of the library, a large hole in a picture full of detail."""

_LEAN = _narrow(16, (32, 64, 64, 128, 128))


def _ours(problem: Problem, network: SkipNetConfig, iterations: int, rate: float = 0.01) -> Preset:
    return replace(
        FAITHFUL[problem],
        network=network,
        iterations=iterations,
        rate=rate,
        average=0.97,
        annealed=True,
        backtrack=True,
        precision="auto",
        lean=True,
    )


FAST: dict[Problem, Preset] = {
    "denoise": replace(_ours("denoise", _LEAN, 3000), stop="held_out", tile=320),
    "upscale": replace(_ours("upscale", _LEAN, 2000), tile=320),
    "region": _ours("region", replace(_LEAN, in_channels=2, skip=(0,) * _LEVELS, upsample="nearest"), 2000),
    "texture": _ours("texture", _LIBRARY, 750),
    "text": _ours("text", replace(_LEAN, skip=(16,) * _LEVELS, upsample="nearest"), 2400),
    "pixels": _ours("pixels", _LEAN, 3000),
    "sparse": _ours("sparse", _SPARSE, 250),
    "jpeg": _ours("jpeg", _JPEG, 600),
    "flash": _ours("flash", replace(_LEAN, in_channels=3), 300),
    "features": _ours("features", _FEATURES, 750),
}
"""Ours: steps that cost a fraction of a published one, or a quarter of the steps where the published net is small."""


def chosen(problem: Problem, config: Config) -> Preset:
    """The preset of a problem with what the settings change of it."""
    preset = (FAITHFUL if config.preset == "faithful" else FAST)[problem]
    given = {
        "iterations": config.iterations,
        "rate": config.learning_rate,
        "jitter": config.jitter,
        "average": config.average,
        "stop": config.stop,
        "precision": config.precision,
        "warm_iterations": config.warm_iterations,
    }
    return replace(preset, **{name: value for name, value in given.items() if value is not None})


def fitted_to(preset: Preset, height: int, width: int) -> tuple[Preset, tuple[str, ...]]:
    """The preset with as many levels as a picture of that size allows, and a note where they are fewer.

    Raises:
        UsageError: Not even one level fits.
    """
    shape = preset.network
    kernels = shape.kernel_down if isinstance(shape.kernel_down, tuple) else (shape.kernel_down,)
    try:
        depth = fitting_depth(height, width, shape.depth, max(kernels))
    except UsageError as error:
        raise UsageError(
            "dip", expected=error.expected, got=error.got, hint="enlarge the picture, or choose another method"
        ) from error
    if depth == shape.depth:
        return preset, ()

    def cut(value: object) -> object:
        return value[:depth] if isinstance(value, tuple) else value

    names = ("down", "up", "skip", "kernel_down", "kernel_up", "upsample")
    fewer = replace(shape, **{name: cut(getattr(shape, name)) for name in names})
    return replace(preset, network=fewer), (f"{depth} levels instead of {shape.depth}: the picture is small",)
