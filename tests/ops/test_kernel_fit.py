"""A picture is as sharp as its copy shrunk by its own kernel: what follows from that."""

import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.ops.imresize import shrink_by_kernel
from vidinternal.ops.kernel_fit import fitted_gaussian, kernel_misfit, sharpness
from vidinternal.ops.kernels import anisotropic_gaussian, cubic_kernel, kernel_distance, kernel_shift


def edges(side: int = 512, seed: int = 1) -> torch.Tensor:
    """``1 3 side side`` of rectangles of all sizes, as many of each size as a picture of the world has."""
    random = generator(seed, "edges")
    made = torch.full((1, 3, side, side), 0.5)
    for _ in range(500):
        share = torch.rand(5, generator=random).tolist()
        size = 4 / (0.004 + share[0])
        height, width = max(2, round(size * (0.5 + share[1]))), max(2, round(size * (0.5 + share[2])))
        y, x = int(side * share[3] - height / 2), int(side * share[4] - width / 2)
        made[..., max(0, y) : y + height, max(0, x) : x + width] = torch.rand(1, 3, 1, 1, generator=random)
    return made


def small(kernel: torch.Tensor) -> torch.Tensor:
    return shrink_by_kernel(edges(), kernel, 0.5, (256, 256))


WIDE = kernel_shift(anisotropic_gaussian(17, (3.0, 3.0), 0.0), 2.0)
LYING = kernel_shift(anisotropic_gaussian(17, (4.0, 0.8), 0.0), 2.0)


@pytest.mark.parametrize("truth", [WIDE, LYING])
def test_the_true_kernel_explains_a_picture_better_than_the_cubic(truth: torch.Tensor) -> None:
    picture = small(truth)
    by_truth, by_cubic = kernel_misfit(picture, truth), kernel_misfit(picture, cubic_kernel((2, 2)))
    assert by_truth is not None and by_cubic is not None
    assert by_truth < 0.7 * by_cubic


def test_the_cubic_explains_a_picture_that_it_made_better_than_a_blur_does() -> None:
    picture = small(cubic_kernel((2, 2)))
    by_blur, by_cubic = kernel_misfit(picture, WIDE), kernel_misfit(picture, cubic_kernel((2, 2)))
    assert by_blur is not None and by_cubic is not None
    assert by_cubic < by_blur


def test_sharpness_has_no_contrast_and_knows_directions() -> None:
    picture = small(LYING)
    plain, faint = sharpness(picture), sharpness(0.4 + 0.2 * picture)
    assert plain is not None and faint is not None
    assert torch.allclose(plain, faint, atol=1e-4)
    # blurred across: edges met going right are softer than those met going down
    assert plain[0] < plain[1] - 0.2
    turned = sharpness(picture.transpose(-1, -2))
    assert turned is not None
    assert torch.allclose(turned[:2], plain[:2].flip(0), atol=1e-6)


@pytest.mark.parametrize("truth", [WIDE, LYING])
def test_the_fitted_gaussian_is_nearer_than_the_cubic_and_explains_better(truth: torch.Tensor) -> None:
    picture = small(truth)
    found = fitted_gaussian(picture)
    assert found is not None
    assert kernel_distance(found, truth) < 0.5 * kernel_distance(cubic_kernel((2, 2)), truth)
    fits, cubic = kernel_misfit(picture, found), kernel_misfit(picture, cubic_kernel((2, 2)))
    assert fits is not None and cubic is not None and fits < cubic


def test_it_is_the_same_each_time_and_turns_with_the_picture() -> None:
    picture = small(LYING)
    found, again, turned = (fitted_gaussian(p) for p in (picture, picture, picture.transpose(-1, -2)))
    assert found is not None and again is not None and turned is not None
    assert torch.equal(found, again)
    assert kernel_distance(turned, found.T) < 0.1


@pytest.mark.parametrize(
    "picture",
    [torch.full((1, 3, 64, 64), 0.5), torch.rand(1, 3, 12, 64), torch.rand(1, 3, 1, 1)],
    ids=["flat", "thin", "dot"],
)
def test_where_there_is_nothing_to_see_nothing_is_said(picture: torch.Tensor) -> None:
    assert kernel_misfit(picture, cubic_kernel((2, 2))) is None
    assert fitted_gaussian(picture) is None
