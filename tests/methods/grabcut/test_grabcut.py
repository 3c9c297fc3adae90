"""GrabCut as a method of task ``segment``."""

import pytest
import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import MaskError
from vidinternal.core.imaging import ImageResult, ImageTask, Previous
from vidinternal.methods import image_method
from vidinternal.methods.grabcut.config import Config

METHOD = image_method("grabcut", "segment")


def _scene(height: int = 60, width: int = 80) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    truth = ((y - height / 2) ** 2 + (x - width / 2) ** 2 < (height / 4) ** 2)[None, None]
    ground = torch.stack([0.5 + 0.1 * torch.sin(0.7 * x + k) for k in range(3)]).expand(1, 3, height, width)
    return torch.where(truth, torch.tensor([0.9, 0.3, 0.1]).view(1, 3, 1, 1) + 0.02 * torch.sin(1.0 * y), ground), truth


def _run(picture: Tensor, hints: Tensor | None, previous: Previous | None = None, **settings: int) -> ImageResult:
    context = FitContext(seed=1, device=torch.device("cpu"))
    return METHOD.apply(ImageTask(picture, picture, hints=hints, previous=previous), Config(**settings), context)


def _iou(result: ImageResult, truth: Tensor) -> float:
    found = result.layers["mask"] > 0.5
    return float((found & truth).sum() / (found | truth).sum())


def _box(height: int = 60, width: int = 80) -> Tensor:
    hints = torch.zeros(1, 1, height, width)
    hints[..., height // 6 : -height // 6, width // 6 : -width // 6] = torch.nan
    return hints


def test_the_object_in_a_box_is_cut_out() -> None:
    picture, truth = _scene()
    result = _run(picture, _box())
    assert _iou(result, truth) > 0.95
    assert not bool(result.layers["mask"][_box() == 0].any())


def test_a_larger_picture_is_cut_small_and_fitted_to_its_edges() -> None:
    picture, truth = _scene(180, 240)
    result = _run(picture, _box(180, 240), side=80)
    assert result.frames.shape == picture.shape and _iou(result, truth) > 0.9


def test_the_mask_before_is_a_hint() -> None:
    picture, truth = _scene()
    valid = torch.ones(1, 1, 60, 80, dtype=torch.bool)
    before = Previous({}, picture, {"mask": truth.roll(2, dims=-1).float()}, valid)
    result = _run(picture, None, before)
    assert _iou(result, truth) > 0.9 and result.facts["origin"] == "the mask before"


def test_a_flat_picture_has_no_object() -> None:
    result = _run(torch.full((1, 3, 20, 20), 0.3), None)
    assert not result.frames.any() and any("no object" in note for note in result.notes)


def test_where_colours_do_not_part_the_hints_are_taken_and_it_is_told() -> None:
    hints = torch.full((1, 1, 1, 2), torch.nan)
    hints[..., 1] = 1.0
    valid = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    picture = torch.full((1, 3, 1, 2), 0.3)
    result = _run(picture, hints, Previous({}, picture, {"mask": torch.ones(1, 1, 1, 2)}, valid))
    assert float(result.layers["mask"][..., 1]) == 1.0
    assert any("the hints themselves" in note for note in result.notes)


def test_hints_that_leave_nothing_open_are_refused() -> None:
    with pytest.raises(MaskError, match="all is inside"):
        _run(_scene()[0], torch.ones(1, 1, 60, 80))
