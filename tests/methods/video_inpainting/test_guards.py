from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tests.methods.video_inpainting.case import CONTEXT, fill, footage, with_holdout
from vidinternal.core.contracts import Holdout, InpaintTask
from vidinternal.core.errors import UsageError
from vidinternal.methods.video_inpainting.config import DipConfig, DipVid3dConfig, DipVidConfig, DipVidFlowConfig
from vidinternal.methods.video_inpainting.training import Trainer


def test_notes_say_where_a_run_differs_from_the_papers() -> None:
    result = fill("dip_vid_flow", footage(4), depth=6, channels=(4,), iterations=1)
    told = "\n".join(result.notes)
    assert "depth 3 instead of 6" in told
    assert "batches of 4 instead of 5" in told
    assert "no batch fits 4 frames at stride 3, 5" in told
    assert "last iterate" in told
    task, holdout = with_holdout(footage(22, 40, 40))
    quiet = fill("dip_vid_flow", task, replace(CONTEXT, holdout=holdout), iterations=1, w_p=0.0)
    assert quiet.notes == ()


def test_missing_flow_is_named() -> None:
    task = footage(4)
    flow = {stride: field for stride, field in task.flow.items() if stride != -1}
    with pytest.raises(UsageError, match=r"\[-1\] missing"):
        fill("dip_vid_flow", replace(task, flow=flow))
    fill("dip_vid_flow", replace(footage(1), flow={}))


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    task = footage(2)
    with pytest.raises(UsageError, match="T 1 H W"):
        fill("dip_vid", replace(task, masks=task.masks[:1]))
    with pytest.raises(UsageError, match="at least 5 pixels"):
        fill("dip_vid", InpaintTask(task.frames[..., :4], task.masks[..., :4] | (torch.arange(4) == 1)))


@pytest.mark.parametrize("mode", ["dip", "dip_vid"])
def test_a_fit_that_explodes_is_an_error_or_returns_what_was_good(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task, holdout = with_holdout(footage(2))
    context = replace(CONTEXT, holdout=holdout)
    step, render = Trainer.step, Trainer.render
    fuse = {"steps": 0, "good": 0}

    def spoil(frames: Tensor) -> Tensor:
        return frames if fuse["steps"] <= fuse["good"] else frames * torch.nan

    def bad_step(self: Trainer, data: Any) -> Tensor:
        fuse["steps"] += 1
        return spoil(step(self, data))

    monkeypatch.setattr(Trainer, "step", bad_step)
    monkeypatch.setattr(Trainer, "render", lambda self, rows: spoil(render(self, rows)))
    with pytest.raises(UsageError, match="lower learning_rate"):
        fill(mode, task, context)
    one = InpaintTask(task.frames[:1], task.masks[:1])
    fuse.update(steps=0, good=4)
    result = fill(mode, one, replace(context, holdout=Holdout(holdout.masks[:1], holdout.truth[:1])))
    assert result.stopped == "diverged"
    assert result.frames.isfinite().all()
    assert any("finite numbers" in note for note in result.notes)


def test_settings_refuse_what_cannot_work() -> None:
    with pytest.raises(ValidationError, match="each once"):
        DipVidFlowConfig(strides=(1, 1))
    with pytest.raises(ValidationError, match="at least one stride"):
        DipVidFlowConfig(strides=())
    with pytest.raises(ValidationError, match="at least one level"):
        DipVidConfig(channels=())
    with pytest.raises(ValidationError, match="greater than 0"):
        DipConfig(iterations=0)


def test_the_defaults_are_the_papers() -> None:
    flow, joint, alone = DipVidFlowConfig(), DipVid3dConfig(), DipConfig()
    assert (flow.w_r, flow.w_f, flow.w_c, flow.w_p) == (1.0, 0.1, 1.0, 0.01)
    assert (flow.learning_rate, flow.inner_iterations, flow.batch, flow.passes) == (0.01, 100, 5, 20)
    assert (flow.batches_per_pass, flow.strides, flow.input_scale) == (50, (1, 3, 5), 0.1)
    assert (joint.passes, alone.iterations_per_frame, joint.depth) == (20, 5000, 6)
