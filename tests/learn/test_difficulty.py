import pytest
import torch

from vidinternal.core.contracts import Holdout
from vidinternal.learn.difficulty import harder
from vidinternal.ops.resample import destroy


def window(left: float, right: float) -> tuple[torch.Tensor, torch.Tensor, Holdout]:
    """A hole in the left half, a copy of it in the right; each half has a texture of its own strength."""
    random = torch.rand((1, 3, 32, 64), generator=torch.Generator().manual_seed(0)) - 0.5
    strength = torch.cat((torch.full((32,), left), torch.full((32,), right)))
    truth = (0.5 + random * strength).clamp(0, 1)
    hole, copy = (torch.zeros((1, 1, 32, 64), dtype=torch.bool) for _ in range(2))
    hole[..., 10:22, 8:24] = True
    copy[..., 10:22, 40:56] = True
    holdout = Holdout(copy, truth)
    return destroy(truth, hole | copy), hole | copy, holdout


def test_a_hole_on_busier_ground_than_its_copies_is_harder() -> None:
    (busy,), (even,), (calm,) = (harder(*window(*s)) for s in ((0.8, 0.1), (0.4, 0.4), (0.1, 0.8)))
    assert busy > 3 * even > 9 * calm
    assert even == pytest.approx(1, abs=0.7)


def test_parts_have_factors_of_their_own_and_one_without_a_copy_has_none() -> None:
    frames, masks, holdout = window(0.8, 0.1)
    parts = torch.where(masks, 0, -1).to(torch.int8)
    parts[..., 16:22, 8:24] = 1
    copies = torch.where(holdout.masks, 0, -1).to(torch.int8)
    first, second = harder(frames, masks, Holdout(holdout.masks, holdout.truth, parts, copies))
    assert first > 3
    assert second == 1.0


def test_where_there_is_nothing_to_tell_nothing_is_told() -> None:
    assert harder(*window(0.0, 0.0)) == (pytest.approx(1.0),)
