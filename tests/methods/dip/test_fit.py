import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tests.methods.dip.pictures import CONTEXT, CPU, made, picture, task
from vidinternal.core.budget import Budget
from vidinternal.core.errors import BudgetError, UsageError
from vidinternal.core.imaging import Previous
from vidinternal.core.seeds import generator
from vidinternal.methods import image_method
from vidinternal.methods.dip.config import Config, DenoiseConfig, RestoreConfig, UpscaleConfig
from vidinternal.methods.dip.method import solve
from vidinternal.methods.dip.problems import noisy
from vidinternal.ops.downsampler import downsample, lanczos


@pytest.mark.parametrize("preset", ["fast", "faithful"])
@pytest.mark.parametrize("config", [DenoiseConfig, UpscaleConfig, RestoreConfig], ids=["denoise", "upscale", "restore"])
def test_every_task_gives_a_picture_and_leaves_its_input_alone(preset: Any, config: type[Config]) -> None:
    name = {DenoiseConfig: "denoise", UpscaleConfig: "upscale", RestoreConfig: "restore"}[config]
    frames = picture()
    before, hole = frames.clone(), torch.zeros(1, 1, 16, 20)
    hole[..., 4:8, 5:11] = 1.0
    settings = config(preset=preset, iterations=2, **({"scale": 2} if name == "upscale" else {}))  # pyright: ignore[reportArgumentType]
    state = torch.get_rng_state()
    found = made(name, settings, frames, hints=hole if name == "restore" else None)
    size = image_method("dip", name).size(settings, 16, 20)
    assert found.frames.shape == (1, 3, *size)
    assert found.frames.dtype == torch.float32
    assert float(found.frames.min()) >= 0.0
    assert float(found.frames.max()) <= 1.0
    assert found.iterations == 2
    assert torch.equal(frames, before)
    assert torch.equal(torch.get_rng_state(), state), "no global random number may be drawn"


def test_same_seed_same_bytes_other_seed_other_picture() -> None:
    config = DenoiseConfig(iterations=3)
    first, again = made("denoise", config, picture()), made("denoise", config, picture())
    other = made("denoise", config, picture(), replace(CONTEXT, seed=4))
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, other.frames)


def test_fitting_comes_nearer_to_what_was_observed() -> None:
    frames = picture(32, 32)
    short, long = (made("denoise", DenoiseConfig(iterations=n, stop="never"), frames) for n in (2, 60))
    assert (long.frames - frames).square().mean() < 0.3 * (short.frames - frames).square().mean()


def test_an_enlargement_shrinks_to_the_picture_given() -> None:
    frames = picture(12, 12)
    found = made("upscale", UpscaleConfig(scale=3, iterations=40), frames)
    assert found.frames.shape == (1, 3, 36, 36)
    back = downsample(found.frames, lanczos("lanczos2", 3), 3)
    assert float((back - frames).square().mean()) < 0.01


@pytest.mark.parametrize("stop", ["variance", "held_out"])
def test_noise_alone_is_not_fitted_to_the_end(stop: Any) -> None:
    noise = torch.rand(1, 3, 24, 24, generator=generator(1))
    config = DenoiseConfig(iterations=100, stop=stop, sigma=75.0, held_out=0.1)
    found = made("denoise", config, noise)
    assert found.facts["kept_iteration"] < found.iterations
    assert found.facts["stop_score"] is not None


def test_an_impatient_rule_ends_the_fit_early() -> None:
    noise = torch.rand(1, 3, 24, 24, generator=generator(1))
    found = made("denoise", DenoiseConfig(iterations=150, stop="held_out", held_out=0.2, sigma=75.0), noise)
    assert found.stopped == "held-out score"
    assert found.iterations < 150
    assert all(p.holdout_psnr is not None for p in found.history)


def test_runs_are_averaged() -> None:
    config = DenoiseConfig(iterations=2)
    both = made("denoise", config.model_copy(update={"runs": 2}), picture())
    assert both.iterations == 4
    assert torch.isfinite(both.frames).all()
    assert not torch.equal(both.frames, made("denoise", config, picture()).frames)


def test_the_risk_estimate_feeds_the_picture_itself() -> None:
    found = made("denoise", DenoiseConfig(loss="sure", iterations=3, sigma=10.0), picture())
    assert found.signature is not None
    assert found.signature.endswith(":picture")
    assert found.facts["sigma"] == 10.0


def test_the_risk_leaves_no_pixel_to_hold_out() -> None:
    with pytest.raises(ValidationError, match="every pixel"):
        DenoiseConfig(loss="sure", stop="held_out")


def test_given_weights_of_another_network_are_told() -> None:
    context = replace(CONTEXT, start={"x": torch.zeros(1)}, start_signature="another")
    found = made("denoise", DenoiseConfig(iterations=1), picture(), context)
    assert not found.warm
    assert any("cold start" in note for note in found.notes)


def test_stop_zero_without_a_risk_is_told() -> None:
    notes = image_method("dip", "denoise").check(DenoiseConfig(stop="zero"), 64, 64)
    assert any("never fires" in note for note in notes)


