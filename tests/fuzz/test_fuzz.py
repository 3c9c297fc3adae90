"""The short version of ``python -m tests.fuzz all``: what CI runs of it, and the long one's summary."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests import media_made
from tests.fuzz import hunt
from tests.fuzz.__main__ import COUNTS, MAKERS, SUMMARY
from tests.fuzz.awkward import TABLE as AWKWARD
from tests.fuzz.awkward import treat
from tests.fuzz.mutate import MUTATORS, mutate
from tests.fuzz.targets import TARGETS, judge


@pytest.mark.parametrize(("what", "count"), [("media", 90), ("texts", 80), ("masks", 45)])
def test_broken_input_ends_in_success_or_one_refusal(what: str, count: int, tmp_path: Path) -> None:
    account = hunt.hunt(list(MAKERS[what](tmp_path, count, 3)))
    assert account.defects == []
    assert account.cases == count
    assert {"ok", "refused"} == set(account.outcomes)


def test_the_long_run_found_nothing() -> None:
    summary = json.loads(SUMMARY.read_text(encoding="utf-8"))
    assert summary["media"]["cases"] >= 2000
    assert summary["texts"]["cases"] + summary["masks"]["cases"] >= 2000
    assert {what: summary[what]["cases"] for what in COUNTS} == COUNTS
    assert [summary[what]["defects"] for what in COUNTS] == [[], [], []]


def test_mutations_are_those_of_their_seed() -> None:
    data, others = bytes(range(256)) * 4, [bytes(300)]
    made = [[mutate(data, np.random.default_rng([s, k]), others) for k in range(40)] for s in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert {w for _, ways in made[0] + made[2] for w in ways.split("+")} == {m.__name__ for m in MUTATORS}


def test_a_hunt_names_hangs_crashes_and_foreign_exceptions(tmp_path: Path) -> None:
    """Each must be caught, named and survived, or finding nothing means nothing."""
    (tmp_path / "fine").write_text("90s")
    fine = hunt.Case("budget", "fine", tmp_path / "fine")
    cases = [
        hunt.Case(kind, kind, tmp_path / "fine") for kind in ("self-test hang", "self-test crash", "self-test bug")
    ]
    account = hunt.hunt([fine, *cases, fine], seconds=1.5)
    assert [d["case"] for d in account.defects] == ["self-test hang", "self-test crash", "self-test bug"]
    assert "no answer" in account.defects[0]["what"]
    assert "died" in account.defects[1]["what"]
    assert "KeyError" in account.defects[2]["what"]
    assert account.outcomes["ok"] == 2


def test_every_target_refuses_and_accepts(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("\0{[", encoding="utf-8")
    for kind in TARGETS:
        assert judge(kind, tmp_path / "x.yaml")[0] == "refused"


def test_every_awkward_file_ended_well() -> None:
    rows = [line for line in AWKWARD.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 90
    assert [row for row in rows if not row.endswith(" |  |")] == []


@pytest.mark.parametrize("name", ["vfr", "odd_size", "one_frame", "truncated", "headless", "not_media"])
def test_a_made_awkward_file_ends_well(name: str, tmp_path: Path) -> None:
    assert treat(media_made.awkward(name, tmp_path), tmp_path).fault == ""
