import pytest
import torch
from torch import Tensor

from tests.ops.scene import box, constant_flow
from vidinternal.core.seeds import generator
from vidinternal.ops import relay as module
from vidinternal.ops.chains import StepCheck, Volume, advance, set_out
from vidinternal.ops.flow_copy import never
from vidinternal.ops.relay import HoleIndex, Relay
from vidinternal.ops.warp import pixel_grid

CHECK = StepCheck(tau=1.0, relative=0.0)


def walked(masks: Tensor, flows: dict[int, Tensor], step: int) -> Tensor:
    """``N 4`` as a relay's table, every path followed on its own to its end."""
    where = masks.flatten().nonzero()[:, 0]
    volumes, hidden = {s: Volume(f) for s, f in flows.items()}, Volume(masks)
    table = torch.tensor([-1.0, 0.0, 0.0, 0.0]).repeat(len(where), 1)
    walkers = set_out(where, volumes[1])
    while len(walkers.origin):
        walkers = advance(walkers, volumes[step], volumes[-step], step, CHECK)
        arrived = hidden.at(walkers.time, walkers.xy)[:, 0] == 0
        found = torch.cat((walkers.time.unsqueeze(1).float(), walkers.xy, walkers.error.unsqueeze(1)), dim=1)
        table[walkers.origin[arrived]] = found[arrived]
        walkers = walkers.kept(~arrived)
    return table


def zoom(count: int, height: int, width: int, share: float) -> dict[int, Tensor]:
    """Flows of a zoom about the middle and their exact inverse."""
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2]).view(2, 1, 1)
    away = (pixel_grid(height, width) - middle).expand(count, 2, height, width)
    return {1: away * share, -1: away * (1 / (1 + share) - 1)}


def drifting() -> Tensor:
    """A hole that wanders and is gone in the first and the last frame."""
    masks = torch.zeros((12, 1, 30, 40), dtype=torch.bool)
    for t in range(1, 11):
        masks[t, :, 8:20, 5 + t : 22 + t] = True
    return masks


@pytest.mark.parametrize("steps", [1, 3, 50])
@pytest.mark.parametrize("step", [1, -1])
def test_pixels_that_are_handed_over_end_where_walkers_end(
    steps: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEPS", steps)
    masks = drifting()
    flows = {1: constant_flow(12, 30, 40, 0.3, -0.2), -1: constant_flow(12, 30, 40, -0.3, 0.2)}
    ends, truth = Relay(masks, flows, CHECK).run(never)[step].table, walked(masks, flows, step)
    assert (truth[:, 0] >= 0).float().mean() > 0.5
    reached = ends[:, 0] >= 0
    assert (reached == (truth[:, 0] >= 0)).float().mean() > 0.97
    # Whatever frame it ends in, it lies on the line that the motion draws; mostly it is the same frame.
    where = masks.flatten().nonzero()[:, 0]
    origin = torch.stack((where % 40, where % 1200 // 40), dim=1)
    away = (ends[:, :1] - where.unsqueeze(1) // 1200) * torch.tensor([0.3, -0.2])
    assert torch.allclose(ends[reached, 1:3], (origin + away)[reached], atol=1e-3)
    both = reached & (truth[:, 0] >= 0)
    assert float((ends[both, 0] == truth[both, 0]).float().mean()) > (0.99 if steps == 50 else 0.75)


def test_a_zoom_is_followed_to_the_point() -> None:
    masks = box(9, 31, 41, slice(6, 25), slice(8, 33))
    masks[8] = False
    flows = zoom(9, 31, 41, 0.01)
    ends = Relay(masks, flows, CHECK).run(never)[1].table
    truth = walked(masks, flows, 1)
    same = (ends[:, 0] == truth[:, 0]) & (ends[:, 0] == 8)
    assert int(same.sum()) > 1000
    assert float((ends[same, 1:3] - truth[same, 1:3]).abs().max()) < 0.05


def test_a_path_ends_where_nothing_around_is_hidden() -> None:
    draw = generator(0, "relay")
    masks = torch.rand((6, 1, 20, 26), generator=draw) < 0.6
    wild = {s: 4 * torch.rand((6, 2, 20, 26), generator=draw) - 2 for s in (1, -1)}
    relay = Relay(masks, wild, StepCheck(tau=9.0, relative=0.0))
    for step, ends in relay.run(never).items():
        there = ends.times >= 0
        assert int(there.sum()) > 0
        assert (relay.hidden.at(ends.times[there], ends.xy[there]) == 0).all()
        came = relay.index.where[there] // (20 * 26)
        assert ((ends.times[there] - came) * step > 0).all()


def test_residuals_add_up() -> None:
    masks = box(12, 10, 30, slice(3, 7), slice(4, 20))
    masks[11] = False
    flows = {1: constant_flow(12, 10, 30, 0, 0), -1: constant_flow(12, 10, 30, 0.25, 0)}
    ends = Relay(masks, flows, CHECK).run(never)[1]
    came = torch.arange(12).repeat_interleave(10 * 30)[masks.flatten()]
    assert torch.allclose(ends.errors, 0.25 * (11 - came).float())
    assert (ends.times == 11).all()


def test_steps_that_do_not_come_back_lose_the_path() -> None:
    masks = box(12, 10, 30, slice(3, 7), slice(4, 20))
    masks[11] = False
    flows = {1: constant_flow(12, 10, 30, 0, 0), -1: constant_flow(12, 10, 30, 0, 0)}
    flows[-1][9] = 5.0
    ends = Relay(masks, flows, CHECK).run(never)[1].times
    came = torch.arange(12).repeat_interleave(10 * 30)[masks.flatten()]
    assert ((ends == -1) == (came < 9)).all()


def test_time_that_is_over_loses_what_is_left() -> None:
    masks = drifting()
    still = {s: constant_flow(12, 30, 40, 0, 0) for s in (1, -1)}
    asked: list[None] = []

    def soon() -> bool:
        asked.append(None)
        return len(asked) > 4

    ends = Relay(masks, still, CHECK).run(soon)
    whole = Relay(masks, still, CHECK).run(never)
    came = Relay(masks, still, CHECK).index.where // (30 * 40)
    assert torch.equal(ends[-1].table[came <= 4], whole[-1].table[came <= 4])
    assert (ends[-1].times[came > 4] == -1).all()
    assert (ends[1].times[came < 7] == -1).all()


def test_hole_pixels_are_found_by_their_place() -> None:
    masks = torch.rand((4, 1, 9, 11), generator=generator(1, "index")) < 0.3
    masks[2] = False
    index = HoleIndex(masks)
    where = torch.arange(4 * 9 * 11)
    rows = index.row(where // 99, where % 11, where % 99 // 11)
    assert torch.equal(rows >= 0, masks.flatten())
    assert torch.equal(rows[masks.flatten()], torch.arange(int(masks.sum())))
    outside = index.row(torch.tensor([0, 0, 2]), torch.tensor([-1, 11, 3]), torch.tensor([3, 3, 9]))
    assert (outside == -1).all()