class Kept:
    """Checkpoints in memory; the fit is killed at one of the offers."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at, self.offers, self.pieces = kill_at, 0, {}

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        found = self.pieces.get(piece)
        return found[1] if found is not None and found[0] == fits else None

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.pieces[piece] = fits, copied(state)

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.offers += 1
        if self.offers == self.kill_at:
            self.save(piece, fits, state())
            raise KeyboardInterrupt


def copied(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, Mapping):
        return {k: copied(v) for k, v in tree.items()}
    return [copied(v) for v in tree] if isinstance(tree, list | tuple) else tree


@pytest.mark.parametrize("stop", ["never", "variance", "held_out", "zero"])
@pytest.mark.parametrize("preset", ["fast", "faithful"])
def test_a_fit_that_was_killed_goes_on_to_the_same_bytes(stop: Any, preset: Any) -> None:
    loss: Any = "sure" if stop == "zero" else "mse"
    config = DenoiseConfig(preset=preset, iterations=6, stop=stop, loss=loss, precision="float32", sigma=10.0)
    whole = made("denoise", config, picture())
    checkpoints = Kept(kill_at=3)
    context = replace(CONTEXT, checkpoint=checkpoints)
    with pytest.raises(KeyboardInterrupt):
        made("denoise", config, picture(), context)
    resumed = made("denoise", config, picture(), context)
    assert torch.equal(resumed.frames, whole.frames)
    assert resumed.iterations == whole.iterations


def test_a_finished_run_is_not_made_again_after_a_kill() -> None:
    config = DenoiseConfig(iterations=4, runs=2, precision="float32")
    whole = made("denoise", config, picture())
    checkpoints = Kept(kill_at=5)  # three offers of the first run, then in the second
    context = replace(CONTEXT, checkpoint=checkpoints)
    with pytest.raises(KeyboardInterrupt):
        made("denoise", config, picture(), context)
    before = checkpoints.offers
    assert torch.equal(made("denoise", config, picture(), context).frames, whole.frames)
    assert checkpoints.offers - before < 3, "the first run is there, the second goes on where it was"


def test_a_picture_goes_on_from_the_one_before() -> None:
    config, frames = DenoiseConfig(iterations=30, warm_iterations=3, sigma=10.0), picture(24, 24)
    first = made("denoise", config, frames)
    before = Previous(first.state, first.frames, {}, torch.ones(1, 1, 24, 24, dtype=torch.bool))
    warm = made("denoise", config, frames, previous=before)
    cold = made("denoise", DenoiseConfig(iterations=3, sigma=10.0), frames)
    assert warm.warm
    assert warm.iterations == 3
    error = [float((r.frames - frames).square().mean()) for r in (warm, cold)]
    assert error[0] < error[1]


def test_the_temporal_term_pulls_towards_the_picture_before() -> None:
    frames, other = picture(24, 24), torch.full((1, 3, 24, 24), 0.9)
    first = made("denoise", DenoiseConfig(iterations=2, sigma=10.0), frames)
    before = Previous(first.state, other, {}, torch.ones(1, 1, 24, 24, dtype=torch.bool))
    distance = []
    for weight in (0.0, 20.0):
        config = DenoiseConfig(iterations=40, warm_iterations=40, temporal=weight, sigma=10.0, stop="never")
        distance.append(float((made("denoise", config, frames, previous=before).frames - other).square().mean()))
    assert distance[1] < 0.5 * distance[0]


def test_weights_of_another_network_are_left_aside() -> None:
    first = made("denoise", DenoiseConfig(iterations=1, preset="faithful"), picture())
    before = Previous(first.state, first.frames, {}, torch.ones(1, 1, 16, 20, dtype=torch.bool))
    found = made("denoise", DenoiseConfig(iterations=2), picture(), previous=before)
    assert not found.warm
    assert found.iterations == 2


def test_a_used_up_budget_is_refused_and_a_short_one_is_kept() -> None:
    with pytest.raises(BudgetError):
        made("denoise", DenoiseConfig(), picture(), replace(CONTEXT, budget=Budget(1e-9)))
    found = made("denoise", DenoiseConfig(), picture(), replace(CONTEXT, budget=Budget(0.5)))
    assert found.stopped == "budget"
    assert torch.isfinite(found.frames).all()


def test_a_fit_that_leaves_the_finite_numbers_at_once_is_refused() -> None:
    frames = picture()
    frames[..., 0, 0] = math.nan
    with pytest.raises(UsageError, match="finite"):
        made("denoise", DenoiseConfig(iterations=3, sigma=10.0), frames)


def test_a_watcher_sees_every_iterate_and_changes_nothing() -> None:
    seen: list[int] = []
    frames, config = picture(), DenoiseConfig(iterations=4, sigma=10.0)
    observed = noisy(task(frames), config, CPU)
    watched = solve(observed, task(frames), config, CONTEXT, lambda i, _output, _mean: seen.append(i))
    assert seen == [1, 2, 3, 4]
    assert torch.equal(watched.frames, made("denoise", config, frames).frames)
