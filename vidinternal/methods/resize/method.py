"""``bicubic`` and ``lanczos``, through :mod:`vidinternal.ops.imresize`."""

from __future__ import annotations

import time

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageMethod, ImageResult, ImageTask
from vidinternal.methods.resize import CARDS
from vidinternal.methods.resize.config import Config
from vidinternal.ops.imresize import Interpolation, imresize
from vidinternal.ops.scale import scale_pair, scaled_size

_KERNELS: dict[str, Interpolation] = {"bicubic": "cubic", "lanczos": "lanczos3"}


class Resize(ImageMethod):
    """Interpolates; a picture at a time, each the same way."""

    def __init__(self, index: int) -> None:
        self.card = CARDS[index]
        self._kernel: Interpolation = _KERNELS[self.card.name]

    def size(self, config: Config, height: int, width: int) -> tuple[int, int]:
        """``ceil(side * scale)``."""
        return scaled_size(height, width, config.scale)

    def apply(self, task: ImageTask, config: Config, context: FitContext) -> ImageResult:
        """Enlarge the pictures of a group."""
        started = time.monotonic()
        size = self.size(config, task.frames.shape[-2], task.frames.shape[-1])
        made = imresize(task.frames.to(context.device), scale_pair(config.scale), size, self._kernel)
        return ImageResult(made.clamp(0.0, 1.0).cpu(), seconds=time.monotonic() - started)


METHODS = tuple(Resize(index) for index in range(len(CARDS)))
