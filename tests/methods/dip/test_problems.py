import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tests.methods.dip.pictures import CPU, made, picture, task
from vidinternal.core.errors import MaskError, UsageError
from vidinternal.core.imaging import Previous
from vidinternal.core.seeds import generator
from vidinternal.methods.dip.config import DenoiseConfig, RestoreConfig, UpscaleConfig
from vidinternal.methods.dip.prior import Jitter, blurred_over, fixed_noise
from vidinternal.methods.dip.problems import damaged, hold_out, kind_of_damage, kind_of_holes, noisy, small, usual_share


def test_a_blur_kernel_of_the_shot_takes_the_place_of_lanczos() -> None:
    frames, kernel = picture(8, 8), torch.zeros(5, 5)
    kernel[2, 2] = 1.0
    config = UpscaleConfig(scale=2)
    large = picture(16, 16, seed=2)
    given = small(task(frames, shot={"kernel": kernel}), config, CPU).forward(large)
    plain = small(task(frames), config, CPU).forward(large)
    assert given.shape == plain.shape == (1, 3, 8, 8)
    assert torch.allclose(given, large[..., ::2, ::2]), "a delta keeps every second pixel"
    assert not torch.allclose(given, plain)


@pytest.mark.parametrize("scale", [1, 1.5, 2.5, 17, math.inf, math.nan])
def test_other_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValidationError):
        UpscaleConfig(scale=scale)
    if scale == 1.5:
        with pytest.raises(ValidationError, match="zssr"):
            UpscaleConfig(scale=scale)


def test_known_pixels_come_back_as_they_were_unless_told_otherwise() -> None:
    frames, hole = picture(), torch.zeros(1, 1, 16, 20)
    hole[..., 4:9, 5:12] = 1.0
    kept = made("restore", RestoreConfig(iterations=2), frames, hints=hole).frames
    raw = made("restore", RestoreConfig(iterations=2, keep_known=False), frames, hints=hole).frames
    missing = hole.bool().expand_as(frames)
    assert torch.equal(kept[~missing], frames[~missing])
    assert torch.equal(kept[missing], raw[missing])
    assert not torch.equal(raw[~missing], frames[~missing])


@pytest.mark.parametrize("damage", ["region", "text", "pixels", "sparse", "texture"])
def test_what_lies_under_the_mask_is_never_looked_at(damage: Any) -> None:
    frames, hole = picture(), torch.zeros(1, 1, 16, 20)
    hole[..., 4:9, 5:12] = 1.0
    config = RestoreConfig(damage=damage, iterations=2)
    results = [made("restore", config, f, hints=hole).frames for f in (frames, torch.where(hole > 0, 0.9, frames))]
    assert torch.equal(*results)


def test_a_mask_that_selects_nothing_leaves_the_picture_as_it_is() -> None:
    frames = picture()
    found = made("restore", RestoreConfig(), frames, hints=torch.zeros(1, 1, 16, 20))
    assert torch.equal(found.frames, frames)
    assert found.iterations == 0
    assert any("nothing is missing" in note for note in found.notes)


def test_a_mask_that_selects_everything_is_refused() -> None:
    with pytest.raises(MaskError, match="whole picture"):
        made("restore", RestoreConfig(), picture(), hints=torch.ones(1, 1, 16, 20))


def test_holes_without_a_mask_are_refused_with_what_to_try() -> None:
    with pytest.raises(MaskError, match="missing=black"):
        made("restore", RestoreConfig(damage="holes"), picture())


def test_what_is_given_beside_a_picture_tells_what_is_wrong_with_it() -> None:
    frames, hole = picture(), torch.zeros(1, 1, 16, 20)
    settings = RestoreConfig()
    assert kind_of_damage(task(frames), settings) == "jpeg"
    assert kind_of_damage(task(frames, guide=frames), settings) == "flash"
    assert kind_of_damage(task(frames, hints=hole, guide=frames), settings) == "holes"
    assert kind_of_damage(task(frames), RestoreConfig(missing="black")) == "holes"
    assert kind_of_damage(task(frames, hints=hole), RestoreConfig(damage="jpeg")) == "jpeg"


def test_a_picture_without_a_hole_hands_on_what_came_before() -> None:
    frames = picture()
    before = Previous({"signature": "x"}, frames, {}, torch.ones(1, 1, 16, 20, dtype=torch.bool))
    found = made("restore", RestoreConfig(), frames, hints=torch.zeros(1, 1, 16, 20), previous=before)
    assert found.state == {"signature": "x"}


def test_a_tile_that_lies_in_the_hole_is_told_as_such() -> None:
    with pytest.raises(MaskError, match="tile of the picture"):
        made("restore", RestoreConfig(), picture(), hints=torch.ones(1, 1, 16, 20), place=(0, 0, 16, 20))


