import pytest
import torch

from tests.ops.scene import box, constant_flow, psnr, sliding, texture
from vidinternal.core.errors import UsageError
from vidinternal.ops import flow_copy as module
from vidinternal.ops.flow_copy import FlowCopy, FlowCopySettings, flow_copy
from vidinternal.ops.harmonic import harmonic_fill

PLAIN = FlowCopySettings(level_seams=False)


def copy(frames: torch.Tensor, masks: torch.Tensor, x: float, y: float = 0.0, **changes: object) -> FlowCopy:
    count, _, height, width = frames.shape
    settings = PLAIN.model_copy(update=changes)
    there, back = constant_flow(count, height, width, x, y), constant_flow(count, height, width, -x, -y)
    return flow_copy(frames, masks, there, back, settings)


def test_a_passing_hole_is_filled_exactly() -> None:
    truth = sliding(3, 16, 24, (2, 1))
    masks = box(3, 16, 24, slice(6, 9), slice(10, 13))
    masks[[0, 2]] = False
    result = copy(truth.masked_fill(masks, torch.nan), masks, -2, -1)
    assert torch.allclose(result.frames, truth, atol=1e-5)
    assert result.covered == 1.0
    assert set(result.provenance[masks].tolist()) <= {0, 2}
    assert (result.provenance[~masks] == -1).all()
    assert torch.allclose(result.confidence, masks.float(), atol=1e-6)


def test_paths_go_through_masked_frames_and_count_by_their_length() -> None:
    truth = sliding(5, 16, 30, (2, 0))
    masks = box(5, 16, 30, slice(4, 10), slice(8, 16))
    masks[4] = False
    result = copy(truth.masked_fill(masks, 0.5), masks, -2)
    # Going back in time a point moves right, out of the box after at most 4 steps; forward, left.
    assert torch.allclose(
        result.frames[masks.expand_as(truth) & (result.provenance >= 0)],
        truth[masks.expand_as(truth) & (result.provenance >= 0)],
        atol=1e-5,
    )
    assert result.provenance[2, 0, 5, 15] == 1
    assert result.provenance[2, 0, 5, 8] == 3
    assert float(result.confidence[0, 0, 5, 12]) == pytest.approx(1 / 3)
    assert result.covered == pytest.approx(float((result.provenance[masks] >= 0).float().mean()))


def test_the_frame_is_sampled_once_however_long_the_path() -> None:
    picture = texture(10, 40)
    truth = torch.stack([picture, picture * 0, torch.roll(picture, 1, dims=2)])
    masks = box(3, 10, 40, slice(3, 7), slice(10, 30))
    masks[1], masks[2] = True, False
    result = copy(truth.masked_fill(masks, 0.0), masks, 0.5)
    # Two steps of half a pixel end on a pixel: an interpolation on the way would have blurred.
    assert torch.allclose(result.frames[0], picture, atol=1e-5)


def test_what_no_path_reaches_is_filled_from_the_frame_itself() -> None:
    frames = sliding(4, 16, 20, (0, 0))
    masks = box(4, 16, 20, slice(5, 9), slice(6, 12))
    result = copy(frames, masks, 0)
    assert result.covered == 0.0
    assert (result.provenance == -1).all()
    assert (result.confidence == 0).all()
    assert torch.equal(result.frames, harmonic_fill(frames, masks))
    assert not torch.equal(result.frames, copy(frames, masks, 0, fill="telea").frames)


def test_flows_that_contradict_each_other_copy_nothing() -> None:
    frames, masks = sliding(3, 16, 20), box(3, 16, 20, slice(5, 9), slice(6, 12))
    masks[1:] = False
    flow = constant_flow(3, 16, 20, -4, 0)
    assert flow_copy(frames, masks, flow, flow, PLAIN).covered == 0.0
    assert flow_copy(frames, masks, flow, flow, PLAIN.model_copy(update={"tau": 9.0})).covered > 0.5


def test_a_doubtful_path_counts_less() -> None:
    frames, masks = sliding(3, 16, 20), box(3, 16, 20, slice(5, 9), slice(6, 12))
    masks[[0, 2]] = False
    there, back = constant_flow(3, 16, 20, -1, 0), constant_flow(3, 16, 20, 1, 0)
    there[0] = torch.tensor([2.0, 0.0]).view(2, 1, 1)  # answers the step from frame 1 back to 0, by 3 pixels off
    result = flow_copy(frames, masks, there, back, PLAIN)
    assert (result.provenance[masks] == 2).all()
    there[1], back[2] = 99.0, -99.0  # and now nothing else is left
    alone = flow_copy(frames, masks, there, back, PLAIN)
    assert (alone.provenance[masks] == 0).all()
    assert torch.allclose(alone.confidence[masks], torch.tensor(-1.5).exp())


