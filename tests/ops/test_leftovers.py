"""What a removal left behind is seen against controls in the same frames, and a clean one is left in peace."""

import torch

from vidinternal.ops.leftovers import Leftovers, leftovers

T, H, W, SIDE = 12, 96, 128, 22


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    waves = torch.stack([torch.sin(0.21 * x + 0.11 * y + k) * 0.2 + 0.5 for k in range(3)])
    frames = waves.expand(T, 3, H, W).clone()
    masks = torch.zeros(T, 1, H, W, dtype=torch.bool)
    for t in range(T):
        masks[t, :, 36 : 36 + SIDE, 8 + 7 * t : 8 + 7 * t + SIDE] = True
    return frames, masks


def found(frames: torch.Tensor, masks: torch.Tensor) -> dict[int, tuple[str, ...]]:
    return {row: s for row, one in leftovers(frames, masks).items() if (s := one.suspicious())}


def test_a_perfect_removal_is_not_suspicious() -> None:
    assert found(*scene()) == {}


def test_noise_everywhere_is_not_suspicious() -> None:
    frames, masks = scene()
    noise = 0.03 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    assert found((frames + noise).clamp(0, 1), masks) == {}


def test_a_step_at_the_outline_is_a_ghost_edge() -> None:
    frames, masks = scene()
    frames[5] = torch.where(masks[5], frames[5] * 0.7, frames[5])
    assert "ghost edges" in found(frames, masks)[5]


def test_a_shadow_that_moves_along_is_told_on_every_frame() -> None:
    frames, masks = scene()
    for t in range(T):
        frames[t, :, 58:70, 8 + 7 * t : 8 + 7 * t + SIDE] *= 0.5
    told = [t for t, names in found(frames, masks).items() if "trailing shadow" in names]
    assert len(told) >= T - 4


def test_a_fill_that_jumps_flickers() -> None:
    frames, masks = scene()
    for t in range(0, T, 2):
        frames[t] = torch.where(masks[t], (frames[t] + 0.15).clamp(0, 1), frames[t])
    told = [t for t, names in found(frames, masks).items() if "flicker" in names]
    assert len(told) == T - 1


def test_a_fill_without_detail_in_a_scene_full_of_it_is_a_blur() -> None:
    frames, masks = scene()
    noise = 0.06 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    sharp = (frames + noise).clamp(0, 1)
    told = found(torch.where(masks, frames, sharp), masks)
    assert all("blur" in told[t] for t in range(T))
    assert not any("blur" in names for names in found(sharp, masks).values())


def test_edges_of_the_scene_that_cross_the_outline_are_not_the_removal_s() -> None:
    frames, masks = scene()
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    frames = torch.where(((x // 9 + y // 9) % 2).bool(), frames, 0.4 * frames)
    assert len(found(frames, masks)) <= 0.1 * T
    frames[5] = torch.where(masks[5], frames[5] * 0.4, frames[5])
    scores = {row: one.score for row, one in leftovers(frames, masks).items()}
    assert "ghost edges" in found(frames, masks)[5]
    assert max(scores, key=lambda row: scores[row]) == 5


def test_the_score_grows_with_every_fault_and_one_alone_is_enough() -> None:
    clean = Leftovers(0.0, 0.0, 1.0, None)
    for faulty in (Leftovers(6.0, 0.0, 1.0, None), Leftovers(0.0, 4.0, 1.0, None), Leftovers(0.0, 0.0, 60.0, None)):
        assert faulty.score > clean.score and faulty.suspicious() and not clean.suspicious()
    assert Leftovers(None, None, None, 0.5).suspicious() == ()
    assert "trailing shadow" in Leftovers(6.0, 0.0, 1.0, 0.5).suspicious()


def test_without_room_for_controls_outlines_say_nothing() -> None:
    frames, masks = scene()
    masks[:, :, 2:-2, 2:-2] = True
    assert all(one.edge is None and one.blur is None for one in leftovers(frames, masks).values())


def test_nothing_masked_and_everything_masked_say_nothing() -> None:
    frames, masks = scene()
    assert leftovers(frames, torch.zeros_like(masks)) == {}
    assert leftovers(frames, torch.ones_like(masks)) == {}
    assert len(leftovers(frames[:1], masks[:1])) == 1
