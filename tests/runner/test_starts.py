"""Weights from window to window and from clip to clip: what is carried, what a key says of it, what is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import media_made
from vidinternal.core.errors import ConfigError, UserError
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.core.timecode import parse_region
from vidinternal.learn.warm_start.bank import Bank, Entry
from vidinternal.learn.warm_start.describe import LENGTH
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.run import open_run, run_job
from vidinternal.stages.base import JobInputs
from vidinternal.stages.inpaint import Inpaint

QUICK = (
    "encode.codec=ffv1",
    "shots.detector=none",
    "shots.window=8",
    "shots.overlap=2",
    "inpaint.method=dip_vid",
    "inpaint.iterations=2",
    "inpaint.depth=2",
    "inpaint.channels=[4, 4]",
    "inpaint.copies=0",
)


def job(tmp_path: Path, *sets: str, name: str = "clip", frames: int = 12, **how: Any) -> Job:
    clip = tmp_path / f"{name}.mkv"
    if not clip.exists():
        media_made.clip(clip, size=(64, 48), frames=frames)
    out = tmp_path / how.pop("out", "out") / f"{name}.mkv"
    inputs = JobInputs(clip, out, None, (parse_region("20,12,16,10"),))
    return Job("inpaint", inputs, sets=(*QUICK, *sets), **how)


def banked(tmp_path: Path, *sets: str, **how: Any) -> Job:
    return job(tmp_path, f"inpaint.bank={tmp_path / 'bank'}", *sets, **how)


def windows(result: JobResult) -> list[dict[str, Any]]:
    return [w for shot in result.record["shots"] for w in shot["windows"]]


def group(result: JobResult) -> str:
    return result.record["warm_start"]["group"]


def inpaint_key(work: Job) -> str:
    return open_run(work).keys["inpaint"]


def stranger(bank: Bank, number: int = 1) -> Entry:
    made = Entry(f"w{number:016x}", 0, "dip_vid", "another network", (48, 64), (0.0,) * LENGTH)
    kept = bank.put(made, {"w": torch.ones(3)})
    assert kept is not None
    return kept


def test_windows_start_from_earlier_ones_of_the_clip(tmp_path: Path) -> None:
    warm = run_job(job(tmp_path))
    assert [w["warm"] for w in windows(warm)] == [False, True]
    assert "nearest: window 1" in windows(warm)[1]["notes"][0]
    cold = run_job(job(tmp_path, "inpaint.init=cold", out="cold"))
    assert [w["warm"] for w in windows(cold)] == [False, False]
    assert warm.destination.read_bytes() != cold.destination.read_bytes()


def test_a_start_that_no_network_has_is_told(tmp_path: Path) -> None:
    result = run_job(job(tmp_path, "inpaint.init=meta", frames=8))
    assert any("init=meta has no weights for skip2d" in note for note in windows(result)[0]["notes"])
    first = run_job(banked(tmp_path, name="first", frames=8))
    other = run_job(banked(tmp_path, "inpaint.channels=[4, 8]", f"inpaint.starts=[{group(first)}]", frames=8, out="b"))
    assert windows(other)[0]["notes"].count("cold start: none of 1 finished windows has this network") == 1


def test_the_same_job_elsewhere_makes_the_same_bytes(tmp_path: Path) -> None:
    for init in ("nearest", "ema"):
        results = [run_job(job(tmp_path, f"inpaint.init={init}", out=f"{init}{k}")) for k in range(2)]
        assert results[0].destination.read_bytes() == results[1].destination.read_bytes()


def test_a_clip_starts_from_the_one_before_it_in_the_plan(tmp_path: Path) -> None:
    first = run_job(banked(tmp_path, "inpaint.starts=[]"))
    bank = Bank(tmp_path / "bank")
    assert [e.window for e in bank.group(group(first))] == [0, 1]
    assert group(first) == f"w{first.record['keys']['inpaint']}"
    starts = f"inpaint.starts=[{group(first)}]"
    second = run_job(banked(tmp_path, starts, name="other", frames=8))
    assert [w["warm"] for w in windows(second)] == [True]
    assert second.record["warm_start"]["entries"] == [[e.name, e.digest] for e in bank.group(group(first))]
    # elsewhere, later, with more in the bank and the bank in another place: the same
    stranger(bank)
    (tmp_path / "bank").rename(tmp_path / "moved")
    moved = job(tmp_path, starts, f"inpaint.bank={tmp_path / 'moved'}", name="other", out="again")
    again = run_job(moved)
    assert group(again) == group(second)
    assert again.destination.read_bytes() == second.destination.read_bytes()


def test_what_a_clip_starts_from_is_part_of_its_key(tmp_path: Path) -> None:
    first = group(run_job(banked(tmp_path, "inpaint.starts=[]")))
    plain = inpaint_key(job(tmp_path, name="other"))
    assert inpaint_key(banked(tmp_path, "inpaint.starts=[]", name="other")) == plain
    assert inpaint_key(banked(tmp_path, f"inpaint.starts=[{first}]", name="other")) != plain
    assert inpaint_key(banked(tmp_path, "inpaint.init=cold", name="other")) == inpaint_key(
        job(tmp_path, "inpaint.init=cold", name="other")
    )


def test_a_job_remembers_the_bank_as_it_found_it(tmp_path: Path) -> None:
    run_job(banked(tmp_path))
    work = banked(tmp_path, name="other", frames=8)
    first = run_job(work)
    assert windows(first)[0]["warm"]
    stranger(Bank(tmp_path / "bank"))
    again = run_job(work)
    assert (again.status, group(again)) == ("already done", group(first))
    fresh = run_job(replace(work, fresh=True))
    assert any("were replaced" in line for line in fresh.record["resumed"])
    kept = {p.name for p in (work.workspace_root()).glob("other-*/inpaint-*")}
    assert kept == {f"inpaint-{fresh.record['keys']['inpaint']}"}
    assert len(fresh.record["warm_start"]["entries"]) > len(first.record["warm_start"]["entries"])


@pytest.mark.parametrize("harm", ["removed", "damaged"])
def test_entries_that_are_gone_before_they_were_used_are_told(tmp_path: Path, harm: str) -> None:
    first = group(run_job(banked(tmp_path)))
    work = banked(tmp_path, f"inpaint.starts=[{first}]", name="other", frames=8)
    stop = Stop()
    stop.ask()
    with pytest.raises(Interrupted):
        run_job(work, stop=stop)
    for path in (tmp_path / "bank" / ("entries" if harm == "removed" else "weights")).glob(f"{first}-*"):
        data = path.read_bytes()
        path.unlink()
        if harm == "damaged":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = run_job(work)
    assert not windows(result)[0]["warm"]
    assert any("2 of 2 entries are gone" in line for line in result.record["resumed"])
    told = f"no weights of group {first}" if harm == "removed" else f"damaged and passed over: {first}-0000"
    assert any(told in line for line in result.record["resumed"])


def test_a_damaged_entry_is_passed_over_and_told(tmp_path: Path) -> None:
    first = group(run_job(banked(tmp_path)))
    bad = Bank(tmp_path / "bank").group(first)[1]
    path = tmp_path / "bank" / "weights" / bad.file
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = run_job(banked(tmp_path, f"inpaint.starts=[{first}]", name="other", frames=8))
    assert [name for name, _ in result.record["warm_start"]["entries"]] == [f"{first}-0000"]
    assert any(f"damaged and passed over: {bad.name}" in line for line in result.record["resumed"])


def test_weights_that_did_not_reach_the_bank_are_put_there_later(tmp_path: Path) -> None:
    work = banked(tmp_path)
    first = run_job(work)
    bank = Bank(tmp_path / "bank")
    before = [e.digest for e in bank.group(group(first))]
    for path in (tmp_path / "bank" / "entries").iterdir():
        path.unlink()
    assert run_job(work).status == "already done"
    assert [e.digest for e in bank.group(group(first))] == before


def test_a_bank_that_cannot_be_written_to_costs_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Bank, "_write", full)
    result = run_job(banked(tmp_path, frames=8))
    assert result.status == "done"
    assert any("No space left on device: it was not written to" in line for line in result.record["resumed"])


def test_weights_larger_than_the_bank_are_told(tmp_path: Path) -> None:
    result = run_job(banked(tmp_path, "inpaint.bank_limit=10", frames=8))
    assert any("larger than inpaint.bank_limit" in line for line in result.record["resumed"])
    assert Bank(tmp_path / "bank").entries() == ()


def test_a_private_run_leaves_no_weights(tmp_path: Path) -> None:
    run_job(banked(tmp_path, frames=8, private=True))
    assert Bank(tmp_path / "bank").entries() == ()


@pytest.mark.parametrize("setting", ["inpaint.init=bank", f"inpaint.starts=[w{'0' * 16}]"])
def test_a_start_from_no_bank_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="expected: a weight bank"):
        run_job(job(tmp_path, setting))


def test_what_is_no_bank_and_no_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="16 hex digits"):
        run_job(banked(tmp_path, "inpaint.starts=[../../elsewhere]"))
    (tmp_path / "bank").write_bytes(b"")
    with pytest.raises(UserError, match="expected: a folder"):
        run_job(banked(tmp_path))


def test_the_settings_that_name_places_are_settings() -> None:
    assert set(Inpaint.places) <= Inpaint.Config.model_fields.keys()
