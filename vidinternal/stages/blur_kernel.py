"""The setting ``kernel`` of stage ``upscale``: how the camera blurred, known, estimated once per shot, or the cubic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidinternal.core.errors import ConfigError, nearest
from vidinternal.methods import card, kernel_method, module_name
from vidinternal.ops.kernel_fit import kernel_misfit
from vidinternal.ops.kernels import ENDINGS, kernel_shift, read_kernel

if TYPE_CHECKING:
    from torch import Tensor

    from vidinternal.core.contracts import FitContext
    from vidinternal.core.imaging import KernelResult

WORDS = ("cubic", "kernelgan", "kernelgan:faithful")
"""What is no file: the ideal antialiased cubic; the method's fast preset; its published schedule."""
KernelSetting = Literal["cubic", "kernelgan", "kernelgan:faithful"] | Path
"""The type of the setting: one of :data:`WORDS`, or the path of a ``.npy`` or ``.mat`` file."""


@dataclass(frozen=True)
class BlurKernel:
    """What a shot is upscaled with.

    Attributes:
        kernel: ``kh kw`` float32 in line with the scale as ``ops.kernels`` has it; None = the ideal cubic.
        notes: What a person should know.
    """

    kernel: Tensor | None
    notes: tuple[str, ...]

    def facts(self) -> Mapping[str, Tensor]:
        """As methods find it in ``ImageTask.shot``."""
        return {} if self.kernel is None else {"kernel": self.kernel}


def check_setting(
    setting: KernelSetting | str, scale: tuple[float, float], size: tuple[int, int], where: str = "upscale.kernel"
) -> tuple[str, ...]:
    """Refuse, before any work, a kernel that cannot be had; notes.

    Args:
        setting: A word or a file.
        scale: Vertical and horizontal.
        size: Rows and columns of the pictures.
        where: The setting's name, for messages.

    Raises:
        ConfigError: It is neither a word nor a file of a kernel.
        UsageError: The file cannot be read, or holds no kernel.
        MediaError: The pictures are too small to estimate a kernel from.
    """
    if setting == "cubic":
        return ()
    if setting in WORDS:
        name, config = _method(str(setting))
        return kernel_method(name).check(config, size, scale)
    _from_file(_path(setting, where), scale)
    return ()


def resolve(
    setting: KernelSetting | str, frames: Tensor, scale: tuple[float, float], context: FitContext
) -> BlurKernel:
    """The kernel of a shot.

    An estimate that does not explain the pictures better than the cubic does is left aside, and a note says so.

    Args:
        setting: A word or a file.
        frames: ``K 3 h w`` key frames of the shot; not looked at where the kernel comes from a file.
        scale: Vertical and horizontal.
        context: Seed, device, time, checkpoints.

    Raises:
        UserError: As :func:`check_setting`; or there is no time left.
    """
    if setting == "cubic":
        return BlurKernel(None, ())
    if setting not in WORDS:
        path = _path(setting, "upscale.kernel")
        kernel = _from_file(path, scale)
        misfit, sides = kernel_misfit(frames, kernel, scale), "x".join(map(str, kernel.shape))
        told = "" if misfit is None else f"; shrunk by it the pictures change in sharpness by {misfit:.3f}"
        return BlurKernel(kernel, (f"blur kernel {path.name}, {sides}{told}",))
    name, config = _method(str(setting))
    found: KernelResult = kernel_method(name).estimate(frames, scale, config, context)
    return BlurKernel(found.kernel if found.better else None, found.notes)


def modules(setting: KernelSetting | str) -> tuple[str, ...]:
    """Names of the modules that a setting runs beside the stage's own, for the key of its results."""
    return () if setting == "cubic" or setting not in WORDS else (module_name(_method(str(setting))[0], "kernel"),)


def _method(setting: str) -> tuple[str, object]:
    name, _, preset = setting.partition(":")
    config = card(name, "kernel").config
    return name, config.model_validate({"preset": preset} if preset else {})


def _path(setting: KernelSetting | str, where: str) -> Path:
    path = Path(setting)
    if path.suffix.lower() not in ENDINGS and not path.exists():
        raise ConfigError(
            where,
            expected=f"{', '.join(WORDS)}, or a .npy or .mat file",
            got=repr(str(setting)),
            hint=nearest(str(setting), WORDS),
        )
    return path


def _from_file(path: Path, scale: tuple[float, float]) -> Tensor:
    return kernel_shift(read_kernel(path), scale)