def test_a_change_of_light_is_levelled_at_the_border() -> None:
    truth = sliding(3, 24, 32) * 0.5 + 0.2
    truth[1] += 0.2
    masks = box(3, 24, 32, slice(8, 14), slice(10, 18))
    masks[[0, 2]] = False
    dark = copy(truth.masked_fill(masks, 0.0), masks, -1)
    level = copy(truth.masked_fill(masks, 0.0), masks, -1, level_seams=True)
    assert psnr(dark.frames, truth, masks) < 15
    assert psnr(level.frames, truth, masks) > 30
    assert torch.equal(level.provenance, dark.provenance)


def test_levelling_changes_nothing_where_light_stays() -> None:
    truth = sliding(4, 24, 32, (3, 0))
    masks = box(4, 24, 32, slice(8, 14), slice(10, 18))
    masks[0] = False
    plain, level = (copy(truth.masked_fill(masks, 0.0), masks, -3, level_seams=s) for s in (False, True))
    assert torch.allclose(plain.frames, level.frames, atol=1e-4)


@pytest.mark.parametrize("level", [False, True])
def test_what_is_under_the_hole_is_never_read(level: bool) -> None:
    frames, masks = sliding(5, 16, 30, (2, 0)), box(5, 16, 30, slice(4, 10), slice(8, 16))
    one = copy(frames.masked_fill(masks, torch.nan), masks, -2.3, level_seams=level)
    assert one.frames.isfinite().all()
    assert torch.equal(one.frames, copy(frames, masks, -2.3, level_seams=level).frames)
    assert torch.equal(one.frames[~masks.expand_as(frames)], frames[~masks.expand_as(frames)])


@pytest.mark.parametrize("level", [False, True])
def test_nothing_of_the_hole_is_mixed_into_a_copy(level: bool) -> None:
    frames, masks = torch.full((5, 3, 16, 30), 0.7), box(5, 16, 30, slice(4, 10), slice(8, 16))
    masks[4] = False
    result = copy(frames.masked_fill(masks, 0.0), masks, -2.1, -0.4, level_seams=level)
    assert result.covered > 0.5
    assert torch.allclose(result.frames, frames, atol=1e-6)


def test_a_seam_is_not_levelled_to_the_hole_of_another_frame() -> None:
    frames, masks = torch.full((2, 3, 16, 30), 0.7), box(2, 16, 30, slice(4, 10), slice(8, 16))
    masks[1] = box(1, 16, 30, slice(4, 10), slice(4, 8))[0]  # beside the copied place lies nothing that is known
    result = copy(frames.masked_fill(masks, 0.0), masks, 0.0, level_seams=True)
    assert result.covered == 1.0
    assert torch.allclose(result.frames, frames, atol=1e-6)


def test_pixels_handled_in_groups_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = sliding(5, 16, 30, (2, 0)), box(5, 16, 30, slice(4, 10), slice(8, 16))
    whole = copy(frames, masks, -2.3, level_seams=True)
    monkeypatch.setattr(module, "CHUNK", 37)
    parts = copy(frames, masks, -2.3, level_seams=True)
    assert torch.equal(whole.frames, parts.frames)
    assert torch.equal(whole.provenance, parts.provenance)


def test_without_a_hole_there_is_nothing_to_do() -> None:
    frames = sliding(2, 16, 20)
    result = copy(frames, torch.zeros((2, 1, 16, 20), dtype=torch.bool), -1)
    assert torch.equal(result.frames, frames)
    assert result.covered == 1.0
    assert (result.provenance == -1).all()


def test_shapes_must_belong_together() -> None:
    frames, masks, flow = sliding(2, 16, 20), box(2, 16, 20, slice(0, 4), slice(0, 4)), constant_flow(2, 16, 20, 0, 0)
    for wrong in (
        (frames, masks[:1], flow, flow),
        (frames, masks, flow[:1], flow),
        (frames, masks, flow, flow[..., 1:]),
    ):
        with pytest.raises(UsageError, match="forward and backward flow"):
            flow_copy(*wrong)
