import pytest
import torch
from torch import Tensor

from vidinternal.core.contracts import Holdout
from vidinternal.core.seeds import generator
from vidinternal.learn.holdout import make_holdout


def footage(total: int, height: int, width: int) -> Tensor:
    return torch.rand(total, 3, height, width, generator=generator(0))


def moving_box(total: int = 6, height: int = 60, width: int = 90, speed: int = 4) -> Tensor:
    masks = torch.zeros(total, 1, height, width, dtype=torch.bool)
    for t in range(total):
        masks[t, :, 20:32, 10 + speed * t : 26 + speed * t] = True
    return masks


def still_text(total: int = 3, height: int = 60, width: int = 90) -> Tensor:
    masks = torch.zeros(total, 1, height, width, dtype=torch.bool)
    masks[:, :, 48:54, 8:82:4] = True
    return masks


def big_hole(total: int = 3, height: int = 60, width: int = 90) -> Tensor:
    masks = torch.zeros(total, 1, height, width, dtype=torch.bool)
    masks[:, :, 10:50, 15:70] = True
    return masks


def dots(total: int = 4, height: int = 60, width: int = 90) -> Tensor:
    """Specks all over the picture: every place for a copy touches some of them."""
    seeds = (torch.rand(total, 1, height, width, generator=generator(9)) < 0.006).float()
    return torch.nn.functional.max_pool2d(seeds, 3, stride=1, padding=1) > 0


def made(masks: Tensor, seed: int = 1, copies: int = 2) -> Holdout:
    holdout = make_holdout(footage(len(masks), *masks.shape[-2:]), masks, seed, copies)
    assert holdout is not None
    return holdout


@pytest.mark.parametrize(
    "masks",
    [moving_box(), still_text(), big_hole(), moving_box(1), dots()],
    ids=["box", "text", "big", "one", "dots"],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_only_known_pixels_are_hidden_and_not_too_many(masks: Tensor, seed: int) -> None:
    hidden = made(masks, seed).masks
    assert hidden.shape == masks.shape
    assert hidden.dtype == torch.bool
    assert not (hidden & masks).any()
    assert 0 < int(hidden.sum()) <= min(2 * int(masks.sum()), 0.25 * int((~masks).sum()))


@pytest.mark.parametrize("masks", [moving_box(), still_text()], ids=["box", "text"])
def test_where_there_is_room_the_copies_are_whole(masks: Tensor) -> None:
    for copies in (1, 2):
        assert int(made(masks, copies=copies).masks.sum()) == pytest.approx(copies * int(masks.sum()), rel=0.1)


def centres(masks: Tensor) -> Tensor:
    return torch.stack([m[0].nonzero().double().mean(dim=0) for m in masks])


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_has_the_shape_and_motion_of_the_hole(seed: int) -> None:
    masks = moving_box()
    hidden = made(masks, seed, copies=1).masks
    assert torch.equal(hidden.flatten(1).sum(1), masks.flatten(1).sum(1)), "the box is whole in every frame"
    steps, own = centres(hidden).diff(dim=0), centres(masks).diff(dim=0)
    assert torch.allclose(steps.abs(), own.abs()), "one shift for all frames, flipped or reversed or not"


def test_copies_keep_their_distance_from_the_hole_and_each_other() -> None:
    masks = moving_box()
    two = made(masks, copies=2).masks
    for row in range(-1, 2):
        for column in range(-1, 2):
            assert not (two.roll((row, column), (2, 3)) & masks).any()
    assert int(two.sum()) == 2 * int(masks.sum())


def test_the_truth_is_the_frames() -> None:
    masks, frames = moving_box(), footage(6, 60, 90)
    holdout = make_holdout(frames, masks, 1)
    assert holdout is not None
    assert holdout.score(frames) == 99.0
    assert holdout.score(torch.where(masks, 0.0, frames)) == 99.0, "the real hole is not scored"
    assert holdout.score(torch.where(holdout.masks, 0.0, frames)) < 10.0


def test_same_seed_same_copies() -> None:
    masks = moving_box()
    assert torch.equal(made(masks, 5).masks, made(masks, 5).masks)
    assert len({made(masks, seed).masks.numpy().tobytes() for seed in range(5)}) > 1


def test_copies_are_near_the_hole_where_there_is_room() -> None:
    masks = torch.zeros(1, 1, 120, 400, dtype=torch.bool)
    masks[:, :, 50:60, 20:40] = True
    distance = (centres(made(masks, copies=1).masks) - centres(masks)).norm()
    assert float(distance) < 100


@pytest.mark.parametrize("share", ["none", "all", "nearly all"])
def test_no_hole_or_no_room_gives_none(share: str) -> None:
    masks = torch.zeros(2, 1, 40, 40, dtype=torch.bool)
    if share != "none":
        masks[:] = True
    if share == "nearly all":
        masks[:, :, :2] = False
    assert make_holdout(footage(2, 40, 40), masks, 1) is None


def test_no_copies_wanted_gives_none() -> None:
    assert make_holdout(footage(6, 60, 90), moving_box(), 1, copies=0) is None


def test_tiny_and_large_pictures_work() -> None:
    tiny = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    tiny[:, :, 2:6, 2:6] = True
    assert made(tiny, copies=1).masks.any()
    large = torch.zeros(2, 1, 540, 961, dtype=torch.bool)
    large[:, :, 400:430, 100:801:3] = True
    hidden = made(large).masks
    assert int(hidden.sum()) > int(large.sum())


def subtitle_and_logo() -> Tensor:
    masks = torch.zeros(6, 1, 90, 160, dtype=torch.bool)
    masks[:, :, 4:12, 140:154] = True
    masks[3:, :, 76:84, 40:110] = True
    return masks


@pytest.mark.parametrize("seed", range(3))
def test_every_part_has_copies_of_its_own(seed: int) -> None:
    masks = subtitle_and_logo()
    holdout = made(masks, seed)
    assert holdout.parts is not None and holdout.copies is not None
    assert torch.equal(holdout.parts >= 0, masks | holdout.masks)
    assert torch.equal(holdout.copies >= 0, holdout.masks)
    assert [e.area for e in holdout.errors(holdout.truth)] == [3 * 8 * 70, 6 * 8 * 14]
    for number in range(4):
        copy = holdout.copies == number
        part = holdout.parts[copy].unique()
        assert len(part) == 1
        assert int(copy.sum()) == int((masks & (holdout.parts == part)).sum()), "whole"
        shown = copy.flatten(1).any(dim=1)
        assert int(shown.sum()) == (3 if int(part) == 0 else 6), "it comes and goes as its part does"


def test_a_copy_of_a_smooth_hole_lies_on_smooth_ground() -> None:
    frames = footage(4, 90, 160)
    frames[..., 80:] = 0.5
    masks = torch.zeros(4, 1, 90, 160, dtype=torch.bool)
    masks[:, :, 40:50, 100:112] = True
    for seed in range(4):
        holdout = make_holdout(frames, masks, seed, 2)
        assert holdout is not None and not bool(holdout.masks[..., :80].any())


def test_what_is_under_the_hole_decides_nothing() -> None:
    masks, frames = subtitle_and_logo(), footage(6, 90, 160)
    first, second = (make_holdout(f, masks, 3) for f in (frames, torch.where(masks, 1.0, frames)))
    assert first is not None and second is not None
    assert torch.equal(first.masks, second.masks)
