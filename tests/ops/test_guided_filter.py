"""Laws of the guided filter."""

import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.ops.guided_filter import box_mean, guided_filter


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator(5, "guided", *shape))


@pytest.mark.parametrize(("size", "radius"), [((7, 11), 2), ((5, 4), 3), ((3, 3), 50), ((1, 6), 1), ((1, 1), 4)])
def test_box_mean_is_the_mean_of_the_window_cut_at_the_border(size: tuple[int, int], radius: int) -> None:
    x = _random(2, 3, *size)
    found = box_mean(x, radius)
    for row in range(size[0]):
        for column in range(size[1]):
            part = x[..., max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
            assert torch.allclose(found[..., row, column], part.mean(dim=(-2, -1)), atol=1e-6)


@pytest.mark.parametrize("colours", [1, 3])
def test_what_is_linear_in_the_guide_comes_back(colours: int) -> None:
    guide = _random(2, colours, 24, 30)
    slope = torch.tensor([0.4, -0.3, 0.2])[:colours].view(1, -1, 1, 1)
    x = (guide * slope).sum(dim=1, keepdim=True) + 0.25
    assert torch.allclose(guided_filter(guide, x, 4, 1e-9), x, atol=1e-4)


def test_a_constant_stays_and_maps_are_filtered_alone() -> None:
    guide, x = _random(1, 3, 20, 20), _random(1, 2, 20, 20)
    assert torch.allclose(guided_filter(guide, torch.full((1, 1, 20, 20), 0.7), 6, 1e-4), torch.tensor(0.7), atol=1e-6)
    both = guided_filter(guide, x, 3, 1e-3)
    alone = torch.cat([guided_filter(guide, x[:, c : c + 1], 3, 1e-3) for c in range(2)], dim=1)
    assert torch.allclose(both, alone, atol=1e-6)


def test_it_is_linear_in_the_map() -> None:
    guide, x, y = _random(1, 3, 18, 25), _random(1, 1, 18, 25), 1 - _random(1, 1, 18, 25).square()
    mixed = guided_filter(guide, 0.3 * x - 2 * y, 5, 1e-3)
    apart = [guided_filter(guide, one, 5, 1e-3) for one in (x, y)]
    assert torch.allclose(mixed, 0.3 * apart[0] - 2 * apart[1], atol=1e-5)


def test_a_flat_guide_makes_it_a_mean_of_means() -> None:
    x = _random(1, 1, 16, 16)
    flat = torch.full((1, 3, 16, 16), 0.5)
    assert torch.allclose(guided_filter(flat, x, 3, 1e-2), box_mean(box_mean(x, 3), 3), atol=1e-6)


def test_the_edge_of_the_guide_is_found_by_a_map_that_misses_it() -> None:
    guide = torch.zeros(1, 3, 32, 48)
    guide[..., 24:] = 1.0
    off = torch.zeros(1, 1, 32, 48)
    off[..., 27:] = 1.0
    refined = guided_filter(guide, off, 8, 1e-4)
    step = refined[0, 0, 16].diff()
    assert int(step.argmax()) == 23
    assert float(step[23]) > 0.4
    assert float(step[26]) < 0.1


def test_statistics_on_smaller_pictures_are_nearly_the_same() -> None:
    rows = torch.linspace(0, 3, 96).view(1, 1, 96, 1)
    guide = (0.5 + 0.4 * torch.sin(rows * torch.linspace(1, 2, 128))).expand(1, 3, 96, 128).contiguous()
    guide = guide * torch.tensor([1.0, 0.8, 0.5]).view(1, 3, 1, 1)
    x = (guide[:, :1] > 0.5).float()
    exact, quick = guided_filter(guide, x, 16, 1e-2), guided_filter(guide, x, 16, 1e-2, every=4)
    assert float((exact - quick).abs().mean()) < 0.02
    assert not torch.equal(exact, quick)


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in number or size"):
        guided_filter(_random(1, 3, 8, 8), _random(1, 1, 8, 9), 2)
