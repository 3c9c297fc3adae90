"""Fathers with what the network sees of their sons."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vidinternal.core.seeds import generator
from vidinternal.methods.zssr.augment import Augmentation, Fathers, Source
from vidinternal.methods.zssr.objective import father_to_son
from vidinternal.methods.zssr.pairs import MOST_PIXELS, Pairs, Sons
from vidinternal.methods.zssr.render import Finish, network_input
from vidinternal.ops.kernels import gaussian_kernel, kernel_shift

CPU = torch.device("cpu")
EXACT = Augmentation(as_is=0.2, exact=0.8)
MANY = 10**6


def textured(height: int, width: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (
        torch.stack([torch.sin(0.4 * x + 0.3 * y + k) + torch.sin(0.2 * x * (k + 1) - 0.5 * y) for k in range(3)]) / 5
        + 0.5
    )


def finish(factor: float = 2.0, kernel: Tensor | None = None) -> Finish:
    return Finish((factor, factor), kernel, prepared=True, ensemble=1, back_projection=0, fold=2)


def pairs(picture: Tensor, sons: Sons, how: Augmentation = EXACT, crop: int = 48) -> Pairs:
    return Pairs(Fathers([Source(picture)], crop, how, generator(3)), sons)


def by_itself(fathers: Tensor, how: Finish) -> Tensor:
    return network_input(father_to_son(fathers, how.sf, how.kernel), (fathers.shape[-2], fathers.shape[-1]), how)


@pytest.mark.parametrize("factor", [2.0, 3.0, 4.0])
def test_what_is_cut_from_the_sons_of_a_whole_picture_is_what_a_crop_of_its_own_gives(factor: float) -> None:
    how, picture = finish(factor), textured(70, 83)
    kept = pairs(picture, Sons(how, CPU, crops=MANY))
    fathers, seen = kept.draw(24)
    assert kept._planes, "nothing was kept"
    inner = slice(20, -20)
    far = (seen - by_itself(fathers, how)).abs()
    assert float(far[..., inner, inner].max()) < 2e-3 < float(far.max())  # at the borders it knows more
    single = pairs(picture, Sons(how, CPU, crops=0))
    again, alone = single.draw(24)
    assert not single._planes and torch.equal(alone, by_itself(again, how))
    torch.testing.assert_close(again.flatten(1).sum(1).sort().values, fathers.flatten(1).sum(1).sort().values)


def test_a_blur_that_is_the_same_all_around_is_kept_too() -> None:
    how = finish(2.0, kernel_shift(gaussian_kernel(9, 1.0), 2.0))
    fathers, seen = pairs(textured(80, 80), Sons(how, CPU, crops=MANY), crop=64).draw(12)
    assert float((seen - by_itself(fathers, how)).abs()[..., 30:-30, 30:-30].max()) < 2e-3


def test_every_father_stays_with_its_own_son_where_some_are_interpolated() -> None:
    how = replace(finish(), prepared=False)
    fathers, seen = pairs(textured(96, 96), Sons(how, CPU, crops=MANY), Augmentation(exact=0.4)).draw(40)
    off = (seen - by_itself(fathers, how)).abs()[..., 12:-12, 12:-12].amax((1, 2, 3))
    assert float(off.max()) < 1e-4


def test_noise_is_new_for_every_crop() -> None:
    def noise(size: tuple[int, ...]) -> Tensor:
        return torch.randn(size, generator=random) * 0.05

    random = generator(1)
    noisy = pairs(textured(48, 48), Sons(finish(), CPU, noise, MANY), Augmentation(as_is=1.0, exact=0.0))
    (fathers, first), (again, second) = noisy.draw(1), noisy.draw(1)
    assert torch.equal(fathers, again) and not noisy._planes
    assert float((first - second).abs().mean()) > 0.01


@pytest.mark.parametrize(
    ("size", "crops", "factor"), [((64, 64), 0, 2.0), ((64, 64), 9, 2.0), ((64, 64), MANY, 1.5), ((64, 64), MANY, 5.0)]
)
def test_sons_are_not_kept_where_that_saves_nothing_or_cannot_be(
    size: tuple[int, int], crops: int, factor: float
) -> None:
    single = pairs(textured(*size), Sons(finish(factor), CPU, crops=crops))
    fathers, seen = single.draw(4)
    assert not single._planes and fathers.shape == seen.shape


def test_large_pictures_are_not_kept_and_factors_that_a_turn_would_swap_neither() -> None:
    side = int((MOST_PIXELS / 4) ** 0.5) + 1
    large = pairs(torch.full((3, side, side), 0.5), Sons(finish(), CPU, crops=MANY))
    large.draw(1)
    assert not large._planes
    uneven = Sons(replace(finish(), sf=(2.0, 3.0)), CPU, crops=MANY)
    turned, still = pairs(textured(60, 60), uneven), pairs(textured(60, 60), uneven, replace(EXACT, rotation=False))
    for drawn in (turned, still):
        drawn.draw(4)
    assert still._planes and not turned._planes
