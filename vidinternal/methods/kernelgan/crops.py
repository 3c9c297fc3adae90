"""Which crops are looked at: more of those with gradients, drawn for the whole fit before it begins."""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.methods.kernelgan.networks import KERNEL_SIDE
from vidinternal.ops.imresize import imresize

_WINDOW = 5
_CLIP = 0.97


class Crops:
    """Crops of some pictures of one size, drawn by how much happens in them.

    Args:
        pictures: ``K 3 h w`` in [0, 1].
        crop: Side of the crops for the generator; even.
        count: Crops of either kind.
        random: Draws them.
    """

    def __init__(self, pictures: Tensor, crop: int, count: int, random: torch.Generator) -> None:

        self.pictures, self.crop = pictures, crop
        self.patch = (crop - KERNEL_SIDE) // 2 + 1
        large = torch.stack([gradient_map(p) for p in pictures])
        small = torch.stack([gradient_map(p) for p in imresize(pictures, 0.5)])
        again = small.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., : large.shape[-2], : large.shape[-1]]
        self.for_generator = _drawn(again, crop, count, random)
        self.for_discriminator = _drawn(large, self.patch, count, random)

    def generator(self, step: int) -> Tensor:
        """``1 3 crop crop`` in [-1, 1], to be shrunk."""
        return self._cut(self.for_generator[step % len(self.for_generator)], self.crop)

    def discriminator(self, step: int) -> Tensor:
        """``1 3 patch patch`` in [-1, 1], of the picture itself."""
        return self._cut(self.for_discriminator[step % len(self.for_discriminator)], self.patch)

    def _cut(self, place: Tensor, side: int) -> Tensor:
        number, top, left = place.tolist()
        return self.pictures[number : number + 1, :, top : top + side, left : left + side] * 2 - 1


def gradient_map(picture: Tensor) -> Tensor:
    """``h w`` of mean 1: how much happens around each pixel of ``3 h w``.

    Gradients across, down and their size, each cut at its 97th percentile and of equal say, blurred by 5x5 pixels.
    """
    grey = picture.mean(dim=0)
    across, down = torch.zeros_like(grey), torch.zeros_like(grey)
    across[:, 1:-1] = (grey[:, 2:] - grey[:, :-2]) / 2
    down[1:-1] = (grey[2:] - grey[:-2]) / 2
    total = torch.zeros_like(grey)
    for part in (across.abs(), down.abs(), torch.hypot(across, down)):
        # the border is no evidence: its neighbours outside are unknown
        inner = torch.zeros_like(part)
        inner[_WINDOW:-_WINDOW, _WINDOW:-_WINDOW] = part[_WINDOW:-_WINDOW, _WINDOW:-_WINDOW]
        values = inner.flatten()
        limit = float(values.kthvalue(max(1, round(_CLIP * values.numel()))).values)
        # a single edge may be less than the percentile leaves; cutting it at 0 would be losing it
        inner = inner.clamp(max=limit) if limit > 0 else inner
        total = total + inner / inner.sum().clamp(min=1e-12)
    blurred = nn_functional.avg_pool2d(total[None, None], _WINDOW, 1, _WINDOW // 2)[0, 0]
    mean = blurred.mean()
    return blurred / mean if float(mean) > 1e-12 else torch.ones_like(blurred)


def _drawn(maps: Tensor, side: int, count: int, random: torch.Generator) -> Tensor:
    """``count 3``: picture, first row, first column of crops, even, by what lies around their middle.

    Args:
        maps: ``K h w``.
        side: Of the crops.
        count: How many.
        random: Draws them.
    """
    number, height, width = maps.shape
    half = side // 2
    around = nn_functional.avg_pool2d(maps[:, None], 2 * (half // 2) + 1, 1, half // 2)[:, 0]
    # by the crop's first pixel, so that each lies wholly inside
    rows, columns = height - side + 1, width - side + 1
    chance = around[:, half : half + rows, half : half + columns][:, ::2, ::2]
    shape = chance.shape
    flat = chance.double().flatten()
    ends = flat.cumsum(0)
    if float(ends[-1]) <= 0:
        ends = torch.ones_like(flat).cumsum(0)
    place = torch.searchsorted(ends, torch.rand(count, generator=random, dtype=torch.float64) * ends[-1], right=True)
    place = place.clamp(max=flat.numel() - 1)
    picture, rest = place // (shape[1] * shape[2]), place % (shape[1] * shape[2])
    assert number == shape[0]
    return torch.stack((picture, 2 * (rest // shape[2]), 2 * (rest % shape[2])), dim=1)
