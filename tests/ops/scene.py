"""Small scenes with known motion."""

import torch
from torch import Tensor

from vidinternal.core.seeds import generator


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """``3 H W`` in [0, 1]: smooth random blobs of a few pixels."""
    noise = torch.rand((1, 3, height + 8, width + 8), generator=generator(seed, "texture"))
    for _ in range(2):
        noise = torch.nn.functional.avg_pool2d(noise, 5, stride=1)
    low, high = noise.amin(), noise.amax()
    return ((noise - low) / (high - low))[0]


def sliding(count: int, height: int, width: int, step: tuple[int, int] = (1, 0), seed: int = 0) -> Tensor:
    """``T 3 H W``: a texture seen through a window that moves ``step`` (x, y) pixels a frame, both not negative.

    The flow of stride s is ``-s * step`` everywhere.
    """
    x, y = step
    picture = texture(height + y * count, width + x * count, seed)
    return torch.stack([picture[:, y * t : y * t + height, x * t : x * t + width] for t in range(count)])


def constant_flow(count: int, height: int, width: int, x: float, y: float) -> Tensor:
    """``T 2 H W``, the same everywhere."""
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).repeat(count, 1, height, width)


def box(count: int, height: int, width: int, rows: slice, columns: slice) -> Tensor:
    """``T 1 H W`` bool, the same rectangle in every frame."""
    masks = torch.zeros((count, 1, height, width), dtype=torch.bool)
    masks[:, :, rows, columns] = True
    return masks


def psnr(result: Tensor, truth: Tensor, where: Tensor) -> float:
    """PSNR in dB over ``where``, ``T 1 H W`` bool."""
    return float(-10 * (result - truth)[where.expand_as(truth)].double().square().mean().log10())
