"""The door: a start is taken where it is no worse, and the network is as it was where it is."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from vidinternal.core.contracts import FitContext, Start
from vidinternal.core.errors import ConfigError
from vidinternal.learn.warm_start.door import audition, begin, part

CONTEXT = FitContext(seed=0, device=torch.device("cpu"))


class Offer:
    """Starts of one network."""

    def __init__(self, value: float) -> None:
        self.value, self.asked = value, []

    def of(self, signature: str) -> Start | None:
        self.asked.append(signature)
        return Start(weights(self.value), "a test") if signature == "net" else None


def network(value: float) -> nn.Module:
    net = nn.Linear(2, 1)
    net.load_state_dict(weights(value))
    return net


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((1, 2), value), "bias": torch.zeros(1)}


def held(net: nn.Module) -> float:
    return float(net.state_dict()["weight"][0, 0])


@pytest.mark.parametrize(("offered", "taken"), [(5.0, True), (1.0, True), (0.5, False)])
def test_the_better_start_on_the_held_out_pixels_wins_and_a_tie_is_warm(offered: float, taken: bool) -> None:
    net = network(1.0)
    begun = begin(net, "net", replace(CONTEXT, starts=Offer(offered)), lambda: held(net))
    assert begun.warm is taken
    assert held(net) == (offered if taken else 1.0)
    assert ("warm start" if taken else "cold start") in begun.note
    assert f"{offered:.2f}" in begun.note


def test_a_start_whose_score_is_no_number_is_not_taken() -> None:
    net = network(1.0)
    assert not begin(
        net, "net", replace(CONTEXT, starts=Offer(5.0)), lambda: held(net) if held(net) < 2 else torch.nan
    ).warm
    assert held(net) == 1.0


def test_without_held_out_pixels_the_start_is_taken_and_that_is_told() -> None:
    net = network(1.0)
    begun = begin(net, "net", replace(CONTEXT, starts=Offer(0.5)), lambda: None)
    assert begun.warm
    assert held(net) == 0.5
    assert "nothing is held out" in begun.note


def test_nothing_offered_is_a_cold_start() -> None:
    net = network(1.0)
    assert not begin(net, "other net", replace(CONTEXT, starts=Offer(5.0)), lambda: held(net)).warm
    assert not begin(net, "net", CONTEXT, lambda: held(net)).warm
    assert held(net) == 1.0


def test_weights_chosen_on_purpose_are_not_put_to_the_vote() -> None:
    net, offer = network(1.0), Offer(5.0)
    begin(net, "net", replace(CONTEXT, starts=offer, start=weights(3.0)), lambda: held(net))
    assert offer.asked == []
    assert held(net) == 1.0


def test_weights_that_do_not_fit_leave_the_network_as_it_was() -> None:
    net = network(1.0)
    with pytest.raises(ConfigError):
        audition(net, Start({"weight": torch.zeros(1, 3)}, "a test"), lambda: held(net))
    assert held(net) == 1.0


def test_parts_are_taken_by_prefix() -> None:
    assert list(part({"0.w": torch.zeros(1), "1.w": torch.ones(1), "w": torch.ones(1)}, "1.")) == ["w"]
