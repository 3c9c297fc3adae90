import math

import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.methods.dip.objective import (
    SURE,
    E,
    E_feature,
    L_temporal,
    R_tv,
    divergence,
    estimated_sigma,
    psnr_to,
)


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=generator(seed))


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


def test_the_energy_is_zero_at_the_observation_alone() -> None:
    x = drawn(1, 3, 6, 7)
    assert float(E(x, x)) == 0.0
    assert float(E(x + 0.1, x)) == pytest.approx(0.01, rel=1e-4)


def test_what_is_masked_counts_neither_in_value_nor_in_gradient() -> None:
    x, target = drawn(1, 3, 6, 7).requires_grad_(), drawn(1, 3, 6, 7, seed=2)
    known = (drawn(1, 1, 6, 7, seed=3) > 0.5).float()
    other = torch.where(known > 0, target, target + 5.0)
    first, second = E(x, target, known), E(x, other, known)
    assert torch.equal(first, second)
    first.backward()
    assert x.grad is not None
    assert not x.grad[(known == 0).expand_as(x)].any()
    assert x.grad[(known > 0).expand_as(x)].all()


def test_the_mean_goes_over_masked_pixels_too() -> None:
    x, target = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    half = torch.zeros(1, 1, 4, 4)
    half[..., :2] = 1.0
    assert float(E(x, target, half)) == pytest.approx(0.5)


def test_the_feature_energy_is_one_for_a_blank_output_whatever_the_scale() -> None:
    wanted = drawn(1, 8, 3, 3)
    for scale in (1.0, 100.0):
        assert float(E_feature(torch.zeros_like(wanted), scale * wanted)) == pytest.approx(1.0)
    assert float(E_feature(wanted, wanted)) == 0.0


def test_total_variation_of_a_step_is_its_height() -> None:
    x = torch.zeros(1, 1, 4, 5)
    x[..., 3:] = 0.5
    assert float(R_tv(x)) == pytest.approx(0.5 / 4)
    assert float(R_tv(torch.full((1, 3, 4, 4), 0.7))) == 0.0


def test_the_temporal_term_looks_only_where_the_flow_can_be_believed() -> None:
    x, before = drawn(1, 3, 4, 4), drawn(1, 3, 4, 4, seed=2)
    nowhere, left = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1.0
    assert float(L_temporal(x, before, nowhere)) == 0.0
    other = before.clone()
    other[..., 2:] += 1.0
    assert torch.equal(L_temporal(x, before, left), L_temporal(x, other, left))


def test_a_level_tells_a_broken_fit_from_a_perfect_one() -> None:
    assert psnr_to(0.01) == pytest.approx(20.0)
    assert psnr_to(0.0) == pytest.approx(120.0)
    assert math.isnan(psnr_to(math.nan))


@pytest.mark.parametrize("gain", [0.2, 0.7, 1.0])
def test_the_divergence_of_a_scaling_is_its_factor(gain: float) -> None:
    y, probe = drawn(1, 3, 64, 64), normal(1, 3, 64, 64)
    found = divergence(lambda x: gain * x, y, gain * y, probe, 1e-2)
    assert float(found) == pytest.approx(gain, rel=0.05)


@pytest.mark.parametrize("gain", [0.0, 0.5, 0.9])
def test_the_risk_estimate_is_the_true_error_of_a_linear_filter(gain: float) -> None:
    sigma, truth = 0.1, drawn(1, 3, 256, 256)
    y = truth + sigma * normal(1, 3, 256, 256, seed=5)

    def filtered(x: torch.Tensor) -> torch.Tensor:
        return 0.5 + gain * (x - 0.5)

    spread = divergence(filtered, y, filtered(y), normal(1, 3, 256, 256, seed=6), 1e-2)
    risk, error = SURE(filtered(y), y, sigma, spread), E(filtered(y), truth)
    assert float(risk) == pytest.approx(float(error), abs=3e-4)


@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_the_noise_is_estimated_on_a_smooth_picture(sigma: int) -> None:
    ramp = torch.linspace(0.3, 0.7, 96).expand(1, 3, 80, 96)
    noisy = ramp + sigma / 255 * normal(1, 3, 80, 96, seed=7)
    assert 255 * estimated_sigma(noisy) == pytest.approx(sigma, rel=0.06)
    assert estimated_sigma(ramp) < 1e-3
