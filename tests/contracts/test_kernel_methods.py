"""Every method that estimates blur kernels, by registration alone."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, MethodCard
from vidinternal.core.errors import BudgetError, UserError
from vidinternal.core.imaging import KernelResult
from vidinternal.core.seeds import generator
from vidinternal.core.stop import Interrupted
from vidinternal.methods import cards, kernel_method
from vidinternal.ops.kernels import centre_of_mass, wanted_centre

CPU = torch.device("cpu")
CONTEXT = FitContext(seed=3, device=CPU)
each = pytest.mark.parametrize("card", cards("kernel"), ids=[c.name for c in cards("kernel")])


def pictures(count: int = 2, height: int = 60, width: int = 72) -> torch.Tensor:
    noise = torch.rand(count, 3, height // 4, width // 4, generator=generator(0, "pictures"))
    return torch.nn.functional.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1)


def quick(card: MethodCard, iterations: int = 3) -> Any:
    return card.config.model_validate({"iterations": iterations} if card.trains else {})


def estimate(
    card: MethodCard, frames: torch.Tensor, scale: tuple[float, float] = (2.0, 2.0), context: FitContext = CONTEXT
) -> KernelResult:
    return kernel_method(card.name).estimate(frames, scale, quick(card), context)


@each
@pytest.mark.parametrize("scale", [(2.0, 2.0), (4.0, 4.0), (3.0, 3.0), (2.0, 1.0), (1.5, 2.5)])
def test_the_kernel_is_in_line_with_any_scale(card: MethodCard, scale: tuple[float, float]) -> None:
    found = estimate(card, pictures(), scale)
    assert found.kernel.dtype == torch.float32 and found.kernel.ndim == 2
    assert float(found.kernel.sum()) == pytest.approx(1, abs=1e-4)
    for centre, side, s in zip(centre_of_mass(found.kernel), found.kernel.shape, scale, strict=True):
        assert side % 2 == 1
        assert abs(centre - wanted_centre(side, s)) < 0.02
    assert found.notes and isinstance(found.better, bool)


@each
def test_same_seed_same_bytes_and_the_pictures_are_left_alone(card: MethodCard) -> None:
    frames = pictures()
    before = frames.clone()
    assert torch.equal(estimate(card, frames).kernel, estimate(card, frames).kernel)
    assert torch.equal(frames, before)


@each
@pytest.mark.parametrize("size", [(28, 28), (29, 61), (90, 28)])
def test_small_and_odd_pictures_work(card: MethodCard, size: tuple[int, int]) -> None:
    assert estimate(card, pictures(1, *size)).kernel.isfinite().all()


@each
@pytest.mark.parametrize("size", [(1, 1), (12, 60)])
def test_pictures_that_are_too_small_are_refused_before_any_work(card: MethodCard, size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="pixels a side"):
        kernel_method(card.name).check(quick(card), size, (2.0, 2.0))
    with pytest.raises(UserError, match="pixels a side"):
        estimate(card, torch.rand(1, 3, *size))


@each
@pytest.mark.parametrize("scale", [(0.5, 0.5), (math.nan, 2.0), (math.inf, 2.0), (99.0, 2.0)])
def test_scales_out_of_reach_are_refused(card: MethodCard, scale: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="scale"):
        kernel_method(card.name).check(quick(card), (60, 60), scale)


@each
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_picture_has_no_better_kernel_than_the_cubic(card: MethodCard, value: float) -> None:
    found = estimate(card, torch.full((2, 3, 40, 40), value))
    assert not found.better and found.kernel.isfinite().all()
    assert any("cubic" in note for note in found.notes)


@each
def test_no_time_is_told(card: MethodCard) -> None:
    with pytest.raises(BudgetError):
        estimate(card, pictures(), context=replace(CONTEXT, budget=Budget(1e-9)))


@each
def test_it_ends_in_time(card: MethodCard) -> None:
    config = card.config.model_validate({"iterations": 100_000} if card.trains else {})
    context = replace(CONTEXT, budget=Budget(1.5))
    found = kernel_method(card.name).estimate(pictures(), (2.0, 2.0), config, context)
    if card.trains:
        assert found.stopped == "budget" and 0 < found.iterations < 100_000
        assert any("time ended" in note for note in found.notes)


class Dying:
    """Checkpoints in memory of a process that is killed after its second step."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.alive = 2

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.kept.get(f"{piece} {fits}"))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.kept[f"{piece} {fits}"] = copy.deepcopy(dict(state))

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("killed")


@pytest.mark.parametrize("preset", ["fast", "faithful"])
@pytest.mark.parametrize("card", [c for c in cards("kernel") if c.trains], ids=lambda c: c.name)
def test_killed_and_resumed_gives_the_same_bytes(card: MethodCard, preset: str) -> None:
    method, checkpoint = kernel_method(card.name), Dying()
    config = card.config.model_validate({"iterations": 5, "preset": preset})
    whole = method.estimate(pictures(), (2.0, 2.0), config, CONTEXT)
    kept = replace(CONTEXT, checkpoint=checkpoint)
    with pytest.raises(Interrupted):
        method.estimate(pictures(), (2.0, 2.0), config, kept)
    resumed = method.estimate(pictures(), (2.0, 2.0), config, kept)
    assert torch.equal(resumed.kernel, whole.kernel)
    assert resumed.iterations == whole.iterations == 5
