"""The networks of Double-DIP, what they are fed, and how pictures are turned."""

import pytest
import torch

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.methods.double_dip.layers import (
    TURNS,
    LayerStack,
    correlated_noise,
    meshgrid,
    skip_config,
    turned,
    turned_back,
    uniform_noise,
)
from vidinternal.nets.skip_net import SkipNet


@pytest.mark.parametrize(
    ("inputs", "levels", "kernel", "count"),
    [(2, 3, 3, 35_179), (8, 5, 3, 573_187), (2, 5, 5, 1_544_787)],
    ids=["segmentation", "dehazing", "transparency"],
)
def test_networks_have_the_published_number_of_parameters(inputs: int, levels: int, kernel: int, count: int) -> None:
    network = SkipNet.build(skip_config(inputs, 3, (256, 256), levels=levels, kernel=kernel), generator(0, "net"))
    assert sum(p.numel() for p in network.parameters()) == count


def test_small_pictures_get_shallow_networks_and_smaller_ones_none() -> None:
    assert skip_config(2, 3, (256, 256)).depth == 5
    assert skip_config(2, 3, (9, 40)).depth < 5
    with pytest.raises(UsageError, match="picture size"):
        skip_config(2, 3, (2, 40))


def test_the_eight_turns_differ_and_are_undone() -> None:
    picture = torch.rand(1, 2, 4, 6, generator=generator(1, "turn"))
    seen = {turned(picture, k).contiguous().numpy().tobytes() for k in range(TURNS)}
    assert len(seen) == TURNS
    for k in range(TURNS):
        assert torch.equal(turned_back(turned(picture, k), k), picture)
    assert torch.equal(turned(picture, 0), picture)


def test_noise_is_within_its_width_and_the_same_again() -> None:
    z = uniform_noise((1, 2, 30, 30), generator(1, "z"), 0.1)
    assert float(z.abs().max()) <= 0.05 and float(z.abs().max()) > 0.045
    assert torch.equal(z, uniform_noise((1, 2, 30, 30), generator(1, "z"), 0.1))


def test_the_noise_of_frames_walks_on_from_the_frames_before() -> None:
    z = correlated_noise(5, (2, 8, 8), generator(1, "walk"), step=0.01)
    steps = z.diff(dim=0)
    assert z.shape == (5, 2, 8, 8)
    assert float(steps.min()) >= 0 and float(steps.max()) <= 0.01
    assert float(z[0].abs().max()) <= 0.05
    on = correlated_noise(3, (2, 8, 8), generator(2, "walk"), step=0.01, before=z[-1:])
    first = on[0] - z[-1]
    assert float(first.min()) >= 0 and float(first.max()) <= 0.01


def test_the_grid_goes_from_0_to_1_x_then_y() -> None:
    grid = meshgrid(3, 5)
    assert grid.shape == (1, 2, 3, 5)
    assert torch.allclose(grid[0, 0, 1], torch.linspace(0, 1, 5))
    assert torch.allclose(grid[0, 1, :, 2], torch.linspace(0, 1, 3))


def _stack(count: int = 3, seed: int = 4) -> LayerStack:
    stack = LayerStack(seed)
    stack.add("each", skip_config(2, 3, (16, 24), levels=2), correlated_noise(count, (2, 16, 24), generator(1, "z")))
    stack.add("shared", skip_config(2, 1, (16, 24), levels=2), meshgrid(16, 24))
    stack.place(torch.device("cpu"))
    return stack


def test_layers_have_a_row_a_picture_or_one_for_all() -> None:
    drawn = _stack()(torch.tensor([2, 0]))
    assert drawn["each"].shape == (2, 3, 16, 24)
    assert drawn["shared"].shape == (1, 1, 16, 24)
    assert all(bool(((x > 0) & (x < 1)).all()) for x in drawn.values())
    assert set(_stack()(torch.arange(1), only=("shared",))) == {"shared"}


def test_a_picture_does_not_depend_on_those_it_is_drawn_with() -> None:
    stack = _stack()
    together, alone = stack(torch.arange(3))["each"], stack(torch.tensor([1]))["each"]
    assert torch.equal(together[1:2], alone)


def test_turned_layers_have_turned_sizes() -> None:
    assert _stack()(torch.arange(1), turn=1)["each"].shape == (1, 3, 24, 16)


def test_jitter_moves_only_what_is_jittered() -> None:
    stack = _stack()
    stack.jittered = {"each"}
    still, moved = stack(torch.arange(1)), stack(torch.arange(1), jitter=0.1, random=generator(3, "j"))
    assert not torch.equal(still["each"], moved["each"])
    assert torch.equal(still["shared"], moved["shared"])


def test_a_stack_is_told_by_its_networks_and_drawn_by_its_seed() -> None:
    assert _stack().signature() == _stack(count=1, seed=9).signature()
    other = _stack()
    other.airlight = torch.nn.Parameter(torch.zeros(3))
    assert other.signature() != _stack().signature()
    rows = torch.arange(1)
    assert torch.equal(_stack()(rows)["each"], _stack()(rows)["each"])
    assert not torch.equal(_stack()(rows)["each"], _stack(seed=5)(rows)["each"])
