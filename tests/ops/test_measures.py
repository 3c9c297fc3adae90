import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops import measures
from vidinternal.ops.warp import backward_warp


def frames(seed: int = 0, count: int = 4, size: tuple[int, int] = (20, 24)) -> torch.Tensor:
    return torch.rand((count, 3, *size), generator=generator(seed, "frames"))


def box(like: torch.Tensor, rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros((len(like), 1, *like.shape[-2:]), dtype=torch.bool)
    mask[:, :, rows, columns] = True
    return mask


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 0.5))
def test_psnr_of_a_constant_error_is_its_size_in_decibels(error: float) -> None:
    truth = torch.full((2, 3, 8, 8), 0.25)
    assert measures.psnr(truth + error, truth) == pytest.approx(-20 * math.log10(error), abs=1e-2)


def test_psnr_pools_squared_errors_instead_of_averaging_decibels() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    result = truth.clone()
    result[0] = 0.1
    pooled = measures.mse(result, truth)
    assert pooled == pytest.approx(0.01 / 2)
    assert measures.psnr(result, truth) == pytest.approx(-10 * math.log10(0.005))


def test_equal_pictures_have_the_best_scores() -> None:
    clip = frames()
    assert measures.psnr(clip, clip) == measures.BEST_PSNR
    assert measures.ssim(clip, clip) == pytest.approx(1.0, abs=1e-5)
    assert measures.temporal_error(clip, clip, box(clip, slice(2, 9), slice(3, 9))) == 0.0


def test_hole_scores_see_the_hole_alone() -> None:
    truth = frames()
    mask = box(truth, slice(4, 12), slice(6, 14))
    outside = torch.where(mask, truth, frames(1))
    assert measures.hole_psnr(outside, truth, mask) == measures.BEST_PSNR
    assert measures.psnr(outside, truth) < 15
    inside = torch.where(mask, frames(1), truth)
    assert measures.hole_psnr(inside, truth, mask) < measures.psnr(inside, truth)
    assert measures.psnr(inside, truth, ~mask) == measures.BEST_PSNR


def test_pooled_parts_make_up_the_whole() -> None:
    truth, result = frames(), frames(1)
    mask = box(truth, slice(0, 7), slice(5, 20))
    share = float(mask.float().mean())
    parts = share * measures.mse(result, truth, mask) + (1 - share) * measures.mse(result, truth, ~mask)
    assert parts == pytest.approx(measures.mse(result, truth), rel=1e-5)


def test_ssim_falls_with_noise_and_is_local() -> None:
    truth = frames(size=(40, 40))
    mask = box(truth, slice(0, 8), slice(0, 8))
    noise = torch.randn(truth.shape, generator=generator(3)) * 0.3
    scores = [measures.ssim(truth + strength * noise, truth, mask) for strength in (0.0, 0.2, 1.0)]
    assert scores == sorted(scores, reverse=True)
    far = truth.clone()
    far[..., 20:, 20:] = 0.0
    assert measures.ssim(far, truth, mask) == pytest.approx(1.0, abs=1e-5)


def test_ssim_is_symmetric() -> None:
    assert measures.ssim(frames(), frames(1)) == pytest.approx(measures.ssim(frames(1), frames()), abs=1e-6)


def test_temporal_error_ignores_what_stays_and_counts_flicker_in_codes() -> None:
    truth = frames() * 0.5
    mask = box(truth, slice(None), slice(None))
    assert measures.temporal_error(truth + 0.25, truth, mask) == pytest.approx(0.0, abs=1e-4)
    flicker = truth + torch.tensor([0.0, 10 / 255, 0.0, 10 / 255]).view(4, 1, 1, 1)
    assert measures.temporal_error(flicker, truth, mask) == pytest.approx(10.0, abs=1e-3)


def test_temporal_error_without_a_hole_or_a_second_frame_is_zero() -> None:
    truth, result = frames(), frames(1)
    assert measures.temporal_error(result, truth, box(truth, slice(0, 0), slice(0, 0))) == 0.0
    assert measures.temporal_error(result[:1], truth[:1], box(truth[:1], slice(None), slice(None))) == 0.0


