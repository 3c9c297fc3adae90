"""A bank with a bound: what a batch's plan still needs stays, what is gone is put back, nothing is kept for ever."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import media_made
from vidinternal.core.timecode import parse_region
from vidinternal.engines import many
from vidinternal.engines.account import Account
from vidinternal.engines.attempt import safe_attempt
from vidinternal.engines.base import Event
from vidinternal.engines.many import OWN, Many, Piece, run_many
from vidinternal.learn.warm_start.bank import Bank
from vidinternal.runner.job import Job
from vidinternal.runner.starts import PLAN
from vidinternal.stages.base import JobInputs

QUICK = (
    *("encode.codec=ffv1", "shots.detector=none", "inpaint.method=dip_vid", "inpaint.iterations=2", "inpaint.depth=2"),
    *("inpaint.channels=[4, 4]", "inpaint.copies=0"),
)
CLIPS = 3
Look = Callable[[Job], None]


class Here:
    """An engine without processes: real jobs, one at a time, in this process."""

    name, slots, queues = "here", 1, False

    def __init__(self, look: Look) -> None:
        self.notes: list[str] = []
        self.look = look
        self.began: list[str] = []
        self._jobs: list[tuple[int, Job]] = []

    def room(self) -> bool:
        return not self._jobs

    def submit(self, ticket: int, job: Job) -> None:
        self._jobs.append((ticket, job))
        self.began.append(job.inputs.source.stem)

    def events(self, seconds: float) -> list[Event]:
        if not self._jobs:
            return []
        ticket, job = self._jobs.pop()
        self.look(job)
        return [Event("ended", ticket, outcome=safe_attempt(job))]

    def end(self, ticket: int, *, at_once: bool) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    (tmp_path / "in").mkdir()
    return [media_made.clip(tmp_path / "in" / f"{k}.mkv", size=(48, 32), frames=4, seed=k) for k in range(CLIPS)]


def go(
    clips: list[Path], out: Path, monkeypatch: pytest.MonkeyPatch, *sets: str, look: Look = lambda _: None
) -> tuple[Account, list[str]]:
    engine = Here(look)
    monkeypatch.setattr(many, "engine_for", lambda *_: engine)
    monkeypatch.setattr("vidinternal.engines.chains.TOO_FAR", 2.0)
    region = (parse_region("12,8,16,10"),)
    jobs = [Job("inpaint", JobInputs(c, out / c.name, None, region), (*QUICK, *sets), "cpu") for c in clips]
    account = run_many([Piece(c.name, job) for c, job in zip(clips, jobs, strict=True)], Many(out, chain=CLIPS))
    assert [row.reason for row in account.rows] == [""] * CLIPS
    return account, engine.began


def videos(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(out.glob("*.mkv"))}


def bank_of(out: Path) -> Bank:
    return Bank(out / OWN / "bank")


def pins(out: Path) -> list[str]:
    return sorted(p.stem for p in (out / OWN / "bank" / "pins").glob("*"))


def test_what_the_plan_needs_outlives_the_bound_of_the_bank(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, bound = tmp_path / "whole", tmp_path / "bound"
    go(clips, whole, monkeypatch)
    sizes = [e.bytes for e in bank_of(whole).entries()]
    assert len(sizes) == CLIPS
    limit = int(1.5 * max(sizes))  # one clip's weights, where the last of the chain needs two clips'
    seen: list[int] = []
    setting = f"inpaint.bank_limit={limit}"
    go(clips, bound, monkeypatch, setting, look=lambda _: seen.append(len(bank_of(bound).entries())))
    assert seen == [0, 1, 2]
    assert videos(bound) == videos(whole)
    assert not pins(bound) and not pins(whole)


def test_weights_that_are_gone_or_damaged_are_put_back_before_another_starts_from_them(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    account, order = go(clips, out, monkeypatch)
    whole, last = videos(out), f"{order[-1]}.mkv"
    groups = {row.name: row.group for row in account.rows}
    first, second = (bank_of(out).group(groups[f"{k}.mkv"])[0] for k in order[:2])
    kept = bank_of(out).folder
    (kept / "entries" / f"{first.name}.json").unlink()
    data = bytearray((kept / "weights" / second.file).read_bytes())
    data[-1] ^= 1
    (kept / "weights" / second.file).write_bytes(bytes(data))
    (out / last).unlink()
    for folder in (out / OWN).glob(f"{order[-1]}-*"):  # nothing of it is left: it is made anew
        shutil.rmtree(folder)
    again, began = go(clips, out, monkeypatch)
    assert began == order
    assert videos(out) == whole
    assert [row.status for row in sorted(again.rows, key=lambda r: order.index(r.name[0]))] == [
        *("already done", "already done", "done")
    ]
    # and where nothing is missing, nobody is asked
    assert go(clips, out, monkeypatch)[1] == []


def test_pins_of_a_batch_that_was_killed_hold_until_the_next_one_has_ended(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stale = tmp_path / "out", f"{PLAN}-w{'0' * 16}"
    bank_of(out).pin(stale, ["w" + "0" * 16 + "-0000"], lapses=False)
    bank_of(out).pin("a-killed-job", ["w" + "0" * 16 + "-0001"])

    class Killed(Exception): ...

    def kill(job: Job) -> None:
        if bank_of(out).entries():
            raise Killed

    with pytest.raises(Killed):
        go(clips, out, monkeypatch, look=kill)
    (own,) = (p for p in pins(out) if p != stale)
    assert own.startswith(f"{PLAN}-w") and stale in pins(out)
    assert "a-killed-job" not in pins(out), "who has locked the folder knows that nobody is at work"
    monkeypatch.setattr("vidinternal.learn.warm_start.bank.PIN_SECONDS", -1.0)  # as after a clock that jumped by weeks
    assert bank_of(out)._pinned() >= {f"{own.removeprefix(f'{PLAN}-')}-0000"}
    go(clips, out, monkeypatch)
    assert not pins(out)
