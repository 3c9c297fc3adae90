"""The lift of image methods, on arrays: what goes on, what begins anew, what is told."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.stages.lifted import Settings, Witness, counts, sliding
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, Start
from vidinternal.core.errors import MaskError, UsageError
from vidinternal.core.imaging import ImageResult
from vidinternal.core.stop import Interrupted
from vidinternal.stages.lift.arrays import Beside, lift_arrays
from vidinternal.stages.lift.run import Lift, LiftSettings, Take, key_pictures
from vidinternal.stages.lift.state import plain_tree

CPU = torch.device("cpu")
CONTEXT = FitContext(seed=3, device=CPU)


class Kept:
    """Checkpoints in memory; every offer is taken, and the process dies at one of them."""

    def __init__(self, dies_at: int = 0) -> None:
        self.pieces: dict[str, Any] = {}
        self.left = dies_at

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.pieces.get(f"{piece}|{fits}"))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.pieces[f"{piece}|{fits}"] = copy.deepcopy(dict(state))

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.left -= 1
        if self.left == 0:
            raise Interrupted("killed")


def take(frames: Tensor, span: range | None = None, **more: Any) -> Take:
    return Take(lambda a, b: frames[a:b].clone(), range(len(frames)), span or range(len(frames)), **more)


def run(method: Witness, frames: Tensor, context: FitContext = CONTEXT, **settings: Any) -> Any:
    return lift_arrays(frames, method, Settings(), context, LiftSettings(**settings))


def test_what_was_learned_goes_on_from_picture_to_picture_and_every_picture_has_a_seed_of_its_own() -> None:
    witness = Witness()
    made = run(witness, sliding(4))
    assert counts(witness) == [0, 1, 2, 3]
    assert made.frames.shape == (4, 3, 40, 56) and made.layers["ramp"].shape == (4, 1, 40, 56)
    assert len({context.seed for _, context in witness.seen}) == 4
    assert witness.surveyed == 1
    assert all(torch.equal(t.shot["mean"], witness.seen[0][0].shot["mean"]) for t, _ in witness.seen)
    assert made.facts["iterations"] == 40 and made.facts["groups"] == 4
    assert made.facts["count"] == {"mean": 1.5, "min": 0, "max": 3} and made.facts["kind"] == "witness"
    assert made.facts["fine"] is True and made.facts["first"] == {"True": 1, "False": 3}
    assert made.facts["notes"] == ["call 0 (4 times)", "plain (4 times)"]


def test_without_carrying_on_every_picture_is_made_by_itself() -> None:
    witness = Witness()
    run(witness, sliding(3), carry=False)
    assert counts(witness) == [0, 0, 0]
    assert all(t.previous is None for t, _ in witness.seen)


def test_the_picture_before_is_carried_along_the_motion() -> None:
    witness, frames = Witness(), sliding(3)
    run(witness, frames)
    before = witness.seen[1][0].previous
    assert before is not None
    inner = (slice(None), slice(None), slice(4, -4), slice(6, -6))
    known = before.valid.expand(-1, 3, -1, -1)[inner]
    assert float(known.float().mean()) > 0.8
    assert float((before.warped - frames[1:2]).abs()[inner][known].mean()) < 0.02
    assert float((frames[0:1] - frames[1:2]).abs()[inner].mean()) > 0.05
    assert not bool(before.valid[..., -1].any())  # what has just come into the picture was never seen


def test_groups_see_their_neighbours_and_no_other_take() -> None:
    witness = Witness.of(group=2, around=2)
    frames = sliding(9)
    clip = Take(lambda a, b: frames[a:b].clone(), range(1, 8), range(1, 8))
    list(Lift(witness, Settings(), LiftSettings(), CONTEXT).run(clip))
    assert [len(t.frames) for t, _ in witness.seen] == [2, 2, 1, 2]
    assert [len(t.around) for t, _ in witness.seen] == [4, 6, 5, 4]
    assert torch.equal(witness.seen[0][0].around, frames[1:5])
    assert torch.equal(witness.seen[1][0].around, frames[1:7])
    flow = witness.seen[0][0].flow
    assert flow is not None and flow.shape == (1, 2, 40, 56)
    assert float((flow[0, 0, 8:-8, 12:-12] - 2).abs().mean()) < 0.3  # F[t+1 -> t] of a picture that slides left


def test_a_window_goes_on_from_the_one_before_and_a_cut_begins_anew() -> None:
    frames = sliding(6)
    whole = Witness()
    expected = lift_arrays(frames, whole, Settings(), CONTEXT)
    first, second, other = Witness(), Witness(), Witness()
    lift = Lift(first, Settings(), LiftSettings(), CONTEXT)
    head = list(lift.run(take(frames, range(3))))
    carried = plain_tree(lift.carried())
    tail = list(Lift(second, Settings(), LiftSettings(), CONTEXT).run(take(frames, range(3, 6)), carried))
    assert counts(first) + counts(second) == counts(whole) == [0, 1, 2, 3, 4, 5]
    assert second.surveyed == 0
    assert torch.equal(torch.cat([m.frames for m in head + tail]), expected.frames)
    behind_cut = Take(lambda a, b: frames[a:b].clone(), range(3, 6), range(3, 6))
    list(Lift(other, Settings(), LiftSettings(), CONTEXT).run(behind_cut, carried))
    assert counts(other) == [0, 1, 2] and other.surveyed == 1


@pytest.mark.parametrize("dies_at", [1, 2, 4])
def test_killed_anywhere_the_rest_is_the_same(dies_at: int) -> None:
    frames, kept = sliding(5), Kept(dies_at)
    expected = run(Witness(), frames)
    context = FitContext(seed=3, device=CPU, checkpoint=kept)
    made: dict[int, Tensor] = {}
    with pytest.raises(Interrupted):
        for group in Lift(Witness(), Settings(), LiftSettings(), context).run(take(frames)):
            made[group.start] = group.frames
    resumed = Witness()
    lift = Lift(resumed, Settings(), LiftSettings(), context)
    for group in lift.run(take(frames)):
        made[group.start] = group.frames
    assert counts(resumed)[:1] == [dies_at]
    assert torch.equal(torch.cat([made[k] for k in range(5)]), expected.frames)
    account = lift.account()
    assert {k: v for k, v in account.items() if k != "seconds"} == {
        k: v for k, v in expected.facts.items() if k != "seconds"
    }
    assert lift.weights is not None and torch.equal(lift.weights["w"], torch.full((3,), 4.0))


def test_a_lift_that_was_killed_behind_its_last_picture_tells_everything() -> None:
    kept = Kept(3)
    context = FitContext(seed=3, device=CPU, checkpoint=kept)
    with pytest.raises(Interrupted):
        list(Lift(Witness(), Settings(), LiftSettings(), context).run(take(sliding(3))))
    lift = Lift(Witness(), Settings(), LiftSettings(), context)
    assert list(lift.run(take(sliding(3)))) == []
    assert lift.account()["groups"] == 3 and lift.account()["signature"] == "witness-1" and lift.weights


def test_pieces_of_a_group_are_not_those_of_another() -> None:
    class Writes(Witness):
        def apply(self, task: Any, config: Any, context: FitContext) -> ImageResult:
            assert context.checkpoint is not None
            assert context.checkpoint.load("fit", "same") is None
            context.checkpoint.save("fit", "same", {"n": 1})
            assert context.checkpoint.load("fit", "same") == {"n": 1}
            return super().apply(task, config, context)

    run(Writes.of(tiles="cut"), sliding(3), FitContext(seed=3, device=CPU, checkpoint=Kept()), tile=32)


def test_tiles_are_chains_of_their_own_and_give_the_whole_again() -> None:
    witness, frames = Witness.of(tiles="cut"), sliding(2, 80, 100)
    made = run(witness, frames, tile=48)
    tiles = made.facts["tiles"]
    assert tiles > 3
    assert counts(witness) == [0] * tiles + [1] * tiles
    assert float((made.frames - frames).abs().max()) <= 1.1e-3
    places = [t.place for t, _ in witness.seen[:tiles]]
    assert all(p is not None for p in places)
    for (task, _), place in zip(witness.seen, places, strict=False):
        y, x, height, width = place or (0, 0, 0, 0)
        assert torch.equal(task.frames, frames[:1, :, y : y + height, x : x + width])
    assert len({c.seed for _, c in witness.seen}) == 2 * tiles
    assert run(Witness.of(tiles="own"), frames, tile=48).facts["tiles"] == 1


def test_a_method_knows_how_large_its_tiles_are_best() -> None:
    class Small(Witness):
        def tile(self, config: Any) -> int:
            return 48

    small, frames = Small.of(tiles="cut"), sliding(1, 80, 100)
    assert run(small, frames).facts["tiles"] == run(Witness.of(tiles="cut"), frames, tile=48).facts["tiles"] > 3
    assert run(small, frames, tile=0).facts["tiles"] == run(Witness.of(tiles="cut"), frames).facts["tiles"] == 1


def test_memory_cuts_tiles_too() -> None:
    assert run(Witness.of(tiles="cut"), sliding(1, 80, 100), tile=0, most_pixels=40 * 40).facts["tiles"] > 4


def test_hints_and_second_pictures_come_with_their_pictures() -> None:
    frames, witness = sliding(3), Witness.of(hints="optional", guided=True)
    hints = torch.rand(3, 1, 40, 56)
    lift_arrays(frames, witness, Settings(), CONTEXT, None, Beside(hints, frames.flip(0)))
    for k, (task, _) in enumerate(witness.seen):
        assert task.hints is not None and torch.equal(task.hints, hints[k : k + 1])
        assert task.guide is not None and torch.equal(task.guide, frames[2 - k : 3 - k])
    with pytest.raises(UsageError, match="hints"):
        lift_arrays(frames, witness, Settings(), CONTEXT, None, Beside(hints[:2]))


def test_a_method_that_needs_hints_says_so() -> None:
    with pytest.raises(MaskError, match="hints on picture 0"):
        run(Witness.of(hints="required"), sliding(2))


def test_the_first_picture_gets_more_of_the_time() -> None:
    witness = Witness()
    run(witness, sliding(5), FitContext(seed=3, device=CPU, budget=Budget(120.0)))
    given = [context.budget.seconds or 0.0 for _, context in witness.seen]
    assert given[0] == pytest.approx(120 * 8 / 12, abs=8)
    assert given[1] == pytest.approx(120 / 4, abs=8)  # what is left over is shared out again
    alone = Witness()
    run(alone, sliding(5), FitContext(seed=3, device=CPU, budget=Budget(120.0)), carry=False)
    assert (alone.seen[0][1].budget.seconds or 0) == pytest.approx(24, abs=3)


def test_starts_are_offered_where_nothing_comes_before() -> None:
    class Offers:
        def of(self, signature: str) -> Start:
            return Start({}, signature)

    witness = Witness()
    run(witness, sliding(3), FitContext(seed=3, device=CPU, starts=Offers()))
    assert [context.starts is not None for _, context in witness.seen] == [True, False, False]


def test_what_a_method_may_not_return_is_refused() -> None:
    class Wrong(Witness):
        def apply(self, task: Any, config: Any, context: FitContext) -> ImageResult:
            return ImageResult(**{"frames": task.frames, "layers": {"ramp": task.frames}, **self.told})

        told: Mapping[str, Any]

    wrong = Wrong()
    for told in (
        {"frames": torch.zeros(1, 3, 4, 4)},
        {"frames": torch.full((1, 3, 40, 56), torch.nan)},
        {"layers": {}},
        {"layers": {"ramp": torch.zeros(1, 1, 4, 4)}},
    ):
        wrong.told = told
        with pytest.raises(RuntimeError, match="'witness' returned"):
            run(wrong, sliding(1))


def test_flicker_is_measured_against_the_source() -> None:
    class Flickers(Witness):
        def apply(self, task: Any, config: Any, context: FitContext) -> ImageResult:
            made = super().apply(task, config, context)
            return ImageResult(made.frames * (1.0 if len(self.seen) % 2 else 0.8), layers=made.layers)

    frames = sliding(4)
    steady, restless = (run(method, frames).facts["flicker"] for method in (Witness(), Flickers()))
    assert steady["before"] == pytest.approx(steady["source"], rel=0.2)
    assert restless["before"] > 5 * steady["before"]
    assert restless["source"] == steady["source"]
    assert "flicker" not in run(Witness(), frames[:1]).facts


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_key_pictures_lie_inside_the_take(length: int) -> None:
    keys = key_pictures(range(10, 10 + length))
    assert keys and len(keys) == len(set(keys)) <= 3
    assert all(10 <= k < 10 + length for k in keys)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert torch.equal(run(Witness(), sliding(3)).frames, run(Witness(), sliding(3)).frames)
