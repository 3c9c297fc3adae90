"""Everything cheap that could stand under the hole, and what is known of each of it.

Real pixels copied along the flow three ways (with the flow thrown away in a wide ring, in a narrow one on what the
first round copied, and after another prefill), each from the past and from the future, and two smooth continuations.
None wins everywhere; which one is right at a pixel is told by :mod:`vidinternal.methods.internal.evidence` and decided
by :mod:`vidinternal.methods.internal.fusion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.core.contracts import Preview, no_preview
from vidinternal.ops.copied import FlowCopy, WayCopy
from vidinternal.ops.propagate import Hooks, propagate
from vidinternal.ops.settings import PropagateSettings, SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill

OutOfTime = Callable[[], bool]

NAMES = ("harmonic", "telea", "wide", "past", "future", "narrow", "prefilled")
"""Candidates in the order of the weights of the fusion."""
LITTLE = 0.1
"""Share of the hole that the first round of copying has to reach: else more rounds bring nothing and are left out."""


@dataclass(frozen=True)
class Path:
    """How the pixels of one copy came to the hole from one side of time.

    Attributes:
        reached: ``N`` bool, whether anything was copied.
        residual: ``N`` pixels, forward/backward residuals of the whole path.
        steps: ``N`` frames.
        displacement: ``N`` pixels between the place in the hole and the place it was copied from.
    """

    reached: Tensor
    residual: Tensor
    steps: Tensor
    displacement: Tensor

    @classmethod
    def of(cls, way: WayCopy) -> Path:
        """What is to be known of a copy."""
        return cls(way.reached, way.residual, way.steps.float(), way.displacement)


@dataclass(frozen=True)
class Copied:
    """One copy: its two paths, and how far its colours had to be shifted to meet the known ones.

    Attributes:
        past: Path from the past.
        future: Path from the future.
        shift: ``N`` mean absolute shift over RGB.
    """

    past: Path
    future: Path
    shift: Tensor

    @classmethod
    def of(cls, copy: FlowCopy) -> Copied:
        """What is to be known of a copy."""
        return cls(Path.of(copy.backward), Path.of(copy.forward), copy.shift)


@dataclass(frozen=True)
class Candidates:
    """Fills of the hole pixels, made with some pixels hidden.

    Attributes:
        frames: ``T 3 H W``, known pixels and the narrow copy.
        masks: ``T 1 H W`` bool, what was hidden.
        confidence: ``T 1 H W`` of the narrow copy.
        provenance: ``T 1 H W`` int16 of the narrow copy.
        covered: Share of the hole that the narrow copy reached.
        where: ``N`` the hole pixels as flat indices into ``T H W``, ascending.
        colours: By name, ``N 3``.
        copies: By name (wide, narrow, prefilled), how the pixels came.
    """

    frames: Tensor
    masks: Tensor
    confidence: Tensor
    provenance: Tensor
    covered: float
    where: Tensor
    colours: dict[str, Tensor]
    copies: dict[str, Copied]

    @classmethod
    def of(
        cls,
        frames: Tensor,
        masks: Tensor,
        settings: PropagateSettings,
        out_of_time: OutOfTime,
        preview: Preview = no_preview,
    ) -> Candidates:
        """Make them from ``frames`` ``T 3 H W`` with ``masks`` ``T 1 H W`` hidden, as far as the time allows.

        What there was no time for is represented by what there is: the first round stands for the others. So it does
        where it reached next to nothing, which further rounds hardly mend.
        """
        frames, masks = frames.cpu(), masks.cpu()
        smooth = _Smooth(frames, masks)
        rounds: list[FlowCopy] = []

        def keep(_number: int, copied: FlowCopy) -> bool:
            rounds.append(copied)
            preview(frames.masked_fill(masks, 0.5), copied.frames)
            return copied.covered >= LITTLE

        narrow = propagate(frames, masks, settings, hooks=Hooks(keep, out_of_time, prefill=smooth))
        wide = rounds[0] if rounds else narrow
        other = settings.model_copy(update={"fill": "telea", "refine_ring": settings.ring, "rounds": 2})
        alone = wide.covered < LITTLE or out_of_time()
        prefilled = (
            wide if alone else propagate(frames, masks, other, hooks=Hooks(out_of_time=out_of_time, prefill=smooth))
        )
        where = narrow.backward.where
        colours = {
            "harmonic": smooth.colours("harmonic"),
            "telea": smooth.colours("telea"),
            "wide": under_the_hole(wide.frames, where),
            "past": under_the_hole(narrow.backward.picture(narrow.frames), where),
            "future": under_the_hole(narrow.forward.picture(narrow.frames), where),
            "narrow": under_the_hole(narrow.frames, where),
            "prefilled": under_the_hole(prefilled.frames, where),
        }
        if alone:
            # what the other prefill is where nothing is copied over it
            bare = (wide.provenance < 0).flatten()[where].unsqueeze(1)
            colours["prefilled"] = torch.where(bare, colours["telea"], colours["wide"])
        return cls(
            frames=narrow.frames,
            masks=masks,
            confidence=narrow.confidence,
            provenance=narrow.provenance,
            covered=narrow.covered,
            where=where,
            colours={name: colours[name] for name in NAMES},
            copies={n: Copied.of(c) for n, c in (("wide", wide), ("narrow", narrow), ("prefilled", prefilled))},
        )

    def rows_of(self, frame: int) -> slice:
        """The rows of the hole pixels of one frame."""
        area = self.masks.shape[-2] * self.masks.shape[-1]
        ends = torch.searchsorted(self.where, torch.tensor([frame * area, (frame + 1) * area]))
        return slice(int(ends[0]), int(ends[1]))

    def unseen(self) -> Tensor:
        """``T 1 H W`` bool: hidden, and shown by no other frame."""
        return self.masks & (self.provenance < 0)


class _Smooth:
    """Smooth continuations of a window, each made once: to estimate flow on, and as a candidate.

    Args:
        frames: ``T 3 H W``.
        masks: ``T 1 H W`` bool.
    """

    def __init__(self, frames: Tensor, masks: Tensor) -> None:
        self.frames, self.masks = frames, masks
        self._colours: dict[SpatialFill, Tensor] = {}

    def __call__(self, frames: Tensor, masks: Tensor, kind: SpatialFill) -> Tensor:
        """``T 3 H W`` filled; what stands in the hole is remembered."""
        filled = spatial_fill(frames, masks, kind)
        self._colours[kind] = under_the_hole(filled, masks.flatten().nonzero()[:, 0])
        return filled

    def colours(self, kind: SpatialFill) -> Tensor:
        """``N 3`` of the hole pixels."""
        if kind not in self._colours:
            self(self.frames, self.masks, kind)
        return self._colours[kind]


def under_the_hole(picture: Tensor, where: Tensor) -> Tensor:
    """``N 3`` colours of ``T 3 H W`` at the flat indices ``where`` into ``T H W``."""
    count, channels, height, width = picture.shape
    area = height * width
    flat = picture.reshape(count, channels, area)
    return flat[where // area, :, where % area]
