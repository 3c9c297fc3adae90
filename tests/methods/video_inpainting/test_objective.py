from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.video_inpainting.case import footage, random_vgg, trainer
from vidinternal.core.contracts import InpaintTask
from vidinternal.core.seeds import generator
from vidinternal.methods.video_inpainting.curriculum import Batch, flow_batches
from vidinternal.methods.video_inpainting.generator import Output
from vidinternal.methods.video_inpainting.objective import (
    affected_area,
    consistency_loss,
    recon_flow,
    recon_image,
)
from vidinternal.methods.video_inpainting.perceptual import Vgg16
from vidinternal.ops.warp import backward_warp


@pytest.mark.parametrize("norm", ["L2", "L1"])
def test_means_run_over_masked_elements_too(norm: Any) -> None:
    hole = torch.zeros(1, 1, 4, 4)
    hole[..., :2] = 1.0
    ones, zeros = torch.full((1, 3, 4, 4), 2.0), torch.zeros(1, 3, 4, 4)
    per_pixel = 4.0 if norm == "L2" else 2.0
    assert float(recon_image(ones, zeros, hole, norm)) == pytest.approx(per_pixel / 2)
    flow, valid = ones[:, :2], torch.ones(1, 1, 4, 4)
    valid[..., :2, :] = 0.0
    assert float(recon_flow(flow, zeros[:, :2], hole, valid, norm)) == pytest.approx(per_pixel / 4)
    assert float(consistency_loss(ones, zeros, torch.zeros(1, 2, 4, 4), hole, norm)) == pytest.approx(per_pixel / 2)


def test_consistency_moves_the_neighbour_and_the_flow_but_not_the_reference() -> None:
    draw = generator(0)
    neighbour = torch.rand(1, 3, 8, 8, generator=draw, requires_grad=True)
    reference = torch.rand(1, 3, 8, 8, generator=draw, requires_grad=True)
    flow = torch.full((1, 2, 8, 8), 0.3, requires_grad=True)
    area = torch.zeros(1, 1, 8, 8)
    area[..., 2:4, 2:4] = 1.0
    consistency_loss(neighbour, reference, flow, area).backward()
    assert reference.grad is None
    assert neighbour.grad is not None
    assert flow.grad is not None
    assert (flow.grad.abs().sum(1, keepdim=True) > 0).equal(area > 0), "only where the hole has an effect"
    reached = neighbour.grad.abs().sum(1)[0] > 0
    assert reached[2:5, 2:5].all()
    assert int(reached.sum()) == 9


def test_an_integer_flow_is_a_shift_and_no_flow_is_no_change() -> None:
    image = torch.rand(1, 3, 9, 11, generator=generator(0))
    assert torch.allclose(backward_warp(image, torch.zeros(1, 2, 9, 11)), image, atol=1e-5)
    flow = torch.zeros(1, 2, 9, 11)
    flow[:, 0], flow[:, 1] = 2.0, -1.0
    assert torch.allclose(backward_warp(image, flow)[..., 1:, :-2], image[..., :-1, 2:], atol=1e-5)
    everywhere = torch.ones(1, 1, 9, 11)
    shifted = torch.roll(image, (1, -2), (2, 3))
    assert float(consistency_loss(image, shifted, flow, everywhere)) < 1e-9, "what leaves the picture does not count"


def test_the_affected_area_is_the_hole_and_where_the_neighbours_hole_comes_from() -> None:
    here, there, flow = torch.zeros(1, 1, 8, 12), torch.zeros(1, 1, 8, 12), torch.zeros(1, 2, 8, 12)
    here[..., 2, 1] = there[..., 5, 9] = there[..., 0, 11] = 1.0
    flow[:, 0] = 3.0
    expected = torch.zeros(1, 1, 8, 12)
    expected[..., 2, 1] = expected[..., 5, 6] = expected[..., 0, 8] = 1.0
    assert torch.equal(affected_area(here, there, flow), expected)


