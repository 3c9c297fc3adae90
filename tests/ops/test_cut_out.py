"""Objects cut out of a box, and whether a cut can be what the box is around."""

import pytest
import torch
from torch import Tensor

from vidinternal.ops.cut_out import LOOSE, boxed, cut_out, slack

HEIGHT, WIDTH = 60, 80


def _empty() -> Tensor:
    return torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)


def _box() -> Tensor:
    box = _empty()
    box[..., 10:50, 20:60] = True
    return box


def _disc(radius: float) -> Tensor:
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return ((y - 29.5) ** 2 + (x - 39.5) ** 2 < radius**2)[None, None]


def _picture(truth: Tensor) -> Tensor:
    x = torch.arange(WIDTH).float()
    ground = torch.stack([0.5 + 0.1 * torch.sin(0.7 * x + k) for k in range(3)])[None, :, None].expand(
        -1, -1, HEIGHT, -1
    )
    return torch.where(truth, torch.tensor([0.9, 0.3, 0.1]).view(1, 3, 1, 1), ground)


def _overlap(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_mask_is_as_slack_as_its_farthest_side() -> None:
    mask = _empty()
    mask[..., 14:50, 20:58] = True
    assert slack(mask, _box()) == pytest.approx(4 / 40)
    assert slack(_box(), _box()) == 0.0
    assert slack(_empty(), _box()) == 1.0
    assert slack(~_box(), _box()) == 1.0, "what is outside of the box is none of it"


def test_an_object_that_fills_its_box_is_cut_out() -> None:
    truth = _disc(20)
    assert _overlap(boxed(_picture(truth), _box(), 432), truth) > 0.9
    assert _overlap(boxed(_picture(truth), _box(), 40), truth) > 0.85, "cut at half the size"


def test_a_loose_box_is_told_from_a_lost_object() -> None:
    truth = _disc(13)
    assert slack(truth, _box()) > LOOSE
    assert _overlap(boxed(_picture(truth), _box(), 432), truth) > 0.9


def test_what_stays_away_from_the_sides_is_not_what_the_box_is_around() -> None:
    """A bright thing near one corner of a box whose rest has the colours of all around: GrabCut takes it alone."""
    thing = _disc(4).roll((-12, 9), dims=(-2, -1))
    plain = cut_out(_picture(thing), _empty(), ~_box(), likely=_box())
    assert plain is not None and slack(plain, _box()) > LOOSE
    found = boxed(_picture(thing), _box(), 432)
    assert slack(found, _box()) <= LOOSE
    assert not bool((found & ~_box()).any())


def test_one_colour_parts_from_nothing_and_the_ellipse_is_left() -> None:
    flat = torch.full((1, 3, HEIGHT, WIDTH), 0.4)
    found = boxed(flat, _box(), 432)
    assert 0.6 < float(found.sum() / _box().sum()) < 1.0


def test_everything_of_one_kind_is_told() -> None:
    assert cut_out(_picture(_disc(9)), _empty(), _empty(), likely=~_empty()) is None


def test_boxes_that_leave_nothing_to_tell_them_from_are_what_they_are() -> None:
    everything = ~_empty()
    assert torch.equal(boxed(_picture(_disc(9)), everything, 432), everything)
    dot = _empty()
    dot[..., 30, 40] = True
    assert torch.equal(boxed(_picture(_disc(9)), dot, 10), dot), "gone at the size it is cut at"
