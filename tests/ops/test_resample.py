import torch

from vidinternal.core.contracts import FlowField
from vidinternal.ops.resample import destroy, enlarge, shrink, shrink_flow, working_size


def picture(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    frames = torch.rand(3, 3, 24, 32, generator=random)
    masks = torch.zeros(3, 1, 24, 32, dtype=torch.bool)
    masks[:, :, 5:11, 7:13] = True
    return frames, masks


def test_nothing_of_what_is_under_the_mask_survives() -> None:
    frames, masks = picture()
    other = torch.where(masks, 1 - frames, frames)
    assert torch.equal(destroy(frames, masks), destroy(other, masks))
    assert torch.equal(destroy(frames, masks)[~masks.expand_as(frames)], frames[~masks.expand_as(frames)])


def test_shrinking_leaks_nothing_either() -> None:
    frames, masks = picture()
    other = torch.where(masks, torch.zeros_like(frames), frames)
    first, small = shrink(frames, masks, (10, 14))
    second, _ = shrink(other, masks, (10, 14))
    assert torch.equal(first, second)
    assert small.any()


def test_a_window_without_a_known_pixel_becomes_grey() -> None:
    frames, masks = picture()
    assert (destroy(frames, torch.ones_like(masks)) == 0.5).all()


def test_sizes_keep_their_shape_and_small_ones_stay() -> None:
    assert working_size(100, 200, 0) == (100, 200)
    assert working_size(100, 200, 448) == (100, 200)
    assert working_size(1080, 1920, 480) == (270, 480)


def test_shrunk_flow_points_to_the_same_place() -> None:
    flow = torch.ones(1, 2, 20, 40) * torch.tensor([8.0, 4.0]).view(1, 2, 1, 1)
    shrunk = shrink_flow({1: FlowField(flow, torch.ones(1, 1, 20, 40, dtype=torch.bool), 1)}, (10, 10))[1]
    assert torch.allclose(shrunk.flow[0, :, 0, 0], torch.tensor([2.0, 2.0]))
    assert shrunk.valid.all()


def test_enlarging_a_flat_picture_keeps_it_flat() -> None:
    assert torch.allclose(enlarge(torch.full((2, 3, 10, 12), 0.25), (33, 41)), torch.full((2, 3, 33, 41), 0.25))