def test_what_lies_under_the_hole_changes_no_loss_and_no_gradient(tmp_path: Path) -> None:
    task = footage(5)
    spoiled = replace(task, frames=torch.where(task.masks, torch.nan, task.frames))
    vgg = Vgg16.from_file(random_vgg(tmp_path))

    def losses(work: InpaintTask) -> tuple[dict[str, float], list[Tensor]]:
        fit = trainer(work, vgg)
        data = fit.prepare(Batch((0, 1, 2, 3, 4), 1))
        total = fit.objective.total(fit.terms(data, fit.generator(data.noise)))
        return fit.objective.values(), list(torch.autograd.grad(total, list(fit.generator.network.parameters())))

    (clean, gradients), (dirty, spoiled_gradients) = losses(task), losses(spoiled)
    assert clean.keys() == {"L_r", "L_f", "L_c", "L_p"}
    assert clean == dirty
    assert all(torch.equal(a, b) for a, b in zip(gradients, spoiled_gradients, strict=True))
    changed = torch.where(task.masks, task.frames, task.frames + 0.1)
    assert losses(replace(task, frames=changed))[0] != clean, "known pixels do matter"


@pytest.mark.parametrize("stride", [1, -1, 3, -3])
def test_the_true_frames_and_flow_have_no_loss(stride: int) -> None:
    """Whatever the direction and stride: the right rows, channels and scale meet."""
    total, clean = 13, footage(13)
    truth = footage(13, holed=False).frames
    fit = trainer(clean)
    batch = next(b for b in flow_batches(total, 5, (1, 3)) if b.stride == stride)
    data, rows = fit.prepare(batch), list(batch.frames)
    flows = torch.full((5, 12, 32, 48), 7.0)
    first = 4 * (1, 3, 5).index(abs(stride)) + (0 if stride > 0 else 2)
    flows[:, first : first + 2] = clean.flow[stride].flow[rows] / (2.0 * abs(stride))
    terms = {name: float(term()) for name, term in fit.terms(data, Output(truth[rows], flows)).items()}
    assert terms.keys() == {"L_r", "L_f", "L_c"}
    assert max(terms.values()) < 1e-8
    wrong = fit.terms(data, Output(truth[rows], flows + 0.1))
    assert float(wrong["L_f"]()) > 1e-4
    assert float(wrong["L_c"]()) > 1e-6


def test_the_affected_area_of_a_pair_takes_each_frames_own_hole() -> None:
    task = footage(3)
    masks = torch.zeros_like(task.masks)
    masks[0, :, 10:14, 20:24], masks[1, :, 20:24, 30:34] = True, True
    pairs = trainer(replace(task, masks=masks)).prepare(Batch((0, 1, 2), 1)).pairs
    assert pairs is not None
    expected = torch.zeros(2, 1, 32, 48)
    expected[0, :, 10:14, 20:24] = expected[0, :, 20:24, 32:36] = expected[1, :, 20:24, 30:34] = 1.0
    assert torch.equal(pairs.affected, expected)


def test_flow_that_touches_a_hole_or_is_not_valid_changes_no_loss() -> None:
    task = footage(5)

    def flow_term(change: Tensor) -> float:
        flow = dict(task.flow)
        flow[1] = replace(flow[1], flow=flow[1].flow + change)
        fit = trainer(replace(task, flow=flow))
        data = fit.prepare(Batch((0, 1, 2, 3, 4), 1))
        assert data.pairs is not None
        return float(fit.terms(data, fit.generator(data.noise))["L_f"]().detach())

    still, in_hole = torch.zeros(5, 2, 32, 48), torch.zeros(5, 2, 32, 48)
    in_hole[:, 1] = torch.where(task.masks[:, 0], 0.5, 0.0)
    beside = torch.zeros(5, 2, 32, 48)
    beside[:, 1, 25:28, 5:9] = 0.5
    assert flow_term(in_hole) == flow_term(still)
    assert flow_term(beside) != flow_term(still)
    task.flow[1].valid[:, :, 25:28, 5:9] = False
    assert flow_term(beside) == flow_term(still)


def test_two_frames_are_fitted_in_every_term() -> None:
    task = footage(2)
    fit = trainer(task, channels=(8, 16))
    data = fit.prepare(Batch((0, 1), 1))
    fit.step(data)
    before = fit.objective.values()
    for _ in range(10):
        fit.step(data)
    peak = fit.objective.values()["L_c"]
    for _ in range(150):
        fit.step(data)
    after = fit.objective.values()
    assert after["L_r"] < 0.5 * before["L_r"]
    assert after["L_f"] < 0.5 * before["L_f"]
    assert after["L_c"] < max(peak, before["L_c"])
