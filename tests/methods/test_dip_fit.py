import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import BudgetError, MaskError, UsageError
from vidinternal.core.imaging import ImageResult, ImageTask, Previous
from vidinternal.core.seeds import generator
from vidinternal.methods import image_method
from vidinternal.methods.dip.config import Config, DenoiseConfig, RestoreConfig, UpscaleConfig
from vidinternal.methods.dip.method import solve
from vidinternal.methods.dip.presets import FAITHFUL, FAST, chosen, fitted_to
from vidinternal.methods.dip.prior import Jitter, blurred_over, fixed_noise
from vidinternal.methods.dip.problems import damaged, hold_out, kind_of_damage, kind_of_holes, noisy, small
from vidinternal.nets.skip_net import SkipNet
from vidinternal.ops.downsampler import downsample, lanczos

CPU = torch.device("cpu")
CONTEXT = FitContext(seed=3, device=CPU)
NARROW = {"iterations": 3}


def picture(height: int = 16, width: int = 20, seed: int = 1) -> Tensor:
    """Smooth, as pictures are."""
    coarse = torch.rand(1, 3, 3, 4, generator=generator(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


def task(frames: Tensor, **more: Any) -> ImageTask:
    return ImageTask(frames, frames, **more)


def made(name: str, config: Config, frames: Tensor, context: FitContext = CONTEXT, **more: Any) -> ImageResult:
    return image_method("dip", name).apply(task(frames, **more), config, context)


@pytest.mark.parametrize(
    ("problem", "count"),
    [
        ("denoise", 2_217_831),
        ("upscale", 2_217_831),
        ("text", 3_002_627),
        ("jpeg", 572_827),
        ("texture", 2_996_467),
    ],
)
def test_the_faithful_networks_have_the_published_parameter_counts(problem: Any, count: int) -> None:
    with torch.device("meta"):
        network = SkipNet(FAITHFUL[problem].network)
    assert sum(p.numel() for p in network.parameters()) == count


def test_the_published_schedules() -> None:
    rows = {name: (p.iterations, p.rate, round(p.jitter, 4), p.average) for name, p in FAITHFUL.items()}
    assert rows == {
        "denoise": (3000, 0.01, 0.0333, 0.99),
        "upscale": (2000, 0.01, 0.03, 0.0),
        "region": (5001, 0.01, 0.03, 0.0),
        "text": (6001, 0.01, 0.03, 0.0),
        "pixels": (11000, 0.001, 0.03, 0.0),
        "sparse": (1000, 0.01, 0.0, 0.0),
        "jpeg": (2400, 0.01, 0.0333, 0.99),
        "flash": (601, 0.1, 0.0, 0.0),
        "features": (3100, 0.001, 0.0, 0.0),
        "texture": (3001, 0.01, 0.0, 0.0),
    }
    assert not any(p.annealed or p.lean or p.precision != "float32" for p in FAITHFUL.values())


@pytest.mark.parametrize("problem", list(FAST))
def test_fast_is_the_same_problem_in_fewer_steps(problem: Any) -> None:
    ours, theirs = FAST[problem], FAITHFUL[problem]
    assert ours.iterations <= theirs.iterations
    assert ours.source == theirs.source
    assert ours.annealed
    assert ours.lean


def test_settings_go_before_the_preset() -> None:
    config = DenoiseConfig(preset="faithful", iterations=7, learning_rate=0.5, average=0.0, stop="variance", jitter=0.2)
    found = chosen("denoise", config)
    assert (found.iterations, found.rate, found.average, found.stop, found.jitter) == (7, 0.5, 0.0, "variance", 0.2)
    assert found.network == FAITHFUL["denoise"].network


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


def test_a_blur_kernel_of_the_shot_takes_the_place_of_lanczos() -> None:
    frames, kernel = picture(8, 8), torch.zeros(5, 5)
    kernel[2, 2] = 1.0
    config = UpscaleConfig(scale=2)
    large = picture(16, 16, seed=2)
    given = small(task(frames, shot={"kernel": kernel}), config, CPU).forward(large)
    plain = small(task(frames), config, CPU).forward(large)
    assert given.shape == plain.shape == (1, 3, 8, 8)
    assert torch.allclose(given, large[..., ::2, ::2]), "a delta keeps every second pixel"
    assert not torch.allclose(given, plain)


@pytest.mark.parametrize("scale", [1, 1.5, 2.5, 17, math.inf, math.nan])
def test_other_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValidationError):
        UpscaleConfig(scale=scale)
    if scale == 1.5:
        with pytest.raises(ValidationError, match="zssr"):
            UpscaleConfig(scale=scale)


def test_known_pixels_come_back_as_they_were_unless_told_otherwise() -> None:
    frames, hole = picture(), torch.zeros(1, 1, 16, 20)
    hole[..., 4:9, 5:12] = 1.0
    kept = made("restore", RestoreConfig(iterations=2), frames, hints=hole).frames
    raw = made("restore", RestoreConfig(iterations=2, keep_known=False), frames, hints=hole).frames
    missing = hole.bool().expand_as(frames)
    assert torch.equal(kept[~missing], frames[~missing])
    assert torch.equal(kept[missing], raw[missing])
    assert not torch.equal(raw[~missing], frames[~missing])


@pytest.mark.parametrize("damage", ["region", "text", "pixels", "sparse", "texture"])
def test_what_lies_under_the_mask_is_never_looked_at(damage: Any) -> None:
    frames, hole = picture(), torch.zeros(1, 1, 16, 20)
    hole[..., 4:9, 5:12] = 1.0
    config = RestoreConfig(damage=damage, iterations=2)
    results = [made("restore", config, f, hints=hole).frames for f in (frames, torch.where(hole > 0, 0.9, frames))]
    assert torch.equal(*results)


def test_a_mask_that_selects_nothing_leaves_the_picture_as_it_is() -> None:
    frames = picture()
    found = made("restore", RestoreConfig(), frames, hints=torch.zeros(1, 1, 16, 20))
    assert torch.equal(found.frames, frames)
    assert found.iterations == 0
    assert any("nothing is missing" in note for note in found.notes)


def test_a_mask_that_selects_everything_is_refused() -> None:
    with pytest.raises(MaskError, match="whole picture"):
        made("restore", RestoreConfig(), picture(), hints=torch.ones(1, 1, 16, 20))


def test_holes_without_a_mask_are_refused_with_what_to_try() -> None:
    with pytest.raises(MaskError, match="missing=black"):
        made("restore", RestoreConfig(damage="holes"), picture())


def test_what_is_given_beside_a_picture_tells_what_is_wrong_with_it() -> None:
    frames, hole = picture(), torch.zeros(1, 1, 16, 20)
    settings = RestoreConfig()
    assert kind_of_damage(task(frames), settings) == "jpeg"
    assert kind_of_damage(task(frames, guide=frames), settings) == "flash"
    assert kind_of_damage(task(frames, hints=hole, guide=frames), settings) == "holes"
    assert kind_of_damage(task(frames), RestoreConfig(missing="black")) == "holes"
    assert kind_of_damage(task(frames, hints=hole), RestoreConfig(damage="jpeg")) == "jpeg"


def test_a_picture_without_a_hole_hands_on_what_came_before() -> None:
    frames = picture()
    before = Previous({"signature": "x"}, frames, {}, torch.ones(1, 1, 16, 20, dtype=torch.bool))
    found = made("restore", RestoreConfig(), frames, hints=torch.zeros(1, 1, 16, 20), previous=before)
    assert found.state == {"signature": "x"}


def test_a_tile_that_lies_in_the_hole_is_told_as_such() -> None:
    with pytest.raises(MaskError, match="tile of the picture"):
        made("restore", RestoreConfig(), picture(), hints=torch.ones(1, 1, 16, 20), place=(0, 0, 16, 20))


def test_black_pixels_can_tell_what_is_missing() -> None:
    frames = picture().clamp_min(0.05)
    frames[..., 3:6, 4:8] = 0.0
    found = damaged(task(frames), RestoreConfig(missing="black"), CPU)
    assert found is not None
    assert found.known is not None
    assert int((found.known == 0).sum()) == 12


def test_a_mask_tells_its_kind() -> None:
    random = torch.rand(1, 1, 64, 64, generator=generator(1))
    strokes = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    strokes[..., 8:56:12, 4:60] = True
    box = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    box[..., 20:44, 20:44] = True
    kinds = [kind_of_holes(m) for m in (random > 0.5, random > 0.02, strokes, box)]
    assert kinds == ["pixels", "sparse", "text", "region"]


def test_a_flash_pair_is_fed_to_the_network_and_its_sizes_must_agree() -> None:
    frames, config = picture(), RestoreConfig(damage="flash", iterations=2)
    first = made("restore", config, frames, guide=picture(seed=5)).frames
    second = made("restore", config, frames, guide=picture(seed=6)).frames
    assert not torch.equal(first, second)
    with pytest.raises(UsageError, match="flash picture of 20x16"):
        made("restore", config, frames, guide=picture(16, 21))
    with pytest.raises(UsageError, match="second picture"):
        made("restore", config, frames)
    hole = torch.zeros(1, 1, 16, 20)
    hole[..., :3, :3] = 1.0
    other = made("restore", RestoreConfig(iterations=2), frames, hints=hole, guide=picture(seed=5))
    assert any("left aside" in note for note in other.notes)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (9, 2)])
