"""Stage ``find`` asks methods of task ``segment`` for a method that searches."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from vidinternal.core.errors import UsageError
from vidinternal.methods import module_name
from vidinternal.methods.track.config import Config as Track
from vidinternal.stages.find import Find, _segmented


def _stage(**options: Any) -> Find:
    stage = Find.__new__(Find)
    stage.options = Track(**options)
    return stage


def test_the_code_that_makes_first_masks_counts_for_the_result() -> None:
    assert _stage().also_runs() == ()
    assert _stage(first="double_dip").also_runs() == (module_name("double_dip", "segment"),)


def test_a_segmenter_returns_the_method_s_mask() -> None:
    context = cast(Any, SimpleNamespace(seed=1, device=torch.device("cpu")))
    picture = torch.full((1, 3, 40, 50), 0.5) + 0.05 * torch.rand(40, 50, generator=torch.Generator().manual_seed(1))
    picture[..., 12:26, 16:34] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
    hints = torch.zeros(1, 1, 40, 50)
    hints[..., 8:30, 10:40] = torch.nan
    mask = _segmented(context, "grabcut", picture, hints, 7)
    truth = torch.zeros(1, 1, 40, 50, dtype=torch.bool)
    truth[..., 12:26, 16:34] = True
    assert mask.shape == (1, 1, 40, 50)
    assert float(((mask > 0.5) == truth).float().mean()) > 0.97


def test_a_picture_too_small_for_the_method_is_refused() -> None:
    context = cast(Any, SimpleNamespace(seed=1, device=torch.device("cpu")))
    with pytest.raises(UsageError, match="picture size"):
        _segmented(context, "double_dip", torch.zeros(1, 3, 1, 9), torch.zeros(1, 1, 1, 9), 0)
