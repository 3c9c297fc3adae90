import json

import cv2
import numpy as np
import pytest

from vidinternal.bench import run_bench
from vidinternal.bench.base import BenchOptions, BenchResult
from vidinternal.bench.before_after import strip
from vidinternal.bench.cases import cases
from vidinternal.bench.inpaint import COLUMNS
from vidinternal.bench.modes import DEFAULT_CASES, MODES, mode_settings
from vidinternal.bench.score import run_method

SMALL = BenchOptions(
    width=64, height=48, frames=4, cases=("flower/box", "bottles/caption"), methods=("telea", "propagation")
)


@pytest.fixture(scope="module")
def measured() -> BenchResult:
    return run_bench("inpaint", SMALL)


def test_every_method_meets_every_case(measured: BenchResult) -> None:
    assert {(r["method"], r["case"]) for r in measured.rows} == {
        (m, c) for m in ("telea", "propagation") for c in ("flower/box", "bottles/caption")
    }
    assert all(r["changed_outside"] == 0 for r in measured.rows)
    assert [e["hole_psnr"] for e in measured.summary] == sorted(
        (e["hole_psnr"] for e in measured.summary), reverse=True
    )
    for column in COLUMNS:
        if column.key not in ("iterations_per_second", "iterations"):
            assert all(e[column.key] is not None for e in measured.summary), column.key


def test_the_result_is_json_and_a_table(measured: BenchResult) -> None:
    record = json.loads(json.dumps(measured.as_dict()))
    assert record["facts"]["self_score"]["rows"] == 4
    text = measured.text()
    assert "| telea |" in text and "| propagation |" in text
    assert "Picking the method by self-score" in text


def test_the_strips_can_be_looked_at(measured: BenchResult) -> None:
    assert set(measured.pictures) == {"flower/box", "bottles/caption", "self-score against truth"}
    for name in ("flower/box", "bottles/caption"):
        data = measured.pictures[name]
        sheet = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
        assert sheet is not None
        # hole, two methods, truth; three moments; doubled
        assert sheet.shape == (3 * 96 + 8, 4 * 128 + 12, 3)


def test_a_failed_method_is_left_out_of_the_strip() -> None:
    case = next(cases(SMALL))
    data = strip(case, {"broken": None})
    sheet = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None and sheet.shape[1] == 2 * 128 + 4


def test_same_seed_same_numbers(measured: BenchResult) -> None:
    again = run_method("telea", next(cases(SMALL)), SMALL)
    first = next(r for r in measured.rows if r["method"] == "telea" and r["case"] == "flower/box")
    assert {k: again.row[k] for k in ("hole_psnr", "self_score")} == {k: first[k] for k in ("hole_psnr", "self_score")}


def test_progress_runs_to_the_end() -> None:
    heard: list[tuple[float, str]] = []
    options = SMALL.model_copy(update={"methods": ("telea",), "cases": ("flower/box",)})
    run_bench("inpaint", options, lambda share, text: heard.append((share, text)))
    assert [s for s, _ in heard] == sorted(s for s, _ in heard)
    assert heard[-1] == (1.0, "done")


def test_the_modes_stand_in_the_papers_order_at_equal_steps() -> None:
    options = SMALL.model_copy(
        update={"iterations": 4, "methods": ("dip_vid_flow", "dip_vid"), "cases": ("flower/box",)}
    )
    found = run_bench("modes", options)
    assert [e["method"] for e in found.summary] == ["dip_vid", "dip_vid_flow"]
    assert {e["iterations"] for e in found.summary} == {4}
    assert all(e["failures"] == 0 for e in found.summary)
    assert "4 optimiser steps" in found.text()


def test_the_modes_default_cases_exist() -> None:
    options = SMALL.model_copy(update={"cases": DEFAULT_CASES, "frames": 2})
    assert tuple(case.name for case in cases(options)) == DEFAULT_CASES


@pytest.mark.parametrize("mode", MODES)
def test_a_modes_short_schedule_keeps_the_papers_weights(mode: str) -> None:
    settings = mode_settings(mode, 40).model_dump()
    full = type(mode_settings(mode, 40))().model_dump()
    changed = {k for k in full if settings[k] != full[k]}
    assert changed <= {"iterations", "look_every", "inner_iterations"}
    assert settings["iterations"] == 40
    assert settings["patience"] is None
