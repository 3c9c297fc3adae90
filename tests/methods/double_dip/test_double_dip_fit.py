"""The loop of Double-DIP."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.core.stop import Interrupted
from vidinternal.methods.double_dip.fit import Fit, FitSettings, Outcome, Phase, Seen, digest
from vidinternal.methods.double_dip.layers import LayerStack, correlated_noise, skip_config

SIZE = (16, 24)
TARGET = torch.rand((2, 3, *SIZE), generator=generator(1, "target")) * 0.2 + torch.linspace(0.2, 0.7, 24)


def _stack(seed: int = 2, count: int = 2) -> LayerStack:
    stack = LayerStack(seed)
    stack.add("image", skip_config(2, 3, SIZE, levels=2), correlated_noise(count, (2, *SIZE), generator(1, "z")))
    return stack


def _phase(iterations: int = 12, name: str = "learning", **other: Any) -> Phase:
    def mixture(seen: Seen) -> tuple[Tensor, Tensor]:
        return seen.out["image"], seen.turned(TARGET)

    def terms(seen: Seen) -> Mapping[str, Callable[[], Tensor]]:
        return {"Rec": lambda: (mixture(seen)[0] - mixture(seen)[1]).square().mean()}

    given = {"rate": 1e-2, "weights": lambda _: {"Rec": 1.0}, **other}
    return Phase(name, iterations, terms=terms, mixture=mixture, **given)


def _fit(
    *phases: Phase, stack: LayerStack | None = None, settings: FitSettings | None = None, **context: Any
) -> Outcome:
    own = settings or FitSettings("test", 2, precision="float32")
    return Fit(stack or _stack(), phases, FitContext(seed=3, device=torch.device("cpu"), **context), own).run()


def test_the_mixture_becomes_the_picture() -> None:
    short, long = _fit(_phase(4)), _fit(_phase(60))
    assert long.psnr > short.psnr + 3
    assert long.iterations == 60 and long.stopped == "iterations"
    assert long.out["image"].shape == TARGET.shape
    error = float((long.out["image"] - TARGET).square().mean())
    assert long.psnr == pytest.approx(-10 * torch.tensor(error).log10().item(), abs=1e-3)


def test_the_same_seed_makes_the_same_bytes() -> None:
    phase = _phase(6, jitter=lambda _: 0.01, turns=lambda k: k % 8)
    first, second = _fit(phase), _fit(phase)
    assert torch.equal(first.out["image"], second.out["image"])


def test_a_phase_ends_where_the_mixture_is_good() -> None:
    outcome = _fit(_phase(200, good=15.0))
    assert outcome.stopped == "good mixture"
    assert outcome.iterations < 200 and outcome.psnr > 15.0


def test_the_budget_ends_a_fit_and_something_is_returned() -> None:
    outcome = _fit(_phase(100_000), budget=Budget(0.3))
    assert outcome.stopped == "budget"
    assert 0 < outcome.iterations < 100_000 and outcome.out["image"].isfinite().all()


def test_phases_follow_each_other_and_leave_out_what_they_are_told_to() -> None:
    stack = _stack()
    stack.add("other", skip_config(2, 1, SIZE, levels=2), correlated_noise(2, (2, *SIZE), generator(2, "z")))
    before = {k: v.clone() for k, v in stack.state_dict().items() if k.startswith("nets.other")}
    seen: list[tuple[str, int]] = []
    phases = [
        _phase(3, name, only=("image",), jitter=lambda k, name=name: seen.append((name, k)) or 0.0)
        for name in ("one", "two")
    ]
    outcome = _fit(*phases, stack=stack)
    assert outcome.iterations == 6 and set(outcome.out) == {"image"}
    # the last step of a phase is never jittered
    assert seen == [("one", 0), ("one", 1), ("two", 0), ("two", 1)]
    assert all(torch.equal(stack.state_dict()[k], v) for k, v in before.items())


def test_going_on_begins_where_the_group_before_ended() -> None:
    first = _fit(_phase(60))
    on = _fit(_phase(1), settings=FitSettings("test", 2, precision="float32", previous=first.state))
    cold = _fit(_phase(1))
    assert on.begun.warm and not cold.begun.warm
    assert on.psnr > cold.psnr + 3
    other = {**first.state, "signature": "another network"}
    assert not _fit(_phase(1), settings=FitSettings("test", 2, previous=other)).begun.warm


class _Dying:
    """Keeps what it is offered, and stops the fit after some offers."""

    def __init__(self, alive: int) -> None:
        self.alive, self.kept = alive, {}

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return self.kept.get((piece, fits))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.kept[piece, fits] = _copied(state)

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("stopped")


def _copied(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.clone()
    if isinstance(tree, Mapping):
        return {k: _copied(v) for k, v in tree.items()}
    return [_copied(v) for v in tree] if isinstance(tree, list | tuple) else tree


@pytest.mark.parametrize("alive", [1, 4, 5, 6, 10])
def test_killed_anywhere_it_goes_on_to_the_same_bytes(alive: int) -> None:
    phases = _phase(5, "one", jitter=lambda _: 0.01), _phase(5, "two", turns=lambda k: k)
    whole, checkpoint = _fit(*phases), _Dying(alive)
    with pytest.raises(Interrupted):
        _fit(*phases, checkpoint=checkpoint)
    checkpoint.alive = -1
    resumed = _fit(*phases, checkpoint=checkpoint)
    assert torch.equal(resumed.out["image"], whole.out["image"])
    assert resumed.iterations == whole.iterations and resumed.psnr == whole.psnr
    for mine, theirs in zip(resumed.state["optimiser"]["state"], whole.state["optimiser"]["state"], strict=True):
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_a_fit_that_leaves_the_finite_numbers_says_so() -> None:
    broken = _phase(5, weights=lambda _: {"Rec": float("nan")})
    with pytest.raises(UsageError, match="finite"):
        _fit(broken)
    # once there is something, it is kept
    outcome = _fit(_phase(4, "fine"), broken)
    assert outcome.stopped == "diverged" and outcome.out["image"].isfinite().all()


def test_a_digest_tells_pictures_apart() -> None:
    assert digest(TARGET, None) == digest(TARGET.clone(), None)
    assert len({digest(TARGET, None), digest(None, TARGET), digest(TARGET + 0.01, None)}) == 3
