"""What a removal left behind is seen, and a clean one is left in peace."""

import torch

from vidinternal.ops.leftovers import leftovers

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


def test_nothing_masked_and_everything_masked_say_nothing() -> None:
    frames, masks = scene()
    assert leftovers(frames, torch.zeros_like(masks)) == {}
    assert leftovers(frames, torch.ones_like(masks)) == {}
    assert len(leftovers(frames[:1], masks[:1])) == 1
