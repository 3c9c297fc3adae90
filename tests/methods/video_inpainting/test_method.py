from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.video_inpainting.case import CONTEXT, MODES, fill, footage, with_holdout
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import Holdout
from vidinternal.core.errors import BudgetError, MaskError
from vidinternal.methods.video_inpainting.curriculum import (
    Batch,
)
from vidinternal.methods.video_inpainting.training import Trainer


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("total", [1, 2, 4, 8])
def test_every_mode_fills_clips_of_any_length(mode: str, total: int) -> None:
    task, holdout = with_holdout(footage(total))
    result = fill(mode, task, replace(CONTEXT, holdout=holdout))
    assert result.frames.shape == task.frames.shape
    assert result.frames.isfinite().all()
    assert result.iterations == 8
    assert result.stopped == "iterations"
    assert result.history[-1].holdout_psnr is not None
    assert result.weights
    assert result.signature


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_same_seed_same_bytes(mode: str, precision: str) -> None:
    task = footage(6)
    first, second = (fill(mode, task, precision=precision).frames for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(fill(mode, task, replace(CONTEXT, seed=4), precision=precision).frames, first)


@pytest.mark.parametrize("mode", MODES)
def test_training_brings_known_pixels_closer(mode: str) -> None:
    task = footage(2)
    known = (~task.masks).expand_as(task.frames)

    def error(iterations: int) -> float:
        made = fill(mode, task, iterations=iterations, learning_rate=0.02)
        return float((made.frames - task.frames)[known].square().mean())

    assert error(120) < 0.5 * error(2)


def test_the_best_held_out_output_is_returned() -> None:
    task, holdout = with_holdout(footage(6))
    result = fill("dip_vid", task, replace(CONTEXT, holdout=holdout), iterations=40, look_every=5, learning_rate=0.05)
    scores = [p.holdout_psnr for p in result.history if p.holdout_psnr is not None]
    assert len(scores) >= 8
    assert holdout.score(result.frames) == pytest.approx(max(scores))


def test_patience_ends_the_fit() -> None:
    task, holdout = with_holdout(footage(3))
    context = replace(CONTEXT, holdout=Holdout(holdout.masks, torch.full_like(holdout.truth, 0.5)))
    # truth of plain grey: an untrained sigmoid scores best, and training only leads away from it
    for mode in ("dip_vid", "dip"):
        result = fill(mode, task, context, iterations=3000, look_every=2, patience=3, learning_rate=0.05)
        assert result.stopped == "held-out score"
        assert result.iterations < 3000


@pytest.mark.parametrize("mode", MODES)
def test_the_budget_ends_the_fit_in_time(mode: str) -> None:
    task, holdout = with_holdout(footage(6))
    context = replace(CONTEXT, budget=Budget(1.0), holdout=holdout)
    result = fill(mode, task, context, iterations=None)
    assert result.stopped == "budget"
    assert result.iterations > 0
    assert result.history
    assert context.budget.elapsed() < 5.0


@pytest.mark.parametrize("mode", MODES)
def test_no_time_at_all_is_refused(mode: str) -> None:
    context = replace(CONTEXT, budget=Budget(1e-9))
    with pytest.raises(BudgetError):
        fill(mode, footage(2), context)


def test_a_short_fit_closes_on_the_median_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Batch] = []
    step = Trainer.step

    def spy(self: Trainer, data: Any) -> Tensor:
        trained.append(data.batch)
        return step(self, data)

    monkeypatch.setattr(Trainer, "step", spy)
    fill("dip_vid_flow", footage(12), iterations=40, inner_iterations=3)
    assert len(trained) == 40
    assert [b.frames for b in trained[-3:]] == [(6, 7, 8, 9, 10)] * 3
    assert trained[0] == trained[1] == trained[2] != trained[3], "inner iterations stay on a batch"
    assert {b.stride for b in trained} == {1, -1}


def test_the_whole_schedule_ends_by_itself() -> None:
    config = {"iterations": None, "passes": 2, "inner_iterations": 2, "look_every": 1000}
    flow = fill("dip_vid_flow", footage(6), batches_per_pass=3, **config)
    assert flow.iterations == 2 * (3 + 1) * 2
    assert [p.iteration for p in flow.history] == [8, 16], "a look after each pass"
    joint = fill("dip_vid", footage(6), **config)
    assert joint.iterations == 2 * 2 * 2
    alone = fill("dip", footage(2), iterations=None, iterations_per_frame=5)
    assert alone.iterations == 10
    assert {r.stopped for r in (flow, joint, alone)} == {"iterations"}


def test_dip_keeps_the_iterate_closest_to_the_known_pixels_without_a_holdout() -> None:
    task = footage(1)
    known = (~task.masks).expand_as(task.frames)
    errors = [
        float((fill("dip", task, iterations=n, learning_rate=0.1).frames - task.frames)[known].square().mean())
        for n in range(1, 12)
    ]
    assert errors == sorted(errors, reverse=True)


def test_dip_returns_frames_without_a_hole_as_they_came() -> None:
    task = footage(3)
    masks = task.masks.clone()
    masks[1] = False
    result = fill("dip", replace(task, masks=masks))
    assert torch.equal(result.frames[1], task.frames[1])
    assert not torch.equal(result.frames[0], task.frames[0])
    assert len(result.history) == 2


def test_a_held_out_hole_in_one_frame_only_scores_that_frame() -> None:
    task, holdout = with_holdout(footage(3))
    masks = holdout.masks.clone()
    masks[0] = False
    result = fill("dip", task, replace(CONTEXT, holdout=replace(holdout, masks=masks)))
    assert [p.holdout_psnr is None for p in result.history] == [True, False, False]


def test_an_empty_mask_is_nothing_to_do_and_a_full_one_is_refused() -> None:
    task = footage(2)
    result = fill("dip_vid", replace(task, masks=torch.zeros_like(task.masks)))
    assert torch.equal(result.frames, task.frames)
    assert result.stopped == "done"
    with pytest.raises(MaskError, match="some known pixels"):
        fill("dip_vid", replace(task, masks=torch.ones_like(task.masks)))


def test_a_clip_too_short_for_every_stride_is_filled_without_flow_and_that_is_said() -> None:
    task = footage(6)
    result = fill("dip_vid_flow", task, strides=(3,))
    assert result.frames.isfinite().all() and result.iterations == 8
    assert result.learned_flow is None
    assert any("at stride 3: trained without flow" in note for note in result.notes)
    assert not any("without flow" in note for note in fill("dip_vid_flow", task, strides=(1, 3)).notes)


def test_the_flow_that_the_network_learned_is_told_in_pixels_to_the_next_frame() -> None:
    task = footage(6)
    long = fill("dip_vid_flow", task, iterations=150, learning_rate=0.02, strides=(1,), w_f=1.0)
    short = fill("dip_vid_flow", task, iterations=2, learning_rate=0.02, strides=(1,), w_f=1.0)
    assert long.learned_flow is not None and short.learned_flow is not None
    assert long.learned_flow.shape == (6, 2, *task.frames.shape[-2:])
    known = task.flow[1].valid.expand(-1, 2, -1, -1)

    def error(flow: Tensor) -> float:
        return float((flow - task.flow[1].flow)[known].abs().mean())

    assert error(long.learned_flow) < 0.5 * error(short.learned_flow)
    assert fill("dip_vid", task).learned_flow is None
