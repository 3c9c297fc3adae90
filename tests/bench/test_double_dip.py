"""Bench ``double_dip`` on tiny pictures and a few steps."""

from typing import Any

import numpy as np
import pytest
import torch

from vidinternal.bench import names, run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.double_dip_rows import ALONE, STEADIED, grab_cut
from vidinternal.core.errors import UsageError

SMALL: dict[str, Any] = {"width": 64, "height": 48, "frames": 2, "iterations": 2}


def test_every_part_has_its_rows_and_something_to_look_at() -> None:
    assert "double_dip" in names()
    cases = ("haze/flower", "segment/flower", "separate-two/flower", "separate-one/flower")
    result = run_bench("double_dip", BenchOptions(**SMALL, cases=cases))
    rows = {(r["part"], r["method"]) for r in result.summary}
    ours = ("double_dip", "double_dip" + ALONE)
    assert {("dehaze", m) for m in ("hazy input", "dark_channel", *ours, *(m + STEADIED for m in ours))} <= rows
    assert {("segment", m) for m in ("GrabCut", "double_dip")} <= rows
    assert ("separate, two mixtures", "double_dip, shares searched") in rows
    assert ("separate, one mixture", "double_dip, networks") in rows
    assert all(torch.isfinite(torch.tensor([v for v in r.values() if isinstance(v, float)])).all() for r in result.rows)
    assert set(result.pictures) >= {"haze/flower", "segment/flower+figure"}
    assert result.facts["dehaze_psnr_over_dark_channel"] is not None
    assert "dehazed" in result.text() and "None" not in result.text()
    assert not {"clips", "masks", "pairs", "stills"} & result.as_dict()["options"].keys()


def test_a_mark_that_cannot_be_told_is_a_failure_in_the_table_and_not_an_end() -> None:
    options = BenchOptions(**SMALL, cases=("mark/flower-pan",))
    result = run_bench("double_dip", options)
    failed = [r for r in result.rows if "failed" in r]
    assert all(r["method"].startswith("double_dip") for r in failed)
    assert {r["method"] for r in result.rows} >= {"marked input", "telea, mark known", "double_dip, no hint"}


def test_only_the_methods_that_are_asked_for_are_run() -> None:
    result = run_bench("double_dip", BenchOptions(**SMALL, cases=("haze/flower",), methods=("dark_channel",)))
    assert {r["method"] for r in result.rows} == {"hazy input", "dark_channel", "dark_channel" + ALONE}
    assert result.facts["dehaze_psnr_over_dark_channel"] is None


def test_unknown_cases_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="haze/flower"):
        run_bench("double_dip", BenchOptions(**SMALL, cases=("nothing",)))


def test_grabcut_stays_inside_the_box() -> None:
    frame = np.full((40, 60, 3), 40, np.uint8)
    frame[10:30, 20:40] = (220, 60, 60)
    box = np.zeros((40, 60), bool)
    box[8:32, 18:42] = True
    found = grab_cut(frame, box)
    assert found[15:25, 25:35].all() and not (found & ~box).any()
    assert grab_cut(frame, np.ones_like(box)).all(), "a box around everything leaves nothing to tell it from"
