from typing import Any

import pytest
import torch

from vidinternal.bench import score
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import Case, make_case
from vidinternal.bench.score import (
    against_the_rest,
    check_memory,
    default_methods,
    failures_told,
    judge,
    run_method,
    self_score_facts,
    summarise,
)
from vidinternal.core.errors import PipelineError, ResourceError, UsageError
from vidinternal.core.seeds import generator
from vidinternal.methods import card, cards

GAINS = {"a": 0, "b": 2, "c": 1}
OPTIONS = BenchOptions(width=64, height=48, frames=4, seconds=2)


def case() -> Case:
    """A smooth picture that moves one pixel a frame, with a hole in the middle."""
    wide = torch.nn.functional.interpolate(
        torch.rand((1, 3, 7, 10), generator=generator(0)), (48, 70), mode="bicubic", align_corners=True
    ).clamp(0, 1)
    truth = (torch.cat([wide[..., t : t + 64] for t in range(4)]) * 255).round() / 255
    masks = torch.zeros((4, 1, 48, 64), dtype=torch.bool)
    masks[:, :, 18:28, 24:36] = True
    return make_case("made/box", truth, masks)


def row(method: str, name: str, true: float, own: float | None) -> dict[str, Any]:
    return {"method": method, "case": name, "hole_psnr": true, "self_score": own, "seconds": 1.0}


def test_a_cheap_method_is_filled_pasted_and_measured() -> None:
    outcome = run_method("telea", case(), OPTIONS)
    found = outcome.row
    assert outcome.composite is not None
    assert found["changed_outside"] == 0
    assert found["hole_psnr"] < found["full_psnr"]
    assert found["hole_psnr"] > judge(case().input, case())["hole_psnr"]
    assert found["self_score"] is not None
    assert (found["iterations"], found["iterations_per_second"]) == (0, None)
    assert found["seconds"] <= found["seconds_with_score"]


def test_a_method_that_trains_ends_with_its_time() -> None:
    found = run_method("dip_vid", case(), OPTIONS).row
    assert found["stopped"] == "budget"
    assert found["iterations"] > 0
    assert found["iterations_per_second"] > 0


def test_reference_flow_counts_as_the_methods_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    def stop(_frames: object, _masks: object, flow: dict[int, object], _request: object, context: Any) -> None:
        given.append(context.budget.seconds)
        assert set(flow) == {1, -1, 3, -3, 5, -5}
        raise UsageError("stopped by the test")

    monkeypatch.setattr(score, "fill_window", stop)
    outcome = run_method("dip_vid_flow", case(), OPTIONS.model_copy(update={"seconds": 100.0}))
    assert given[0] is not None and 90 < given[0] < 100
    assert outcome.composite is None
    assert "stopped by the test" in outcome.row["failed"]
    run_method("dip_vid_flow", case(), OPTIONS, timed=False)
    assert given[1] is None


def test_a_method_that_would_not_fit_into_memory_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "available_memory", lambda: 1 << 20)
    outcome = run_method("telea", case(), OPTIONS)
    assert outcome.composite is None
    assert "4 frames of 64x48" in outcome.row["failed"] and "--set width" in outcome.row["failed"]


def test_activations_of_one_picture_count_as_well() -> None:
    large = torch.zeros((1, 1, 1, 1)).expand(8, 3, 1080, 1920)
    masks = torch.zeros((8, 1, 1080, 1920), dtype=torch.bool)
    masks[:, :, 400:500, 600:900] = True
    logo = Case("made/logo", large, masks, large)
    check_memory(card("internal", "inpaint"), logo, 8 << 30)
    with pytest.raises(ResourceError, match="dip_vid_flow"):
        check_memory(card("dip_vid_flow", "inpaint"), logo, 8 << 30)


def test_failures_are_told_once_a_method() -> None:
    rows = [row("a", "1", 20, 10), {"method": "b", "case": "1", "failed": "too small"}]
    rows += [{"method": "b", "case": name, "failed": "too large"} for name in ("2", "2", "3")]
    assert failures_told(rows) == ("b failed on 3 cases: too small",)
    assert failures_told(rows[:1]) == ()


