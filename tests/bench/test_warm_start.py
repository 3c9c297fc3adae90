"""The table of starts: fair to the cold run, each scheme on its own weights, intervals that hold what they say."""

from pathlib import Path
from statistics import fmean

import pytest
import torch

from vidinternal.bench import run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.warm_start import NEVER, Row, Shot, _interval, compared, shots
from vidinternal.bench.warm_students import students
from vidinternal.bench.warm_trial import Lesson, Trial
from vidinternal.core.contracts import Starts
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator

SMALL = BenchOptions(width=64, height=48, frames=5, iterations=4, seeds=1, cases=("flower", "bunny"))


def trial(*scores: float, true: float = 20.0) -> Trial:
    curve = tuple((10 * k, 0.5 * k, score) for k, score in enumerate(scores))
    return Trial(curve, true, {"w": torch.ones(1)}, "net", warm=True)


def shot() -> Shot:
    return shots(SMALL)[0]


def test_shots_are_two_pieces_of_every_clip_in_turn() -> None:
    found = shots(SMALL)
    assert [(s.case.name, s.similar) for s in found] == [
        ("flower/1", False),
        ("flower/2", True),
        ("bunny/1", False),
        ("bunny/2", True),
    ]
    assert not torch.equal(found[0].case.truth, found[1].case.truth)
    assert all(s.case.truth.shape == (5, 3, 48, 64) for s in found)
    assert len(shots(BenchOptions(width=64, height=48, frames=5))) >= 6


def test_the_cold_run_compared_with_itself_is_one_and_nothing() -> None:
    cold = trial(10, 12, 15, 14)
    row = compared(shot(), 0, "cold", cold, cold)
    assert (row["iterations"], row["iterations_share"], row["seconds_share"], row["true_gain"]) == (20, 1.0, 1.0, 0.0)


def test_a_run_that_gets_there_sooner_or_never_says_so() -> None:
    cold = trial(10, 12, 15, 14)
    early = compared(shot(), 0, "previous", trial(12, 16, true=21.5), cold)
    assert (early["iterations_share"], early["seconds_share"], early["true_gain"]) == (0.5, 0.5, 1.5)
    never = compared(shot(), 0, "previous", trial(12, 13, 14.9), cold)
    assert (never["iterations"], never["iterations_share"]) == (None, NEVER)
    assert compared(shot(), 0, "previous", trial(15, 16), trial(15, 14))["nothing_to_learn"]


def test_intervals_hold_the_middle_and_are_drawn_by_shot() -> None:
    rows = [{"case": f"{k}", "gain": float(k)} for k in range(9) for _ in range(3)]
    text = _interval(rows, "gain", generator(0), percent=False)
    assert text is not None
    middle, low, high = (float(x.strip("[],")) for x in text.split())
    assert low < middle < high
    assert middle == pytest.approx(fmean(range(9)))
    # one shot alone: however many seeds, nothing is known of other shots
    assert (
        _interval([r for r in rows if r["case"] == "3"], "gain", generator(0), percent=False) == "+3.00 [+3.00, +3.00]"
    )
    assert _interval([], "gain", generator(0), percent=True) is None


def test_each_scheme_starts_from_weights_it_has_itself_ended_with() -> None:
    asked: list[tuple[str, float | None]] = []

    def student(lesson: Lesson, starts: Starts | None) -> Trial:
        start = None if starts is None else starts.of("net")
        begun = None if start is None else float(start.weights["w"])
        asked.append((lesson.case.name, begun))
        weight = torch.tensor([1.0 if begun is None else 2 * begun])
        return Trial(((0, 0.0, 1.0), (1, 0.1, 2.0)), 20.0, {"w": weight}, "net", begun is not None)

    row = Row("dip_vid", student, [(s, Lesson(s.case, 0, 1)) for s in shots(SMALL)])
    row.run("cold", lambda _: None)
    assert asked == [(n, None) for n in ("flower/1", "flower/2", "bunny/1", "bunny/2")]
    del asked[:]
    row.run("previous", lambda _: None)
    assert asked == [("flower/2", 1.0), ("bunny/1", 2.0), ("bunny/2", 4.0)]
    del asked[:]
    row.run("mean", lambda _: None)  # 1; (1 + 2) / 2; (1 + 2 + 3) / 3; the first was fitted already
    assert asked == [("bunny/1", 1.5), ("bunny/2", 2.0)]
    assert "meta" not in row.schemes()


def test_the_bench_runs_and_says_what_was_found() -> None:
    options = SMALL.model_copy(update={"cases": ("flower",), "methods": ("internal generator", "internal fusion")})
    result = run_bench("warm_start", options)
    table = {(e["method"], e["scheme"]): e for e in result.summary}
    generator_rows = [scheme for method, scheme in table if method == "internal generator"]
    assert generator_rows == ["cold", "previous", "nearest", "mean", "ema", "last_k", "meta"]
    assert ("internal fusion", "meta") not in table
    assert table["internal generator", "cold"]["similar_iterations"] == "100 [100, 100]"
    assert table["internal generator", "previous"]["fell_back"] in ("0 of 1", "1 of 1")
    assert {r["case"] for r in result.rows} == {"flower/1", "flower/2"}
    assert "bootstrap" in result.text()


def test_every_student_is_a_method_that_trains() -> None:
    assert {"internal generator", "internal fusion", "dip_vid", "dip_vid_3d", "dip_vid_flow"} <= students().keys()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"methods": ("dip_vit",)}, "did you mean 'dip_vid'"),
        ({"cases": ("nowhere",)}, "a part of a clip's name"),
        ({"frames": 40}, "two shots"),
        ({"clips": Path("nowhere")}, "videos"),
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        run_bench("warm_start", SMALL.model_copy(update=change))
