"""The four tasks of Double-DIP; each has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageMethod, ImageResult, ImageTask
from vidinternal.methods.double_dip import CARDS, dehaze, segment, separate, watermark
from vidinternal.methods.double_dip.config import DehazeConfig, SegmentConfig, SeparateConfig, WatermarkConfig


class Dehazing(ImageMethod):
    """``I = t J + (1 - t) A``."""

    card = CARDS[0]

    def check(self, config: DehazeConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse pictures that no network fits."""
        return dehaze.check(config, height, width)

    def survey(self, frames: Tensor, config: DehazeConfig, context: FitContext) -> Mapping[str, Tensor]:
        """The airlight of a shot."""
        del context
        return dehaze.survey(frames, config)

    def apply(self, task: ImageTask, config: DehazeConfig, context: FitContext) -> ImageResult:
        """Take the haze off."""
        return dehaze.apply(task, config, context)


class Segmentation(ImageMethod):
    """``I = m left + (1 - m) right``."""

    card = CARDS[1]

    def check(self, config: SegmentConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse pictures that no network fits."""
        return segment.check(config, height, width)

    def apply(self, task: ImageTask, config: SegmentConfig, context: FitContext) -> ImageResult:
        """The object's mask: white on black."""
        return segment.apply(task, config, context)


class Separation(ImageMethod):
    """``I = a R + (1 - a) T``."""

    card = CARDS[2]

    def check(self, config: SeparateConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse pictures that no network fits."""
        return separate.check(config, height, width)

    def apply(self, task: ImageTask, config: SeparateConfig, context: FitContext) -> ImageResult:
        """Part the layers."""
        return separate.apply(task, config, context)


class WatermarkRemoval(ImageMethod):
    """``I = m w + (1 - m) c``."""

    card = CARDS[3]

    def check(self, config: WatermarkConfig, height: int, width: int) -> tuple[str, ...]:
        """Refuse pictures that no network fits."""
        return watermark.check(config, height, width)

    def survey(self, frames: Tensor, config: WatermarkConfig, context: FitContext) -> Mapping[str, Tensor]:
        """The mark of a shot."""
        return watermark.survey(frames, config, context)

    def apply(self, task: ImageTask, config: WatermarkConfig, context: FitContext) -> ImageResult:
        """Take the mark off."""
        return watermark.apply(task, config, context)


METHODS = (Dehazing(), Segmentation(), Separation(), WatermarkRemoval())
