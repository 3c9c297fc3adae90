"""Two pictures seen through each other, parted."""

from dataclasses import replace

import pytest
import torch

from tests.methods.double_dip.pictures import plain
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageTask, Previous
from vidinternal.methods.double_dip.config import SeparateConfig
from vidinternal.methods.double_dip.separate import AMBIGUOUS, apply, check
from vidinternal.ops.measures import psnr

CONTEXT = FitContext(seed=1, device=torch.device("cpu"))
FIRST, SECOND = plain(1), plain(2, cells=11)
ONE = (0.7 * FIRST + 0.3 * SECOND).mul(255).round().div(255)
OTHER = (0.35 * FIRST + 0.65 * SECOND).mul(255).round().div(255)


def few(**settings: object) -> SeparateConfig:
    return SeparateConfig.model_validate({"iterations": 2, **settings})


def test_two_mixtures_are_parted_and_the_first_layer_is_what_the_frames_show_more_of() -> None:
    found = apply(ImageTask(ONE, ONE, guide=OTHER), SeparateConfig(), CONTEXT)
    assert psnr(found.layers["first"], FIRST) > 30 and psnr(found.layers["second"], SECOND) > 30
    assert torch.equal(found.frames, found.layers["first"])
    swapped = apply(ImageTask(OTHER, OTHER, guide=ONE), SeparateConfig(), CONTEXT)
    assert psnr(swapped.layers["first"], SECOND) > 30
    assert found.facts["shares"] == "searched" and found.iterations == 0


def test_groups_that_follow_mend_the_shares_they_are_given() -> None:
    task = ImageTask(ONE, ONE, guide=OTHER)
    before = apply(task, SeparateConfig(), CONTEXT)
    known = torch.ones(1, 1, *ONE.shape[-2:], dtype=torch.bool)
    after = apply(replace(task, previous=Previous(before.state, ONE, {}, known)), SeparateConfig(), CONTEXT)
    assert after.warm and not before.warm
    assert after.facts["first_share"][0] == pytest.approx(before.facts["first_share"][0], abs=0.02)


def test_networks_learn_the_mixtures_and_their_shares() -> None:
    small = [t[..., ::2, ::2] for t in (ONE, OTHER)]
    task = ImageTask(small[0], small[0], guide=small[1])
    short, longer = (apply(task, few(shares="learned", iterations=n), CONTEXT) for n in (2, 20))
    assert longer.facts["mixture_psnr"] > short.facts["mixture_psnr"]
    assert longer.facts["shares"] == "learned"
    faithful = apply(task, few(preset="faithful", precision="float32"), CONTEXT)
    assert faithful.iterations == 2
    assert faithful.signature != longer.signature, "the published shares are drawn by networks of their own"
    assert all(0.05 <= a <= 0.95 for row in faithful.facts["first_share"] for a in row)


def test_a_single_picture_is_a_sum_and_that_is_told_to_be_ambiguous() -> None:
    picture = (0.5 * FIRST + 0.5 * SECOND)[..., ::2, ::2]
    found = apply(ImageTask(picture, picture), few(iterations=12, gain=1.0), CONTEXT)
    assert AMBIGUOUS in found.notes
    first, second = found.layers["first"], found.layers["second"]
    assert float(first.mean()) >= float(second.mean())
    assert psnr(first + second, picture) == pytest.approx(found.facts["mixture_psnr"], abs=0.1)


def test_frames_share_networks_and_have_shares_of_their_own() -> None:
    frames = torch.cat([ONE, OTHER, ONE])[..., ::2, ::2]
    found = apply(ImageTask(frames, frames), few(iterations=6), CONTEXT)
    assert len(found.facts["first_share"]) == 3 and found.layers["first"].shape == frames.shape
    known = torch.ones(1, 1, *frames.shape[-2:], dtype=torch.bool)
    previous = Previous(found.state, frames[-1:], {}, known)
    after = apply(ImageTask(frames[:1], frames[:1], previous=previous), few(), CONTEXT)
    assert after.warm and after.signature == found.signature, "one picture goes on from three"


def test_second_mixtures_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(UsageError, match="the size of the first"):
        apply(ImageTask(ONE, ONE, guide=OTHER[..., :-1]), SeparateConfig(), CONTEXT)
    with pytest.raises(UsageError, match="the same picture"):
        apply(ImageTask(ONE, ONE, guide=ONE.clone()), SeparateConfig(), CONTEXT)


@pytest.mark.parametrize("size", [(1, 1), (3, 40)])
def test_tiny_and_grey_pictures_are_parted_too(size: tuple[int, int]) -> None:
    grey = plain(4, *size)[:, :1].expand(-1, 3, -1, -1).contiguous()
    found = apply(ImageTask(grey, grey), few(), CONTEXT)
    assert found.frames.shape == grey.shape and found.frames.isfinite().all()


def test_large_pictures_are_seen_small_and_that_is_told() -> None:
    assert not check(SeparateConfig(), 200, 200)
    assert "256x144" in check(SeparateConfig(), 720, 1280)[0]
    assert not check(SeparateConfig(preset="faithful"), 720, 1280)
    wide = plain(1, 40, 60)
    found = apply(ImageTask(wide, wide), few(side=30), CONTEXT)
    assert found.frames.shape == wide.shape
