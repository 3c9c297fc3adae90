"""Laws of the description: it tells pictures apart, and is blind to what it must not see."""

import math

import pytest
import torch

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.learn.warm_start.describe import GROUPS, LENGTH, describe, distance, size_distance


def noise(frames: int = 3, height: int = 40, width: int = 56, seed: int = 0) -> torch.Tensor:
    return torch.rand((frames, 3, height, width), generator=generator(seed))


def ramp(height: int = 40, width: int = 56) -> torch.Tensor:
    return torch.linspace(0, 1, width).expand(3, 3, height, width)


def test_every_histogram_sums_to_one_and_survives_json() -> None:
    seen = describe(noise())
    assert len(seen) == LENGTH == sum(GROUPS)
    colours = [sum(seen[k : k + 8]) for k in range(0, GROUPS[0], 8)]
    rest, start = [], GROUPS[0]
    for length in GROUPS[1:]:
        rest.append(sum(seen[start : start + length]))
        start += length
    assert [*colours, *rest] == pytest.approx([1] * 7, abs=1e-5)
    assert all(round(v, 6) == v for v in seen)


def test_a_distance_is_one_between_none_and_all() -> None:
    pictures = [noise(), noise(seed=1), ramp(), torch.zeros(2, 3, 40, 56), torch.ones(1, 3, 9, 9)]
    seen = [describe(p) for p in pictures]
    for a in seen:
        assert distance(a, a) == 0
        for b in seen:
            assert 0 <= distance(a, b) <= 1
            assert distance(a, b) == distance(b, a)
    assert distance(seen[0], seen[1]) < 0.05 < distance(seen[0], seen[2])


def test_what_is_under_the_mask_does_not_matter() -> None:
    masks = torch.zeros(3, 1, 40, 56, dtype=torch.bool)
    masks[:, :, 10:30, 10:40] = True
    other = noise().masked_fill(masks, torch.nan)
    assert describe(noise(), masks) == describe(other, masks)
    assert describe(noise(), masks) != describe(noise())


def test_size_and_length_matter_little() -> None:
    picture = torch.nn.functional.interpolate(noise(4, 12, 16), (96, 128), mode="bilinear")
    twice = torch.nn.functional.interpolate(picture, (192, 256), mode="bilinear")
    assert distance(describe(picture), describe(twice)) < 0.1
    still = picture[:1].expand(5, -1, -1, -1)
    assert describe(still) == pytest.approx(describe(still[:2]), abs=1e-5)  # sums of other lengths round otherwise
    assert size_distance((10, 20), (20, 20)) == pytest.approx(0.1)
    assert size_distance((10, 20), (20, 10)) == 0


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 1, 7), (2, 3, 500, 2)])
def test_tiny_and_long_pictures_are_described(shape: tuple[int, ...]) -> None:
    seen = describe(torch.rand(shape, generator=generator(0)))
    assert all(0 <= v <= 1 for v in seen)
    nothing = describe(torch.rand(shape, generator=generator(0)), torch.ones(shape[0], 1, *shape[2:], dtype=torch.bool))
    assert all(math.isfinite(v) for v in nothing)


def test_what_is_no_window_is_refused() -> None:
    with pytest.raises(UsageError, match="frames T 3 H W"):
        describe(torch.zeros(3, 40, 56))
    with pytest.raises(UsageError, match="frames T 3 H W"):
        describe(torch.zeros(0, 3, 40, 56))
    with pytest.raises(UsageError, match="masks T 1 H W"):
        describe(noise(), torch.zeros(3, 1, 40, 55, dtype=torch.bool))
    with pytest.raises(UsageError, match="44 numbers"):
        distance((0.5,), (0.5,))
