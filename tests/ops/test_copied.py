import torch
from torch import Tensor

from tests.ops.scene import box, constant_flow, sliding
from vidinternal.ops.copied import FlowCopy, WayCopy, paste, spread
from vidinternal.ops.flow_copy import FlowCopySettings, flow_copy


def passing(level: bool = True) -> tuple[Tensor, Tensor, FlowCopy]:
    """Frame 1 of three is hidden in a box; the last is brighter; going back misses by a pixel."""
    truth = sliding(3, 20, 30, (1, 0)) * 0.5 + 0.2
    truth[2] += 0.2
    masks = box(3, 20, 30, slice(6, 12), slice(10, 18))
    masks[[0, 2]] = False
    there, back = constant_flow(3, 20, 30, -1, 0), constant_flow(3, 20, 30, 1, 0)
    there[0] = torch.tensor([-0.5, 0.0]).view(2, 1, 1)
    return (
        truth,
        masks,
        flow_copy(truth.masked_fill(masks, 0.0), masks, there, back, FlowCopySettings(level_seams=level)),
    )


def test_both_ways_are_kept_with_their_evidence() -> None:
    _, masks, result = passing()
    assert (result.backward.provenance()[masks] == 0).all()
    assert (result.forward.provenance()[masks] == 2).all()
    assert torch.allclose(result.backward.inconsistency(), 0.5 * masks.float())
    assert torch.allclose(result.forward.inconsistency(), torch.zeros_like(masks).float())
    assert torch.equal(result.forward.length(), masks.to(torch.int16))
    assert torch.equal(result.ways(), 2 * masks.to(torch.uint8))
    for way in (result.backward, result.forward):
        assert torch.equal(way.placed(), masks)
        expected = (-way.inconsistency() / 2).exp() / way.length().clamp(min=1) * way.placed()
        assert torch.allclose(way.confidence(), expected)


def test_the_better_way_speaks_for_the_copy() -> None:
    _, _, result = passing()
    assert torch.equal(result.provenance, result.forward.provenance())
    assert torch.equal(result.confidence, result.forward.confidence())
    assert torch.equal(result.inconsistency(), result.forward.inconsistency())
    assert torch.equal(result.length(), result.forward.length())
    assert torch.equal(result.best_picture(), result.forward.picture(result.frames))
    assert torch.equal(result.second_picture(), result.backward.picture(result.frames))


def test_a_way_shows_what_it_found() -> None:
    truth, masks, result = passing(level=False)
    hidden = masks.expand_as(truth)
    assert torch.allclose(result.backward.picture(result.frames)[hidden], truth[hidden], atol=1e-5)
    assert torch.allclose(result.forward.picture(result.frames)[hidden], truth[hidden] + 0.2, atol=1e-5)
    assert torch.equal(result.forward.picture(result.frames)[~hidden], result.frames[~hidden])


def test_disagreement_is_the_difference_of_the_two_ways() -> None:
    _, masks, result = passing()
    assert torch.allclose(result.disagreement(), 0.2 * masks.float(), atol=1e-5)


def test_one_way_alone_has_nothing_to_disagree_with() -> None:
    frames, masks = sliding(2, 20, 30), box(2, 20, 30, slice(6, 12), slice(10, 18))
    masks[1] = False
    still = constant_flow(2, 20, 30, 0, 0)
    result = flow_copy(frames, masks, still, still)
    assert torch.equal(result.ways(), masks.to(torch.uint8))
    assert not result.backward.placed().any()
    assert (result.backward.provenance() == -1).all()
    assert not result.disagreement().any()
    assert torch.equal(result.second_picture(), result.frames)
    assert torch.equal(result.backward.picture(frames), frames)


def test_without_a_hole_the_evidence_is_empty() -> None:
    frames = sliding(2, 8, 9)
    result = FlowCopy.untouched(frames, torch.zeros((2, 1, 8, 9), dtype=torch.bool))
    assert len(result.forward.where) == 0
    assert result.covered == 1.0
    assert not result.inconsistency().any()
    assert torch.equal(result.second_picture(), frames)


def test_values_are_spread_to_their_places() -> None:
    where = torch.tensor([1, 7])
    window = spread(where, torch.tensor([3, 4], dtype=torch.int16), (2, 2, 2), -1)
    assert window.shape == (2, 1, 2, 2)
    assert window.dtype == torch.int16
    assert window.flatten().tolist() == [-1, 3, -1, -1, -1, -1, -1, 4]
    picture = torch.zeros((2, 3, 2, 2))
    pasted = paste(picture, where, torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))
    assert torch.allclose(pasted[0, :, 0, 1], torch.tensor([0.1, 0.2, 0.3]))
    assert torch.allclose(pasted[1, :, 1, 1], torch.tensor([0.4, 0.5, 0.6]))
    assert not picture.any()
    assert int((pasted != 0).sum()) == 6
    assert not WayCopy.nothing(where, (2, 2, 2)).picture(picture).any()
