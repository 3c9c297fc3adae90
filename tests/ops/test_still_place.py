"""A still place is told by what surrounds the hole, and shows what was there before and after."""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.ops.still_place import Looks, StillPlace, still_place

SIZE = (48, 96)
HOLE = (slice(18, 30), slice(20, 76))


def texture(seed: int = 0, width: int = SIZE[1]) -> Tensor:
    coarse = torch.rand(3, 12, width // 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse[None], (SIZE[0], width), mode="bilinear")[0]


def looks(frames: Tensor, at: range, hole: bool) -> Looks:
    masks = torch.zeros(len(frames), 1, *SIZE, dtype=torch.bool)
    if hole:
        frames = frames.clone()
        frames[..., HOLE[0], HOLE[1]] = 1.0
        masks[..., HOLE[0], HOLE[1]] = True
    return Looks(frames, masks, tuple(at))


def clip(pictures: Tensor, hidden: range) -> tuple[Looks, list[Looks]]:
    """Looks at a hole over ``hidden`` frames, and at what is before and after."""
    before, after = range(hidden.start), range(hidden.stop, len(pictures))
    sides = [looks(pictures[r.start : r.stop], r, hole=False) for r in (before, after) if len(r)]
    return looks(pictures[hidden.start : hidden.stop], hidden, hole=True), sides


def noisy(pictures: Tensor, level: float) -> Tensor:
    return pictures + level * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))


def good_share(place: StillPlace | None) -> float:
    return 0.0 if place is None else float(place.good[HOLE].float().mean())


def test_a_still_place_is_given_back_as_it_was_between_before_and_after() -> None:
    pictures = torch.stack([texture() * (0.9 + 0.001 * t) for t in range(24)])
    place = still_place(*clip(pictures, range(8, 16)), sigma=4.0)
    assert place is not None and place.good[HOLE].all()
    made = place.at(range(8, 16))
    assert (made - pictures[8:16]).abs().max() < 0.01


def test_one_side_of_time_is_enough() -> None:
    for hidden in (range(12), range(12, 24)):
        place = still_place(*clip(noisy(texture().expand(24, -1, -1, -1), 0.01), hidden), sigma=4.0)
        assert good_share(place) == 1.0


def test_grain_is_no_motion() -> None:
    place = still_place(*clip(noisy(texture().expand(24, -1, -1, -1), 0.06), range(8, 16)), sigma=4.0)
    assert good_share(place) > 0.95


def test_a_pan_is_not_still_whatever_its_speed() -> None:
    wide = texture(width=400)
    for speed in (1, 4, 11):
        pictures = torch.stack([wide[..., speed * t : speed * t + SIZE[1]] for t in range(24)])
        assert good_share(still_place(*clip(pictures, range(8, 16)), sigma=4.0)) < 0.05


def test_a_soft_picture_that_creeps_is_not_still_though_it_hardly_changes() -> None:
    """A third of it would pass by its error alone."""
    coarse = torch.rand(3, 2, 10, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(coarse[None], size=(SIZE[0], 400), mode="bicubic")[0]
    pictures = torch.stack([wide[..., t : t + SIZE[1]] for t in range(4)])
    assert good_share(still_place(*clip(pictures, range(2, 4)), sigma=4.0)) < 0.1


def test_somebody_behind_the_hole_spoils_that_part_alone() -> None:
    pictures = texture().expand(24, -1, -1, -1).clone()
    pictures[8:16, :, :, 20:40] = texture(5)[..., 20:40]
    place = still_place(*clip(pictures, range(8, 16)), sigma=3.0)
    assert place is not None
    assert not place.good[HOLE[0], 24:36].any()
    assert place.good[HOLE[0], 55:].all()


def test_another_scene_afterwards_is_not_mixed_in() -> None:
    pictures = texture().expand(24, -1, -1, -1).clone()
    pictures[16:] = texture(7)
    assert good_share(still_place(*clip(pictures, range(8, 16)), sigma=4.0)) < 0.05


def test_nothing_bare_and_no_neighbours_in_time_tell_nothing() -> None:
    pictures = texture().expand(24, -1, -1, -1)
    covered, sides = clip(pictures, range(8, 16))
    assert still_place(covered, [], sigma=4.0) is None
    alone = Looks(covered.frames[:1], covered.masks[:1], covered.at[:1])
    assert still_place(alone, sides, sigma=4.0) is None