def test_pictures_too_small_for_one_level_are_refused_before_any_work(height: int, width: int) -> None:
    method = image_method("dip", "denoise")
    with pytest.raises(UsageError, match="at least 3 pixels"):
        method.check(DenoiseConfig(), height, width)
    with pytest.raises(UsageError, match="at least 3 pixels"):
        made("denoise", DenoiseConfig(iterations=1), picture(height, width))


@pytest.mark.parametrize(("height", "width"), [(3, 3), (5, 40), (17, 23)])
@pytest.mark.parametrize("preset", ["fast", "faithful"])
def test_tiny_pictures_get_fewer_levels_and_say_so(height: int, width: int, preset: Any) -> None:
    config = DenoiseConfig(preset=preset, iterations=1)
    notes = image_method("dip", "denoise").check(config, height, width)
    assert any("levels instead of 5" in note for note in notes)
    assert made("denoise", config, picture(height, width)).frames.shape == (1, 3, height, width)


@pytest.mark.parametrize("problem", list(FAITHFUL))
def test_every_network_is_cut_to_a_small_picture(problem: Any) -> None:
    for table in (FAITHFUL, FAST):
        preset, notes = fitted_to(table[problem], 24, 30)
        assert notes
        SkipNet(preset.network)


def test_a_whole_depth_gives_no_note() -> None:
    assert image_method("dip", "denoise").check(DenoiseConfig(), 256, 256) == ()


