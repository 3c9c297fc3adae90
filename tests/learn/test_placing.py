import torch
from torch import Tensor

from vidinternal.core.seeds import generator
from vidinternal.learn.placing import Ground, Pose, correlate, find_place, looks

POSE = Pose(flip_x=False, flip_y=False, reverse=False, scale=1.0)


def halves(moving: bool = False) -> Tensor:
    """Rough on the left, smooth on the right; or standing on the left and flickering on the right."""
    frames = torch.full((4, 3, 60, 120), 0.5)
    noise = torch.rand((4, 1, 60, 60), generator=generator(0))
    if moving:
        frames[..., 60:] = noise[:, :, :1, :1]
    else:
        frames[..., :60] = noise[:1]
    return frames


def square(column: int) -> Tensor:
    masks = torch.zeros((4, 1, 60, 120), dtype=torch.bool)
    masks[:, :, 26:34, column : column + 8] = True
    return masks


def landed(frames: Tensor, column: int) -> int:
    masks = square(column)
    ground = Ground(frames, masks)
    # only places on the right or far from the hole on the left are free
    place = find_place(ground, masks[:, 0], {POSE: masks[:, 0]}, masks[:, 0], generator(1))
    assert place is not None
    return column + place.shift[1]


def test_a_copy_goes_where_it_looks_alike_and_changes_alike() -> None:
    for moving in (False, True):
        assert landed(halves(moving), 40) < 56, "the hole is in the left half"
        assert landed(halves(moving), 72) > 56


def test_correlation_counts_what_lies_under_the_moved_shape() -> None:
    field, shape = torch.rand((7, 9), generator=generator(2)), torch.zeros(7, 9)
    shape[1:3, 2:5] = 1
    found = correlate(torch.fft.rfft2(field, s=(14, 18)), shape, (14, 18))
    assert torch.isclose(found[2, 3], field[3:5, 5:8].sum(), atol=1e-4)
    assert torch.isclose(found[-1, -2], field[0:2, 0:3].sum(), atol=1e-4)


def test_nothing_of_the_hole_itself_is_looked_at() -> None:
    frames, masks = halves(), square(90)
    other = torch.where(masks, 1.0, frames)
    assert torch.equal(Ground(frames, masks).sums, Ground(other, masks).sums)


def test_the_looks_of_rough_and_flickering_ground_differ_as_they_should() -> None:
    rough, flicker = Ground(halves(), square(90)).sums, Ground(halves(moving=True), square(20)).sums
    left, right = looks(rough[..., :20, :20].sum(dim=(-2, -1))), looks(rough[..., -10:, -10:].sum(dim=(-2, -1)))
    assert left[0] > right[0] + 1 and left[1] > right[1] + 1
    still, moving = looks(flicker[..., :50, :20].sum(dim=(-2, -1))), looks(flicker[..., -40:].sum(dim=(-2, -1)))
    assert moving[2] > still[2] + 1


def test_no_room_is_no_place() -> None:
    masks = square(40)
    ground = Ground(halves(), masks)
    every = torch.ones_like(masks[:, 0])
    assert find_place(ground, masks[:, 0], {POSE: masks[:, 0]}, every, generator(0)) is None
