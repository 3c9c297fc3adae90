"""Pictures and calls that the tests of Deep Image Prior share."""

from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageResult, ImageTask
from vidinternal.core.seeds import generator
from vidinternal.methods import image_method
from vidinternal.methods.dip.config import Config

CPU = torch.device("cpu")
CONTEXT = FitContext(seed=3, device=CPU)


def picture(height: int = 16, width: int = 20, seed: int = 1) -> Tensor:
    """Smooth, as pictures are."""
    coarse = torch.rand(1, 3, 3, 4, generator=generator(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


def task(frames: Tensor, **more: Any) -> ImageTask:
    return ImageTask(frames, frames, **more)


def made(name: str, config: Config, frames: Tensor, context: FitContext = CONTEXT, **more: Any) -> ImageResult:
    return image_method("dip", name).apply(task(frames, **more), config, context)
