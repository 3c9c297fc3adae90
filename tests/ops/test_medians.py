import pytest
import torch

from tests.ops.scene import box, constant_flow, sliding
from vidinternal.core.contracts import FlowField
from vidinternal.ops import medians
from vidinternal.ops.medians import fill_along_flow, fill_over_time, median_over_time
from vidinternal.ops.spatial_fill import spatial_fill


def moving(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A scene that slides behind a hole that passes."""
    masks = torch.zeros((7, 1, 40, 60), dtype=torch.bool)
    for t in range(7):
        masks[t, :, 12:24, 4 + 7 * t : 13 + 7 * t] = True
    return sliding(7, 40, 60, (step, 0)), masks


def test_the_median_of_an_even_number_is_a_colour_that_was_seen() -> None:
    frames = torch.tensor([0.1, 0.9]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    masks = torch.zeros((2, 1, 4, 4), dtype=torch.bool)
    masks[:, :, 0, 0], masks[1, :, 0, 1] = True, True
    median = median_over_time(frames, masks)
    assert median[:, 0, 0].isnan().all()
    assert (median[:, 0, 1:] == 0.1).all()


def test_rows_are_handled_in_groups_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, masks = moving(1)
    whole = median_over_time(truth, masks)
    monkeypatch.setattr(medians, "ROWS", 7)
    assert torch.equal(median_over_time(truth, masks).nan_to_num(), whole.nan_to_num())


def test_pixels_are_handled_in_groups_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, masks = moving(2)
    flows = {s: FlowField(constant_flow(len(masks), 40, 60, -2 * s, 0), ~masks, s) for s in (1, -1)}
    whole, left = fill_along_flow(truth, masks, flows)
    assert torch.allclose(whole, truth, atol=1e-4)
    assert not left.any()
    monkeypatch.setattr(medians, "CHUNK", 50)
    assert torch.equal(fill_along_flow(truth, masks, flows)[0], whole)


def test_what_no_frame_shows_is_continued_and_told() -> None:
    truth = sliding(4, 24, 40, (0, 0))
    masks = box(4, 24, 40, slice(8, 14), slice(8, 14))
    filled, left = fill_over_time(truth, masks, "harmonic")
    assert torch.equal(left, masks)
    assert torch.equal(filled, spatial_fill(truth, masks, "harmonic"))
    masks[2] = False
    filled, left = fill_over_time(truth, masks, "harmonic")
    assert not left.any()
    assert torch.equal(filled, truth)
