"""Candidates on cells of some pixels: the scale on which the fusion decides whom to believe.

What is known of a candidate (how far the border, how long the path, how much texture within so many pixels) was learned
on small pictures. In a large one the same hole is thicker, and the same motion longer, than anything the fusion was
taught: there it decides on cells that are as large a share of the picture as a pixel was then, and its weights are
spread over the pixels again. Colours are never shrunk; copied detail keeps its full size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import Holdout
from vidinternal.methods.internal.candidates import Candidates, Copied, Path

DECIDED_AT = 160
"""Pixels of a picture's shorter side; twice that is decided on cells of 2x2, and so on."""


def cell_side(side: int) -> int:
    """Pixels of a cell's side for a picture with this shorter side."""
    return max(1, side // DECIDED_AT)


@dataclass(frozen=True)
class Coarse:
    """Candidates of a window on cells.

    Attributes:
        fine: Of every pixel.
        made: Of every cell that holds a hidden pixel: the mean over its hidden pixels; lengths count in cells.
        step: Pixels of a cell's side; with 1, ``made`` is ``fine``.
        cell: ``N``, for every hidden pixel the row of its cell in ``made``.
    """

    fine: Candidates
    made: Candidates
    step: int
    cell: Tensor

    @classmethod
    def of(cls, fine: Candidates, step: int) -> Coarse:
        """Put candidates together on cells of ``step`` by ``step`` pixels; those at the lower right may be smaller."""
        if step == 1:
            return cls(fine, fine, 1, torch.arange(len(fine.where)))
        height, width = fine.masks.shape[-2:]
        rows, columns = -(-height // step), -(-width // step)
        frame, pixel = fine.where // (height * width), fine.where % (height * width)
        place = (frame * rows + pixel // width // step) * columns + pixel % width // step
        where, cell = place.unique(return_inverse=True)
        mean = _Mean(cell, len(where), step)
        colours = {name: mean(values) for name, values in fine.colours.items()}
        frames = _pooled(fine.frames, step)
        flat = frames.permute(0, 2, 3, 1).reshape(-1, 3).index_copy(0, where, colours["narrow"])
        made = Candidates(
            frames=flat.view(len(frames), rows, columns, 3).permute(0, 3, 1, 2).contiguous(),
            masks=_largest(fine.masks, step) > 0,
            confidence=_pooled(fine.confidence, step),
            provenance=_largest(fine.provenance, step).to(fine.provenance),
            covered=fine.covered,
            where=where,
            colours=colours,
            copies={
                name: Copied(mean.path(copy.past), mean.path(copy.future), mean(copy.shift))
                for name, copy in fine.copies.items()
            },
        )
        return cls(fine, made, step, cell)

    def known(self, holdout: Holdout) -> tuple[Tensor, Tensor]:
        """``T 1 h w`` bool, cells whose hidden pixels are all held out; and ``T 3 h w``, their mean true colour."""
        if self.step == 1:
            return holdout.masks.cpu(), holdout.truth.cpu()
        mean = _Mean(self.cell, len(self.made.where), self.step)
        where, (count, _, rows, columns) = self.fine.where, self.made.masks.shape
        alone = mean(holdout.masks.cpu().flatten()[where]) == 1
        masks = torch.zeros(self.made.masks.shape, dtype=torch.bool)
        masks.view(-1)[self.made.where] = alone
        true = mean(holdout.truth.cpu().permute(0, 2, 3, 1).reshape(-1, 3)[where])
        truth = torch.zeros((masks.numel(), 3)).index_copy(0, self.made.where, true)
        return masks, truth.view(count, rows, columns, 3).permute(0, 3, 1, 2)

    def spread_out(self, weights: Tensor, frame: int) -> Tensor:
        """``N_t K`` weights of a frame's hidden pixels from those of its cells, bilinearly; their sum stays 1."""
        if self.step == 1:
            return weights
        cells, hole = self.made.masks[frame, 0], self.fine.masks[frame, 0]
        maps = torch.zeros((1, weights.shape[1] + 1, *cells.shape))
        maps[0, :-1, cells] = weights.T
        maps[0, -1, cells] = 1.0
        larger = nn_functional.interpolate(maps, scale_factor=self.step, mode="bilinear", align_corners=False)
        here = larger[0, :, : hole.shape[0], : hole.shape[1]][:, hole]
        return (here[:-1] / here[-1:]).T


class _Mean:
    """Mean over the hidden pixels of every cell.

    Args:
        cell: ``N``, rows of cells.
        count: Number of cells.
        step: Pixels of a cell's side.
    """

    def __init__(self, cell: Tensor, count: int, step: int) -> None:
        self.cell, self.count, self.step = cell, count, step

    def _sum(self, values: Tensor) -> Tensor:
        return torch.zeros((self.count, *values.shape[1:])).index_add_(0, self.cell, values)

    def __call__(self, values: Tensor, among: Tensor | None = None) -> Tensor:
        """Mean of ``N`` or ``N C``; with ``among`` ``N`` of those pixels alone, 0 where a cell has none."""
        weight = torch.ones(len(self.cell)) if among is None else among.float()
        share = self._sum(weight).clamp(min=1.0)
        total = self._sum(values.float() * (weight if values.ndim == 1 else weight.unsqueeze(1)))
        return total / (share if values.ndim == 1 else share.unsqueeze(1))

    def path(self, path: Path) -> Path:
        """What is known of a copy from one side of time, where it reached at least half of a cell."""
        reached = self(path.reached) >= 0.5
        lengths = (path.residual / self.step, path.steps, path.displacement / self.step)
        return Path(reached, *(reached * self(length, path.reached) for length in lengths))


def _pooled(picture: Tensor, step: int) -> Tensor:
    return nn_functional.avg_pool2d(picture.float(), step, ceil_mode=True)


def _largest(picture: Tensor, step: int) -> Tensor:
    return nn_functional.max_pool2d(picture.float(), step, ceil_mode=True)
