"""Every registered image method, by registration alone."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

import vidinternal
from vidinternal import stages
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, Start
from vidinternal.core.errors import UserError
from vidinternal.core.imaging import IMAGE_TASKS, ImageCard, ImageMethod, ImageResult, ImageTask, Previous
from vidinternal.core.stop import Interrupted
from vidinternal.methods import cards, image_method
from vidinternal.stages.base import settings_model
from vidinternal.stages.lift.arrays import Beside, lift_arrays
from vidinternal.stages.lift.run import LiftSettings
from vidinternal.stages.lift.state import plain_tree

CPU = torch.device("cpu")
ALL = [cast(ImageCard, c) for task in IMAGE_TASKS for c in cards(task)]
READY = [c for c in ALL if not c.needs]
TRAIN = [c for c in READY if c.trains]
FEW = {"iterations": 2, "frame_iterations": 2, "warm_iterations": 2, "scale": 2}
HEIGHT, WIDTH = 32, 40


def named(chosen: list[ImageCard]) -> Any:
    return pytest.mark.parametrize("card", chosen, ids=[f"{c.task}-{c.name}" for c in chosen])


def scene(frames: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """A textured picture with a bright disc, that slides one pixel a frame."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width + frames), indexing="ij")
    waves = [torch.sin(0.31 * x + 0.17 * y + k) + torch.sin(0.13 * x * (k + 1) - 0.23 * y) for k in range(3)]
    picture = torch.stack(waves) / 5 + 0.45
    disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 4) ** 2
    picture = torch.where(disc, 0.3 * picture + 0.65, picture)
    return torch.stack([picture[:, :, t : t + width] for t in range(frames)]).clamp(0, 1)


def hints(card: ImageCard, like: torch.Tensor) -> torch.Tensor | None:
    """What a person would point at: a box around the disc, or a hole."""
    if card.hints == "no":
        return None
    height, width = like.shape[-2:]
    told = torch.zeros(len(like), 1, height, width)
    inside = (..., slice(height // 5, -(height // 5) or None), slice(width // 5, -(width // 5) or None))
    hole = (..., slice(height // 3, height // 3 + 4), slice(width // 3, width // 3 + 6))
    told[inside if card.task == "segment" else hole] = torch.nan if card.task == "segment" else 1.0
    return told


def few(card: ImageCard, **other: Any) -> Any:
    """Default settings with few iterations."""
    own = {k: v for k, v in {**FEW, **other}.items() if k in card.config.model_fields}
    return card.config.model_validate(own)


def task(card: ImageCard, height: int = HEIGHT, width: int = WIDTH) -> ImageTask:
    """A group in the middle of a take, with as much beside it as the method asks for."""
    count = min(card.group, 2)
    around = scene(count + 2 * min(card.around, 2), height, width)
    frames = around[(len(around) - count) // 2 :][:count]
    flow = torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1).expand(len(frames) - 1, 2, height, width)
    return ImageTask(frames, around, hints(card, frames), flow=flow.clone() if len(flow) else None)


def method_of(card: ImageCard) -> ImageMethod:
    return image_method(card.name, card.task)


def run(card: ImageCard, work: ImageTask, config: Any = None, **context: Any) -> ImageResult:
    return method_of(card).apply(work, config or few(card), FitContext(seed=3, device=CPU, **context))


def following(card: ImageCard, work: ImageTask, before: ImageResult) -> ImageTask:
    """The task of a group that goes on from another."""
    size = before.frames.shape[-2:]
    known = torch.ones(1, 1, *size, dtype=torch.bool)
    layers = {name: layer[-1:] for name, layer in before.layers.items()}
    return replace(work, previous=Previous(before.state, before.frames[-1:], layers, known))


@named(ALL)
def test_the_card_is_complete(card: ImageCard) -> None:
    stage = stages.stage_class(card.task)
    assert stage.task == stage.name == card.task
    assert card.group >= 1 and card.around >= 0
    assert card.tiles in ("cut", "own") and card.hints in ("no", "optional", "required")
    assert len(set(card.layers)) == len(card.layers) and all(name.isidentifier() for name in card.layers)
    assert card.bytes_per_pixel > 0
    assert settings_model(stage, card).model_fields.keys() >= card.config.model_fields.keys()
    assert not card.trains or "iterations" in card.config.model_fields
    assert card.task != "upscale" or "scale" in card.config.model_fields
    assert card.task != "segment" or "mask" in card.layers


@pytest.mark.parametrize("verb", IMAGE_TASKS)
def test_every_task_has_a_stage_a_verb_and_a_method(verb: str) -> None:
    stage = stages.stage_class(verb)
    assert stage.remakes and stage.Config.model_fields["method"].default in {c.name for c in cards(verb)}
    assert callable(getattr(vidinternal, verb))


@named(READY)
def test_pictures_and_layers_have_their_shape_and_range(card: ImageCard) -> None:
    work = task(card)
    result = run(card, work)
    size = method_of(card).size(few(card), HEIGHT, WIDTH)
    assert result.frames.shape == (len(work.frames), 3, *size)
    assert result.frames.dtype == torch.float32 and result.frames.isfinite().all()
    assert 0 <= float(result.frames.min()) <= float(result.frames.max()) <= 1
    assert set(result.layers) == set(card.layers)
    for layer in result.layers.values():
        assert layer.dtype == torch.float32 and layer.isfinite().all()
        assert (len(layer), *layer.shape[-2:]) == (len(work.frames), *size)
        assert 0 <= float(layer.min()) <= float(layer.max()) <= 1
    assert (result.iterations > 0) == card.trains
    assert not result.warm
    plain_tree(result.state)  # no more than a tree of plain values and tensors
    assert card.task == "upscale" or size == (HEIGHT, WIDTH)


@named(READY)
def test_same_seed_same_bytes_and_inputs_are_left_as_they_were(card: ImageCard) -> None:
    work = task(card)
    kept = copy.deepcopy(work)
    one, other = run(card, work), run(card, work)
    assert torch.equal(one.frames, other.frames)
    assert all(torch.equal(one.layers[name], other.layers[name]) for name in card.layers)
    assert torch.equal(work.frames, kept.frames) and torch.equal(work.around, kept.around)
    if work.hints is not None and kept.hints is not None:
        assert torch.equal(work.hints.nan_to_num(7), kept.hints.nan_to_num(7))


@named(READY)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 23), (16, 51)])
def test_odd_and_tiny_pictures_work_or_are_refused_in_words(card: ImageCard, height: int, width: int) -> None:
    method, config = method_of(card), few(card)
    work = task(card, height, width)
    try:
        method.check(config, height, width)
        result = run(card, work)
    except UserError as error:
        assert error.expected and error.got
        assert (height, width) == (1, 1), "only a single pixel may be too little"
        return
    assert result.frames.shape == (len(work.frames), 3, *method.size(config, height, width))
    assert result.frames.isfinite().all()


@named(READY)
def test_a_survey_finds_finite_numbers_of_a_shot(card: ImageCard) -> None:
    found = method_of(card).survey(scene(3), few(card), FitContext(seed=3, device=CPU))
    assert all(value.isfinite().all() for value in found.values())
    assert "kernel" not in found  # the stage's own


@named(TRAIN)
def test_a_picture_goes_on_from_the_one_before_whether_or_not_that_was_kept_in_a_file(card: ImageCard) -> None:
    work = task(card)
    cold = run(card, work)
    assert cold.state and cold.weights and cold.signature
    warm = run(card, following(card, work, cold))
    assert warm.warm and warm.signature == cold.signature and warm.iterations > 0
    again = run(card, following(card, work, replace(cold, state=plain_tree(cold.state))))
    assert torch.equal(warm.frames, again.frames)


class Offered:
    """Weights that finished windows have to offer."""

    def __init__(self, result: ImageResult) -> None:
        self.result, self.asked = result, 0

    def of(self, signature: str) -> Start | None:
        self.asked += 1
        return Start(self.result.weights or {}, "a test") if signature == self.result.signature else None


@named(TRAIN)
def test_a_take_begins_from_what_finished_windows_offer(card: ImageCard) -> None:
    work = task(card)
    cold = run(card, work)
    offered = Offered(cold)
    warm = run(card, work, starts=offered)
    assert offered.asked
    assert any("a test" in note and ("warm start" if warm.warm else "worse") in note for note in warm.notes)
    left = run(card, work, starts=Offered(replace(cold, signature="another network")))
    assert torch.equal(left.frames, cold.frames) and not left.warm


@named(TRAIN)
def test_training_ends_when_its_time_is_over(card: ImageCard) -> None:
    endless = few(card, iterations=1_000_000)
    result = run(card, task(card), endless, budget=Budget(0.4))
    assert result.stopped == "budget"
    assert 0 < result.iterations < 1_000_000
    assert result.frames.isfinite().all()


class Dying:
    """Checkpoints in memory of a process that is killed at one of its iterations."""

    def __init__(self, alive: int) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.alive = alive

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.kept.get(f"{piece} {fits}"))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.kept[f"{piece} {fits}"] = plain_tree(dict(state))

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("killed")