def moving(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """A texture that moves two pixels to the right per frame, and its flow."""
    wide = torch.rand((1, 3, 20, 40), generator=generator(5))
    clip = torch.cat([wide[..., 10 - 2 * t : 34 - 2 * t] for t in range(count)])
    flow = torch.zeros(count, 2, 20, 24)
    flow[:, 0] = 2.0
    return clip, flow


def test_warping_error_of_frames_that_follow_the_flow_is_zero() -> None:
    clip, flow = moving()
    inner = box(clip, slice(3, 17), slice(3, 20))
    assert torch.allclose(backward_warp(clip[1:], flow[:3])[..., :22], clip[:-1][..., :22], atol=1e-5)
    assert measures.warping_error(clip, flow, torch.ones_like(inner), inner) < 1e-9
    shaken = clip.clone()
    shaken[1] += 0.2
    assert measures.warping_error(shaken, flow, torch.ones_like(inner), inner) == pytest.approx(2 * 0.04 / 3, rel=1e-3)


def test_warping_error_counts_only_the_hole_with_believable_flow() -> None:
    clip, flow = moving()
    mask = box(clip, slice(3, 10), slice(3, 20))
    broken = clip.clone()
    broken[1, :, 10:] = 0.0
    assert measures.warping_error(broken, flow, torch.ones_like(mask), mask) < 1e-9
    assert measures.warping_error(frames(2), flow, torch.zeros_like(mask), mask) == 0.0
    assert measures.warping_error(clip[:1], flow[:1], mask[:1], mask[:1]) == 0.0


@pytest.mark.parametrize("correlate", [measures.pearson, measures.spearman])
def test_correlation_laws(correlate) -> None:
    left = torch.rand(30, generator=generator(1))
    right = torch.rand(30, generator=generator(2))
    assert correlate(left, left) == pytest.approx(1.0)
    assert correlate(left, -3 * left + 1) == pytest.approx(-1.0)
    assert correlate(left, right) == pytest.approx(correlate(right, left))
    assert abs(correlate(left, right)) < 0.6
    assert correlate(left, torch.ones(30)) is None
    assert correlate(left[:1], right[:1]) is None


def test_spearman_sees_order_alone_and_shares_ranks_of_ties() -> None:
    left = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert measures.spearman(left, left.exp()) == pytest.approx(1.0)
    assert measures.pearson(left, (4 * left).exp()) != pytest.approx(1.0, abs=0.1)
    # ranks (0, 1.5, 1.5, 3) against (0, 1, 2, 3)
    tied = torch.tensor([0.0, 5.0, 5.0, 9.0])
    assert measures.spearman(left, tied) == pytest.approx(4.5 / math.sqrt(5 * 4.5))


def test_what_cannot_be_measured_is_refused() -> None:
    clip = frames()
    mask = box(clip, slice(0, 4), slice(0, 4))
    with pytest.raises(UsageError, match="two stacks"):
        measures.psnr(clip[:2], clip)
    with pytest.raises(UsageError, match="at least one pixel"):
        measures.hole_psnr(clip, clip, torch.zeros_like(mask))
    with pytest.raises(UsageError, match="bool"):
        measures.psnr(clip, clip, mask.float())
    with pytest.raises(UsageError, match="at least 6 pixels"):
        measures.ssim(clip[..., :5], clip[..., :5])
    with pytest.raises(UsageError, match="validity"):
        measures.warping_error(clip, torch.zeros(2, 2, 20, 24), torch.ones(2, 1, 20, 24, dtype=torch.bool), mask)
    with pytest.raises(UsageError, match="one length"):
        measures.pearson(torch.zeros(3), torch.zeros(4))
    with pytest.raises(UsageError, match="vectors"):
        measures.spearman(torch.zeros(3, 2), torch.zeros(3, 2))
