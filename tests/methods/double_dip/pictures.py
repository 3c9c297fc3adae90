"""Pictures to mix and to mark."""

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.seeds import generator


def plain(seed: int, height: int = 48, width: int = 72, cells: int = 7) -> Tensor:
    """``1 3 H W``: coloured cells with sharp edges and soft shading in them, black and white among them."""
    random = generator(seed, "picture")
    cells_of = torch.rand((1, 3, cells, cells + 2), generator=random)
    cells_of[0, :, 0, 0], cells_of[0, :, -1, -1] = 0.0, 1.0
    shape = nn_functional.interpolate(cells_of, (height, width), mode="nearest")
    shade = nn_functional.interpolate(torch.rand((1, 1, 3, 3), generator=random), (height, width), mode="bilinear")
    return (shape * (0.7 + 0.3 * shade)).clamp(0, 1)


def mark(height: int = 48, width: int = 72, opacity: float = 0.5) -> Tensor:
    """``1 1 H W``: a cross and a bar, how much each pixel of the picture is hidden."""
    mask = torch.zeros(1, 1, height, width)
    middle, left = height // 2, width // 3
    mask[..., middle - 8 : middle + 8, left - 2 : left + 2] = opacity
    mask[..., middle - 2 : middle + 2, left - 8 : left + 24] = opacity
    return mask


def marked(pictures: Tensor, mask: Tensor, colour: float = 0.95) -> Tensor:
    """The pictures under an even mark, in 8 bits."""
    return ((1 - mask) * pictures + mask * colour).mul(255).round().div(255)