def test_black_pixels_can_tell_what_is_missing() -> None:
    frames = picture().clamp_min(0.05)
    frames[..., 3:6, 4:8] = 0.0
    found = damaged(task(frames), RestoreConfig(missing="black"), CPU)
    assert found is not None
    assert found.known is not None
    assert int((found.known == 0).sum()) == 12


def test_a_mask_tells_its_kind() -> None:
    random = torch.rand(1, 1, 64, 64, generator=generator(1))
    strokes = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    strokes[..., 8:56:12, 4:60] = True
    box = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    box[..., 20:44, 20:44] = True
    kinds = [kind_of_holes(m) for m in (random > 0.5, random > 0.02, strokes, box)]
    assert kinds == ["pixels", "sparse", "text", "region"]


def test_a_flash_pair_is_fed_to_the_network_and_its_sizes_must_agree() -> None:
    frames, config = picture(), RestoreConfig(damage="flash", iterations=2)
    first = made("restore", config, frames, guide=picture(seed=5)).frames
    second = made("restore", config, frames, guide=picture(seed=6)).frames
    assert not torch.equal(first, second)
    with pytest.raises(UsageError, match="flash picture of 20x16"):
        made("restore", config, frames, guide=picture(16, 21))
    with pytest.raises(UsageError, match="second picture"):
        made("restore", config, frames)
    hole = torch.zeros(1, 1, 16, 20)
    hole[..., :3, :3] = 1.0
    other = made("restore", RestoreConfig(iterations=2), frames, hints=hole, guide=picture(seed=5))
    assert any("left aside" in note for note in other.notes)


def test_pixels_held_out_are_out_of_the_loss_and_known() -> None:
    frames = picture()
    observed = noisy(task(frames), DenoiseConfig(), CPU)
    less, places = hold_out(observed, generator(1), 0.1)
    assert less.known is not None
    assert 0 < int(places.sum()) < 80
    assert torch.equal(less.known == 0, places)
    hole = torch.zeros(1, 1, 16, 20)
    hole[..., :10, :] = 1.0
    holed = damaged(task(frames, hints=hole), RestoreConfig(), CPU)
    assert holed is not None
    _, places = hold_out(holed, generator(1), 0.2)
    assert not places[..., :10, :].any(), "what is missing cannot be held out"


def test_a_picture_of_a_few_pixels_still_holds_one_out() -> None:
    observed = noisy(task(picture(3, 3)), DenoiseConfig(), CPU)
    _, places = hold_out(observed, generator(5), 0.005)
    assert int(places.sum()) == 1


def test_of_a_small_picture_more_is_held_out() -> None:
    assert [usual_share(n) for n in (512 * 512, 200 * 200, 100 * 100, 1)] == [0.03, 0.05, 0.1, 0.1]


def test_the_only_known_pixel_is_not_held_out() -> None:
    frames, hole = picture(8, 8), torch.ones(1, 1, 8, 8)
    hole[..., 3, 4] = 0.0
    found = made("restore", RestoreConfig(damage="sparse", iterations=2, stop="held_out"), frames, hints=hole)
    assert "stop_score" not in found.facts


def test_a_clip_keeps_its_kind_of_holes() -> None:
    frames, box = picture(64, 64), torch.zeros(1, 1, 64, 64)
    box[..., 20:44, 20:44] = 1.0
    before = Previous({"problem": "text"}, frames, {}, torch.ones(1, 1, 64, 64, dtype=torch.bool))
    found = damaged(task(frames, hints=box, previous=before), RestoreConfig(), CPU)
    assert found is not None
    assert found.problem == "text"


def test_the_network_input_is_the_same_for_every_picture_of_a_size() -> None:
    first = fixed_noise(4, 8, 9)
    assert torch.equal(first, fixed_noise(4, 8, 9))
    assert float(first.min()) >= 0.0
    assert float(first.max()) < 0.1


@pytest.mark.parametrize("bank", [False, True])
def test_jitter_has_its_deviation_and_changes_at_every_step(bank: bool) -> None:
    like = torch.full((1, 8, 64, 64), 0.05)
    jitter = Jitter(like, 0.03, generator(1), bank=bank)
    first, second = jitter(), jitter()
    assert float((first - like).std()) == pytest.approx(0.03, rel=0.03)
    product = ((first - like) * (second - like)).mean() / 0.03**2
    assert abs(float(product)) < 0.03, "noise of two steps must not be related"
    assert torch.equal(Jitter(like, 0.0, generator(1), bank=bank)(), like)


def test_hidden_pixels_cannot_be_read_from_an_input_that_is_the_picture() -> None:
    frames, places = picture(), torch.zeros(1, 1, 16, 20, dtype=torch.bool)
    places[..., 5, 7] = True
    other = torch.where(places, 1.0 - frames, frames)
    assert torch.equal(blurred_over(frames, places), blurred_over(other, places))
    assert torch.equal(blurred_over(frames, places)[~places.expand_as(frames)], frames[~places.expand_as(frames)])
