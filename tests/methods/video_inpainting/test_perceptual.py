from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.methods.video_inpainting.case import fill, footage, random_vgg
from vidinternal.core.errors import ConfigError
from vidinternal.core.seeds import generator
from vidinternal.methods.video_inpainting.objective import (
    perceptual_loss,
)
from vidinternal.methods.video_inpainting.perceptual import Vgg16, feature_holes


def test_features_whose_field_touches_the_hole_are_dropped_and_only_those(tmp_path: Path) -> None:
    vgg = Vgg16.from_file(random_vgg(tmp_path))
    image = torch.rand(1, 3, 64, 64, generator=generator(1))
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 30:33, 40:44] = 1.0
    changed = torch.where(hole > 0, 1.0 - image, image)
    for before, after, mask in zip(vgg(image), vgg(changed), feature_holes(hole), strict=True):
        differs = (before != after).any(dim=1, keepdim=True)
        assert not (differs & (mask == 0)).any()
        assert int(differs.sum()) > 0.7 * int(mask.sum())
    assert float(perceptual_loss(vgg(changed), vgg(image), feature_holes(hole))) == 0.0
    assert float(perceptual_loss(vgg(image * 0.5), vgg(image), feature_holes(hole))) > 0.0


def test_receptive_fields_are_5_14_and_40_pixels() -> None:
    hole = torch.zeros(1, 1, 128, 128)
    hole[..., 64, 64] = 1.0
    for mask, pitch, field in zip(feature_holes(hole), (1, 2, 4), (5, 14, 40), strict=True):
        assert abs(int(mask[0, 0].any(dim=0).sum()) * pitch - field) <= pitch


def test_vgg_reads_blue_first(tmp_path: Path) -> None:
    path = random_vgg(tmp_path)
    vgg, image = Vgg16.from_file(path), torch.rand(1, 3, 8, 8, generator=generator(1))
    first = vgg.blocks[0][0]  # pyright: ignore[reportIndexIssue]
    with torch.no_grad():
        first.weight[:, 1:] = 0.0
    blue_gone = image.clone()
    blue_gone[:, 2] = 0.0
    red_gone = image.clone()
    red_gone[:, 0] = 0.0
    assert torch.equal(vgg(red_gone)[0], vgg(image)[0])
    assert not torch.equal(vgg(blue_gone)[0], vgg(image)[0])


def test_vgg_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "odd.safetensors")
    with pytest.raises(ConfigError, match=r"(?s)'features.0.weight'.*\(64, 3, 5, 5\)"):
        Vgg16.from_file(tmp_path / "odd.safetensors")
    save_file({"conv1": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="no such tensor"):
        fill("dip_vid_flow", footage(2), vgg_weights=tmp_path / "other.safetensors")


def test_the_perceptual_term_runs_with_weights_and_says_when_it_does_not(tmp_path: Path) -> None:
    path, task = random_vgg(tmp_path), footage(2)
    for precision in ("float32", "bfloat16"):
        result = fill("dip_vid_flow", task, vgg_weights=path, iterations=2, precision=precision)
        assert result.history[-1].terms["L_p"] > 0
        assert not any("L_p" in note for note in result.notes)
    without = fill("dip_vid_flow", task, iterations=2)
    assert "L_p" not in without.history[-1].terms
    assert any("L_p is off" in note for note in without.notes)
    silent = fill("dip_vid_flow", task, vgg_weights=path, w_p=0.0, iterations=2)
    assert not any("L_p" in note for note in silent.notes)
