"""What a finished fill says of its pixels: what each is mostly made of, and how much in doubt the method was there.

The fill is a convex sum of candidates, ``x = sum_k w_k C_k``, so its doubt is the spread of the mixture,
``s^2 = sum_k w_k (C_k - x)^2`` averaged over RGB: large where candidates that count disagree. The generator is one more
candidate: with its weight ``g`` in the stack and ``f`` the fused colour, ``(1 - g)/g (f - x)^2`` is what it adds. The
caller holds the spread against the held-out holes (``learn/calibration.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vidinternal.core.contracts import ORIGINS
from vidinternal.methods.internal.candidates import NAMES, Candidates

if TYPE_CHECKING:
    from vidinternal.methods.internal.method import Fused
    from vidinternal.methods.internal.stacking import Stack

LEAST_SHARE = 0.02
"""Weight of the generator below which its colour cannot be told from the sum any more."""
_COPIED, _LEARNED, _SPATIAL = (ORIGINS.index(name) for name in ("copied", "learned", "spatial"))


class Told:
    """Gathers, while a window is fused, the spread of the candidates and how much of each pixel was really copied.

    Args:
        made: The candidates.
    """

    def __init__(self, made: Candidates) -> None:
        self.variance = torch.zeros(len(made.where))
        self.copied = torch.zeros(len(made.where))
        self._made = made

    def add(self, rows: slice, weights: Tensor, fused: Tensor) -> None:
        """Take the hole pixels ``rows`` with their weights ``N K`` and fused colours ``N 3``."""
        for k, name in enumerate(NAMES):
            away = (self._made.colours[name][rows].float() - fused).square().mean(dim=1)
            self.variance[rows] += weights[:, k] * away
            reached = self._reached(name, rows)
            if reached is not None:
                self.copied[rows] += weights[:, k] * reached

    def _reached(self, name: str, rows: slice) -> Tensor | None:
        """``N`` bool, where a candidate was copied rather than continued from its surroundings; None = nowhere."""
        copies = self._made.copies
        if name in ("past", "future"):
            return getattr(copies["narrow"], name).reached[rows]
        if name not in copies:
            return None
        return copies[name].past.reached[rows] | copies[name].future.reached[rows]

    def spread_out(self, values: Tensor) -> Tensor:
        """``T 1 H W`` from a number for every hole pixel; 0 elsewhere."""
        canvas = torch.zeros(self._made.masks.shape)
        canvas.view(-1)[self._made.where] = values
        return canvas


def tell(seeing: Fused, blind: Fused, frames: Tensor, stack: Stack | None) -> tuple[Tensor, Tensor]:
    """What each pixel of a window's fill is made of, and its spread.

    Args:
        seeing: Fused with the real hole alone hidden.
        blind: Fused with the held-out pixels hidden as well.
        frames: ``T 3 H W``, the result: as of ``seeing`` in the hole, as of ``blind`` in the held-out holes.
        stack: The weights of the generator in it; None where there is none.

    Returns:
        ``T 1 H W`` uint8, an index into ``ORIGINS``, 0 outside the real hole; and ``T 1 H W`` float32, in the held-out
        holes as ``blind`` as the frames are there.
    """
    origin = _origin(seeing, _generated(seeing, stack))
    spread = _spread(seeing, frames, stack)
    if blind is not seeing:
        spread = torch.where(seeing.made.masks, spread, _spread(blind, frames, stack))
    return origin, spread


def _generated(fused: Fused, stack: Stack | None) -> Tensor:
    """``T 1 H W``: the generator's weight."""
    if stack is None:
        return torch.zeros(fused.made.masks.shape)
    table = torch.from_numpy(stack.weights[:, stack.names.index("generated")]).float()
    return table[fused.index] * fused.made.masks


def _origin(fused: Fused, generated: Tensor) -> Tensor:
    copied = fused.told.spread_out(fused.told.copied)
    shares = torch.stack(((1 - generated) * copied, generated, (1 - generated) * (1 - copied)))
    codes = torch.tensor([_COPIED, _LEARNED, _SPATIAL], dtype=torch.uint8)
    return codes[shares.argmax(dim=0)] * fused.made.masks


def _spread(fused: Fused, frames: Tensor, stack: Stack | None) -> Tensor:
    variance = fused.told.spread_out(fused.told.variance)
    generated = _generated(fused, stack)
    between = (fused.frames - frames.cpu()).square().mean(dim=1, keepdim=True)
    ratio = torch.where(generated >= LEAST_SHARE, (1 - generated) / generated.clamp(min=LEAST_SHARE), 0.0)
    return ((1 - generated) * variance + ratio * between).clamp(min=0).sqrt()
