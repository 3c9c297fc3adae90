from vidinternal.bench import run_bench
from vidinternal.bench.base import BenchOptions

SMALL = BenchOptions(
    width=64,
    height=48,
    frames=5,
    times=(2.0, 3.0),
    cases=("flower-pan/box",),
    methods=("internal", "telea"),
)


def test_a_method_that_trains_has_a_run_for_every_time_and_another_has_one() -> None:
    result = run_bench("quality", SMALL)
    assert [(r["method"], r["limit"]) for r in result.rows] == [("internal", 2.0), ("internal", 3.0), ("telea", None)]
    entries = {e["method"]: e for e in result.summary}
    assert {"after_2", "after_3"} <= entries["internal"].keys()
    assert entries["telea"]["any"] == result.rows[-1]["hole_psnr"]
    assert result.pictures["quality against time"].startswith(b"\x89PNG")
    assert "| telea |" in result.text()
