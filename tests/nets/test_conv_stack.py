import math

import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.nets.conv_stack import ConvStack, StackShape

FOLDED = StackShape(fold=2, slope=0.1, detail=4.0)


def count(shape: StackShape) -> int:
    return sum(p.numel() for p in ConvStack(shape, generator(0)).parameters())


def test_the_paper_s_network_has_its_parameters_and_no_bias() -> None:
    assert count(StackShape()) == 224_640
    assert all(p.ndim == 4 for p in ConvStack(StackShape(), generator(0)).parameters())


def test_weights_are_drawn_with_the_paper_s_variance() -> None:
    for weight in ConvStack(StackShape(), generator(1)).parameters():
        assert float(weight.detach().std()) == pytest.approx(math.sqrt(0.1 / weight[0].numel()), rel=0.1)


@pytest.mark.parametrize("shape", [StackShape(depth=3, width=8), StackShape(depth=3, width=8, fold=2), FOLDED])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (12, 7)])
def test_any_size_comes_out_as_it_went_in(shape: StackShape, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    assert ConvStack(shape, generator(0))(x).shape == x.shape


@pytest.mark.parametrize("shape", [StackShape(depth=3, width=8), FOLDED])
def test_zero_weights_give_the_input_back(shape: StackShape) -> None:
    net, x = ConvStack(shape, generator(0)), torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    torch.testing.assert_close(net(x), x)


@pytest.mark.parametrize("shape", [StackShape(depth=3, width=4), StackShape(depth=3, width=4, fold=2, detail=2.0)])
def test_nothing_farther_than_the_reach_matters(shape: StackShape) -> None:
    net, x = ConvStack(shape, generator(0)), torch.rand(1, 3, 64, 64)
    other = x.clone()
    other[..., 32, 32] += 1.0
    changed = (net(other) - net(x)).abs().amax(dim=(0, 1)) > 0
    far = torch.ones(64, 64, dtype=torch.bool)
    far[32 - shape.reach : 33 + shape.reach, 32 - shape.reach : 33 + shape.reach] = False
    assert changed.any() and not (changed & far).any()


def test_without_biases_twice_the_picture_is_twice_the_output() -> None:
    net, x = ConvStack(StackShape(depth=3, width=8), generator(0)), torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(net(2 * x), 2 * net(x))


def test_where_detail_is_seen_flat_colour_inside_is_left_alone() -> None:
    x = torch.full((1, 3, 40, 40), 0.3)
    torch.testing.assert_close(ConvStack(FOLDED, generator(0))(x), x)


def test_same_generator_same_network_and_signatures_tell_networks_apart() -> None:
    a, b = (ConvStack(FOLDED, generator(5)).state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    shapes = (StackShape(), StackShape(depth=7), StackShape(width=32), StackShape(fold=2), FOLDED)
    assert len({s.signature for s in shapes}) == len(shapes)
