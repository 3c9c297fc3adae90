from dataclasses import replace

import torch

from tests.methods.internal.scenes import candidates, scene
from tests.ops.scene import box, psnr
from vidinternal.core.contracts import Holdout
from vidinternal.core.seeds import generator
from vidinternal.methods.internal.candidates import NAMES, Candidates
from vidinternal.methods.internal.coarse import Coarse
from vidinternal.methods.internal.evidence import COUNT
from vidinternal.methods.internal.fusion import (
    AGREED,
    Examples,
    FusionFit,
    FusionNet,
    adapt,
    agreement,
    examples,
    fit_fusion,
    fuse,
    lean,
    smooth,
    start_nets,
)


def made_up(truthful: int, count: int = 4000) -> Examples:
    """Pixels of which one candidate is always right."""
    random = generator(3)
    colours = torch.rand((count, len(NAMES), 3), generator=random)
    return Examples(torch.randn((count, COUNT), generator=random), colours, colours[:, truthful])


def test_weights_are_convex_whatever_the_evidence() -> None:
    for scale in (1.0, 1e6):
        weights = start_nets()[0].requires_grad_(False)(scale * torch.randn((50, COUNT), generator=generator(0)))
        assert float(weights.min()) >= 0
        assert torch.allclose(weights.sum(dim=1), torch.ones(50), atol=1e-5)


def test_it_learns_which_candidate_is_right() -> None:
    known = made_up(truthful=2)
    net = fit_fusion(FusionNet(), known, 0, FusionFit(steps=150, rate=1e-2, anchor=0.0))
    assert float(net(known.evidence).detach()[:, 2].mean()) > 0.8


def test_the_anchor_holds_and_the_same_seed_learns_the_same() -> None:
    known = made_up(truthful=1)
    before = start_nets()[0].last.weight

    def away(anchor: float) -> float:
        net = fit_fusion(start_nets()[0], known, 0, FusionFit(steps=60, rate=1e-2, anchor=anchor))
        return float((net.last.weight - before).detach().square().sum())

    assert away(100.0) < 0.7 * away(0.0)
    assert away(0.0) == away(0.0)


def test_examples_are_the_hidden_pixels_with_their_truth() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    known = examples(made, masks, truth, seed=0, most=100)
    assert len(known) == 100
    narrow = known.colours[:, NAMES.index("narrow")]
    every = made.colours["narrow"]
    assert all(bool((every == colour).all(dim=1).any()) for colour in narrow)
    assert bool((known.colours - known.truth.unsqueeze(1)).abs().mean() < 0.3)


def test_the_fused_hole_lies_between_the_candidates_and_the_rest_is_untouched() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    fused = fuse(start_nets(), Coarse.of(made, 1))
    assert torch.equal(torch.where(masks, truth, fused), truth)
    colours = torch.stack([made.colours[name] for name in NAMES])
    inside = fused.permute(0, 2, 3, 1)[masks[:, 0]]
    assert bool((inside >= colours.amin(dim=0) - 1e-5).all() and (inside <= colours.amax(dim=0) + 1e-5).all())


def test_fused_is_no_worse_than_the_smooth_fill_of_a_moving_scene() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    harmonic = made.frames.clone()
    harmonic.permute(0, 2, 3, 1)[masks[:, 0]] = made.colours["harmonic"]
    assert psnr(fuse(start_nets(), Coarse.of(made, 1)), truth, masks) > psnr(harmonic, truth, masks) + 1


def test_without_enough_hidden_pixels_the_start_is_kept() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    tiny = Holdout(box(8, 48, 64, slice(2, 4), slice(2, 4)), truth)
    for holdout in (None, tiny):
        nets = adapt(Coarse.of(made, 1), holdout, 0)
        assert len(nets) == len(start_nets())
        assert all(torch.equal(a.last.weight, b.last.weight) for a, b in zip(nets, start_nets(), strict=True))


def test_smoothing_keeps_the_sum_of_the_weights() -> None:
    hole = torch.zeros((12, 12), dtype=torch.bool)
    hole[3:8, 2:9] = True
    weights = torch.rand((int(hole.sum()), 4), generator=generator(1)).softmax(dim=1)
    mean = smooth(weights, hole)
    assert torch.allclose(mean.sum(dim=1), torch.ones(len(mean)), atol=1e-5)
    assert float(mean.std()) < float(weights.std())


def agreeing(made: Candidates, by: float) -> Candidates:
    """The same with a past and a future that lie so far apart wherever the narrow copy has both."""
    past = made.colours["past"]
    return replace(made, colours=made.colours | {"future": past + by})


def test_it_leans_on_the_narrow_copy_only_where_past_and_future_agree_in_the_hole() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    holdout = Holdout(masks, made.frames)  # the narrow copy is the truth
    nets = start_nets()
    near, far = (Coarse.of(agreeing(made, by), 1) for by in (0.001, 0.2))
    assert agreement(near.made) > AGREED > agreement(far.made)
    assert lean(nets, near, near, holdout, 0) > 0.8
    assert lean(nets, near, far, holdout, 0) == 0.0
    assert lean(nets, near, near, None, 0) == 0.0


def test_where_both_ways_agree_it_leans_half_way_whatever_the_copies_of_the_hole_say() -> None:
    truth, masks = scene()
    near = Coarse.of(agreeing(candidates(truth, masks), 0.001), 1)
    with torch.no_grad():
        fused = fuse(start_nets(), near)
    away = (2 * fused - near.made.frames).clamp(-1, 2)  # from the fusion, as far as can be from the narrow copy
    assert lean(start_nets(), near, near, Holdout(masks, away), 0) == 0.5


def test_leaning_all_the_way_is_the_narrow_copy() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    assert torch.allclose(fuse(start_nets(), Coarse.of(made, 1), leaning=1.0), made.frames, atol=1e-5)
