import math

import pytest
import torch
from torch import nn

from vidinternal.core.seeds import generator
from vidinternal.nets.initialise import initialise


def test_convolutions_fill_the_default_range_and_norms_start_as_the_identity() -> None:
    convolution, norm = nn.Conv2d(8, 64, 3), nn.BatchNorm2d(64)
    initialise(nn.Sequential(convolution, norm), generator(0))
    weight = convolution.weight.detach()
    bound = 1 / math.sqrt(8 * 9)
    assert 0.95 * bound < float(weight.abs().max()) <= bound
    assert abs(float(weight.mean())) < 0.05 * bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    x = torch.rand(4, 64, 5, 5, generator=generator(1))
    assert torch.allclose(norm(x), (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True), atol=0.02)


def test_a_norm_without_parameters_is_fine() -> None:
    initialise(nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.ReLU()), generator(0))


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear"):
        initialise(nn.Sequential(nn.Linear(2, 2)), generator(0))
