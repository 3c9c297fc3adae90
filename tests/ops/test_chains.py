import torch

from tests.ops.scene import constant_flow, texture
from vidinternal.core.seeds import generator
from vidinternal.ops.chains import StepCheck, Volume, advance, set_out
from vidinternal.ops.warp import backward_warp, pixel_grid

CHECK = StepCheck(tau=1.0, relative=0.0)


def test_points_are_sampled_as_a_warp_samples_them() -> None:
    frames = torch.stack([texture(11, 14, seed) for seed in range(2)])
    flow = 8 * torch.rand((2, 2, 11, 14), generator=generator(0, "flow")) - 4
    xy = (pixel_grid(11, 14) + flow).permute(0, 2, 3, 1).reshape(-1, 2)
    time = torch.arange(2).repeat_interleave(11 * 14)
    sampled = Volume(frames).at(time, xy).view(2, 11, 14, 3).permute(0, 3, 1, 2)
    assert torch.allclose(sampled, backward_warp(frames, flow), atol=1e-5)


def test_walkers_set_out_from_their_pixels() -> None:
    walkers = set_out(torch.tensor([0, 5 * 7 + 2 * 7 + 3]), Volume(constant_flow(3, 5, 7, 0, 0)))
    assert walkers.time.tolist() == [0, 1]
    assert walkers.xy.tolist() == [[0.0, 0.0], [3.0, 2.0]]
    assert walkers.steps == 0


def test_a_step_follows_the_flow_through_time() -> None:
    onward, back = Volume(constant_flow(3, 6, 8, 1.5, -1)), Volume(constant_flow(3, 6, 8, -1.5, 1))
    walkers = set_out(torch.tensor([3 * 8 + 2]), onward)
    walkers = advance(advance(walkers, onward, back, 1, CHECK), onward, back, 1, CHECK)
    assert walkers.time.tolist() == [2]
    assert walkers.xy.tolist() == [[5.0, 1.0]]
    assert walkers.error.tolist() == [0.0]
    assert walkers.steps == 2


def test_the_ends_of_the_clip_and_of_the_picture_are_ends() -> None:
    onward, back = Volume(constant_flow(2, 4, 4, 1, 0)), Volume(constant_flow(2, 4, 4, -1, 0))
    start = torch.tensor([0, 3, 16])
    assert advance(set_out(start, onward), onward, back, 1, CHECK).origin.tolist() == [0]
    assert advance(set_out(start, onward), onward, back, -1, CHECK).origin.tolist() == [2]


def test_a_step_that_does_not_come_back_is_not_believed() -> None:
    onward, back = Volume(constant_flow(2, 4, 9, 2, 0)), Volume(constant_flow(2, 4, 9, -0.5, 0))
    walkers = set_out(torch.tensor([0]), onward)
    assert len(advance(walkers, onward, back, 1, StepCheck(1.4, 0.0)).origin) == 0
    assert advance(walkers, onward, back, 1, StepCheck(1.6, 0.0)).error.tolist() == [1.5]
    assert len(advance(walkers, onward, back, 1, StepCheck(1.4, 0.1)).origin) == 1


def test_residuals_add_up_along_the_way() -> None:
    onward, back = Volume(constant_flow(3, 4, 9, 2, 0)), Volume(constant_flow(3, 4, 9, -1.5, 0))
    walkers = set_out(torch.tensor([0]), onward)
    walkers = advance(advance(walkers, onward, back, 1, CHECK), onward, back, 1, CHECK)
    assert walkers.error.tolist() == [1.0]
