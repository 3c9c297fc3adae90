"""What was copied into a hole, and the evidence for every copied pixel.

Evidence is kept for the hole pixels alone and spread over the window when it is asked for: a caption covers some
per cent of the picture, a dense ``T 3 H W`` for each way through time would cost many times that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class WayCopy:
    """What one way through time, from the past or from the future, brought to the hole.

    The first five attributes are compact: row ``n`` of each belongs to the hole pixel ``where[n]``. The methods spread
    them over the window.

    Attributes:
        where: ``N`` int64, every hole pixel as a flat index into ``T H W``, ascending; reached or not.
        colours: ``N 3`` float32 RGB in [0, 1], levelled at the seams where the copy was; 0 where nothing was reached.
        source: ``N`` int16, the frame of the window it was taken from; -1 where nothing was reached.
        residual: ``N`` float32 pixels, the forward/backward residuals of all steps of the path added up; 0 where
            nothing was reached.
        steps: ``N`` int16, frames from the pixel to its source, at least 1; 0 where nothing was reached.
        displacement: ``N`` float32 pixels from the pixel's place to its source's; 0 where nothing was reached.
        shape: ``(T, H, W)`` of the window.
    """

    where: Tensor
    colours: Tensor
    source: Tensor
    residual: Tensor
    steps: Tensor
    displacement: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def nothing(cls, where: Tensor, shape: tuple[int, int, int]) -> WayCopy:
        """Nothing reached any of the hole pixels ``where`` (``N`` flat indices into ``T H W``)."""
        none = torch.zeros(len(where), device=where.device)
        short = none.to(torch.int16)
        return cls(where, none.unsqueeze(1).expand(-1, 3).contiguous(), short - 1, none, short, none, shape)

    @property
    def reached(self) -> Tensor:
        """``N`` bool: something was copied."""
        return self.source >= 0

    @property
    def weight(self) -> Tensor:
        """``N`` float32 in [0, 1]: ``exp(-residual/2) / steps``, what the copy counts; 0 where nothing was reached."""
        # Never quite zero where something was reached: a bad path is still better than none.
        weight = (-self.residual / 2).exp().clamp(min=1e-20) / self.steps.clamp(min=1)
        return weight * self.reached

    def placed(self) -> Tensor:
        """``T 1 H W`` bool: something was copied."""
        return self._spread(self.reached, False)

    def provenance(self) -> Tensor:
        """``T 1 H W`` int16: the frame it was taken from, -1 where nothing was copied."""
        return self._spread(self.source, -1)

    def inconsistency(self) -> Tensor:
        """``T 1 H W`` float32 pixels: the residuals of the whole path added up; 0 where nothing was copied."""
        return self._spread(self.residual, 0)

    def length(self) -> Tensor:
        """``T 1 H W`` int16 frames: how long the path is; 0 where nothing was copied."""
        return self._spread(self.steps, 0)

    def confidence(self) -> Tensor:
        """``T 1 H W`` float32 in [0, 1]: ``exp(-inconsistency/2) / length``; 0 where nothing was copied."""
        return self._spread(self.weight, 0)

    def picture(self, under: Tensor) -> Tensor:
        """The copy as a candidate of its own.

        Args:
            under: ``T 3 H W``, what stands wherever nothing was copied, outside the hole too.

        Returns:
            ``T 3 H W`` of the type of ``under``.
        """
        return paste(under, self.where[self.reached], self.colours[self.reached])

    def shifted(self, offsets: Tensor) -> WayCopy:
        """The same copy with ``offsets`` ``N 3`` added to its colours where something was reached, within [0, 1]."""
        colours = (self.colours + offsets).clamp(0, 1) * self.reached.unsqueeze(1)
        return replace(self, colours=colours)

    def _spread(self, values: Tensor, rest: float) -> Tensor:
        return spread(self.where, values, self.shape, rest)


@dataclass(frozen=True)
class FlowCopy:
    """What was copied into the hole.

    Attributes:
        frames: ``T 3 H W``; known pixels untouched, hole pixels copied, the rest filled.
        provenance: ``T 1 H W`` int16, the frame that counts most in the pixel's colour, -1 where nothing was copied.
        confidence: ``T 1 H W`` float32 in [0, 1], ``exp(-err/2)/distance`` of the better path; 0 where nothing was
            copied.
        covered: Share of the hole that was copied; 1 where there is no hole.
        backward: What was found going back in time: the copy from the past.
        forward: What was found going on in time: the copy from the future.
        shift: ``N`` float32, mean over RGB of how far the levelling moved the colours of hole pixel ``n``: how badly
            the copy fits the known pixels at the border.
    """

    frames: Tensor
    provenance: Tensor
    confidence: Tensor
    covered: float
    backward: WayCopy
    forward: WayCopy
    shift: Tensor

    @classmethod
    def untouched(cls, frames: Tensor, masks: Tensor) -> FlowCopy:
        """The answer where ``masks`` (``T 1 H W``) hides nothing of ``frames`` (``T 3 H W``)."""
        count, _, height, width = masks.shape
        none = WayCopy.nothing(masks.flatten().nonzero()[:, 0], (count, height, width))
        return cls(frames, none.provenance(), none.confidence(), 1.0, none, none, none.residual)

    def ways(self) -> Tensor:
        """``T 1 H W`` uint8: how many ways reached the pixel, 0, 1 or 2; 0 outside the hole."""
        return self.backward.placed().to(torch.uint8) + self.forward.placed().to(torch.uint8)

    def inconsistency(self) -> Tensor:
        """``T 1 H W`` float32 pixels: the residuals of the better way's path; 0 where nothing was copied."""
        return self._of_better(self.backward.residual, self.forward.residual)

    def length(self) -> Tensor:
        """``T 1 H W`` int16 frames: the length of the better way's path; 0 where nothing was copied."""
        return self._of_better(self.backward.steps, self.forward.steps)

    def disagreement(self) -> Tensor:
        """``T 1 H W`` float32 in [0, 1]: RMS over RGB of the difference of the two ways' colours.

        0 where fewer than two ways reached the pixel (see :meth:`ways`): there is nothing to disagree with.
        """
        rms = (self.backward.colours - self.forward.colours).square().mean(dim=1).sqrt()
        both = self.backward.reached & self.forward.reached
        return spread(self.backward.where, rms * both, self.backward.shape, 0)

    def best_picture(self) -> Tensor:
        """``T 3 H W``: the copy of the way that counts more, not blended; ``frames`` where nothing was copied."""
        return self._picture(self._back_is_better())

    def second_picture(self) -> Tensor:
        """``T 3 H W``: the copy of the way that counts less; ``frames`` where fewer than two ways reached the pixel."""
        both = self.backward.reached & self.forward.reached
        return self._picture(~self._back_is_better(), both)

    def _back_is_better(self) -> Tensor:
        return self.backward.weight >= self.forward.weight

    def _of_better(self, back: Tensor, forth: Tensor) -> Tensor:
        return spread(self.backward.where, torch.where(self._back_is_better(), back, forth), self.backward.shape, 0)

    def _picture(self, back: Tensor, keep: Tensor | None = None) -> Tensor:
        chosen = torch.where(back.unsqueeze(1), self.backward.colours, self.forward.colours)
        source = torch.where(back, self.backward.source, self.forward.source)
        if keep is not None:
            source = source.masked_fill(~keep, -1)
        return replace(self.backward, colours=chosen, source=source).picture(self.frames)


def spread(where: Tensor, values: Tensor, shape: tuple[int, int, int], rest: float) -> Tensor:
    """Values of the hole pixels over the whole window.

    Args:
        where: ``N`` flat indices into ``T H W``.
        values: ``N``, one a pixel.
        shape: ``(T, H, W)``.
        rest: The value everywhere else.

    Returns:
        ``T 1 H W`` of the type of ``values``.
    """
    count, height, width = shape
    window = torch.full((count, 1, height, width), rest, dtype=values.dtype, device=values.device)
    window.view(-1)[where] = values
    return window


def paste(frames: Tensor, where: Tensor, colours: Tensor) -> Tensor:
    """A copy of ``frames`` with ``colours`` ``N 3`` at ``where``, ``N`` flat indices into ``T H W``."""
    _, channels, height, width = frames.shape
    area = height * width
    pasted = frames.clone(memory_format=torch.contiguous_format)
    first = where // area * ((channels - 1) * area) + where
    for channel in range(channels):
        pasted.view(-1)[first + channel * area] = colours[:, channel].to(pasted)
    return pasted
