import pytest
import torch

from tests.ops.scene import box, constant_flow, psnr, sliding
from vidinternal.core.contracts import FlowField
from vidinternal.core.seeds import generator
from vidinternal.ops.flow_copy import FlowCopy, FlowCopySettings, flow_copy
from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.propagate import Hooks, propagate
from vidinternal.ops.settings import PropagateSettings

SMALL = PropagateSettings(ring=5, rounds=2)


def passing(count: int = 6, height: int = 48, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """A sliding scene behind a hole that moves the other way."""
    masks = torch.zeros((count, 1, height, width), dtype=torch.bool)
    for t in range(count):
        masks[t, :, 16:30, 8 + 6 * t : 20 + 6 * t] = True
    return sliding(count, height, width, (2, 0)), masks


def test_a_passing_hole_shows_the_scene_behind() -> None:
    truth, masks = passing()
    result = propagate(truth.masked_fill(masks, 0.5), masks, SMALL)
    assert result.covered > 0.9
    assert psnr(result.frames, truth, masks) > psnr(harmonic_fill(truth, masks), truth, masks) + 6


def test_another_round_brings_the_motion_under_the_hole_nearer() -> None:
    truth, masks = passing()
    truth = torch.cat((truth[..., :24, :], truth.flip(1)[..., 24:, :].flip(0)), dim=2)  # the lower half moves back
    rounds = [psnr(propagate(truth, masks, PropagateSettings(ring=9, rounds=n)).frames, truth, masks) for n in (1, 3)]
    assert rounds[1] > rounds[0]


def test_what_is_under_the_hole_is_never_read() -> None:
    truth, masks = passing(4)
    other = truth.clone()
    other[masks.expand_as(truth)] = torch.rand(3 * int(masks.sum()), generator=generator(0, "other"))
    one, two = propagate(truth, masks, SMALL), propagate(other, masks, SMALL)
    assert torch.equal(one.frames, torch.where(masks, two.frames, truth))


def test_flow_that_is_given_serves_round_one() -> None:
    truth, masks = passing(4)
    flows = {step: FlowField(constant_flow(4, 48, 64, -2 * step, 0), torch.ones_like(masks), step) for step in (1, -1)}
    given = propagate(truth, masks, PropagateSettings(rounds=1), flows)
    expected = flow_copy(truth, masks, flows[1].flow, flows[-1].flow, FlowCopySettings())
    assert torch.equal(given.frames, expected.frames)
    half = propagate(truth, masks, PropagateSettings(rounds=1), {1: flows[1]})
    assert torch.equal(half.frames, propagate(truth, masks, PropagateSettings(rounds=1)).frames)


@pytest.mark.parametrize("stop", [1, 2, 9])
def test_rounds_end_when_told_to(stop: int) -> None:
    truth, masks = passing(3)
    seen: list[int] = []

    def look(number: int, copied: FlowCopy) -> bool:
        assert copied.frames.shape == truth.shape
        seen.append(number)
        return number < stop

    propagate(truth, masks, PropagateSettings(ring=5, rounds=3), hooks=Hooks(look))
    assert seen == list(range(1, min(stop, 3) + 1))


def test_nothing_copied_is_not_tried_again() -> None:
    frames, masks = sliding(3, 32, 40, (0, 0)), box(3, 32, 40, slice(10, 16), slice(10, 16))
    seen: list[int] = []
    result = propagate(frames, masks, SMALL, hooks=Hooks(lambda number, _: not seen.append(number)))
    assert seen == [1]
    assert result.covered == 0.0


def test_a_single_frame_is_filled_from_itself() -> None:
    frames, masks = sliding(1, 32, 40), box(1, 32, 40, slice(10, 16), slice(10, 16))
    assert torch.equal(propagate(frames, masks).frames, harmonic_fill(frames, masks))


def test_without_a_hole_nothing_is_done() -> None:
    frames = sliding(2, 32, 40)
    result = propagate(frames, torch.zeros((2, 1, 32, 40), dtype=torch.bool))
    assert result.frames is frames
    assert result.covered == 1.0
    assert (result.provenance == -1).all()


def test_when_the_time_is_over_the_last_whole_round_stands() -> None:
    truth, masks = passing()
    whole = propagate(truth, masks, PropagateSettings(ring=5, rounds=1))
    asked: list[int] = []

    def after_round_one() -> bool:
        asked.append(1)
        return len(asked) > 40

    cut = propagate(truth, masks, PropagateSettings(ring=5, rounds=40), hooks=Hooks(out_of_time=after_round_one))
    assert len(asked) < 60
    assert cut.covered >= 0.9 * whole.covered
    nothing = propagate(truth, masks, SMALL, hooks=Hooks(out_of_time=lambda: True))
    assert nothing.covered == 0.0
    assert torch.allclose(nothing.frames, harmonic_fill(truth, masks), atol=1e-5)