@named(TRAIN)
def test_killed_in_the_middle_the_rest_is_the_same(card: ImageCard) -> None:
    work, config = task(card), few(card, iterations=4)
    whole, checkpoint = run(card, work, config), Dying(2)
    with pytest.raises(Interrupted):
        run(card, work, config, checkpoint=checkpoint)
    checkpoint.alive = 10**6
    resumed = run(card, work, config, checkpoint=checkpoint)
    assert torch.equal(resumed.frames, whole.frames)
    assert all(torch.equal(resumed.layers[name], whole.layers[name]) for name in card.layers)
    assert resumed.iterations == whole.iterations


@named(READY)
def test_lifted_to_a_clip_in_tiles_it_is_a_clip(card: ImageCard) -> None:
    frames, config = scene(3), few(card)
    made = lift_arrays(
        frames,
        method_of(card),
        config,
        FitContext(seed=3, device=CPU),
        LiftSettings(tile=32),
        Beside(hints(card, frames)),
    )
    size = method_of(card).size(config, HEIGHT, WIDTH)
    assert made.frames.shape == (3, 3, *size) and made.frames.isfinite().all()
    assert all(layer.shape[-2:] == size for layer in made.layers.values())
    assert (made.facts["tiles"] > 1) == (card.tiles == "cut")
    assert made.facts["flicker"]["before"] >= 0


@named(READY)
def test_grey_images_of_sixteen_bits_stay_what_they_are(card: ImageCard) -> None:
    image = (scene(1)[0, 0] * 65535).numpy().astype(np.uint16)
    own = {k: v for k, v in FEW.items() if k in card.config.model_fields}
    told: dict[str, Any] = {}
    if card.task == "segment":
        told["box"] = (8, 6, 24, 20)
    hole = hints(card, scene(1))
    if card.task == "restore" and hole is not None:
        told["mask"] = hole[0, 0].numpy()
    made = getattr(vidinternal, card.task)(image, method=card.name, **own, **told)
    size = method_of(card).size(few(card), HEIGHT, WIDTH)
    for one in made if isinstance(made, tuple) else (made,):
        assert one.shape == size
        assert one.dtype == (bool if card.task == "segment" else np.uint16)