def test_the_network_input_is_the_same_for_every_picture_of_a_size() -> None:
    first = fixed_noise(4, 8, 9)
    assert torch.equal(first, fixed_noise(4, 8, 9))
    assert float(first.min()) >= 0.0
    assert float(first.max()) < 0.1


@pytest.mark.parametrize("bank", [False, True])
def test_jitter_has_its_deviation_and_changes_at_every_step(bank: bool) -> None:
    like = torch.full((1, 8, 64, 64), 0.05)
    jitter = Jitter(like, 0.03, generator(1), bank=bank)
    first, second = jitter(), jitter()
    assert float((first - like).std()) == pytest.approx(0.03, rel=0.03)
    product = ((first - like) * (second - like)).mean() / 0.03**2
    assert abs(float(product)) < 0.03, "noise of two steps must not be related"
    assert torch.equal(Jitter(like, 0.0, generator(1), bank=bank)(), like)


def test_hidden_pixels_cannot_be_read_from_an_input_that_is_the_picture() -> None:
    frames, places = picture(), torch.zeros(1, 1, 16, 20, dtype=torch.bool)
    places[..., 5, 7] = True
    other = torch.where(places, 1.0 - frames, frames)
    assert torch.equal(blurred_over(frames, places), blurred_over(other, places))
    assert torch.equal(blurred_over(frames, places)[~places.expand_as(frames)], frames[~places.expand_as(frames)])


def test_pixels_held_out_are_out_of_the_loss_and_known() -> None:
    frames = picture()
    observed = noisy(task(frames), DenoiseConfig(), CPU)
    less, places = hold_out(observed, 0.1, generator(1))
    assert less.known is not None
    assert 0 < int(places.sum()) < 80
    assert torch.equal(less.known == 0, places)
    hole = torch.zeros(1, 1, 16, 20)
    hole[..., :10, :] = 1.0
    holed = damaged(task(frames, hints=hole), RestoreConfig(), CPU)
    assert holed is not None
    _, places = hold_out(holed, 0.2, generator(1))
    assert not places[..., :10, :].any(), "what is missing cannot be held out"


def test_a_picture_of_a_few_pixels_still_holds_one_out() -> None:
    observed = noisy(task(picture(3, 3)), DenoiseConfig(), CPU)
    _, places = hold_out(observed, 0.005, generator(5))
    assert int(places.sum()) == 1


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


def test_the_only_known_pixel_is_not_held_out() -> None:
    frames, hole = picture(8, 8), torch.ones(1, 1, 8, 8)
    hole[..., 3, 4] = 0.0
    found = made("restore", RestoreConfig(damage="sparse", iterations=2, stop="held_out"), frames, hints=hole)
    assert "stop_score" not in found.facts


def test_a_clip_keeps_its_kind_of_holes() -> None:
    frames, box = picture(64, 64), torch.zeros(1, 1, 64, 64)
    box[..., 20:44, 20:44] = 1.0
    before = Previous({"problem": "text"}, frames, {}, torch.ones(1, 1, 64, 64, dtype=torch.bool))
    found = damaged(task(frames, hints=box, previous=before), RestoreConfig(), CPU)
    assert found is not None
    assert found.problem == "text"


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
