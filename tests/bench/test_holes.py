import pytest
import torch

from vidinternal.bench.holes import HOLES


@pytest.mark.parametrize("name", sorted(HOLES))
@pytest.mark.parametrize(("height", "width"), [(112, 192), (216, 384)])
def test_a_hole_leaves_most_of_the_picture_known(name: str, height: int, width: int) -> None:
    masks = HOLES[name](10, height, width)
    assert masks.shape == (10, 1, height, width)
    assert masks.dtype == torch.bool
    share = masks.float().mean(dim=(1, 2, 3))
    assert share.min() > 0.02 and share.max() < 0.2
    # known picture on all sides
    assert not masks[..., 0, :].any() and not masks[..., -1, :].any()
    assert not masks[..., :, 0].any() and not masks[..., :, -1].any()


def test_caption_and_box_stand_still_and_the_figure_walks() -> None:
    for name in ("caption", "box"):
        masks = HOLES[name](6, 112, 192)
        assert (masks == masks[:1]).all()
    figure = HOLES["figure"](8, 112, 192)
    columns = [float(m[0].nonzero()[:, 1].float().mean()) for m in figure]
    assert columns == sorted(columns)
    assert columns[-1] - columns[0] > 0.4 * 192
    assert not (figure[0] & figure[-1]).any()
    # limbs swing: the shape itself changes, not its place alone
    areas = figure.sum(dim=(1, 2, 3))
    assert areas.max() > 1.05 * areas.min()


def test_the_caption_has_two_lines() -> None:
    rows = HOLES["caption"](1, 112, 192)[0, 0].sum(dim=1)
    lower = rows[int(0.6 * 112) :].float()
    peaks = (lower > 0.5 * lower.max()).int().diff().clamp(min=0).sum()
    assert peaks >= 2


def test_one_frame_is_enough() -> None:
    assert HOLES["figure"](1, 64, 64).any()
