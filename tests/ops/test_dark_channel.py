"""The haze model: what is put on comes off, and what the dark channel tells of it."""

import pytest
import torch
import torch.nn.functional as nn_functional

from vidinternal.core.seeds import generator
from vidinternal.ops.dark_channel import (
    LEAST_LIGHT,
    airlight,
    clear,
    dark_channel,
    hazy,
    light_map,
    mean_light,
    transmission,
)

LIGHT = torch.tensor([0.85, 0.9, 0.95])


def scene(seed: int = 0) -> torch.Tensor:
    """``2 3 40 56`` with something dark in every neighbourhood."""
    made = torch.rand((2, 3, 40, 56), generator=generator(seed, "scene"))
    made[:, :, ::5, ::5] = 0
    return made


@pytest.mark.parametrize("side", [1, 3, 15, 99])
def test_the_dark_channel_is_the_least_of_every_neighbourhood(side: int) -> None:
    picture = torch.rand((1, 3, 9, 7), generator=generator(side))
    found = dark_channel(picture, side)
    half = side // 2
    for y in range(9):
        for x in range(7):
            part = picture[..., max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
            assert float(found[0, 0, y, x]) == float(part.min())


def test_haze_put_on_comes_off_exactly_where_enough_light_arrives() -> None:
    t = torch.rand((2, 1, 40, 56), generator=generator(1)) * 0.8 + 0.2
    assert torch.allclose(clear(hazy(scene(), LIGHT, t), LIGHT, t), scene(), atol=1e-5)
    everywhere = light_map(LIGHT, scene())
    assert torch.allclose(clear(hazy(scene(), everywhere, t), everywhere, t), scene(), atol=1e-5)


def test_little_transmission_does_not_raise_noise_without_bound() -> None:
    found = clear(torch.full((1, 3, 4, 4), 0.5), LIGHT, torch.zeros(1, 1, 4, 4), least=0.5)
    assert torch.allclose(found, (0.5 - LIGHT.view(1, 3, 1, 1)) / 0.5 + LIGHT.view(1, 3, 1, 1), atol=1e-6)


def test_even_haze_over_a_scene_with_shadows_is_measured() -> None:
    t = torch.full((2, 1, 40, 56), 0.6)
    assert torch.allclose(transmission(hazy(scene(), LIGHT, t), LIGHT, 15, omega=1.0), t, atol=1e-5)
    half = transmission(hazy(scene(), LIGHT, t), LIGHT, 15, omega=0.5)
    assert torch.allclose(half, 1 - 0.5 * (1 - t), atol=1e-5)
    by_map = transmission(hazy(scene(), LIGHT, t), light_map(LIGHT, scene()), 15, omega=1.0)
    assert torch.allclose(by_map, t, atol=1e-5)


def test_the_airlight_is_the_colour_of_the_most_opaque_haze() -> None:
    t = torch.linspace(0.0, 1.0, 40).view(1, 1, 40, 1).expand(2, 1, 40, 56)
    assert torch.allclose(airlight(hazy(scene(), LIGHT, t), side=5), LIGHT, atol=0.05)


def test_one_bright_speck_is_no_airlight() -> None:
    picture = hazy(scene(), LIGHT, torch.full((2, 1, 40, 56), 0.5))
    with_lamp = picture.clone()
    with_lamp[0, :, 20, 20] = 1.0
    assert torch.allclose(airlight(with_lamp), airlight(picture), atol=0.02)


def test_every_picture_of_a_shot_has_a_say() -> None:
    clear_one, hazy_one = scene(), hazy(scene(), LIGHT, torch.full((2, 1, 40, 56), 0.05))
    both = torch.cat((clear_one, hazy_one))
    assert torch.allclose(airlight(both), airlight(hazy_one), atol=0.05)
    assert torch.equal(airlight(both), airlight(both.flip(0))), "in whatever order they come"


def test_black_and_tiny_pictures_are_left_in_peace() -> None:
    for size in ((1, 1), (2, 3), (40, 1)):
        black = torch.zeros(1, 3, *size)
        light = airlight(black)
        assert torch.equal(light, torch.full((3,), LEAST_LIGHT))
        t = transmission(black, light)
        assert torch.equal(t, torch.ones_like(t))
        assert torch.equal(clear(black, light, t), black)
        assert nn_functional.mse_loss(light_map(light, black), torch.full_like(black, LEAST_LIGHT)) == 0
    assert mean_light(torch.full((2, 3, 4, 4), 0.25)) == [0.25, 0.25, 0.25]
