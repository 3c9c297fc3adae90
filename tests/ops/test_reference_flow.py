import pytest
import torch
from pydantic import ValidationError

from tests.ops.scene import box, constant_flow, sliding
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops import reference_flow as module
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.masks import dilate
from vidinternal.ops.reference_flow import (
    ReferenceFlowSettings,
    complete_flow,
    flow_both_ways,
    flow_near_holes,
    reference_flow,
    ring_around,
)

NARROW = ReferenceFlowSettings(ring=4)
HEIGHT, WIDTH = 48, 64


def scene(count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    return sliding(count, HEIGHT, WIDTH, (2, 1)), box(count, HEIGHT, WIDTH, slice(18, 28), slice(24, 36))


def test_what_is_under_the_mask_changes_nothing() -> None:
    frames, masks = scene()
    other = frames.clone()
    other[masks.expand_as(frames)] = torch.rand(int(masks.sum()) * 3, generator=generator(0, "other"))
    one, two = (reference_flow(f, masks, (1, 3), dis_flow, NARROW) for f in (frames, other))
    assert set(one) == {1, -1, 3, -3}
    for stride, field in one.items():
        assert torch.equal(field.flow, two[stride].flow)
        assert torch.equal(field.valid, two[stride].valid)


@pytest.mark.parametrize("stride", [1, -1, 2])
def test_a_sliding_scene_is_found_at_every_stride_even_under_the_mask(stride: int) -> None:
    frames, masks = scene()
    field = reference_flow(frames, masks, (stride,), dis_flow, NARROW)[stride]
    assert field.stride == stride
    rows = slice(0, 5 - stride) if stride > 0 else slice(-stride, 5)
    inner = field.flow[rows, :, 10:-10, 10:-10]
    assert float((inner[:, 0] + 2 * stride).abs().mean()) < 0.3
    assert float((inner[:, 1] + stride).abs().mean()) < 0.3


def test_outside_the_clip_there_is_no_flow() -> None:
    frames, masks = scene(3)
    fields = reference_flow(frames, masks, (2, 7), dis_flow, NARROW)
    for stride, rows in ((2, slice(1, 3)), (-2, slice(0, 2)), (7, slice(0, 3)), (-7, slice(0, 3))):
        assert (fields[stride].flow[rows] == 0).all()
        assert not fields[stride].valid[rows].any()
    assert fields[2].valid[0].any()


def test_valid_flow_is_seen_at_both_ends() -> None:
    frames, masks = sliding(2, HEIGHT, WIDTH, (0, 0)), box(2, HEIGHT, WIDTH, slice(4, 8), slice(4, 8))
    masks[1] = box(1, HEIGHT, WIDTH, slice(30, 34), slice(40, 44))[0]

    def right(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return constant_flow(1, HEIGHT, WIDTH, 10 if source.data_ptr() < target.data_ptr() else -10, 0)

    fields = reference_flow(frames, masks, (1,), right, NARROW)
    ring = dilate(masks, 4)
    assert not (fields[1].valid[0] & ring[0]).any()
    assert not fields[1].valid[0, 0, 28:36, 28:36].any()  # ten pixels on lies the hole of the next frame
    assert fields[1].valid[0, 0, 20, 10:50].all()
    assert not fields[1].valid[0, 0, :, 54:].any()  # leaves the picture


def test_the_tolerance_decides() -> None:
    frames, masks = scene(2)

    def adrift(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return constant_flow(1, HEIGHT, WIDTH, 0.75, 0)  # both ways the same: residual 1.5

    strict = reference_flow(frames, masks, (1,), adrift)
    loose = reference_flow(frames, masks, (1,), adrift, ReferenceFlowSettings(tolerance=1.6))
    assert not strict[1].valid.any()
    assert loose[1].valid[0].any()


def test_flow_is_thrown_away_in_the_ring_and_completed_from_outside() -> None:
    frames, masks = scene(2)
    poisoned = constant_flow(1, HEIGHT, WIDTH, 1, 0)
    poisoned[..., 12:34, 18:42] = 50.0

    flow, _ = flow_both_ways(frames, dilate(masks, 14), 1, lambda a, b: poisoned, 1.0)
    assert torch.allclose(flow.flow[0], constant_flow(1, HEIGHT, WIDTH, 1, 0)[0], atol=1e-4)


def test_the_ring_is_narrowed_where_it_would_swallow_the_picture() -> None:
    masks = box(3, 40, 40, slice(10, 30), slice(10, 30))
    masks[1] = False
    masks[2] = True
    grown = ring_around(masks, 21)
    assert (~grown[0]).float().mean() >= module.LEAST_OBSERVED
    assert (grown[0] & ~masks[0]).any()
    assert not grown[1].any()
    assert grown[2].all()
    assert torch.equal(ring_around(masks, 0), masks)


@pytest.mark.parametrize("size", [(20, 30), (130, 141)])
def test_completion_keeps_what_was_observed_and_continues_it(size: tuple[int, int]) -> None:
    truth = constant_flow(2, *size, 3, -2)
    truth[0, 0] += 0.05 * torch.arange(size[1])
    missing = box(2, *size, slice(5, 15), slice(5, 19))
    damaged = truth.masked_fill(missing, 40.0)
    completed = complete_flow(damaged, missing)
    assert torch.equal(completed[~missing.expand_as(truth)], truth[~missing.expand_as(truth)])
    assert torch.allclose(completed, truth, atol=0.1)


def test_flow_missing_altogether_is_none() -> None:
    missing = torch.ones((1, 1, 10, 12), dtype=torch.bool)
    assert (complete_flow(constant_flow(1, 10, 12, 5, 5), missing) == 0).all()


def test_one_frame_has_no_flow() -> None:
    frames, masks = scene(1)
    assert not reference_flow(frames, masks, (1,), dis_flow)[1].valid.any()


def test_prefill_is_chosen() -> None:
    frames, masks = scene(2)
    telea = reference_flow(frames, masks, (1,), dis_flow, ReferenceFlowSettings(ring=0, prefill="telea"))
    harmonic = reference_flow(frames, masks, (1,), dis_flow, ReferenceFlowSettings(ring=0))
    assert not torch.equal(telea[1].flow, harmonic[1].flow)


def test_misuse_is_refused() -> None:
    frames, masks = scene(2)
    with pytest.raises(UsageError, match="strides other than 0"):
        reference_flow(frames, masks, (1, 0), dis_flow)
    with pytest.raises(UsageError, match="masks T 1 H W"):
        reference_flow(frames, masks[:1], (1,), dis_flow)
    with pytest.raises(ValidationError):
        ReferenceFlowSettings(tolerance=0.0)


def test_flow_near_holes_looks_at_a_box_around_them() -> None:
    frames, masks = sliding(3, 60, 90), box(3, 60, 90, slice(20, 26), slice(30, 38))
    masks[2] = False
    sizes: list[tuple[int, int]] = []

    def still(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        sizes.append((source.shape[-2], source.shape[-1]))
        return constant_flow(len(source), *sizes[-1], 1, 0)

    ahead, behind = flow_near_holes(frames, masks, dilate(masks, 2), still, margin=5)
    assert sizes == [(20, 22), (20, 22)]
    for flow, rows in ((ahead, slice(0, 2)), (behind, slice(1, 3))):
        assert (flow[rows, 0, 13:33, 23:45] == 1).all()
        assert (flow[rows, :, :, :20] == 0).all()


def test_a_path_that_leaves_the_box_has_the_whole_picture_looked_at() -> None:
    frames, masks = sliding(2, 60, 90), box(2, 60, 90, slice(20, 26), slice(30, 38))
    sizes: list[int] = []

    def fast(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        sizes.append(source.shape[-1])
        return constant_flow(len(source), source.shape[-2], source.shape[-1], 20, 0)

    ahead, _ = flow_near_holes(frames, masks, masks, fast, margin=5)
    assert sizes == [18, 90]
    assert (ahead[0, 0] == 20).all()


def test_frames_without_a_hole_have_no_flow_near_it_and_hidden_ones_take_their_neighbours() -> None:
    frames, masks = sliding(4, 40, 50), box(4, 40, 50, slice(10, 16), slice(10, 18))
    masks[2:] = False

    def right(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return constant_flow(len(source), source.shape[-2], source.shape[-1], 1, 0)

    ahead, behind = flow_near_holes(frames, masks, masks, right)
    assert (ahead[:2, 0] == 1).all()
    assert (ahead[2:] == 0).all()
    assert (behind[3] == 0).all()
    masks[1] = True
    ahead, _ = flow_near_holes(frames, masks, masks, right)
    assert torch.allclose(ahead[:3, 0], torch.ones(3, 40, 50))
