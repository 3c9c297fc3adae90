"""The model of a large batch keeps to its laws; the driver's own time is measured without an engine."""

from pathlib import Path

import pytest

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.batch import CLIPS, Model, driver_seconds, modelled, run
from vidinternal.engines.account import Account
from vidinternal.engines.chains import MOST_DESCRIBED


def test_more_workers_are_never_slower_and_what_bounds_is_used_up() -> None:
    model = Model()
    last = 0.0
    for workers in (1, 2, 10, 100, 1000, 10_000, 100_000):
        found = model.run(workers, 1_000_000)
        assert found["per_hour"] >= last
        assert found["used"][found["bound"]] == pytest.approx(1.0)
        assert max(found["used"].values()) == pytest.approx(1.0)
        last = found["per_hour"]


def test_the_bound_is_the_slowest_of_what_a_clip_needs() -> None:
    assert Model().run(1, 1000)["bound"] == "workers"
    assert Model(driver=60.0).run(1000, 10**6)["bound"] == "driver"
    assert Model(bandwidth=1e6).run(1000, 10**6)["bound"] == "storage"
    first, at = Model().saturates()
    assert first == "storage"
    assert Model().run(at - 10, 10**6)["bound"] == "workers"
    assert Model().run(at + 10, 10**6)["bound"] == "storage"


def test_a_batch_of_one_worker_takes_the_sum_of_its_clips_and_chains_limit_how_many_can_work() -> None:
    model = Model(clip=10.0, overhead=0.0, plan=0.0, chain=1)
    assert model.run(1, 100)["seconds"] == pytest.approx(1000.0, rel=0.01)
    assert Model(clip=10.0, overhead=0.0, plan=0.0, chain=10).run(100, 100)["seconds"] == pytest.approx(100.0)
    assert Model(plan=1.0).run(10**9, 10**7)["seconds"] >= MOST_DESCRIBED


def test_the_driver_writes_a_receipt_and_a_row_for_every_clip(tmp_path: Path) -> None:
    assert driver_seconds(tmp_path, 20) > 0
    assert len(list((tmp_path / "receipts").glob("*.json"))) == 20
    assert (tmp_path / "batch.json").is_file()


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(pieces: list, given, *_: object) -> Account:
        from vidinternal.engines.account import Row

        return Account(None, [Row(p.name, "", "", status="done", seconds=0.01) for p in pieces], {})

    monkeypatch.setattr("vidinternal.bench.batch.run_many", quick)
    monkeypatch.setattr("vidinternal.bench.batch.EMPTY", 5)
    result = run(BenchOptions(width=64, height=48, frames=4, cases=("local",)))
    text = result.text()
    assert "local, measured" in text and "used up first" in text
    assert [r["clips"] for r in result.rows[:2]] == [CLIPS, CLIPS]
    assert modelled(Model(), 10_000)["bound"] == "storage"