def test_the_perfect_and_the_changed_composite_are_told_apart() -> None:
    made = case()
    best = judge(made.truth, made)
    assert (best["hole_psnr"], best["changed_outside"], best["temporal_error"]) == (99.0, 0, 0.0)
    worse = made.truth.clone()
    worse[1, :, 0, 0] = 1 - worse[1, :, 0, 0].round()
    assert judge(worse, made)["changed_outside"] == 3
    flicker = made.truth + torch.where(made.masks, 0.1, 0.0) * torch.tensor([0.0, 1, 0, 1]).view(4, 1, 1, 1)
    found = judge(flicker, made)
    assert found["temporal_error"] > 10
    assert found["warping_error_e3"] > best["warping_error_e3"]


def test_default_methods_are_all_that_need_nothing() -> None:
    assert default_methods(OPTIONS) == tuple(c.name for c in cards("inpaint") if not c.needs)
    assert default_methods(OPTIONS.model_copy(update={"methods": ("telea",)})) == ("telea",)
    with pytest.raises(PipelineError, match="telea"):
        default_methods(OPTIONS.model_copy(update={"methods": ("telia",)}))


def test_means_are_over_cases_and_failures_are_told() -> None:
    rows = [row("a", "1", 20, 10), row("a", "2", 30, None), row("b", "1", 28, 9)]
    rows += [{"method": "b", "case": "2", "failed": "too small"}, row("c", "1", 24, 8), row("c", "2", 30, 8)]
    table = summarise(rows, ("hole_psnr", "self_score"), best="hole_psnr")
    assert [e["method"] for e in table] == ["c", "a", "b"]
    assert table[1] == {"method": "a", "cases": 2, "failures": 0, "hole_psnr": 25, "self_score": 10}
    assert (table[2]["failures"], "hole_psnr" in table[2]) == (1, False)


def test_self_score_facts_of_a_perfect_judge() -> None:
    rows = [row(m, c, base + v, base + v - 3) for c, base in (("1", 20), ("2", 30)) for m, v in GAINS.items()]
    facts = self_score_facts(rows)
    assert facts["spearman_within_case"] == facts["pearson_all"] == 1.0
    assert facts["best_fixed"] == "b"
    assert facts["mean_hole_psnr_picked"] == facts["mean_hole_psnr_oracle"] == 27.0


def test_self_score_facts_of_a_judge_who_is_wrong_within_cases_and_right_between_them() -> None:
    rows = [row(m, c, base + v, base - v) for c, base in (("1", 20), ("2", 40)) for m, v in GAINS.items()]
    facts = self_score_facts(rows)
    assert facts["spearman_within_case"] == -1.0
    assert facts["pearson_all"] > 0.9
    assert facts["mean_hole_psnr_picked"] == 30.0 < facts["mean_hole_psnr_best_fixed"] == facts["mean_hole_psnr_oracle"]


def test_a_method_of_several_seeds_is_the_best_by_the_mean_of_each_case() -> None:
    rows = [row("a", "1", 20, 20), row("a", "1", 30, 30), row("a", "2", 30, 30)]
    rows += [row("b", "1", 26, 26), row("b", "2", 26, 26)]
    facts = self_score_facts(rows)
    assert (facts["best_fixed"], facts["mean_hole_psnr_best_fixed"]) == ("a", 27.5)


def test_self_score_facts_without_scores() -> None:
    facts = self_score_facts([row("a", "1", 20, None), {"method": "b", "case": "1", "failed": "x"}])
    assert facts["rows"] == 0
    assert facts["pearson_all"] is None
    assert facts["best_fixed"] is None
    assert facts["mean_hole_psnr_picked"] is None


def test_a_method_stands_beside_the_best_that_does_not_train() -> None:
    rows = [
        row("internal", "1", 30.0, None),
        row("telea", "1", 29.0, None),
        row("harmonic", "1", 28.0, None),
        row("internal", "2", 20.0, None),
        row("telea", "2", 18.0, None),
        row("harmonic", "2", 20.6, None),
        row("dip", "2", 99.0, None),
    ]
    facts = against_the_rest(rows, "internal")
    assert facts["gain_over_best_single"] == pytest.approx(25 - 24.3)
    assert facts["gain_over_best_of_each"] == pytest.approx(0.2)
    assert (facts["worst"], facts["within_a_tenth"], facts["within_a_half"]) == (-0.6, 0.5, 0.5)
    assert against_the_rest(rows, "dip_vid") == against_the_rest([], "internal") == {}
