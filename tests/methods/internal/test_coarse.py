from dataclasses import replace

import pytest
import torch

from tests.methods.internal.scenes import candidates, scene
from tests.ops.scene import box
from vidinternal.core.contracts import Holdout
from vidinternal.methods.internal.candidates import NAMES
from vidinternal.methods.internal.coarse import Coarse, cell_side
from vidinternal.methods.internal.evidence import COUNT, Evidence
from vidinternal.methods.internal.fusion import adapt, fuse, start_nets


def test_small_pictures_are_decided_pixel_by_pixel_and_large_ones_on_cells() -> None:
    assert [cell_side(side) for side in (48, 240, 480, 720, 1080, 2160)] == [1, 1, 3, 4, 6, 13]
    made = candidates(*scene())
    assert Coarse.of(made, 1).made is made


@pytest.mark.parametrize("step", [2, 5])  # 5: the last cells of each side are smaller
def test_a_cell_is_the_mean_of_its_hidden_pixels(step: int) -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    coarse = Coarse.of(made, step)
    count, _, height, width = masks.shape
    assert coarse.made.masks.shape == (count, 1, -(-height // step), -(-width // step))
    assert len(coarse.made.where) == int(coarse.made.masks.sum())
    assert bool(coarse.made.masks.flatten()[coarse.made.where].all())
    row = len(coarse.made.where) // 2
    mine = coarse.cell == row
    for name in NAMES:
        assert torch.allclose(coarse.made.colours[name][row], made.colours[name][mine].mean(dim=0), atol=1e-6)
    past, cell = made.copies["narrow"].past, coarse.made.copies["narrow"].past
    assert bool(cell.reached[row]) == (float(past.reached[mine].float().mean()) >= 0.5)
    shown = mine & past.reached
    if bool(cell.reached[row]):
        assert float(cell.displacement[row]) == pytest.approx(float(past.displacement[shown].mean()) / step, rel=1e-4)
        assert float(cell.steps[row]) == pytest.approx(float(past.steps[shown].float().mean()), rel=1e-4)
    assert Evidence(coarse.made).of(0).shape == (int(coarse.made.masks[0].sum()), COUNT)


def test_weights_of_cells_become_weights_of_pixels_and_sum_to_one() -> None:
    coarse = Coarse.of(candidates(*scene()), 3)
    rows = coarse.made.rows_of(0)
    weights = torch.rand((rows.stop - rows.start, 4)).softmax(dim=1)
    fine = coarse.spread_out(weights, 0)
    assert len(fine) == int(coarse.fine.masks[0].sum())
    assert torch.allclose(fine.sum(dim=1), torch.ones(len(fine)), atol=1e-5)
    assert float(fine.min()) >= float(weights.min()) - 1e-6 and float(fine.max()) <= float(weights.max()) + 1e-6
    same = torch.tensor([[0.2, 0.8]]).expand(len(weights), 2)
    assert torch.allclose(coarse.spread_out(same, 0), same[:1].expand(len(fine), 2), atol=1e-5)


def test_cells_that_lie_on_the_real_hole_as_well_teach_nothing() -> None:
    truth, masks = scene()
    hidden = box(8, 48, 64, slice(32, 46), slice(8, 30))
    both = candidates(truth, masks | hidden)
    coarse = Coarse.of(both, 2)
    where, known = coarse.known(Holdout(hidden, truth))
    cells = torch.nn.functional.avg_pool2d(hidden.float(), 2) == 1
    assert bool(where[cells].all())
    assert not bool((where & (torch.nn.functional.max_pool2d((masks & ~hidden).float(), 2) > 0)).any())
    mean = torch.nn.functional.avg_pool2d(truth, 2)
    assert torch.allclose(known[cells.expand_as(known)], mean[cells.expand_as(mean)], atol=1e-5)
    assert len(adapt(coarse, Holdout(hidden, truth), 0)) == 2 * len(start_nets())


def test_the_fusion_keeps_detail_that_is_finer_than_its_cells() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    checks = (torch.arange(len(made.where)) % 2).float().unsqueeze(1).expand(-1, 3)
    alike = replace(made, colours=dict.fromkeys(NAMES, checks))
    fused = fuse(start_nets(), Coarse.of(alike, 4))
    assert torch.allclose(fused.permute(0, 2, 3, 1)[masks[:, 0]], checks, atol=1e-5)
    assert torch.equal(torch.where(masks, truth, fused), truth)
