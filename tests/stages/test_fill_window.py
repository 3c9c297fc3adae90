from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults.runs import job
from vidinternal.core.contracts import FitContext, FitResult, InpaintTask
from vidinternal.methods import card
from vidinternal.runner.run import run_job
from vidinternal.stages import fill_window as module
from vidinternal.stages import inpaint
from vidinternal.stages.fill_window import FillRequest, fill_window


def sides_seen(monkeypatch: pytest.MonkeyPatch, **request: Any) -> list[int]:
    """What a method is told of the whole picture, with the hold-out hidden and without."""
    seen: list[int] = []

    class Told:
        card = card("harmonic", "inpaint")

        def fill(self, task: InpaintTask, _options: object, _context: FitContext) -> FitResult:
            seen.append(task.picture_side)
            return FitResult(task.frames)

    monkeypatch.setattr(module, "inpaint_method", lambda _: Told())
    frames = torch.rand((2, 3, 64, 96))
    masks = torch.zeros((2, 1, 64, 96), dtype=torch.bool)
    masks[:, :, 20:30, 30:44] = True
    fill_window(
        frames.masked_fill(masks, 0.5),
        masks,
        {},
        FillRequest("harmonic", Told.card.config(), **request),
        FitContext(seed=0, device=torch.device("cpu")),
    )
    return seen


def test_a_method_knows_how_large_the_whole_picture_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sides_seen(monkeypatch) == [64, 64]
    assert sides_seen(monkeypatch, side=480) == [480, 480]
    assert sides_seen(monkeypatch, side=480, max_side=48) == [240, 240]  # everything is half as large there


def test_a_run_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def watched(area: Any, flow: Any, request: FillRequest, *rest: Any) -> Any:
        told.append(request.side)
        assert min(area[0].shape[-2:]) < 240
        return plain(area, flow, request, *rest)

    plain = inpaint.fill_in_memory
    monkeypatch.setattr(inpaint, "fill_in_memory", watched)
    run_job(job(tmp_path, size=(320, 240)))
    assert set(told) == {240}
