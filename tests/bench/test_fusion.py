from vidinternal.bench import run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.fusion import ORACLE, ORDER, WHOLE

SMALL = BenchOptions(width=64, height=48, frames=5, iterations=4, cases=("flower-pan/box",), seeds=2)


def test_every_row_of_the_ablation_is_there_and_the_oracle_is_the_best_of_the_cheap_ones() -> None:
    result = run_bench("fusion", SMALL)
    assert [e["method"] for e in result.summary] == list(ORDER)
    levels = {e["method"]: e["hole_psnr"] for e in result.summary}
    assert levels[ORACLE] == max(levels[n] for n in ORDER[: ORDER.index(ORACLE)])
    whole = [r for r in result.rows if r["method"] == WHOLE]
    assert [r["seed"] for r in whole] == [0, 1]
    for row in whole:
        assert row["looks"] and row["hole_psnr"] <= max(row["looks"]) + 0.01
        assert row["behind"] == round(row["hole_psnr"] - levels[ORACLE], 3)
    assert 0 <= result.facts["close"] <= 1 and 0 <= result.facts["inside"] <= 1
    assert "The look that was kept" in result.text()


def test_without_copies_there_is_no_score_and_nothing_is_said_of_it() -> None:
    result = run_bench("fusion", SMALL.model_copy(update={"copies": 0, "seeds": 1}))
    assert result.facts["inside"] is None
    assert not any("interval" in note for note in result.notes)
