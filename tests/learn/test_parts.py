import torch
from torch import Tensor

from vidinternal.core.seeds import generator
from vidinternal.learn.parts import MOST, split


def empty(total: int = 4, height: int = 80, width: int = 120) -> Tensor:
    return torch.zeros(total, 1, height, width, dtype=torch.bool)


def test_a_subtitle_that_comes_and_goes_and_a_logo_are_two_parts_the_larger_first() -> None:
    masks = empty()
    masks[:, :, 4:10, 100:112] = True
    masks[2:, :, 60:70, 20:100:3] = True  # letters
    numbers = split(masks)
    assert set(numbers.flatten().tolist()) == {-1, 0, 1}
    assert set(numbers[60:70, 20].tolist()) == {0} and int(numbers[5, 105]) == 1
    assert torch.equal(numbers >= 0, masks.any(dim=0)[0])


def test_two_subtitles_in_turn_at_one_place_are_one_part() -> None:
    masks = empty()
    masks[:2, :, 60:70, 20:60] = True
    masks[2:, :, 60:70, 61:100] = True
    assert int(split(masks).max()) == 0


def test_what_moves_through_is_one_part() -> None:
    masks = empty(8)
    for t in range(8):
        masks[t, :, 30:40, 10 * t : 10 * t + 12] = True
    assert int(split(masks).max()) == 0


def test_there_are_never_too_many_parts_and_every_hole_pixel_has_one() -> None:
    specks = torch.rand((3, 1, 200, 300), generator=generator(0)) < 0.0005
    numbers = split(specks)
    assert 0 <= int(numbers.max()) < MOST
    assert bool((numbers[specks.any(dim=0)[0]] >= 0).all())


def test_no_hole_has_no_part() -> None:
    assert int(split(empty()).max()) == -1
