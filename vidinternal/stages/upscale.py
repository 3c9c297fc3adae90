"""Stage ``upscale``: every picture by one of the methods of task ``upscale``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import ConfigError
from vidinternal.methods import cards
from vidinternal.ops.scale import scale_pair
from vidinternal.stages.blur_kernel import KernelSetting, check_setting, modules, resolve
from vidinternal.stages.per_frame import PerFrame, PerFrameConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from vidinternal.core.contracts import FitContext
    from vidinternal.stages.lift.run import Survey


class Config(PerFrameConfig):
    """Which method, and how it is lifted to the clip."""

    method: str = "zssr"
    """Upscaling method."""
    kernel: KernelSetting = "cubic"
    """How the camera blurred: `cubic`, `kernelgan` (learned per shot), `kernelgan:faithful`, or a .npy or .mat file."""


class Upscale(PerFrame):
    """Runs one method of task ``upscale`` on every picture."""

    name = "upscale"
    task = "upscale"
    summary = "Enlarges every picture by one of the upscaling methods, which learn from the clip itself."
    Config = Config

    @property
    def _scale(self) -> tuple[float, float]:
        return scale_pair(getattr(self.options, "scale", 2.0))

    def also_runs(self) -> tuple[str, ...]:
        """The method that estimates the blur kernel, if one does."""
        return modules(self.config.kernel)

    def also_check(self, info: ClipInfo, size: tuple[int, int]) -> tuple[str, ...]:
        """Refuse a blur kernel that cannot be had, or that the method would not use.

        Raises:
            UserError: As ``blur_kernel.check_setting``.
        """
        if self.config.kernel != "cubic" and not self.card.kernels:
            able = [c.name for c in cards(self.name) if getattr(c, "kernels", False)]
            raise ConfigError(
                "upscale.kernel",
                expected=f"cubic: method '{self.config.method}' makes nothing of a blur kernel",
                got=str(self.config.kernel),
                hint=f"--set upscale.method={max(able, key=Config().method.__eq__)}" if able else "",
            )
        return (*super().also_check(info, size), *check_setting(self.config.kernel, self._scale, size))

    def survey(self) -> Survey | None:
        """The blur kernel of the take."""
        if self.config.kernel == "cubic":
            return super().survey()

        def look(frames: Tensor, context: FitContext) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
            found = resolve(self.config.kernel, frames, self._scale, context)
            return found.facts(), found.notes

        return look


STAGE = Upscale
