"""Values to trees and back, and training that goes on as if nothing had happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, HistoryPoint, Holdout
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore
from vidinternal.learn.objective import Objective
from vidinternal.learn.pace import Pace
from vidinternal.learn.resume import FileCheckpoints
from vidinternal.learn.state_tree import from_tree, network_tree, optimiser_tree, restore_optimiser, to_tree
from vidinternal.learn.watch import Watch


@dataclass(frozen=True)
class Inner:
    values: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Outer:
    inner: Inner
    points: tuple[HistoryPoint, ...]
    tensors: Mapping[str, Tensor]
    pair: tuple[int, float]
    nothing: float | None = None


def through_a_file(tmp_path: Any, tree: Any) -> Any:
    FileCheckpoints(tmp_path).save("x", "", {"tree": tree})
    found = FileCheckpoints(tmp_path).load("x", "")
    assert found is not None
    return found["tree"]


def test_our_own_types_come_back_as_they_were(tmp_path: Any) -> None:
    points = (HistoryPoint(1, 0.5, {"L_r": 0.25}, None), HistoryPoint(2, 0.7, {"L_r": 1 / 3}, 21.5))
    given = Outer(Inner(np.eye(2), ("a", "b")), points, {"w": torch.rand(3)}, (1, 0.1))
    found = from_tree(Outer, through_a_file(tmp_path, to_tree(given)))
    assert found.points == given.points
    assert (found.pair, found.nothing, found.inner.names) == (given.pair, None, given.inner.names)
    assert np.array_equal(found.inner.values, given.inner.values)
    assert torch.equal(found.tensors["w"], given.tensors["w"])


class Fit:
    """A small training with everything that has state: batch statistics, a schedule-free optimiser, random batches."""

    def __init__(self, kind: type[torch.optim.Optimizer]) -> None:
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3, padding=1))
        random = generator(1, "weights")
        with torch.no_grad():
            for weight in self.net.parameters():
                weight.copy_(torch.randn(weight.shape, generator=random) / 3)
        self.net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser = kind(self.net.parameters(), lr=0.01)  # pyright: ignore[reportCallIssue]
        self.random = generator(2, "batches")
        self.data = torch.rand(5, 1, 8, 9, generator=generator(3, "data"))

    def steps(self, count: int) -> None:
        for _ in range(count):
            rows = torch.randint(5, (3,), generator=self.random)
            loss = self.net(self.data[rows]).square().mean()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()

    def state(self) -> dict[str, Any]:
        return {
            "net": network_tree(self.net),
            "optimiser": optimiser_tree(self.optimiser),
            "random": self.random.get_state(),
        }


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_a_training_goes_on_to_the_bit(tmp_path: Any, kind: type[torch.optim.Optimizer]) -> None:
    whole, first, second = Fit(kind), Fit(kind), Fit(kind)
    whole.steps(9)
    first.steps(4)
    saved = through_a_file(tmp_path, first.state())
    restore(second.net, saved["net"], "checkpoint")
    restore_optimiser(second.optimiser, saved["optimiser"])
    second.random.set_state(saved["random"])
    second.steps(5)
    for name, tensor in whole.net.state_dict().items():
        assert torch.equal(tensor, second.net.state_dict()[name]), name
    moments = [s["exp_avg"] for s in second.optimiser.state.values() if s["exp_avg"].ndim == 4]
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in moments)


def test_the_looks_and_the_best_so_far_go_on(tmp_path: Any) -> None:
    hidden = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    context = FitContext(seed=0, device=torch.device("cpu"), holdout=Holdout(hidden, torch.zeros(1, 3, 2, 2)))
    pictures = [torch.full((1, 3, 2, 2), v) for v in (0.5, 0.1, 0.3, 0.2, 0.4)]

    def looks(watch: Watch, pace: Pace, shown: list[Tensor]) -> None:
        for picture in shown:
            pace.tick()
            watch.look(picture, {"L_r": 0.1}, lambda: {"w": torch.ones(1)})

    whole_pace = Pace(Budget(), 99)
    whole = Watch(context, whole_pace, patience=3)
    looks(whole, whole_pace, pictures)
    pace = Pace(Budget(), 99)
    first = Watch(context, pace, patience=3)
    looks(first, pace, pictures[:3])
    saved = through_a_file(tmp_path, {"watch": first.state(), "pace": pace.state()})
    resumed_pace = Pace(Budget(), 99)
    resumed_pace.load_state(saved["pace"])
    resumed = Watch(context, resumed_pace, patience=3)
    resumed.load_state(saved["watch"])
    looks(resumed, resumed_pace, pictures[3:])
    assert [(p.iteration, p.holdout_psnr) for p in resumed.history] == [
        (p.iteration, p.holdout_psnr) for p in whole.history
    ]
    assert torch.equal(resumed.best.kept(), whole.best.kept())
    assert (resumed.best.exhausted, resumed.best.iteration) == (whole.best.exhausted, whole.best.iteration) == (True, 2)
    assert resumed_pace.seconds() >= saved["pace"]["seconds"]


def test_the_latest_terms_go_on() -> None:
    first, second = Objective({"a": 1.0}), Objective({"a": 1.0})
    first.total({"a": lambda: torch.tensor(1 / 3)})
    second.load_values(first.values())
    assert second.values() == first.values()
