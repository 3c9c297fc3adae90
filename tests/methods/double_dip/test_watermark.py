"""Watermarks: several pictures without a hint, one with, and what is refused."""

from dataclasses import replace

import pytest
import torch

from tests.methods.double_dip.pictures import mark, marked, plain
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import MaskError
from vidinternal.core.imaging import ImageTask, Previous
from vidinternal.methods.double_dip.config import WatermarkConfig
from vidinternal.methods.double_dip.watermark import apply, survey
from vidinternal.ops.measures import psnr

CONTEXT = FitContext(seed=0, device=torch.device("cpu"))
PICTURES = torch.cat([plain(k, cells=4 + k) for k in range(8)])
SEEN = marked(PICTURES, mark())
WHERE = (mark() > 0).expand(8, -1, -1, -1)
BOX = torch.zeros(1, 1, 48, 72)
BOX[..., 14:34, 14:50] = 1.0


def few(**settings: object) -> WatermarkConfig:
    return WatermarkConfig.model_validate({"iterations": 2, **settings})


def test_the_shared_mark_is_found_once_and_comes_off_every_frame() -> None:
    shot = survey(SEEN, WatermarkConfig(iterations=80), CONTEXT)
    assert shot["mask"].shape == (1, 1, 48, 72) and shot["mark"].shape == (1, 3, 48, 72)
    other = marked(plain(99), mark())  # a frame that the survey has not seen
    found = apply(ImageTask(other, other, shot=shot), WatermarkConfig(), CONTEXT)
    assert found.iterations == 0
    assert psnr(found.frames, plain(99), WHERE[:1]) > psnr(other, plain(99), WHERE[:1]) + 6
    assert set(found.layers) == {"mark", "mask"}
    only_left = BOX.clone()
    only_left[..., 30:] = 0
    part = apply(ImageTask(other, other, hints=only_left, shot=shot), WatermarkConfig(), CONTEXT)
    assert torch.equal(part.frames[..., 30:], other[..., 30:]), "no further than the hint"
    assert not torch.equal(part.frames, other)


def test_without_a_survey_a_group_tells_its_mark_itself_or_where_it_is_pointed_at() -> None:
    for hints in (None, BOX.expand(8, -1, -1, -1).clone()):
        found = apply(ImageTask(SEEN, SEEN, hints=hints), few(iterations=60), CONTEXT)
        assert psnr(found.frames, PICTURES, WHERE) > psnr(SEEN, PICTURES, WHERE) + 5
        assert found.iterations == 180


def test_one_picture_is_drawn_under_the_hint_and_copied_elsewhere() -> None:
    task = ImageTask(SEEN[:1], SEEN[:1], hints=BOX)
    found = apply(task, few(iterations=6), CONTEXT)
    outside = (BOX == 0).expand_as(found.frames)
    assert torch.equal(found.frames[outside], SEEN[:1][outside])
    assert not bool(found.layers["mask"][BOX == 0].any())
    assert found.iterations == 9 and found.facts["recovered"] == "drawn"
    unknown = torch.where(BOX > 0, BOX, torch.nan)
    same = apply(replace(task, hints=unknown), few(iterations=6), CONTEXT)
    assert torch.equal(same.frames, found.frames), "unknown is not pointed at"


def test_runs_differ_and_their_median_is_taken() -> None:
    task = ImageTask(SEEN[:1], SEEN[:1], hints=BOX)
    one, three = (apply(task, few(runs=n, least_mark=0.0), CONTEXT) for n in (1, 3))
    assert three.iterations == 3 * one.iterations
    assert not torch.equal(one.frames, three.frames)


def test_networks_share_mark_and_mask_over_pictures() -> None:
    pair = SEEN[:2, :, ::2, ::2]
    found = apply(ImageTask(pair, pair), few(recover="networks"), CONTEXT)
    assert torch.equal(found.layers["mask"][0], found.layers["mask"][1])
    assert not survey(SEEN, few(recover="networks"), CONTEXT)
    assert not survey(SEEN, few(preset="faithful"), CONTEXT)
    known = torch.ones(1, 1, *pair.shape[-2:], dtype=torch.bool)
    after = apply(
        ImageTask(pair, pair, previous=Previous(found.state, pair[-1:], {}, known)), few(recover="networks"), CONTEXT
    )
    assert after.warm and after.signature == found.signature


def test_nothing_to_go_by_is_refused_and_names_the_hint() -> None:
    with pytest.raises(MaskError, match="a single picture and no hint") as caught:
        apply(ImageTask(SEEN[:1], SEEN[:1]), few(), CONTEXT)
    assert "--region" in caught.value.hint
    still = SEEN[:1].expand(4, -1, -1, -1).clone()
    with pytest.raises(MaskError, match="4 pictures"):
        apply(ImageTask(still, still), few(), CONTEXT)
    assert not survey(SEEN[:1], few(), CONTEXT) and not survey(still, few(), CONTEXT)


def test_hints_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(MaskError, match="some pixels"):
        apply(ImageTask(SEEN[:1], SEEN[:1], hints=torch.zeros_like(BOX)), few(), CONTEXT)
    with pytest.raises(MaskError, match="the whole picture"):
        apply(ImageTask(SEEN[:1], SEEN[:1], hints=torch.ones_like(BOX)), few(), CONTEXT)


def test_frames_whose_hint_selects_nothing_are_left_as_they_are() -> None:
    some = BOX.expand(2, -1, -1, -1).clone()
    some[1] = 0
    found = apply(ImageTask(SEEN[:2], SEEN[:2], hints=some), few(), CONTEXT)
    assert torch.equal(found.frames[1], SEEN[1]) and not torch.equal(found.frames[0], SEEN[0])
    nothing = apply(ImageTask(SEEN[:2], SEEN[:2], hints=torch.zeros_like(some)), few(), CONTEXT)
    assert torch.equal(nothing.frames, SEEN[:2])
    assert any("left as they are" in note for note in nothing.notes)


@pytest.mark.parametrize("size", [(1, 2), (3, 30)])
def test_tiny_and_grey_pictures_work(size: tuple[int, int]) -> None:
    grey = plain(1, *size)[:, :1].expand(-1, 3, -1, -1).contiguous()
    hint = torch.zeros(1, 1, *size)
    hint[..., 0] = 1
    found = apply(ImageTask(grey, grey, hints=hint), few(), CONTEXT)
    assert found.frames.shape == grey.shape and found.frames.isfinite().all()
