"""Tiles: together they are the picture again, whatever its size and scale."""

import math

import pytest
import torch
import torch.nn.functional as nn_functional

from vidinternal.stages.lift.motion import Flicker, enlarged, misfit, step_between
from vidinternal.stages.lift.tiles import SMALLEST, plan, together


@pytest.mark.parametrize("size", [(1, 1), (40, 56), (200, 33), (97, 301), (640, 480)])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (2.0, 2.0), (1.5, 3.0), (1.37, 1.1)])
def test_tiles_cover_the_picture_and_are_small_enough(size: tuple[int, int], scale: tuple[float, float]) -> None:
    def grown(height: int, width: int) -> tuple[int, int]:
        return math.ceil(height * scale[0] - 1e-9), math.ceil(width * scale[1] - 1e-9)

    tiles = plan(*size, grown, 64 * 64)
    assert [t.index for t in tiles] == list(range(len(tiles)))
    seen = torch.zeros(size)
    for tile in tiles:
        seen[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
        assert tile.y + tile.height <= size[0] and tile.x + tile.width <= size[1]
        assert max(abs(tile.top - tile.y * scale[0]), abs(tile.left - tile.x * scale[1])) < 0.11
    assert float(seen.min()) >= 1
    assert (len(tiles) == 1) == (size[0] * size[1] <= 64 * 64) == tiles[0].whole
    if len(tiles) > 1:
        assert all(t.height * t.width <= 1.1 * 64 * 64 for t in tiles)
        assert all(min(t.height, t.width) >= min(SMALLEST, *size) // 2 for t in tiles)


def test_usual_tiles_lie_in_line_to_a_few_hundredths_of_a_pixel() -> None:
    for scale in (1.1, 1.37, 2.23, 3.14159):
        for tile in plan(2160, 3840, lambda h, w, s=scale: (math.ceil(h * s), math.ceil(w * s)), 512 * 512):
            assert max(abs(tile.top - tile.y * scale), abs(tile.left - tile.x * scale)) < 0.05


def test_zero_never_cuts() -> None:
    assert len(plan(4000, 4000, lambda h, w: (h, w), 0)) == 1


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_pieces_of_a_picture_laid_together_are_the_picture(scale: int) -> None:
    frames = torch.rand(2, 3, 90, 131)
    expected = nn_functional.interpolate(frames, scale_factor=scale, mode="nearest")

    def grown(height: int, width: int) -> tuple[int, int]:
        return scale * height, scale * width

    tiles = plan(90, 131, grown, 48 * 48)
    pieces = [(t, nn_functional.interpolate(t.cut(frames), scale_factor=scale, mode="nearest")) for t in tiles]
    made = together(pieces, grown(90, 131), lambda t: grown(t.height, t.width))
    assert torch.allclose(made, expected, atol=1e-5)
    assert all(torch.equal(t.cut_result(expected, grown(t.height, t.width)), p) for t, p in pieces)


def test_tiles_that_disagree_are_faded_into_each_other() -> None:
    tiles = plan(64, 128, lambda h, w: (h, w), 64 * 64)
    made = together(
        [(t, torch.full((1, 1, t.height, t.width), float(k))) for k, t in enumerate(tiles)],
        (64, 128),
        lambda t: (t.height, t.width),
    )
    assert float(made[0, 0, :, 1:].sub(made[0, 0, :, :-1]).abs().max()) < 0.34
    assert float(made.min()) == 0 and float(made.max()) == len(tiles) - 1


def test_flow_of_a_larger_picture_is_longer() -> None:
    flow = torch.full((1, 2, 8, 10), 1.5)
    known = torch.ones(1, 1, 8, 10, dtype=torch.bool)
    larger, still = enlarged(flow, known, (16, 30))
    assert torch.allclose(larger[:, 0], torch.tensor(4.5)) and torch.allclose(larger[:, 1], torch.tensor(3.0))
    assert bool(still.all())
    assert enlarged(flow, known, (8, 10))[0] is flow


def test_pictures_that_stand_still_have_no_misfit_and_what_is_unknown_does_not_count() -> None:
    picture = torch.rand(1, 3, 40, 50)
    step = step_between(picture, picture)
    assert misfit(picture, picture, step.onward, step.known)[0] < 1e-6
    nothing = torch.zeros_like(step.known)
    assert misfit(picture, 1 - picture, step.onward, nothing) == (0.0, 0)
    flicker = Flicker()
    assert flicker.errors() is None
    flicker.add(step, (picture, picture), (picture, (picture + 0.1).clamp(0, 1)))
    errors = flicker.errors()
    assert errors is not None and errors[1] > errors[0]
    assert Flicker.of(flicker.as_list()) == flicker
