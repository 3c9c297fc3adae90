"""The dark channel prior as a method: haze comes off, and never flickers by its airlight."""

import pytest
import torch
from pydantic import ValidationError

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import generator
from vidinternal.methods import image_method
from vidinternal.methods.dark_channel.config import Config
from vidinternal.ops.dark_channel import hazy
from vidinternal.ops.measures import psnr

CONTEXT = FitContext(seed=0, device=torch.device("cpu"))
METHOD = image_method("dark_channel", "dehaze")
LIGHT = torch.tensor([0.85, 0.88, 0.92])


def scene(frames: int = 1, height: int = 48, width: int = 72) -> torch.Tensor:
    """Smooth coloured shapes with shadows between them."""
    coarse = torch.rand((1, 3, 6, 9), generator=generator(2, "scene"))
    made = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    made[..., ::6, ::6] = 0.0
    return made.expand(frames, -1, -1, -1).contiguous()


def fog(frames: int = 1, height: int = 48, width: int = 72) -> torch.Tensor:
    """Thicker towards the top, up to no light at all."""
    t = torch.linspace(0.0, 0.9, height).view(1, 1, height, 1).expand(frames, 1, height, width)
    return hazy(scene(frames, height, width), LIGHT, t)


def test_haze_comes_off_and_the_layers_explain_the_picture() -> None:
    found = METHOD.apply(ImageTask(fog(), fog()), Config(patch=7, radius=8), CONTEXT)
    below = slice(16, None)  # above, nothing of the scene is left to be found
    before = psnr(fog()[..., below, :], scene()[..., below, :])
    assert psnr(found.frames[..., below, :], scene()[..., below, :]) > before + 4
    assert set(found.layers) == set(METHOD.card.layers)
    t, light = found.layers["transmission"], found.layers["airlight"]
    assert t.shape == (1, 1, 48, 72) and light.shape == (1, 3, 48, 72)
    inside = (t > 0.1) & (found.frames > 0).all(1, keepdim=True) & (found.frames < 1).all(1, keepdim=True)
    apart = (hazy(found.frames, light, t) - fog()).abs().amax(dim=1, keepdim=True)
    assert float(apart[inside].max()) < 1e-4
    assert found.facts["airlight"] == pytest.approx(LIGHT.tolist(), abs=0.08)
    assert not found.notes


def test_the_airlight_of_the_shot_is_taken_where_there_is_one() -> None:
    pictures = fog(3)
    shot = METHOD.survey(pictures, Config(patch=7), CONTEXT)
    assert shot["airlight"].shape == (3,)
    changed = pictures[:1].clone()
    changed[..., :8, :] = 1.0  # a white flash
    own, given = (METHOD.apply(ImageTask(changed, changed, shot=s), Config(), CONTEXT) for s in ({}, shot))
    assert given.facts["airlight"] == pytest.approx(shot["airlight"].tolist(), abs=1e-3)
    assert own.facts["airlight"] != given.facts["airlight"]


def test_a_clear_picture_is_told_and_hardly_changed() -> None:
    dark = scene() * 0.4
    dark[..., ::2, ::2] = 0
    found = METHOD.apply(ImageTask(dark, dark), Config(patch=15), CONTEXT)
    assert any("next to no haze" in note for note in found.notes)
    assert psnr(found.frames, dark) > 30


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3)])
def test_tiny_and_even_pictures_work(size: tuple[int, int]) -> None:
    for value in (0.0, 0.5, 1.0):
        plain = torch.full((2, 3, *size), value)
        found = METHOD.apply(ImageTask(plain, plain), Config(), CONTEXT)
        assert found.frames.shape == plain.shape
        assert found.frames.isfinite().all()
        assert float(found.frames.min()) >= 0 and float(found.frames.max()) <= 1


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="odd number"):
        Config(patch=4)
    with pytest.raises(ValidationError):
        Config(omega=0.0)
