from dataclasses import replace

import pytest
import torch

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext, Holdout
from vidinternal.core.errors import UsageError
from vidinternal.learn.pace import Pace
from vidinternal.learn.stopping import BestOfParts, BestSoFar
from vidinternal.learn.watch import Watch

TRUTH = torch.full((2, 3, 4, 4), 0.5)
HIDDEN = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
HIDDEN[:, :, 1:3, 1:3] = True
CONTEXT = FitContext(seed=0, device=torch.device("cpu"), holdout=Holdout(HIDDEN, TRUTH))


def watch(context: FitContext) -> Watch:
    pace = Pace(Budget(), 10)
    pace.tick()
    return Watch(context, pace, None)


def test_a_look_scores_records_and_tells() -> None:
    told: list[str] = []
    seen = watch(replace(CONTEXT, progress=lambda _share, text: told.append(text)))
    seen.look(TRUTH + 0.1, {"L_r": 0.3}, dict)
    seen.look(TRUTH + 0.01, {"L_r": 0.2}, dict)
    seen.look(TRUTH + 0.2, {"L_r": 0.1}, dict)
    assert [round(p.holdout_psnr or 0) for p in seen.history] == [20, 40, 14]
    assert [p.terms["L_r"] for p in seen.history] == [0.3, 0.2, 0.1]
    assert torch.equal(seen.best.kept(), TRUTH + 0.01)
    assert told[0] == "iteration 1, held-out 20.0 dB"


def test_without_a_holdout_the_latest_is_kept() -> None:
    seen = watch(replace(CONTEXT, holdout=None))
    seen.look(TRUTH, {}, dict)
    seen.look(TRUTH + 0.2, {}, dict)
    assert torch.equal(seen.best.kept(), TRUTH + 0.2)
    assert seen.history[0].holdout_psnr is None


def test_an_output_that_is_not_finite_is_refused_or_passed_over() -> None:
    bad = TRUTH.clone()
    bad[0, 0, 0, 0] = torch.nan
    with pytest.raises(UsageError, match="lower learning_rate"):
        watch(CONTEXT).look(bad, {}, dict)
    seen = watch(CONTEXT)
    seen.look(TRUTH, {}, dict)
    seen.look(bad, {}, dict)
    assert seen.diverged
    assert len(seen.history) == 1
    assert torch.equal(seen.best.kept(), TRUTH)


def test_by_part_the_best_of_every_part_is_kept_where_the_hole_has_parts() -> None:
    parts = HIDDEN.to(torch.int8) - 1
    parts[..., 2:][HIDDEN[..., 2:]] = 1
    parts[:, :, 0, 0], parts[:, :, 0, 3] = 0, 1  # the real hole
    copies = parts.where(HIDDEN, torch.tensor(-1, dtype=torch.int8))
    context = replace(CONTEXT, holdout=Holdout(HIDDEN, TRUTH, parts, copies))
    pace = Pace(Budget(), 10)
    seen = Watch(context, pace, None, by_part=True)
    left, right = TRUTH + 0.1, TRUTH + 0.1
    left[..., :2] -= 0.09
    right[..., 2:] -= 0.09
    for frames in (left, right):
        seen.look(frames, {}, dict)
        pace.tick()
    assert torch.allclose(seen.best.kept()[:, :, 1:3, 1:3], TRUTH[:, :, 1:3, 1:3] + 0.01)
    assert isinstance(seen.best, BestOfParts) and seen.best.iterations == [0, 1]
    assert isinstance(Watch(context, pace, None).best, BestSoFar), "only where it is asked for"
    assert isinstance(Watch(CONTEXT, pace, None, by_part=True).best, BestSoFar), "only where there are parts"
