"""Zero-Shot Noise2Noise: its halves, its terms, its network, and that it takes off noise."""

from dataclasses import replace

import pytest
import torch

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import BudgetError, UsageError
from vidinternal.core.imaging import ImageTask, Previous
from vidinternal.core.seeds import generator
from vidinternal.methods import image_method
from vidinternal.methods.zs_n2n.config import Config
from vidinternal.methods.zs_n2n.network import NoiseNet
from vidinternal.methods.zs_n2n.objective import agreement, consistency_loss, halves, residual_loss, total_loss
from vidinternal.ops.measures import psnr

METHOD = image_method("zs_n2n", "denoise")
CONTEXT = FitContext(seed=1, device=torch.device("cpu"))
SIGMA = 25 / 255


def clean(height: int = 64, width: int = 80) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height) / 9.0, torch.arange(width) / 7.0, indexing="ij")
    waves = [0.5 + 0.3 * torch.sin(x + k) * torch.cos(y - k) for k in range(3)]
    picture = torch.stack(waves)[None]
    picture[..., 10:30, 20:50] = 0.8
    return picture


def noisy(picture: torch.Tensor, name: str = "a") -> torch.Tensor:
    return (picture + SIGMA * torch.randn(picture.shape, generator=generator(0, name))).clamp(0, 1)


def test_halves_are_the_means_of_the_diagonals() -> None:
    y = torch.tensor([[1.0, 2.0], [4.0, 8.0]]).view(1, 1, 2, 2)
    first, second = halves(y)
    assert float(first) == 3.0 and float(second) == 4.5


def test_the_noise_of_the_halves_is_independent_and_half_as_strong_in_power() -> None:
    noise = torch.randn(1, 1, 400, 400, generator=generator(0, "noise"))
    first, second = halves(noise)
    for half in (first, second):
        assert float(half.var()) == pytest.approx(0.5, rel=0.03)
    assert abs(float((first * second).mean())) < 0.01


def test_terms_are_zero_for_a_picture_without_noise_or_detail_and_a_network_that_finds_none() -> None:
    flat, none = torch.full((1, 3, 8, 8), 0.3), torch.zeros_like
    loss, terms = total_loss(none, flat, 1.0)
    assert float(loss) == 0 and set(terms) == {"L_res", "L_cons"}
    y = torch.rand(1, 3, 8, 8, generator=generator(0, "y"))
    first, second = halves(y)
    loss, terms = total_loss(none, y, 1.0)
    # without a network the halves are those of the picture, and each is as far from the other as they are apart
    assert float(terms["L_cons"]) == pytest.approx(0, abs=1e-12)
    assert float(loss) == pytest.approx(float((first - second).square().mean()))
    assert set(total_loss(none, y, 0.0)[1]) == {"L_res"}
    small = torch.cat((first, second))
    assert float(residual_loss(torch.cat((second, first)), first, second)) == 0
    assert float(consistency_loss(small, y)) == 0


def test_the_network_has_as_many_weights_as_published() -> None:
    assert sum(p.numel() for p in NoiseNet(48, generator(0)).parameters()) == 22_275


@pytest.mark.parametrize("preset", ["fast", "faithful"])
def test_it_takes_off_noise(preset: str) -> None:
    truth = clean()
    seen = noisy(truth)
    config = Config.model_validate({"preset": preset, "iterations": 100, "learning_rate": 4e-3})
    result = METHOD.apply(ImageTask(seen, seen), config, CONTEXT)
    assert psnr(result.frames, truth) > psnr(seen, truth) + 3
    assert 10 < result.facts["noise_sigma"] < 30
    assert result.stopped == "iterations" and result.iterations == 100


def test_the_picture_before_has_a_share_where_the_two_agree_and_none_elsewhere() -> None:
    truth = clean()
    seen = noisy(truth)
    config = Config(iterations=60, frame_iterations=2, channels=16)
    first = METHOD.apply(ImageTask(seen, seen), config, CONTEXT)
    before = truth.clone()
    before[..., :20, :30] = 1.0  # something that has gone since
    valid = torch.ones(1, 1, 64, 80, dtype=torch.bool)
    valid[..., 50:, :] = False
    task = ImageTask(noisy(truth, "b"), noisy(truth, "b"), previous=Previous(first.state, before, {}, valid))
    off = METHOD.apply(task, config.model_copy(update={"temporal": 0.0}), CONTEXT).frames
    on = METHOD.apply(task, config, CONTEXT)
    assert on.warm and "agreement" in on.facts
    assert psnr(on.frames, truth) > psnr(off, truth) + 0.5
    assert torch.equal(on.frames[..., 50:, :], off[..., 50:, :])
    assert torch.allclose(on.frames[..., 2:16, 2:26], off[..., 2:16, 2:26], atol=0.02)


def test_agreement_is_one_for_the_same_and_none_for_another() -> None:
    picture, valid = clean(20, 20), torch.ones(1, 1, 20, 20, dtype=torch.bool)
    assert torch.equal(agreement(picture, picture, valid, 0.02), torch.ones(1, 1, 20, 20))
    assert float(agreement(picture, 1 - 0.5 * picture, valid, 0.02).min()) < 0.01
    assert float(agreement(picture, picture, ~valid, 0.02).max()) == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 1)])
def test_pictures_too_small_to_learn_from_are_left_as_they_are_and_told(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    result = METHOD.apply(ImageTask(picture, picture), Config(), CONTEXT)
    assert torch.equal(result.frames, picture)
    assert result.notes == METHOD.check(Config(), *size) and result.notes


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="one picture"):
        METHOD.apply(ImageTask(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)), Config(), CONTEXT)
    with pytest.raises(BudgetError):
        METHOD.apply(ImageTask(clean(), clean()), Config(), replace(CONTEXT, budget=Budget(1e-9)))


def test_weights_of_another_network_are_not_gone_on_from() -> None:
    seen = noisy(clean())
    other = METHOD.apply(ImageTask(seen, seen), Config(iterations=2, channels=8), CONTEXT)
    valid = torch.ones(1, 1, 64, 80, dtype=torch.bool)
    task = ImageTask(seen, seen, previous=Previous(other.state, seen, {}, valid))
    result = METHOD.apply(task, Config(iterations=3, frame_iterations=2, channels=16), CONTEXT)
    assert not result.warm and result.iterations == 3
