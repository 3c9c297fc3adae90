"""Dehazing by Double-DIP."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.double_dip.pictures import plain
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageResult, ImageTask, Previous
from vidinternal.methods import image_method
from vidinternal.methods.double_dip.config import DehazeConfig
from vidinternal.methods.double_dip.dehaze import moved
from vidinternal.methods.double_dip.dehaze_plan import schedule
from vidinternal.ops.dark_channel import hazy

METHOD = image_method("double_dip", "dehaze")
LIGHT = torch.tensor([0.86, 0.88, 0.92])
HEIGHT, WIDTH = 48, 72
T = torch.exp(-torch.linspace(1.4, 0.3, HEIGHT)).view(1, 1, HEIGHT, 1).expand(1, 1, HEIGHT, WIDTH)


def _clear(count: int = 1) -> Tensor:
    """Saturated cells that slide a pixel a frame: somewhere near there is always something dark."""
    wide = plain(3, HEIGHT, WIDTH + count, cells=12)
    wide = (wide - wide.amin(dim=1, keepdim=True)) * torch.rand(3, generator=torch.Generator().manual_seed(1)).view(
        1, 3, 1, 1
    ).clamp(min=0.5)
    return torch.cat([wide[..., k : k + WIDTH] for k in range(count)])


def _apply(task: ImageTask, **settings: Any) -> ImageResult:
    config = DehazeConfig(**{"iterations": 40, "warm_iterations": 8, "side": 48, **settings})
    return METHOD.apply(task, config, FitContext(seed=4, device=torch.device("cpu")))


def _error(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean())


def test_haze_is_taken_off_and_the_layers_explain_the_picture() -> None:
    clear = _clear()
    frames = hazy(clear, LIGHT, T)
    result = _apply(ImageTask(frames, frames, shot={"airlight": LIGHT}))
    assert _error(result.frames, clear) < 0.4 * _error(frames, clear)
    t, light = result.layers["transmission"], result.layers["airlight"]
    assert float(t.min()) >= 0.1 and float(t.max()) <= 1.0
    assert light.shape == frames.shape
    inside = ((result.frames > 0) & (result.frames < 1)).all(dim=1, keepdim=True)
    mixed = t * result.frames + (1 - t) * light
    assert float(((mixed - frames).abs() * inside).max()) < 1e-4
    assert result.facts["mean_transmission"] == pytest.approx(float(t.mean()), abs=1e-3)


def test_the_layers_of_two_passes_together_explain_the_picture() -> None:
    frames = hazy(_clear(), LIGHT, T)
    result = _apply(ImageTask(frames, frames), passes=2, iterations=6, least_transmission=0.5)
    assert result.iterations == 12
    t, light = result.layers["transmission"], result.layers["airlight"]
    inside = ((result.frames > 0.02) & (result.frames < 0.98)).all(dim=1, keepdim=True)
    inside &= ((light > 0) & (light < 1)).all(dim=1, keepdim=True)
    mixed = t * result.frames + (1 - t) * light
    # where the first pass clipped, nothing can be explained
    assert float(((mixed - frames).abs() * inside).median()) < 1e-3


def test_a_learned_airlight_begins_at_the_estimate_and_stays_near_it() -> None:
    nothing = torch.full((1, 3, 4, 4), 0.5)
    estimate = LIGHT.view(1, 3, 1, 1)
    assert torch.allclose(moved(estimate, nothing), estimate.expand(1, 3, 4, 4), atol=1e-6)
    frames = hazy(_clear(), LIGHT, T)
    result = _apply(ImageTask(frames, frames, shot={"airlight": LIGHT}), airlight_map="learned")
    light = result.layers["airlight"]
    assert float((light - LIGHT.view(1, 3, 1, 1)).abs().mean()) < 0.15
    assert float(light.std(dim=(-2, -1)).max()) > 0


def test_the_transmission_begins_at_the_dark_channel_prior_however_thick_the_haze() -> None:
    for thickness in (0.3, 1.0):
        frames = hazy(_clear(), LIGHT, thickness * T)
        result = _apply(ImageTask(frames, frames, shot={"airlight": LIGHT}), iterations=1)
        prior = 1 - 0.88 * (1 - thickness * T)  # where something near is black
        assert float((result.layers["transmission"] - prior).abs().mean()) < 0.12


def test_the_airlight_of_a_shot_is_estimated_once_or_given() -> None:
    frames = hazy(_clear(3), LIGHT, 0.2 * T)
    context = FitContext(seed=4, device=torch.device("cpu"))
    found = METHOD.survey(frames, DehazeConfig(), context)["airlight"]
    assert float((found - LIGHT).abs().max()) < 0.1
    given = METHOD.survey(frames, DehazeConfig(airlight=(0.5, 0.6, 0.7)), context)["airlight"]
    assert torch.allclose(given, torch.tensor([0.5, 0.6, 0.7]))


def test_a_window_goes_on_from_the_one_before_in_fewer_steps() -> None:
    frames = hazy(_clear(4), LIGHT, T)
    flow = torch.zeros(1, 2, HEIGHT, WIDTH)
    flow[:, 0] = 1.0
    first = _apply(ImageTask(frames[:2], frames[:2], shot={"airlight": LIGHT}, flow=flow))
    valid = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    layers = {name: layer[-1:] for name, layer in first.layers.items()}
    before = Previous(first.state, first.frames[-1:], layers, valid)
    on = _apply(ImageTask(frames[2:], frames[2:], shot={"airlight": LIGHT}, previous=before, flow=flow))
    assert on.warm and on.iterations == 8 and not first.warm
    assert on.frames.shape == (2, 3, HEIGHT, WIDTH)
    # steadier than windows that know nothing of each other
    cold = _apply(ImageTask(frames[2:], frames[2:], shot={"airlight": LIGHT}, flow=flow), iterations=8)
    last = first.layers["transmission"][-1:]
    assert _error(on.layers["transmission"][:1], last) < _error(cold.layers["transmission"][:1], last)


def test_a_heavier_temporal_weight_holds_the_transmission_to_the_one_before() -> None:
    frames = hazy(_clear(), LIGHT, T)
    before = torch.full((1, 1, HEIGHT, WIDTH), 0.9)
    valid = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    previous = Previous({}, frames, {"transmission": before}, valid)
    held, free = (
        _apply(ImageTask(frames, frames, shot={"airlight": LIGHT}, previous=previous), temporal=weight)
        for weight in (50.0, 0.0)
    )
    assert _error(held.layers["transmission"], before) < 0.5 * _error(free.layers["transmission"], before)


def test_clear_pictures_are_told() -> None:
    clear = _clear()
    clear[..., :4, :4] = 1.0
    result = _apply(ImageTask(clear, clear, shot={"airlight": torch.ones(3)}), iterations=2, radius=0)
    assert isinstance(result.facts["mean_transmission"], float)


def test_the_published_preset_is_the_published_one() -> None:
    plan = schedule(DehazeConfig(preset="faithful"))
    assert (plan.iterations, plan.passes, plan.rate, plan.side) == (4000, 2, 1e-3, 800)
    assert (plan.feed, plan.learned, plan.w_dark, plan.w_hint) == ("noise", True, 0.0, 0.0)
    own = schedule(DehazeConfig(preset="faithful", iterations=7, passes=1, airlight_map="uniform", side=64))
    assert (own.iterations, own.warm, own.passes, own.learned, own.side) == (7, 7, 1, False, 64)


def test_the_published_preset_runs_on_noise_that_walks_on() -> None:
    frames = hazy(_clear(2), LIGHT, T)
    first = _apply(ImageTask(frames[:1], frames[:1]), preset="faithful", iterations=2)
    kept = first.state["fit-0"]["inputs"]["image"]
    valid = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    layers = {name: layer[-1:] for name, layer in first.layers.items()}
    on = _apply(
        ImageTask(frames[1:], frames[1:], previous=Previous(first.state, first.frames, layers, valid)),
        preset="faithful",
        iterations=2,
    )
    step = on.state["fit-0"]["inputs"]["image"] - kept
    assert float(step.min()) >= 0 and float(step.max()) <= 0.011 and float(step.max()) > 0.005


def test_pictures_too_small_for_a_network_are_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="picture size"):
        METHOD.check(DehazeConfig(), 2, 100)
    METHOD.check(DehazeConfig(), 3, 4)
