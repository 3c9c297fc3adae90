import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vidinternal.core.seeds import generator
from vidinternal.methods.dip.problems import itself
from vidinternal.methods.dip.stopping import (
    Backtrack,
    HeldOutPixels,
    Last,
    OutputAverage,
    WindowedVariance,
    ZeroCrossing,
)

CPU = torch.device("cpu")


def picture(value: float) -> Tensor:
    return torch.full((1, 3, 4, 4), value)


def trembling(iteration: int, calm_at: int, seed: int = 0) -> Tensor:
    """An output whose tremor is least around an iteration."""
    noise = torch.randn(1, 3, 8, 8, generator=generator(seed, "tremor", iteration))
    return 0.5 + noise * (0.01 + 0.002 * abs(iteration - calm_at))


def test_the_published_mean_keeps_its_first_output_and_ours_forgets_it() -> None:
    published, ours = OutputAverage(0.99, debiased=False), OutputAverage(0.99, debiased=True)
    a, b = published.take(picture(0.0)), ours.take(picture(0.0))
    for _ in range(20):
        a, b = published.take(picture(1.0)), ours.take(picture(1.0))
    assert float(a[0, 0, 0, 0]) == pytest.approx(1 - 0.99**20, abs=1e-5)
    assert float(b.min()) > 0.95


def test_without_decay_the_mean_is_the_last_output() -> None:
    mean = OutputAverage(0.0, debiased=False)
    mean.take(picture(0.1))
    assert torch.allclose(mean.take(picture(0.8)), picture(0.8))


def test_the_mean_is_no_view_of_an_output() -> None:
    mean, output = OutputAverage(0.9, debiased=False), picture(0.2)
    mean.take(output)
    output.fill_(0.9)
    assert mean.mean is not None
    assert torch.equal(mean.mean, picture(0.2))


def test_the_stored_iterate_is_where_the_outputs_varied_least() -> None:
    rule = WindowedVariance(10, 30, generator(0))
    stopped = None
    for iteration in range(1, 200):
        mean = picture(iteration / 1000)
        if rule.look(iteration, trembling(iteration, calm_at=60), mean):
            stopped = iteration
            break
        mean.fill_(0.0)  # what training does to live tensors: the rule must have stored a copy
    assert abs(rule.iteration - 64) <= 6, "the window of ten ends about five after the calmest iterate"
    assert stopped == rule.iteration + 30
    assert rule.best is not None
    assert torch.allclose(rule.best, picture(rule.iteration / 1000))


def test_the_variance_is_the_papers_formula() -> None:
    rule, outputs = WindowedVariance(5, 100, generator(0)), [trembling(k, 0) for k in range(5)]
    for k, output in enumerate(outputs):
        rule.look(k, output, output)
    stack = torch.stack(outputs)
    expected = (stack - stack.mean(dim=0)).square().mean()
    assert rule.score == pytest.approx(float(expected), rel=0.01)


def test_variance_that_falls_for_ever_never_stops() -> None:
    rule = WindowedVariance(5, 10, generator(0))
    steps = range(1, 100)
    assert not any(rule.look(k, 0.5 + trembling(k, 10_000) / k**2, picture(k / 100)) for k in steps)


def test_held_out_pixels_choose_the_iterate_nearest_to_the_hidden_truth() -> None:
    truth = torch.rand(1, 3, 16, 16, generator=generator(1))
    noise = 0.1 * torch.randn(1, 3, 16, 16, generator=generator(2))
    places = torch.rand(1, 1, 16, 16, generator=generator(3)) < 0.3
    rule = HeldOutPixels(truth + noise, places, itself, patience=20, every=1)
    stopped = None
    for k in range(1, 100):
        # towards the truth until 40, then towards the noise
        share = min(k, 40) / 40
        mean = share * truth + (1 - share) * 0.5 + max(0, k - 40) / 40 * 0.5 * noise.flip(-1)
        if rule.look(k, mean, mean):
            stopped = k
            break
    assert abs(rule.iteration - 41) <= 3
    assert stopped == rule.iteration + 20


def test_pixels_that_are_not_held_out_do_not_matter_to_the_score() -> None:
    observed = torch.rand(1, 3, 8, 8, generator=generator(1))
    places = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    places[..., :2, :2] = True
    rule = HeldOutPixels(observed, places, itself, patience=5)
    elsewhere = torch.where(places, observed + 0.1, torch.zeros_like(observed))
    assert rule.level(elsewhere) == pytest.approx(20.0, abs=1e-3)


def test_a_risk_below_zero_counts_only_when_it_lasts() -> None:
    rule = ZeroCrossing()
    rule.look(1, picture(0.1), picture(0.1))
    assert not rule.crossed(0.01)
    assert not rule.crossed(-0.001), "one probe below zero is chance"
    assert any(rule.crossed(-0.001) for _ in range(100))


def test_no_rule_never_stops_and_keeps_the_mean() -> None:
    rule = Last()
    assert not any(rule.look(k, picture(0.3), picture(0.6)) for k in range(1, 50))
    assert rule.best is not None
    assert torch.equal(rule.best, picture(0.6))


def trained(network: nn.Module, optimiser: torch.optim.Optimizer, target: float) -> None:
    for _ in range(3):
        optimiser.zero_grad()
        (network(torch.ones(1, 2)) - target).square().sum().backward()
        optimiser.step()


def test_backtracking_puts_copies_back_weights_and_moments() -> None:
    with torch.random.fork_rng():
        network = nn.Linear(2, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    trained(network, optimiser, 0.5)
    rule = Backtrack(network, optimiser, every=10)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    moments = [optimiser.state[p]["exp_avg"].clone() for p in network.parameters()]
    assert not rule.look(0, 30.0)
    trained(network, optimiser, 9.0)
    assert not torch.equal(network.weight, weights["weight"]), "the copy would be worth nothing otherwise"
    assert rule.look(3, 24.9), "5.1 dB below"
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())
    for moment, parameter in zip(moments, network.parameters(), strict=True):
        assert torch.equal(optimiser.state[parameter]["exp_avg"], moment)
    trained(network, optimiser, 9.0)
    assert rule.look(4, 1.0), "a second fall finds the same copy unchanged"
    assert torch.equal(network.weight, weights["weight"])
    assert rule.times == 2


@pytest.mark.parametrize(("level", "back"), [(25.1, False), (24.9, True), (math.nan, True)])
def test_only_a_fall_of_more_than_five_goes_back(level: float, back: bool) -> None:
    network = nn.Conv2d(1, 1, 1)
    rule = Backtrack(network, torch.optim.Adam(network.parameters()))
    rule.look(0, 30.0)
    assert rule.look(1, level) is back


@pytest.mark.parametrize(
    ("rule", "twin"),
    [
        (WindowedVariance(4, 6, generator(0)), WindowedVariance(4, 6, generator(0))),
        (
            HeldOutPixels(picture(0.5), picture(0.5)[:, :1] > 0, itself, 4, 1),
            HeldOutPixels(picture(0.5), picture(0.5)[:, :1] > 0, itself, 4, 1),
        ),
    ],
    ids=["variance", "held-out"],
)
def test_a_rule_goes_on_from_its_state(rule: Any, twin: Any) -> None:
    def output(k: int) -> Tensor:
        return trembling(k, 6)[..., :4, :4].contiguous()

    for k in range(1, 9):
        rule.look(k, output(k), output(k))
    twin.load_state(rule.state(), CPU)
    for k in range(9, 30):
        assert rule.look(k, output(k), output(k)) == twin.look(k, output(k), output(k))
    assert rule.iteration == twin.iteration
    assert torch.equal(rule.best, twin.best)
