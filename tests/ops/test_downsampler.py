import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops.downsampler import downsample, lanczos, taps

NAMES = ("lanczos2", "lanczos3", "gauss12", "gauss1sq2", "box")


def published_kernel(factor: int, support: int) -> Tensor:
    """The square kernel as the published code writes it out, for an even factor: phase 0.5."""
    width = 2 * support * factor + 1
    centre = (width + 1) / 2
    kernel = torch.zeros(width - 1, width - 1, dtype=torch.float64)
    for i in range(1, width):
        for j in range(1, width):
            value = 1.0
            for d in (abs(i + 0.5 - centre) / factor, abs(j + 0.5 - centre) / factor):
                if d:
                    value *= support * math.sin(math.pi * d) * math.sin(math.pi * d / support) / (math.pi * d) ** 2
            kernel[i - 1, j - 1] = value
    return (kernel / kernel.sum()).float()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_taps_sum_to_one_and_are_symmetric(name: str, factor: int) -> None:
    found = taps(name, factor)  # pyright: ignore[reportArgumentType]
    assert float(found.double().sum()) == pytest.approx(1.0, abs=1e-6)
    assert torch.equal(found, found.flip(0))


@pytest.mark.parametrize(("factor", "support"), [(2, 2), (4, 2), (8, 2), (4, 3)])
def test_the_separable_kernel_is_the_published_one(factor: int, support: int) -> None:
    side = lanczos(f"lanczos{support}", factor)
    assert len(side) == 2 * support * factor
    assert torch.allclose(torch.outer(side, side), published_kernel(factor, support), atol=1e-7)


@pytest.mark.parametrize(("factor", "pad"), [(2, 3), (4, 6), (8, 12)])
def test_filtering_is_the_published_strided_convolution(factor: int, pad: int) -> None:
    pictures = torch.rand(1, 3, 4 * factor, 5 * factor, generator=generator(1))
    square = published_kernel(factor, 2).expand(3, 1, -1, -1)
    padded = functional.pad(pictures, (pad,) * 4, mode="replicate")
    expected = functional.conv2d(padded, square, stride=factor, groups=3)
    found = downsample(pictures, lanczos("lanczos2", factor), factor)
    assert found.shape == (1, 3, 4, 5)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_a_ramp_stays_in_place(factor: int) -> None:
    """Phase: a small pixel lies in the middle of the large ones it covers, so a ramp keeps its values there."""
    count = 24
    ramp = torch.arange(count * factor, dtype=torch.float64)
    small = downsample(ramp.expand(1, 1, factor, -1), lanczos("lanczos2", factor).double(), factor)[0, 0, 0]
    middles = torch.arange(count) * factor + (factor - 1) / 2
    inside = slice(3, count - 3)
    assert torch.allclose(small[inside], middles[inside].double(), atol=1e-3)


def test_a_constant_stays_the_same_up_to_the_border() -> None:
    flat = torch.full((1, 2, 12, 8), 0.3)
    assert torch.allclose(downsample(flat, lanczos("lanczos3", 4), 4), torch.full((1, 2, 3, 2), 0.3), atol=1e-6)


def test_sides_that_are_no_multiples_are_refused() -> None:
    with pytest.raises(UsageError, match="multiples of 4"):
        downsample(torch.zeros(1, 1, 8, 9), lanczos("lanczos2", 4), 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_below_two_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="at least 2"):
        taps(name, 1)  # pyright: ignore[reportArgumentType]
