"""ZSSR as a whole: pictures, shots, refusals."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import BudgetError, UsageError
from vidinternal.core.imaging import ImageResult, ImageTask, Previous
from vidinternal.core.stop import Interrupted
from vidinternal.methods.zssr.config import Config
from vidinternal.methods.zssr.method import LEAST_GAIN, METHODS, lanczos, needed
from vidinternal.methods.zssr.recipe import FAST
from vidinternal.methods.zssr.start import learned_start
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import gaussian_kernel

METHOD = METHODS[0]


def stripes(height: int, width: int, shift: int = 0) -> Tensor:
    """Sharp slanted stripes of several widths: much that comes back, smaller."""
    y, x = torch.meshgrid(torch.arange(4 * height), torch.arange(4 * width) + 4 * shift, indexing="ij")
    value = ((x + 2 * y) % 52 < 20).double() * 0.5 + ((3 * x - y) % 136 < 50).double() * 0.3 + 0.1
    return imresize(value.expand(1, 3, -1, -1), 0.25).clamp(0, 1).float()


def context(**changes: Any) -> FitContext:
    return FitContext(**{"seed": 3, "device": torch.device("cpu"), **changes})


def run(frame: Tensor, config: Config | None = None, around: Tensor | None = None, **task: Any) -> ImageResult:
    work = ImageTask(frame, frame if around is None else around, **task)
    return METHOD.apply(work, config or Config(iterations=4), context())


def after(result: ImageResult, **changes: Any) -> Previous:
    valid = torch.ones(1, 1, *result.frames.shape[-2:], dtype=torch.bool)
    return Previous(**{"state": result.state, "warped": result.frames, "layers": {}, "valid": valid, **changes})


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": (1.5, 2.0)},
        {"scale": 2.7},
        {"scale": (1.0, 3.0)},
        {"preset": "faithful", "crop": 16},
        {"gradual": "paper"},
        {"scale": 4.0, "gradual": ((2.0, 2.0),), "base_change": (2.0,)},
        {"noise_std": 0.0125},
        {"start": "random", "precision": "float32"},
    ],
)
def test_every_way_gives_a_picture_of_the_size_that_was_promised(settings: dict[str, Any]) -> None:
    config = Config.model_validate({"iterations": 2, "without_gain": "learned", "ensemble": 2, **settings})
    result = run(stripes(50, 49), config)
    assert tuple(result.frames.shape[-2:]) == METHOD.size(config, 50, 49)
    assert result.frames.isfinite().all() and 0 <= float(result.frames.min()) <= float(result.frames.max()) <= 1
    assert result.iterations >= 2 * len(config.steps())


def test_scale_one_gives_the_picture_back() -> None:
    frame = stripes(20, 20)
    assert torch.equal(run(frame, Config(scale=1.0)).frames, frame)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (6, 40)])
def test_pictures_too_small_to_learn_from_are_enlarged_by_lanczos_and_that_is_told(size: tuple[int, int]) -> None:
    frame = stripes(*size)
    result = run(frame)
    torch.testing.assert_close(result.frames, lanczos(frame, (2.0, 2.0)))
    assert "too few to learn from" in result.notes[0] and METHOD.check(Config(), *size) == result.notes
    assert result.iterations == 0 and METHOD.check(Config(), 40, 40) == ()


def test_a_picture_smaller_than_a_crop_is_learned_from() -> None:
    assert run(stripes(12, 18), Config(iterations=2, crop=64)).iterations == 2


@pytest.mark.parametrize(
    "kernel", [torch.ones(3, 3), torch.ones(9) / 9, torch.full((3, 3), float("nan")), torch.ones(1, 1, 3, 3) / 9]
)
def test_what_is_no_blur_kernel_is_refused(kernel: Tensor) -> None:
    with pytest.raises(UsageError):
        run(stripes(40, 40), shot={"kernel": kernel})


def test_a_kernel_and_a_change_of_base_are_refused_together() -> None:
    config = Config(scale=4.0, gradual=((2.0, 2.0),), base_change=(2.0,))
    with pytest.raises(UsageError, match="no blur kernel beside it"):
        run(stripes(40, 40), config, shot={"kernel": gaussian_kernel(9, 1.5)})


@pytest.mark.parametrize("shape", [(2, 3, 20, 20), (1, 1, 20, 20), (3, 20, 20), (1, 3, 0, 5)])
def test_anything_but_one_rgb_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="one picture, 1 3 h w"):
        run(torch.zeros(shape))


def test_no_time_at_all_is_refused_and_little_time_is_enough() -> None:
    frame = stripes(48, 48)
    with pytest.raises(BudgetError):
        METHOD.apply(ImageTask(frame, frame), Config(), context(budget=Budget(1e-9)))
    config = Config(iterations=100_000, without_gain="learned")
    result = METHOD.apply(ImageTask(frame, frame), config, context(budget=Budget(1.0)))
    assert result.stopped == "budget" and 0 < result.iterations < 100_000


def test_a_network_that_leaves_the_finite_numbers_is_told() -> None:
    with pytest.raises(UsageError, match="lower learning_rate"):
        run(stripes(40, 40), Config(iterations=20, learning_rate=1e30, hold_back=False, precision="float32"))


def test_a_known_blur_is_undone_and_an_unknown_one_is_not() -> None:
    truth = stripes(96, 96)
    from vidinternal.methods.zssr.objective import father_to_son
    from vidinternal.ops.kernels import kernel_shift
    from vidinternal.ops.measures import psnr

    kernel = kernel_shift(gaussian_kernel(13, 1.6), 2.0)
    small = father_to_son(truth, (2, 2), kernel)
    config = Config(iterations=8, without_gain="learned")
    known = psnr(run(small, config, shot={"kernel": kernel}).frames, truth)
    unknown = psnr(run(small, config).frames, truth)
    assert known > unknown + 1.0 and known > psnr(imresize(small, 2.0), truth) + 1.5


# a clip


def test_a_picture_in_its_shot_goes_on_from_the_one_before_with_few_steps_and_one_copy() -> None:
    config = Config(iterations=6, frame_iterations=3, without_gain="learned")
    frames = torch.cat([stripes(48, 56, t) for t in range(3)])
    first = run(frames[:1], config, frames[:2])
    second = run(frames[1:2], config, frames, previous=after(first))
    assert (first.warm, second.warm) == (False, True)
    assert 1 <= second.iterations <= 3 and second.state["count"] == first.state["count"] + 1
    moved = [not torch.equal(first.state["weights"][k], second.state["weights"][k]) for k in first.state["weights"]]
    assert all(moved)
    steps = [entry["step"].item() for entry in second.state["optimiser"]["state"]]
    assert set(steps) == {6.0 + second.iterations}  # Adam's moments came along


def test_the_picture_before_is_followed_where_the_flow_is_believed_and_nowhere_else() -> None:
    rest = {"without_gain": "learned", "back_projection": 0, "learning_rate": 1e-4}
    config = Config.model_validate({"iterations": 2, "frame_iterations": 8, "temporal": 0.1, **rest})
    frames = torch.cat([stripes(48, 56, t) for t in range(2)])
    first = run(frames[:1], config, frames)
    pull = 1 - first.frames  # what the picture before never was: full of detail, and all of it wrong

    def second(valid: bool, weight: float) -> Tensor:
        known = torch.full((1, 1, 96, 112), valid)
        before = after(first, warped=pull, valid=known)
        result = run(frames[1:], config.model_copy(update={"temporal": weight}), frames, previous=before)
        assert result.warm
        return result.frames

    free, blind, tied = second(True, 0.0), second(False, 0.1), second(True, 0.1)
    far = [float((made - pull).abs().mean()) for made in (free, blind, tied)]
    assert far[2] < far[0] - 1e-5
    assert abs(far[1] - far[0]) < (far[0] - far[2]) / 2


def test_a_network_that_no_longer_fits_begins_anew() -> None:
    config = Config(iterations=4, frame_iterations=2, without_gain="learned")
    frames = torch.cat([stripes(48, 56, t) for t in range(2)])
    first = run(frames[:1], config, frames)
    proud = {**first.state, "ratio": first.state["ratio"] / 10}
    second = run(frames[1:], config, frames, previous=after(first, state=proud))
    assert second.facts["restarted"] is True and not second.warm and second.iterations > 4
    assert any("begun anew" in note for note in second.notes)
    other = run(frames[1:], config, frames, previous=after(first, state={**first.state, "signature": "another"}))
    assert not other.warm and "restarted" not in other.facts


def test_where_nothing_is_gained_lanczos_is_returned_for_the_whole_shot_and_that_is_told() -> None:
    flat = torch.full((2, 3, 60, 64), 0.4)
    config = Config(iterations=8)
    first = run(flat[:1], config, flat)
    assert first.facts["gain_over_lanczos"] < LEAST_GAIN and first.facts["lanczos"] is True
    torch.testing.assert_close(first.frames, lanczos(flat[:1], (2.0, 2.0)))
    assert any("nothing is invented" in note for note in first.notes)
    second = run(flat[1:], config, flat, previous=after(first))
    assert second.facts["lanczos"] is True and second.iterations == 0
    # another kind of picture is looked at again
    third = run(stripes(60, 64), config, previous=after(second))
    assert third.iterations > 0
    learned = run(flat[:1], config.model_copy(update={"without_gain": "learned"}), flat)
    assert learned.facts["lanczos"] is False and learned.iterations > first.iterations


def test_where_the_picture_repeats_itself_something_is_gained() -> None:
    result = run(stripes(64, 64), Config(iterations=12, ensemble=1))
    assert result.facts["gain_over_lanczos"] > 0.3 and result.facts["lanczos"] is False


def test_the_seed_decides_and_what_comes_in_stays_as_it_was() -> None:
    frame = stripes(40, 40)
    kept = frame.clone()
    one, other = run(frame), run(frame)
    assert torch.equal(one.frames, other.frames) and torch.equal(frame, kept)
    different = METHOD.apply(ImageTask(frame, frame), Config(iterations=4), context(seed=4))
    assert not torch.equal(one.frames, different.frames)


def test_the_start_that_comes_along_fits_and_is_worth_having() -> None:
    assert learned_start(FAST.signature) is not None and learned_start("another") is None
    frame = stripes(64, 64)
    errors = {
        start: run(frame, Config(iterations=1, start=start, hold_back=False)).facts["error_to_cubic"]  # pyright: ignore
        for start in ("learned", "random")
    }
    assert errors["learned"] < 0.97 * errors["random"]


def test_the_start_has_no_tensor_that_is_not_finite_or_not_used() -> None:
    weights = learned_start(FAST.signature)
    assert weights is not None and len(weights) == FAST.depth
    assert all(tensor.isfinite().all() and tensor.abs().max() > 0 for tensor in weights.values())


def test_a_clip_s_picture_leaves_a_state_and_gets_as_many_copies_as_its_few_steps_pay_for() -> None:
    frame = stripes(40, 40)
    still = run(frame, Config(iterations=2))
    pair = torch.cat([frame, frame])
    clip, thrifty, single = (
        METHOD.apply(ImageTask(frame, pair), Config.model_validate({"iterations": 2, **how}), context()).frames
        for how in ({}, {"frame_iterations": 1}, {"frame_iterations": 1, "ensemble": 1})
    )
    state = METHOD.apply(ImageTask(frame, pair), Config(iterations=2), context()).state
    assert still.state == {} and state["count"] == 1 and state["explained"] > 0
    assert not torch.equal(clip, thrifty)
    assert not torch.equal(clip, single) and thrifty.shape == still.frames.shape


@pytest.mark.parametrize(("grown", "steps"), [(0.5, 5), (0.97, 5), (1.0, 10), (1.05, 20), (3.0, 20)])
def test_a_picture_that_is_explained_already_gets_fewer_steps(grown: float, steps: int) -> None:
    assert needed(grown, 20) == steps and needed(grown, 1) == 1
    frames = torch.cat([stripes(48, 56, 0)] * 2)
    config = Config(iterations=4, learning_rate=1e-4, frame_iterations=20, without_gain="learned", ensemble=1)
    first = run(frames[:1], config, frames)
    before = METHOD.apply(
        ImageTask(frames[1:], frames, previous=after(first)),
        config.model_copy(update={"frame_iterations": 1}),
        context(),
    )
    assert before.warm
    explained = before.facts["error_to_cubic"] / grown
    second = run(frames[1:], config, frames, previous=after(first, state={**first.state, "explained": explained}))
    assert second.iterations == steps


class Dying:
    """Checkpoints in memory of a process that is killed at one of its steps."""

    def __init__(self, alive: int) -> None:
        self.kept: dict[str, Any] = {}
        self.alive = alive

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.kept.get(piece + fits))

    def save(self, piece: str, fits: str, state: Any) -> None:
        self.kept[piece + fits] = copy.deepcopy(state)

    def offer(self, piece: str, fits: str, state: Any) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("killed")


@pytest.mark.parametrize("alive", [1, 4, 7, 9])
def test_killed_while_holding_back_or_between_two_sizes_the_rest_is_the_same(alive: int) -> None:
    frame = stripes(52, 52)
    config = Config(iterations=6, gradual=((1.5, 1.5),), ensemble=1, without_gain="learned")
    whole = METHOD.apply(ImageTask(frame, frame), config, context())
    assert whole.iterations == 1 + 6 + 6
    kept = Dying(alive)
    with pytest.raises(Interrupted):
        METHOD.apply(ImageTask(frame, frame), config, context(checkpoint=kept))
    kept.alive = 10**6
    again = METHOD.apply(ImageTask(frame, frame), config, context(checkpoint=kept))
    assert torch.equal(again.frames, whole.frames)
