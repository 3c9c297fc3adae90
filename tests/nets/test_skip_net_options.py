"""What the Deep Image Prior's presets need of the skip network beyond the video presets."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.nets.skip_net import Halve, SkipNet, SkipNetConfig, each_level

TWO = SkipNetConfig(in_channels=2, down=(4, 6), up=(4, 6), skip=(2, 2))


def made(config: SkipNetConfig, height: int = 19, width: int = 22) -> torch.Tensor:
    network = SkipNet.build(config, generator(0))
    return network(torch.rand(1, config.in_channels, height, width, generator=generator(1)))["image"]


@pytest.mark.parametrize("how", ["stride", "avg", "max", "lanczos2", "lanczos3"])
@pytest.mark.parametrize("activation", ["leaky_relu", "swish", "elu", "none"])
def test_every_way_down_keeps_any_size_and_the_weights(how: str, activation: str) -> None:
    config = replace(TWO, downsample=how, activation=activation)
    assert made(config).shape == (1, 3, 19, 22)
    with torch.device("meta"):
        count, plain = (sum(p.numel() for p in SkipNet(c).parameters()) for c in (config, TWO))
    assert count == plain, "halving and activation have no parameters"


@pytest.mark.parametrize("how", ["avg", "max", "lanczos2"])
def test_halving_rounds_up_as_a_stride_does(how: str) -> None:
    halve = Halve(how)  # pyright: ignore[reportArgumentType]
    x = torch.full((1, 2, 7, 10), 0.4)
    small = halve(x)
    assert small.shape == (1, 2, 4, 5)
    assert torch.allclose(small, torch.full_like(small, 0.4), atol=1e-6)


def test_kernels_of_every_level_are_where_they_were_asked() -> None:
    network = SkipNet.build(replace(TWO, kernel_down=(7, 3), kernel_up=(3, 5)), generator(0))
    sides = [[m.kernel_size[0] for m in level.modules() if isinstance(m, nn.Conv2d)] for level in network.down]
    assert sides == [[7, 7], [3, 3]]
    up = [[m.kernel_size[0] for m in level.modules() if isinstance(m, nn.Conv2d)] for level in network.up]
    assert up == [[3, 1], [5, 1]]


def test_every_level_is_enlarged_as_it_was_asked() -> None:
    mixed, nearest, linear = (
        made(replace(TWO, upsample=u), 16, 16) for u in (("nearest", "bilinear"), "nearest", "bilinear")
    )
    assert not torch.allclose(mixed, nearest)
    assert not torch.allclose(mixed, linear)
    assert torch.equal(made(replace(TWO, upsample=("bilinear", "bilinear")), 16, 16), linear)


def test_the_signature_tells_networks_apart_and_keeps_its_old_text() -> None:
    assert TWO.signature() == "skip2d:in2:4-6:4-6:2-2:k3.3.1:bilinear,reflection,1x1,bias:image3s"
    others = (
        replace(TWO, kernel_down=(3, 5)),
        replace(TWO, downsample="avg"),
        replace(TWO, activation="elu"),
        replace(TWO, upsample=("nearest", "bilinear")),
    )
    assert len({c.signature() for c in (TWO, *others)}) == 5


def test_a_setting_of_the_wrong_number_of_levels_is_refused() -> None:
    with pytest.raises(UsageError, match="one for each of 2 levels"):
        SkipNet(replace(TWO, kernel_down=(3, 3, 3)))
    with pytest.raises(UsageError, match="one for each of 3 levels"):
        each_level(("nearest", "bilinear"), 3)


def test_an_even_kernel_of_one_level_is_refused() -> None:
    with pytest.raises(UsageError, match="odd kernels"):
        SkipNet(replace(TWO, kernel_up=(3, 4)))
