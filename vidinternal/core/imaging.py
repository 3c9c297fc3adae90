"""The contract of image methods: pictures in, pictures out; one stage lifts every one of them to clips.

An image method sees a *group* of pictures, most often one. Everything that makes a clip of it (windows, tiles, which
frames come first, warm starts, resets at cuts, files) is the lift's (``stages/per_frame.py``); a method registers a
card and has nothing to do with it. Tensors follow the legend of ``core.contracts``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from vidinternal.core.contracts import FitContext, HistoryPoint, MethodCard

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_TASKS = ("upscale", "denoise", "dehaze", "segment", "separate", "restore")
"""What image methods do; the stage and the pipeline of that name run them."""
TILE = 512
"""Side, pixels, of the square above which pictures are cut unless a method says otherwise."""


@dataclass(frozen=True)
class ImageCard(MethodCard):
    """What is known of an image method without importing its code.

    Attributes:
        group: Most pictures that are made together; 1 = every picture by itself.
        tiles: ``cut`` where large pictures are cut into overlapping tiles by the lift, each a picture of its own to the
            method; ``own`` where the method sees whole pictures and keeps its memory bounded itself.
        layers: Names of the layers it returns beside its pictures, such as ``transmission``.
        hints: Whether it takes hints of what is inside and outside: ``no``, ``optional`` or ``required``.
        guided: Whether it takes a second picture of the same scene, as of a flash pair.
        around: Frames on either side that it may learn from beside its own.
        kernels: Whether it takes a blur kernel, ``ImageTask.shot["kernel"]``.
    """

    group: int = 1
    tiles: str = "cut"
    layers: tuple[str, ...] = ()
    hints: str = "no"
    guided: bool = False
    around: int = 0
    kernels: bool = False


@dataclass(frozen=True)
class Previous:
    """What the group before, in the same shot and at the same tile, leaves behind.

    Attributes:
        state: What the method returned as :attr:`ImageResult.state`: a tree as ``learn.state_tree`` keeps them.
        warped: ``1 3 H W`` its last picture, carried along the flow to the first picture of this group.
        layers: Its last layers carried along likewise, ``1 C H W`` each, by name.
        valid: ``1 1 H W`` bool; False where the forward/backward check fails.
    """

    state: Mapping[str, Any]
    warped: Tensor
    layers: Mapping[str, Tensor]
    valid: Tensor


@dataclass(frozen=True)
class ImageTask:
    """Pictures to be made anew.

    Attributes:
        frames: ``N 3 h w`` RGB, at most ``card.group`` of them, in order of time.
        around: ``M 3 h w`` pictures of the same shot to learn from, those of ``frames`` among them.
        hints: ``N 1 h w`` float32: 1 inside, 0 outside, NaN unknown; None without hints.
        guide: ``N 3 h w`` second pictures of the same scene; None without.
        shot: What :meth:`ImageMethod.survey` found for the shot.
        previous: What came before; None at the beginning of a shot.
        flow: ``N-1 2 h w`` pixels, row t is ``F[t+1 -> t]``, how the group's pictures lie on each other; None where the
            group is one picture.
        place: ``(y, x, height, width)`` of the tile in the whole picture, pixels; None where it is whole.
    """

    frames: Tensor
    around: Tensor
    hints: Tensor | None = None
    guide: Tensor | None = None
    shot: Mapping[str, Tensor] = field(default_factory=dict)
    previous: Previous | None = None
    flow: Tensor | None = None
    place: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class ImageResult:
    """What a method made of a group.

    Attributes:
        frames: ``N 3 H W`` RGB in [0, 1], of the size that :meth:`ImageMethod.size` says.
        layers: ``N C H W`` float32 in [0, 1] by name; exactly ``card.layers``.
        state: What the next group of the shot may go on from: weights, optimiser, anything; a tree of dicts with text
            keys, lists, numbers, text, None and tensors. Empty = nothing is carried on.
        weights: Named tensors for the weight bank, or None.
        signature: Tells which weights fit which network.
        stopped: Why it ended, as in ``FitResult``.
        iterations: Optimiser steps.
        seconds: Wall seconds.
        history: Looks at the running fit.
        notes: What a person should know.
        facts: JSON-ready findings of this group, such as ``{"gain_over_lanczos": 0.8}``.
        warm: Whether training began from weights that were not drawn at random.
    """

    frames: Tensor
    layers: Mapping[str, Tensor] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] | None = None
    signature: str | None = None
    stopped: str = "done"
    iterations: int = 0
    seconds: float = 0.0
    history: tuple[HistoryPoint, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    warm: bool = False


class ImageMethod(ABC):
    """Makes pictures from pictures, learning from nothing else."""

    card: ClassVar[ImageCard] | ImageCard

    def check(self, config: Any, height: int, width: int) -> tuple[str, ...]:
        """Refuse, before any work, what cannot work on pictures of that size; return notes a person should read.

        Raises:
            UserError: Settings do not fit the pictures, a file they name cannot be read, and the like.
        """
        del config, height, width
        return ()

    def size(self, config: Any, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of what becomes of a picture; the same unless the method scales."""
        del config
        return height, width

    def tile(self, config: Any) -> int:
        """Side, pixels of the source, of the largest square that is best made whole; 0 = everything is."""
        del config
        return TILE

    def survey(self, frames: Tensor, config: Any, context: FitContext) -> Mapping[str, Tensor]:
        """What holds for a whole shot, from a few whole pictures of it, ``K 3 h w``: its blur kernel, its airlight."""
        del frames, config, context
        return {}

    @abstractmethod
    def apply(self, task: ImageTask, config: Any, context: FitContext) -> ImageResult:
        """Make the pictures of one group; ``config`` is an instance of ``card.config``.

        Training starts from ``task.previous`` where there is one, else by ``learn.warm_start.door`` from
        ``context.starts``, else cold. ``context.budget`` is the time for this group.
        """


@dataclass(frozen=True)
class KernelResult:
    """The blur kernel of a shot.

    Attributes:
        kernel: ``kh kw`` float32 of odd sides, summing to 1, in line with its scale as ``ops.kernels`` says.
        better: Whether it explains the pictures better than the antialiased cubic does; a caller that does not insist
            takes the cubic where it does not.
        stopped: Why estimating ended, as in ``FitResult``.
        iterations: Optimiser steps.
        seconds: Wall seconds.
        notes: What a person should know.
        facts: JSON-ready findings, such as how well each kernel explains the pictures.
    """

    kernel: Tensor
    better: bool = True
    stopped: str = "done"
    iterations: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class KernelMethod(ABC):
    """Estimates how a camera blurs, from the pictures it made and from nothing else; task ``kernel``."""

    card: ClassVar[MethodCard] | MethodCard

    def check(self, config: Any, size: tuple[int, int], scale: tuple[float, float]) -> tuple[str, ...]:
        """Refuse, before any work, pictures of that size or scales for which no kernel can be estimated.

        Raises:
            UserError: There is too little to see, or the scale is out of reach.
        """
        del config, size, scale
        return ()

    @abstractmethod
    def estimate(self, frames: Tensor, scale: tuple[float, float], config: Any, context: FitContext) -> KernelResult:
        """The kernel that takes a picture ``scale`` times as large to such pictures.

        Args:
            frames: ``K 3 h w`` RGB, key frames of one shot; its one kernel is learned from all of them.
            scale: Vertical and horizontal, at least 1.
            config: An instance of ``card.config``.
            context: Seed, device, time, checkpoints.
        """
