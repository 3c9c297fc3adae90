import pytest
import torch

from tests.ops.scene import constant_flow, texture
from vidinternal.ops.warp import backward_warp, forward_backward_residual, in_bounds, pixel_grid


def test_the_grid_is_x_then_y() -> None:
    grid = pixel_grid(3, 4)
    assert grid.shape == (2, 3, 4)
    assert grid[:, 2, 3].tolist() == [3.0, 2.0]


def test_no_flow_is_the_identity() -> None:
    image = texture(9, 12)[None]
    assert torch.allclose(backward_warp(image, torch.zeros(1, 2, 9, 12)), image, atol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_an_integer_flow_is_an_exact_shift(mode: str) -> None:
    image = texture(9, 12)[None]
    warped = backward_warp(image, constant_flow(1, 9, 12, 2, -1), mode)
    assert torch.allclose(warped[..., 2:, :-2], image[..., 1:-1, 2:], atol=1e-5)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = texture(9, 12)[None]
    warped = backward_warp(image, constant_flow(1, 9, 12, 0.5, 0))
    assert torch.allclose(warped[..., :-1], (image[..., 1:] + image[..., :-1]) / 2, atol=1e-5)


def test_outside_the_picture_its_border_is_repeated() -> None:
    image = texture(5, 6)[None]
    warped = backward_warp(image, constant_flow(1, 5, 6, 100, 0))
    assert torch.allclose(warped, image[..., -1:].expand_as(image), atol=1e-5)


def test_bounds_are_those_of_pixel_centres() -> None:
    inside = in_bounds(constant_flow(1, 4, 5, 1, 0))
    assert inside[0, 0].all(dim=0).tolist() == [True, True, True, True, False]


def test_opposite_flows_leave_no_residual_and_outside_is_infinite() -> None:
    there, back = constant_flow(1, 6, 8, 2, 0), constant_flow(1, 6, 8, -2, 0)
    residual = forward_backward_residual(there, back)
    assert float(residual[..., :-2].max()) < 1e-6
    assert residual[..., -2:].isinf().all()


def test_the_residual_is_the_distance_missed() -> None:
    residual = forward_backward_residual(constant_flow(1, 9, 9, 1, 1), constant_flow(1, 9, 9, 2, 3))
    assert torch.allclose(residual[..., :-1, :-1], torch.tensor(5.0))
