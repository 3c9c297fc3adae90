"""The pieces of ZSSR: equations, step sizes, crops, recipes, tiles."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vidinternal.core.seeds import generator
from vidinternal.methods.zssr.augment import Augmentation, Fathers, Source
from vidinternal.methods.zssr.config import Config
from vidinternal.methods.zssr.objective import (
    back_projection,
    father_to_son,
    interpolated,
    prepared,
    reconstruction,
    slope_and_error,
    temporal,
)
from vidinternal.methods.zssr.recipe import FAST, kernel_of_step, recipe, symmetric
from vidinternal.methods.zssr.render import TILE, Finish, aligned, enlarged, final, spans, turns
from vidinternal.methods.zssr.schedule import LEAST, LOWEST, ConstantRule, CosineRule, SlopeRule
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import anisotropic_gaussian, centre_of_mass, gaussian_kernel, kernel_shift, wanted_centre

CPU = torch.device("cpu")
SIZES = ((192, 112), (384, 224), (640, 360), (1280, 720))


def textured(height: int, width: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(0.31 * x + 0.17 * y + k) + torch.sin(0.13 * x * (k + 1) - 0.23 * y) for k in range(3)]
    return (torch.stack(waves) / 4 + 0.5)[None]


# equations


@pytest.mark.parametrize("sigma", [0.0, 1.3])
def test_back_projection_makes_the_picture_shrink_to_the_input(sigma: float) -> None:
    kernel = kernel_shift(gaussian_kernel(9, sigma), 2.0) if sigma else None
    lr = 0.2 + 0.6 * textured(24, 30)
    start = interpolated(lr, (2, 2), (48, 60))
    left = [
        float((father_to_son(back_projection(start, lr, (2, 2), kernel, n), (2, 2), kernel) - lr).abs().mean())
        for n in (0, 2, 8)
    ]
    assert left[0] > 2 * left[1] > 4 * left[2]
    torch.testing.assert_close(
        prepared(lr, (2, 2), (48, 60), kernel), back_projection(start, lr, (2, 2), kernel, 12 if sigma else 4)
    )


def test_a_son_has_noise_where_asked_and_stays_in_range() -> None:
    father = torch.ones(1, 3, 16, 12)
    noise = torch.full((1, 3, 8, 6), -0.25)
    torch.testing.assert_close(father_to_son(father, (2, 2), None, noise), torch.full((1, 3, 8, 6), 0.75))
    assert float(father_to_son(father, (2, 2), None, -noise).max()) == 1.0
    assert father_to_son(father, (3.0, 1.5), None).shape == (1, 3, 6, 8)


def test_the_reconstruction_is_the_mean_absolute_difference_with_weights_of_mean_one() -> None:
    a, b = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.25)
    assert float(reconstruction(a, b)) == pytest.approx(0.25)
    weights = torch.rand(1, 1, 4, 4)
    assert float(reconstruction(a, b, weights / weights.mean())) == pytest.approx(0.25)


def test_the_temporal_term_counts_valid_pixels_only_and_does_not_pull_the_picture_before() -> None:
    hr, warped = torch.zeros(1, 3, 4, 4, requires_grad=True), torch.ones(1, 3, 4, 4, requires_grad=True)
    valid = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    assert temporal(hr, warped, valid).item() == 0.0
    valid[..., :2] = True
    loss = temporal(hr, warped, valid)
    loss.backward()
    assert loss.item() == pytest.approx(1.0) and warped.grad is None
    assert hr.grad is not None and not hr.grad[..., 2:].any() and hr.grad[..., :2].all()


def test_slope_and_its_standard_error_are_those_of_a_line_fit() -> None:
    steps, errors = [50, 100, 150, 200, 250], [5.0, 4.1, 3.2, 2.0, 1.4]
    _, covariance = np.polyfit(steps, errors, 1, cov=True)
    slope, error = slope_and_error(steps, errors)
    assert slope == pytest.approx(np.polyfit(steps, errors, 1)[0])
    assert error == pytest.approx(math.sqrt(covariance[0, 0]))


# step sizes


def run_rule(rule: SlopeRule, errors: Callable[[int], float], most: int = 3000) -> int:
    for iteration in range(most):
        if rule.over(iteration, 0.0):
            return iteration
        if (iteration + 1) % 50 == 0:
            rule.tested(iteration + 1, errors(iteration + 1))
    return most


def test_the_slope_rule_goes_on_while_the_error_falls_and_ends_after_three_tenths_where_it_does_not() -> None:
    assert run_rule(SlopeRule(1e-3), lambda i: 1.0 - i / 5000) == 3000
    noise = torch.rand(100, generator=generator(0)).tolist()
    rule = SlopeRule(1e-3)
    ended = run_rule(rule, lambda i: 1.0 + noise[i // 50])
    assert rule.rate < LOWEST and len(rule.changes) == 4 and ended < 1500
    assert all(b - a > LEAST and b % 60 == 0 for a, b in zip(rule.changes, rule.changes[1:], strict=False))


def test_the_slope_rule_goes_on_from_its_state() -> None:
    rule, other = SlopeRule(1e-3), SlopeRule(1e-3)
    run_rule(rule, lambda i: 1.0 + i % 100 / 1000, 400)
    other.load_state(rule.state())
    assert other.state() == rule.state() and rule.rate == pytest.approx(1e-4)


def test_the_cosine_rises_then_falls_and_follows_the_share() -> None:
    rule = CosineRule(1e-3, 100)
    rates = []
    for k in range(100):
        assert not rule.over(k, k / 100)
        rates.append(rule.rate)
    top = rates.index(max(rates))
    assert 0 < top < 15 and rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 2e-5 and rule.over(100, 1.0)
    rule.over(20, 1.0)
    assert rule.rate == pytest.approx(1e-5)
    assert not ConstantRule(1e-4, 3).over(2, 1.0) and ConstantRule(1e-4, 3).over(3, 0.0)


# crops


def drawn(sources: list[Source], how: Augmentation, crop: int = 16, count: int = 20) -> Tensor:
    return Fathers(sources, crop, how, generator(3)).draw(count)


def test_crops_as_they_are_are_parts_of_the_picture() -> None:
    picture = textured(24, 31)[0]
    parts = picture.unfold(1, 16, 1).unfold(2, 16, 1)
    for crop in drawn([Source(picture)], Augmentation(as_is=1.0, exact=0.0)):
        assert (parts - crop[:, None, None]).abs().sum(dim=(0, 3, 4)).min() < 1e-5


def test_exact_crops_hold_the_picture_s_own_values_and_are_turned_unless_told_otherwise() -> None:
    ramp = torch.linspace(0, 1, 40).expand(3, 40, 40).contiguous()
    for rotation in (True, False):
        crops = drawn([Source(ramp)], Augmentation(as_is=0.0, exact=1.0, rotation=rotation), count=40)
        assert torch.isin(crops, ramp).all()
        ways = {int((c[0].diff(dim=1) > 0).sum() > 0) - int((c[0].diff(dim=1) < 0).sum() > 0) for c in crops}
        assert ways == ({-1, 0, 1} if rotation else {1})


def test_affine_crops_are_of_the_right_scale_and_stay_in_range() -> None:
    ramp = torch.linspace(0, 1, 200).expand(3, 200, 200).contiguous()
    how = Augmentation(as_is=0.0, exact=0.0, scale_difference=0.0, shear=0.0, rotation=False, min_scale=0.5)
    crops = drawn([Source(ramp)], how, crop=32, count=30)
    steps = crops[:, 0, 8:24, 8:24].diff(dim=2).mean(dim=(1, 2)) * 199
    assert (steps > 0.99).all() and (steps < 2.01).all() and float(steps.std()) > 0.1
    wild = drawn([Source(torch.rand(3, 40, 30))], Augmentation(as_is=0.0, exact=0.0), crop=30)
    assert 0 <= float(wild.min()) <= float(wild.max()) <= 1


def test_the_smallest_picture_that_is_large_enough_is_drawn_from() -> None:
    small, large = Source(torch.zeros(3, 20, 20), 1.0), Source(torch.ones(3, 40, 40), 2.0)
    how = Augmentation(as_is=0.0, exact=1.0, min_scale=0.5)
    share = float(drawn([large, small], how, count=300).mean())
    assert share == pytest.approx(2 / 3, abs=0.1)  # scales 0.5 to 2, of which above 1
    assert float(drawn([large, small], Augmentation(as_is=1.0, exact=0.0)).max()) == 0.0


def test_crops_go_where_there_is_more_to_see() -> None:
    picture = torch.zeros(3, 128, 128)
    picture[:, 100:, 100:] = torch.rand(3, 28, 28, generator=generator(1))
    seen = [
        float(
            (drawn([Source(picture)], Augmentation(0, 1.0, by_gradient=g), count=60).amax((1, 2, 3)) > 0).float().mean()
        )
        for g in (0.0, 1.0)
    ]
    assert seen[1] > 2 * seen[0]


def test_small_pictures_give_small_crops_and_the_seed_decides() -> None:
    source = [Source(torch.rand(3, 9, 30))]
    assert drawn(source, Augmentation()).shape == (20, 3, 9, 9)
    assert torch.equal(drawn(source, Augmentation()), drawn(source, Augmentation()))


# settings and recipes


@pytest.mark.parametrize("scale", [0.5, math.nan, math.inf, 0, 17.0, (2.0,), (2.0, 2.0, 2.0), (2.0, 0.5)])
def test_impossible_scales_are_refused(scale: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"scale": scale})


def test_what_lies_on_the_way_must_fit() -> None:
    for wrong in (
        {"gradual": ((3.0, 3.0),)},
        {"gradual": ((0.5, 1.0),)},
        {"base_change": (1.5,)},
        {"temporal": 0.2},
        {"restart": 1.0},
    ):
        with pytest.raises(ValidationError):
            Config.model_validate(wrong)
    paper = Config(gradual="paper").steps()
    assert paper == ((1.0, 1.5), (1.5, 1.0), (1.5, 1.5), (1.5, 2.0), (2.0, 1.5), (2.0, 2.0))
    assert Config(scale=(1.0, 3.0), gradual="paper").steps() == ((1.0, 2.0), (1.0, 3.0))
    assert Config(scale=4.0, gradual=((2.0, 2.0),), base_change=(2.0,)).steps() == ((2.0, 2.0), (4.0, 4.0))


def test_the_faithful_preset_is_the_paper_s() -> None:
    how = recipe(Config(preset="faithful"), None, clip=False, device=CPU)
    assert (how.shape.depth, how.shape.width, how.shape.fold, how.crop, how.batch) == (8, 64, 1, 128, 1)
    assert (how.iterations, how.rate, how.ensemble, how.back_projection) == (3000, 1e-3, 8, 10)
    assert how.slope_rule and not how.prepared and not how.learned_start and not how.half and not how.hold_back
    assert (how.augmentation.as_is, how.augmentation.exact, how.augmentation.by_gradient) == (0.05, 0.45, 0.0)


def test_a_kernel_noise_and_a_clip_change_the_recipe_as_published() -> None:
    even, leaning = gaussian_kernel(15, 2.0), anisotropic_gaussian(15, (4.0, 1.0), 0.5)
    given = recipe(Config(), even, clip=False, device=CPU)
    assert (given.back_projection, given.ensemble, given.augmentation.rotation) == (2, 8, True)
    aslant = recipe(Config(ensemble=8), leaning, clip=False, device=CPU)
    assert (aslant.ensemble, aslant.augmentation.rotation) == (1, False)
    noisy = recipe(Config(noise_std=0.0125), None, clip=False, device=CPU)
    assert noisy.back_projection == 0 and not noisy.augmentation.rotation and not noisy.prepared
    assert (noisy.augmentation.min_scale, noisy.augmentation.shear, noisy.augmentation.scale_difference) == (0.75, 0, 0)
    assert recipe(Config(), None, clip=True, device=CPU).ensemble == 1
    copies = [recipe(Config(), None, clip=True, device=CPU, pixels=w * h).ensemble for w, h in SIZES]
    assert copies == [8, 4, 2, 1] and recipe(Config(), None, clip=False, device=CPU, pixels=10**7).ensemble == 8
    assert recipe(Config(noise_std=0.01), None, clip=True, device=CPU, pixels=99).ensemble == 1
    assert recipe(Config(ensemble=4), None, clip=True, device=CPU).ensemble == 4


@pytest.mark.parametrize("scale", [2.0, 3.0])
def test_symmetry_is_seen_wherever_the_kernel_lies(scale: float) -> None:
    even, leaning = gaussian_kernel(15, 1.5), anisotropic_gaussian(15, (4.0, 1.0), 0.5)
    upright = anisotropic_gaussian(15, (4.0, 1.0), 0.0)
    for kernel in (even, kernel_shift(even, scale)):
        assert symmetric(kernel, (scale, scale))
    assert not symmetric(leaning, (scale, scale)) and not symmetric(upright, (scale, scale))
    assert not symmetric(even, (scale, 1.0))


def test_the_kernel_on_the_way_is_narrower_and_in_line() -> None:
    kernel = kernel_shift(gaussian_kernel(21, 2.0), 2.0)
    assert kernel_of_step(kernel, (2.0, 2.0), (2.0, 2.0)) is kernel
    half = kernel_of_step(kernel, (2.0, 2.0), (1.5, 1.0))
    assert half.shape[1] == 1 and float(half.sum()) == pytest.approx(1.0, abs=1e-5)
    assert centre_of_mass(half)[0] == pytest.approx(wanted_centre(half.shape[0], 1.5), abs=0.02)
    place = torch.arange(half.shape[0]) - wanted_centre(half.shape[0], 1.5)
    assert float((half[:, 0] * place**2).sum()) == pytest.approx(4.0 * (1.5**2 - 1) / 3, rel=0.15)


# rendering


def finish(**changes: object) -> Finish:
    given = {"sf": (2.0, 2.0), "kernel": None, "prepared": False, "ensemble": 1, "back_projection": 0, "fold": 2}
    return Finish(**{**given, **changes})  # pyright: ignore[reportArgumentType]


def test_every_copy_is_turned_back() -> None:
    lr = textured(14, 18)
    plain = imresize(lr, 2.0).clamp(0, 1)
    for copies in (1, 2, 4, 8):
        torch.testing.assert_close(final(lambda x: x, lr, finish(ensemble=copies)), plain)
    assert turns(8, (2.0, 3.0)) == (0, 2, 4, 6)
    assert final(lambda x: x, lr, finish(sf=(2.0, 3.0), ensemble=8)).shape == (1, 3, 28, 54)


def test_the_median_leaves_a_wrong_copy_out() -> None:
    calls = iter([0.9, *[0.5] * 7])
    made = final(lambda x: torch.full_like(x, next(calls)), torch.full((1, 3, 4, 4), 0.5), finish(ensemble=8))
    torch.testing.assert_close(made, torch.full_like(made, 0.5))


@pytest.mark.parametrize("factor", [2.0, 1.5, 3.0, 1.7])
def test_tiles_cover_the_output_once_and_lie_on_whole_pixels(factor: float) -> None:
    length, total = 1111, math.ceil(1111 * factor)
    covered = torch.zeros(total)
    for span in spans(length, factor, 2, total):
        covered[span.put] += 1
        assert span.put.stop - span.put.start == span.kept.stop - span.kept.start
        assert span.kept.start >= 0 and span.seen.stop - span.seen.start <= 2 * TILE
        for place in (span.seen.start, span.put.start / factor):
            assert abs(place * factor - round(place * factor)) < 0.02
    assert (covered == 1).all()
    assert all(aligned(k, 1.5, 2) % 4 == 0 for k in range(64, 80))


def test_tiles_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    lr, how = textured(90, 130), finish(prepared=True, ensemble=2, back_projection=3)
    whole = enlarged(torch.sin, lr, how, CPU)
    monkeypatch.setattr("vidinternal.methods.zssr.render.TILE", 40)
    assert len(list(spans(130, 2.0, 2, 260))) == 4
    assert float((enlarged(torch.sin, lr, how, CPU) - whole).abs().max()) < 2e-3


def test_the_fast_network_is_the_one_that_comes_with_a_start() -> None:
    assert recipe(Config(), None, clip=False, device=CPU).shape is FAST
