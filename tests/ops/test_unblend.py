"""Overlays burnt into pictures with a cover that is known exactly, and taken off again."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.media_made import texture
from vidinternal.core.errors import UsageError
from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.unblend import Blend, UnblendSettings, estimate_blend, fade_gain, known_places

HEIGHT, WIDTH = 72, 112


def moving(frames: int = 12) -> Tensor:
    """``T 3 H W`` a picture with detail and some grain that slides by."""
    soft = [cv2.GaussianBlur(texture(k), (0, 0), 1.0) for k in range(3)]
    rows = [np.stack([np.roll(p, (t, 2 * t), (0, 1))[:HEIGHT, :WIDTH] for p in soft]) for t in range(frames)]
    clip = np.stack(rows)
    return torch.from_numpy(0.1 + 0.8 * (clip - clip.min()) / (clip.max() - clip.min())).float()


def box(cover: float) -> Tensor:
    """``1 H W`` an even box."""
    alpha = torch.zeros(1, HEIGHT, WIDTH)
    alpha[:, 44:58, 8:104] = cover
    return alpha


def letters(cover: float) -> Tensor:
    """``1 H W`` letters with smooth edges."""
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.putText(drawn, "TV 7", (20, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 4, cv2.LINE_AA)
    return torch.from_numpy(drawn / 255.0 * cover).float()[None]


def burnt(clip: Tensor, alpha: Tensor, colour: tuple[float, float, float], gain: float = 1.0) -> Tensor:
    paint = torch.tensor(colour).view(3, 1, 1)
    return ((1 - gain * alpha) * clip + gain * alpha * paint).mul(255).round().div(255)


def psnr(made: Tensor, truth: Tensor, where: Tensor) -> float:
    error = (made - truth)[where.expand_as(truth)].square().mean()
    return float(-10 * torch.log10(error.clamp(min=1e-12)))


def estimated(seen: Tensor, alpha: Tensor) -> Blend:
    layer = alpha > 0
    found = estimate_blend(seen, layer.expand(len(seen), -1, -1, -1), layer)
    assert found is not None
    return found


def test_a_half_transparent_box_comes_off() -> None:
    clip, alpha = moving(), box(0.5)
    seen = burnt(clip, alpha, (0.0, 0.0, 0.0))
    found = estimated(seen, alpha)
    picture, where = found.recover(seen)
    filled = harmonic_fill(seen, (alpha > 0).expand(len(seen), -1, -1, -1))
    assert float(where.float().sum() / (alpha > 0).expand_as(where).sum()) > 0.95
    assert psnr(picture, clip, where) > max(35.0, psnr(filled, clip, where) + 6)
    inside = found.left[alpha == 0.5]
    assert float((inside - 0.5).abs().mean()) < 0.05


def test_letters_of_a_logo_come_off_with_their_edges() -> None:
    clip, alpha = moving(), letters(0.5)
    seen = burnt(clip, alpha, (1.0, 1.0, 0.9))
    picture, where = estimated(seen, alpha).recover(seen)
    filled = harmonic_fill(seen, (alpha > 0).expand(len(seen), -1, -1, -1))
    assert float(where.float().sum() / (alpha > 0).expand_as(where).sum()) > 0.5
    assert psnr(picture, clip, where) > max(33.0, psnr(filled, clip, where) + 6)


def test_what_hides_everything_is_not_recovered() -> None:
    clip, alpha = moving(), letters(1.0).ge(0.5).float()
    seen = burnt(clip, alpha, (0.95, 0.95, 0.95))
    found = estimated(seen, alpha)
    assert found.solid[alpha > 0].all()
    assert not found.recover(seen)[1].any()


def test_a_thing_that_lies_in_the_picture_is_not_taken_for_an_overlay() -> None:
    clip, alpha = moving(), box(1.0)
    other = torch.roll(clip, (9, 31), (-2, -1)).flip(0)
    seen = torch.where(alpha > 0, other, clip)
    found = estimate_blend(seen, (alpha > 0).expand(12, -1, -1, -1), alpha > 0)
    assert found is None or not found.use.any()


def test_plain_picture_under_a_mask_stays_unseen() -> None:
    clip, alpha = moving(), box(0.5)
    found = estimate_blend(clip, (alpha > 0).expand(12, -1, -1, -1), alpha > 0)
    assert found is None or not found.use.any()


def test_where_filling_is_as_good_nothing_is_recovered() -> None:
    ramp = torch.linspace(0.2, 0.7, WIDTH).expand(8, 3, HEIGHT, WIDTH).contiguous()
    alpha = letters(0.6)
    noisy = burnt(ramp, alpha, (1.0, 1.0, 1.0)) + 0.01 * torch.randn(
        ramp.shape, generator=torch.Generator().manual_seed(1)
    )
    assert not estimated(noisy.clamp(0, 1), alpha).use.any()


def test_clipped_pixels_are_left_to_the_fill() -> None:
    clip, alpha = moving(), box(0.5)
    seen = burnt(clip, alpha, (0.2, 0.2, 0.2))
    found = estimated(seen, alpha)
    bright = seen.clone()
    bright[:, :, 50, 50] = 1.0
    assert found.recover(seen)[1][:, 0, 50, 50].all()
    assert not found.recover(bright)[1][:, 0, 50, 50].any()


@pytest.mark.parametrize("gain", [0.25, 0.5, 0.75])
def test_the_strength_of_a_fade_is_measured(gain: float) -> None:
    clip, alpha = moving(), letters(1.0).ge(0.5).float()
    seen = burnt(clip, alpha, (0.9, 0.9, 0.8))
    found = estimated(seen, alpha)
    weak = burnt(clip[:1], alpha, (0.9, 0.9, 0.8), gain)
    guess = harmonic_fill(weak, (alpha > 0)[None])
    measured = fade_gain(weak[0], guess[0], found)
    assert measured is not None
    assert abs(measured - gain) < 0.05
    picture, where = found.recover(weak, torch.tensor([measured]))
    assert where[0, alpha == 1].any() == (gain < 0.6)
    if gain < 0.6:
        assert psnr(picture, clip[:1], where) > psnr(guess, clip[:1], where) + 3


def test_a_frame_that_shows_something_else_is_not_recovered() -> None:
    clip, alpha = moving(), box(0.5)
    found = estimated(burnt(clip, alpha, (0.0, 0.0, 0.0)), alpha)
    other = torch.where(alpha > 0, 1.0 - clip[:1], clip[:1])
    assert fade_gain(other[0], harmonic_fill(other, (alpha > 0)[None])[0], found) is None


def test_places_are_known_and_of_the_shape() -> None:
    layer = (letters(1.0) > 0)[0].numpy()
    unknown = np.repeat(layer[None], 3, axis=0)
    for dy, dx in known_places(layer, unknown, 3):
        rows, cols = np.nonzero(layer)
        assert not unknown[:, rows + dy, cols + dx].any()
    assert known_places(layer, unknown, 3)
    assert known_places(np.ones_like(layer), np.ones_like(unknown), 3) == []


def test_an_overlay_without_known_picture_beside_it_is_left_alone() -> None:
    clip = moving(4)
    assert (
        estimate_blend(clip, torch.ones(4, 1, HEIGHT, WIDTH, dtype=torch.bool), torch.ones(1, HEIGHT, WIDTH).bool())
        is None
    )


def test_the_same_bytes_each_time() -> None:
    clip, alpha = moving(6), box(0.5)
    seen = burnt(clip, alpha, (0.0, 0.0, 0.0))
    one, other = estimated(seen, alpha), estimated(seen, alpha)
    assert torch.equal(one.left, other.left)
    assert torch.equal(one.use, other.use)


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    clip = moving(4)
    with pytest.raises(UsageError, match="frames T 3 h w"):
        estimate_blend(
            clip, torch.zeros(4, 1, 3, 3, dtype=torch.bool), torch.zeros(1, HEIGHT, WIDTH).bool(), UnblendSettings()
        )
