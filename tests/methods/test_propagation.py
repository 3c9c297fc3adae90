from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tests.ops.scene import box, constant_flow, sliding
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, FitResult, FlowField, Holdout, InpaintTask
from vidinternal.learn.resume import FileCheckpoints
from vidinternal.methods import inpaint_method
from vidinternal.methods.propagation.config import Config
from vidinternal.ops import propagate as propagation
from vidinternal.ops.flow_copy import FlowCopySettings, flow_copy
from vidinternal.ops.propagate import propagate

CPU = torch.device("cpu")
SMALL = Config(ring=5, rounds=2)


def fill(task: InpaintTask, config: Config = SMALL, **context: Any) -> FitResult:
    return inpaint_method("propagation").fill(task, config, FitContext(seed=0, device=CPU, **context))


def passing() -> tuple[torch.Tensor, torch.Tensor]:
    masks = torch.zeros((5, 1, 40, 60), dtype=torch.bool)
    for t in range(5):
        masks[t, :, 12:24, 4 + 8 * t : 13 + 8 * t] = True
    return sliding(5, 40, 60, (2, 0)), masks


def test_known_pixels_stay_and_every_copy_says_where_it_comes_from() -> None:
    truth, masks = passing()
    result = fill(InpaintTask(truth.masked_fill(masks, 0.5), masks))
    known = ~masks.expand_as(truth)
    assert torch.equal(result.frames[known], truth[known])
    assert result.provenance is not None
    assert (result.provenance[~masks] == -1).all()
    copied = masks & (result.provenance >= 0)
    assert copied.any()
    own = torch.arange(5).view(5, 1, 1, 1)
    assert (result.provenance != own)[copied].all()
    assert f"{float(copied.sum() / masks.sum()):.1%} of the hole was copied" in result.notes[0]


def test_settings_reach_the_operation() -> None:
    truth, masks = passing()
    for change in ({"ring": 2}, {"fill": "telea"}, {"rounds": 1}, {"level_seams": False}, {"refine_ring": 6}):
        config = SMALL.model_copy(update=change)
        expected = propagate(truth, masks, config)
        assert torch.equal(fill(InpaintTask(truth, masks), config).frames, expected.frames)


def test_flow_of_the_task_serves_round_one() -> None:
    truth, masks = passing()
    flows = {s: FlowField(constant_flow(5, 40, 60, -2 * s, 0), ~masks, s) for s in (1, -1)}
    result = fill(InpaintTask(truth, masks, flows), Config(rounds=1))
    expected = flow_copy(truth, masks, flows[1].flow, flows[-1].flow, FlowCopySettings())
    assert torch.equal(result.frames, expected.frames)


def test_no_round_begins_after_the_time_is_over() -> None:
    truth, masks = passing()
    budget = Budget(1e-9)
    result = fill(InpaintTask(truth, masks), Config(ring=5, rounds=4), budget=budget)
    assert result.stopped == "budget"
    assert len(result.history) == 1
    assert result.frames.isfinite().all()
    assert fill(InpaintTask(truth, masks), Config(ring=5, rounds=1), budget=budget).stopped == "done"


def test_every_round_is_told_and_scored_on_what_was_held_out() -> None:
    truth, masks = passing()
    hidden = box(5, 40, 60, slice(28, 34), slice(20, 30))
    hidden[1::2] = False
    told: list[tuple[float, str]] = []
    task = InpaintTask(truth.masked_fill(masks | hidden, 0.5), masks | hidden)
    result = fill(task, holdout=Holdout(hidden, truth), progress=lambda share, text: told.append((share, text)))
    assert [share for share, _ in told] == [0.5, 1.0]
    assert told[0][1].startswith("round 1, ")
    assert len(result.history) == 2
    assert result.history[-1].holdout_psnr == pytest.approx(Holdout(hidden, truth).score(result.frames))
    assert result.history[-1].terms["covered"] > 0.5
    assert fill(task).history[0].holdout_psnr is None


def test_what_cannot_be_copied_is_said() -> None:
    frames, masks = sliding(3, 24, 32, (0, 0)), box(3, 24, 32, slice(8, 14), slice(8, 14))
    result = fill(InpaintTask(frames, masks))
    assert result.notes == ("0.0% of the hole was copied from other frames; the rest was filled with harmonic",)
    assert result.stopped == "done"


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"ring": -1}, {"tau": 0.0}, {"fill": "magic"}, {"rings": 3}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config(**wrong)


class Dies(FileCheckpoints):
    """Checkpoints of a process that is killed when it has saved so many pieces."""

    def __init__(self, folder: Path, pieces: int) -> None:
        super().__init__(folder)
        self.left = pieces

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        super().save(piece, fits, state)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_killed_fill_goes_on_from_its_last_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    truth, masks = passing()
    task = InpaintTask(truth.masked_fill(masks, 0.5), masks)
    config = Config(ring=5, rounds=3)
    whole = fill(task, config)
    with pytest.raises(KeyboardInterrupt):
        fill(task, config, checkpoint=Dies(tmp_path, pieces))
    copied: list[int] = []

    def counted(*arguments: Any) -> Any:
        copied.append(1)
        return flow_copy(*arguments)

    monkeypatch.setattr(propagation, "flow_copy", counted)
    resumed = fill(task, config, checkpoint=FileCheckpoints(tmp_path))
    assert len(copied) == len(whole.history) - pieces
    assert torch.equal(resumed.frames, whole.frames)
    assert whole.provenance is not None and resumed.provenance is not None
    assert torch.equal(resumed.provenance, whole.provenance)
