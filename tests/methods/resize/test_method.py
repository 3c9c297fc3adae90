"""Interpolation: constants stay, scale 1 changes nothing, a ramp stays a ramp, results lie in line."""

import pytest
import torch

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageTask
from vidinternal.methods.resize.config import Config
from vidinternal.methods.resize.method import METHODS, Resize

CONTEXT = FitContext(seed=0, device=torch.device("cpu"))


def made(method: Resize, frames: torch.Tensor, **config: object) -> torch.Tensor:
    return method.apply(ImageTask(frames, frames), Config.model_validate(config), CONTEXT).frames


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.card.name)
def test_what_is_flat_stays_flat_and_scale_one_is_nothing(method: Resize) -> None:
    frames = torch.rand(2, 3, 9, 13)
    assert torch.allclose(made(method, torch.full_like(frames, 0.3), scale=2.5), torch.tensor(0.3))
    assert torch.allclose(made(method, frames, scale=1.0), frames, atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.card.name)
@pytest.mark.parametrize("scale", [2.0, 3.0, (1.5, 2.0)])
def test_the_larger_picture_lies_where_the_smaller_does(method: Resize, scale: object) -> None:
    ramp = torch.linspace(0.1, 0.9, 40).view(1, 1, 1, 40).expand(1, 3, 30, 40)
    large = made(method, ramp, scale=scale)
    slope, factor = 0.8 / 39, large.shape[-1] / 40
    places = (torch.arange(large.shape[-1]) + 0.5) / factor - 0.5
    inner = slice(int(6 * factor), -int(6 * factor))
    assert torch.allclose(large[0, 0, 10, inner], (0.1 + slope * places)[inner], atol=2e-3)


def test_lanczos_keeps_more_of_what_is_fine() -> None:
    def wave(places: torch.Tensor) -> torch.Tensor:
        return (0.5 + 0.4 * torch.sin(2 * torch.pi * places / 3.3)).expand(1, 3, 8, -1)

    small = wave(torch.arange(60.0))
    truth = wave((torch.arange(120) + 0.5) / 2 - 0.5)
    inner = (..., slice(12, -12))
    errors = {m.card.name: float((made(m, small, scale=2.0)[..., :8, :] - truth)[inner].abs().mean()) for m in METHODS}
    assert errors["lanczos"] < errors["bicubic"]
