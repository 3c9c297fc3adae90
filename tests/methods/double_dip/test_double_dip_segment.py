"""Segmentation by Double-DIP."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import BudgetError, MaskError, UsageError
from vidinternal.core.imaging import ImageResult, ImageTask, Previous
from vidinternal.methods import image_method
from vidinternal.methods.double_dip.config import SegmentConfig
from vidinternal.methods.double_dip.segment import _as_fine, _begun, schedule
from vidinternal.ops.figure import figure

HEIGHT, WIDTH = 40, 56
DISC = (slice(12, 30), slice(20, 40))
METHOD = image_method("double_dip", "segment")


def _scene(shift: int = 0) -> tuple[Tensor, Tensor]:
    """A red block before grey stripes, and its mask."""
    x = torch.arange(WIDTH).expand(HEIGHT, WIDTH)
    picture = torch.stack([0.5 + 0.15 * torch.sin(1.3 * x)] * 3)
    truth = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    truth[..., DISC[0], DISC[1].start + shift : DISC[1].stop + shift] = True
    return torch.where(truth, torch.tensor([0.85, 0.2, 0.15]).view(1, 3, 1, 1), picture), truth


def _box() -> Tensor:
    hints = torch.zeros(1, 1, HEIGHT, WIDTH)
    hints[..., 8:34, 15:45] = torch.nan
    return hints


def _run(picture: Tensor, hints: Tensor | None, previous: Previous | None = None, **settings: Any) -> ImageResult:
    config = SegmentConfig(**{"iterations": 60, "warm_iterations": 10, "side": 40, **settings})
    context = FitContext(seed=4, device=torch.device("cpu"))
    return METHOD.apply(ImageTask(picture, picture, hints=hints, previous=previous), config, context)


def _iou(result: ImageResult, truth: Tensor) -> float:
    found = result.layers["mask"] > 0.5
    return float((found & truth).sum() / (found | truth).sum())


def test_the_object_in_a_box_is_found_and_the_next_frame_goes_on_from_it() -> None:
    picture, truth = _scene()
    result = _run(picture, _box())
    assert _iou(result, truth) > 0.85
    assert torch.equal(result.frames, result.layers["mask"].expand(-1, 3, -1, -1))
    assert set(result.layers["mask"].unique().tolist()) == {0.0, 1.0}
    assert not bool((result.layers["mask"][_box() == 0]).any())
    moved, there = _scene(2)
    valid = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    carried = {"mask": result.layers["mask"].roll(2, dims=-1)}
    before = Previous(result.state, result.frames, carried, valid)
    on = _run(moved, None, before)
    assert _iou(on, there) > 0.7
    assert on.warm and on.iterations == 10 and on.facts["origin"] == "the mask before"


def test_without_a_hint_what_stands_out_is_the_object() -> None:
    picture, truth = _scene()
    result = _run(picture, None)
    assert result.facts["origin"] == "what stands out"
    assert _iou(result, truth) > 2 * float(truth.float().mean())
    assert float(result.layers["mask"][truth].mean()) > 0.8


def test_the_published_preset_finds_it_too() -> None:
    picture, truth = _scene()
    result = _run(picture, _box(), preset="faithful", iterations=45, learning_rate=2e-2)
    assert _iou(result, truth) > 0.5


def test_a_flat_picture_has_no_object_and_a_note_says_so() -> None:
    result = _run(torch.full((1, 3, HEIGHT, WIDTH), 0.4), None)
    assert not result.frames.any() and result.iterations == 0
    assert any("no object" in note for note in result.notes)


def test_where_the_object_has_gone_the_networks_are_kept_for_its_return() -> None:
    picture, _ = _scene()
    state = {"fit": {"signature": "x"}}
    empty, valid = torch.zeros(1, 1, HEIGHT, WIDTH), torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    result = _run(picture, None, Previous(state, empty.expand(-1, 3, -1, -1), {"mask": empty}, valid))
    assert not result.frames.any() and result.state == state


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_hints_that_leave_nothing_open_are_refused(value: float) -> None:
    with pytest.raises(MaskError, match="an object and what is not it"):
        _run(_scene()[0], torch.full((1, 1, HEIGHT, WIDTH), value))


def test_pictures_too_small_for_a_network_are_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="picture size"):
        METHOD.check(SegmentConfig(), 1, 40)
    METHOD.check(SegmentConfig(), 3, 3)


def test_without_any_time_it_does_not_begin() -> None:
    picture, _ = _scene()
    spent = Budget(1.0).charge(2.0)
    with pytest.raises(BudgetError):
        METHOD.apply(ImageTask(picture, picture), SegmentConfig(), FitContext(4, torch.device("cpu"), budget=spent))


def test_presets_say_what_settings_do_not() -> None:
    fast, faithful = schedule(SegmentConfig()), schedule(SegmentConfig(preset="faithful"))
    assert (faithful.apart, faithful.together, faithful.rate, faithful.feed) == (2000, 4000, 1e-3, "noise")
    assert fast.apart + fast.together < 600
    own = schedule(SegmentConfig(preset="faithful", iterations=90, learning_rate=0.1, side=64))
    assert (own.apart, own.together, own.warm, own.rate, own.side) == (30, 60, 90, 0.1, 64)


def test_a_box_begins_from_what_is_cut_out_of_it() -> None:
    picture, truth = _scene()
    known, cut = _begun(picture, _box(), figure(picture, _box()))
    assert cut is not None and float((cut & truth).sum() / (cut | truth).sum()) > 0.85
    assert bool(known.inside.any()) and not bool((known.inside & ~truth).any())
    assert not bool((known.outside & truth).any())
    opened = ~(known.inside | known.outside)
    assert 0 < int(opened.sum()) < int((_box() != 0).sum()), "a band along the outline is left to the layers"
    assert bool(known.outside[_box() == 0].all())


def test_what_a_person_pointed_at_is_begun_from_as_it_is() -> None:
    picture, truth = _scene()
    strokes = _box()
    strokes[..., 18:24, 26:34] = 1.0
    known = figure(picture, strokes)
    assert _begun(picture, strokes, known) == (known, None)
    scribble = torch.full_like(strokes, torch.nan)
    scribble[truth] = 1.0
    assert _begun(picture, scribble, known) == (known, None), "nothing is said of what is outside"
    assert _begun(picture, None, known) == (known, None)


def test_what_is_finer_than_the_networks_see_stays_as_it_was_cut_out() -> None:
    cut = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    cut[..., 10:30, 10:30], cut[..., 20, 30:40] = True, True
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 10:30, 10:22] = 1.0
    made = _as_fine(mask, cut, side=WIDTH)
    assert bool((made[..., 20, 30:40] == 1).all()), "a thin limb is not the networks' to take away"
    assert not bool(made[..., 10:19, 22:30].any()), "a large piece is"


def test_the_published_schedule_begins_without_a_cut() -> None:
    assert schedule(SegmentConfig(preset="faithful")).start == "unlike"
    assert schedule(SegmentConfig()).start == "cut"
    assert schedule(SegmentConfig(box_start="unlike")).start == "unlike"
