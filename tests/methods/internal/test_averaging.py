import torch
from torch import nn

from vidinternal.methods.internal.averaging import DECAY, Average


def net(value: float) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, 1)
    nn.init.constant_(layer.weight, value)
    nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    return layer


def test_before_the_first_step_it_is_the_network_itself() -> None:
    picture = torch.ones((1, 1, 2, 2))
    assert torch.equal(Average()(net(3), picture), net(3)(picture))


def test_it_draws_the_middle_of_the_way_and_leaves_the_network_alone() -> None:
    average, network = Average(), net(0)
    for step in range(200):
        with torch.no_grad():
            network.weight.fill_(float(step % 2))
        average.take(network, step)
    drawn = float(average(network, torch.ones((1, 1, 1, 1))).detach())
    assert 0.4 < drawn < 0.6
    assert float(network.weight.detach()) == 1.0


def test_a_standing_network_is_its_own_mean_and_the_first_steps_are_forgotten() -> None:
    average = Average()
    average.take(net(100), 0)
    for step in range(1, 120):
        average.take(net(2), step)
    assert abs(float(average.kept["weight"]) - 2) < 1e-2
    assert DECAY**100 < 1e-3


def test_it_goes_on_from_its_state() -> None:
    whole, again = Average(), Average()
    for step, value in enumerate((1.0, 5.0, 2.0)):
        whole.take(net(value), step)
        if step == 1:
            again.load_state(net(0), {k: v.clone() for k, v in whole.kept.items()})
    again.take(net(2.0), 2)
    assert torch.equal(whole.kept["weight"], again.kept["weight"])
