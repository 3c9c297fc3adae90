"""Cases of bench ``double_dip``: what is put on follows the model, and files are paired by their names."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.double_dip_cases import (
    box_hint,
    depth_field,
    haze_cases,
    layers_psnr,
    mark_cases,
    mixture_cases,
    pair_cases,
    with_haze,
    with_mark,
)
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator

SMALL = BenchOptions(width=64, height=48, frames=2)


def noise(seed: int, frames: int = 1, height: int = 48, width: int = 64) -> torch.Tensor:
    return torch.rand((frames, 3, height, width), generator=generator(seed))


def test_haze_is_a_mean_of_the_scene_and_one_colour_and_thicker_far_off() -> None:
    near, far = torch.zeros(1, 1, 48, 64), torch.ones(1, 1, 48, 64)
    truth = noise(1, 2)
    thin, thick = (with_haze(truth, "a", 0, depth) for depth in (near, far))
    assert float((thick.seen - truth).abs().mean()) > float((thin.seen - truth).abs().mean())
    assert float(thick.seen.std()) < float(thin.seen.std()) < float(truth.std())
    assert torch.equal(thin.truth, truth)
    again, other = with_haze(truth, "a", 0), with_haze(truth, "b", 0)
    assert torch.equal(again.seen, with_haze(truth, "a", 0).seen) and not torch.equal(again.seen, other.seen)
    codes = again.seen * 255
    assert torch.allclose(codes, codes.round(), atol=1e-4), "eight bits, as a file has them"
    field = depth_field(48, 64, generator(0))
    assert float(field.min()) == 0 and float(field.max()) == 1
    assert float(field[..., 0, :].mean()) > float(field[..., -1, :].mean()), "far off is up"


def test_a_mark_changes_its_pixels_alone_and_alike_in_all_frames() -> None:
    truth = noise(2, 3)
    case = with_mark(truth, "a", 0)
    assert case.where is not None and bool(case.where.any()) and not bool(case.where.all())
    apart = (case.seen - truth).abs()
    assert float(apart[~case.where.expand_as(apart)].max()) < 0.03
    assert torch.equal(case.where[0], case.where[2])


def test_cases_are_named_and_a_depth_beside_a_clip_is_taken(tmp_path: Path) -> None:
    names = [n for make in (haze_cases, mixture_cases, mark_cases) for n, _ in make(SMALL)]
    assert "haze/flower" in names and "mark/unlike" in names
    assert any(n.startswith("separate-one/") for n in names) and any(n.startswith("separate-two/") for n in names)
    assert pair_cases(SMALL) == []
    one, two = (dict(mixture_cases(SMALL))[f"separate-{k}/flower+person"]() for k in ("one", "two"))
    assert len(one.mixtures) == 1 and len(two.mixtures) == 2
    flower = (SMALL.clips / "flower.mp4").read_bytes()
    (tmp_path / "flower.mp4").write_bytes(flower)
    own = SMALL.model_copy(update={"clips": tmp_path})
    drawn = dict(haze_cases(own))["haze/flower"]()
    cv2.imwrite(str(tmp_path / "flower_depth.png"), np.zeros((96, 128), np.uint8))
    near = dict(haze_cases(own))["haze/flower"]()
    assert float((near.seen - near.truth).abs().mean()) < float((drawn.seen - drawn.truth).abs().mean())


def test_hazy_files_find_their_truth(tmp_path: Path) -> None:
    picture = (noise(3, 1, 60, 128)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    for name in ("hill_hazy_a.png", "hill_hazy_b.png", "hill_truth.png", "sea_hazy.png"):
        cv2.imwrite(str(tmp_path / name), picture)
    found = pair_cases(SMALL.model_copy(update={"pairs": tmp_path}))
    assert [n for n, _ in found] == ["pair/hill_hazy_a", "pair/hill_hazy_b"]
    assert found[0][1]().seen.shape == (1, 3, 30, 64), "whole pictures, in their own shape"
    with pytest.raises(UsageError, match="NAME_truth"):
        pair_cases(SMALL.model_copy(update={"pairs": tmp_path / "none"}))
    with pytest.raises(UsageError, match="two pictures"):
        mixture_cases(SMALL.model_copy(update={"stills": tmp_path / "none"}))
    (tmp_path / "broken_truth.png").write_bytes(b"none")
    cv2.imwrite(str(tmp_path / "broken_hazy.png"), picture)
    with pytest.raises(UsageError, match="cannot be read"):
        dict(pair_cases(SMALL.model_copy(update={"pairs": tmp_path})))["pair/broken_hazy"]()


def test_layers_are_judged_the_better_way_round_at_any_brightness() -> None:
    first, second = noise(4), noise(5)
    found = (0.5 * second + 0.1, 0.8 * first)
    assert layers_psnr(found, (first, second)) > 60
    assert layers_psnr((first, first), (first, second)) < 60


def test_a_box_is_unknown_inside_and_nothing_outside() -> None:
    mask = torch.zeros(1, 1, 20, 30, dtype=torch.bool)
    mask[..., 5:9, 10:20] = True
    hint = box_hint(mask)
    assert int(hint.isnan().sum()) == 6 * 12
    assert float(hint.nan_to_num(0).abs().sum()) == 0
    assert not bool(box_hint(torch.zeros_like(mask)).isnan().any())
