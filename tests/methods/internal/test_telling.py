import torch

from tests.methods.internal.scenes import candidates, scene
from tests.ops.scene import box
from vidinternal.core.contracts import ORIGINS
from vidinternal.methods.internal.coarse import Coarse
from vidinternal.methods.internal.fusion import fuse, start_nets
from vidinternal.methods.internal.method import Fused
from vidinternal.methods.internal.stacking import Stack
from vidinternal.methods.internal.telling import Told, tell


def test_telling_changes_nothing_and_counts_what_was_copied() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    told = Told(made)
    assert torch.equal(fuse(start_nets(), Coarse.of(made, 1), told), fuse(start_nets(), Coarse.of(made, 1)))
    assert bool((told.copied >= 0).all()) and float(told.copied.max()) <= 1 + 1e-5
    assert bool((told.variance >= 0).all())
    unseen = made.unseen()[masks]
    # where no path of the narrow copy led, the others may still have one
    assert float(told.copied[~unseen].mean()) > float(told.copied[unseen].mean() if unseen.any() else 0.0)


def test_every_hole_pixel_is_made_of_something_and_known_ones_are_known() -> None:
    truth, masks = scene()
    fused = Fused(Coarse.of(candidates(truth, masks), 1), start_nets(), None)
    origin, spread = tell(fused, fused, fused.frames, None)
    assert torch.equal(origin > 0, masks)
    assert set(origin[masks].tolist()) <= {ORIGINS.index("copied"), ORIGINS.index("spatial")}
    assert bool((spread >= 0).all()) and not bool(spread[~masks].any())


def test_what_the_generator_decides_is_told_as_learned() -> None:
    truth, masks = scene()
    fused = Fused(Coarse.of(candidates(truth, masks), 1), start_nets(), None)
    bins = 1 + int(fused.index.max())
    weights = torch.tensor([[0.1, 0.9]]).double().expand(bins, 2).numpy()
    stack = Stack(("fused", "generated"), weights)
    generated = torch.full_like(truth, 0.5)
    frames = fused.result(generated, stack)
    origin, spread = tell(fused, fused, frames, stack)
    assert set(origin[masks].tolist()) == {ORIGINS.index("learned")}
    without, alone = tell(fused, fused, fused.frames, None)
    assert float(spread[masks].mean()) > float(alone[masks].mean())
    assert set(without[masks].tolist()) != {ORIGINS.index("learned")}


def test_the_spread_of_held_out_holes_is_that_of_the_blind_pass() -> None:
    truth, masks = scene()
    hidden = box(8, 48, 64, slice(34, 42), slice(8, 20))
    seeing = Fused(Coarse.of(candidates(truth, masks), 1), start_nets(), None)
    blind = Fused(Coarse.of(candidates(truth, masks | hidden), 1), start_nets(), None)
    frames = torch.where(masks, seeing.frames, blind.frames)
    _, spread = tell(seeing, blind, frames, None)
    assert torch.equal(spread[masks], tell(seeing, seeing, frames, None)[1][masks])
    assert torch.equal(spread[hidden], tell(blind, blind, frames, None)[1][hidden])
    assert bool((spread[hidden] > 0).any())
