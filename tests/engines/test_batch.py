"""The laws of a batch, on an engine that only pretends: order, retries, losses, time, receipts."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from vidinternal.core.errors import UsageError
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.core.timecode import parse_region
from vidinternal.engines import batch as module
from vidinternal.engines.account import Account, Row, gist, worst_places
from vidinternal.engines.base import Event, Outcome
from vidinternal.engines.batch import Batch, Entry, Policy, exit_code
from vidinternal.engines.output_lock import locked_output
from vidinternal.engines.plain import job_from, job_text, outcome_from, outcome_value
from vidinternal.engines.receipts import Receipts
from vidinternal.engines.warm import Warm
from vidinternal.runner.job import Job, JobResult
from vidinternal.stages.base import JobInputs

Act = Callable[[Job], str]


def done(job: Job) -> Outcome:
    job.inputs.destination.parent.mkdir(parents=True, exist_ok=True)
    job.inputs.destination.write_bytes(job.inputs.source.name.encode())
    group = "w" + f"{abs(hash(job.inputs.source.name)):016x}"[:16]
    shots = [{"expected_psnr": 20.0, "windows": [{"frames": [0, 8], "expected_psnr": 20.0}]}]
    record = {"seconds": 1.0, "shots": shots, "notes": [], "warm_start": {"group": group}}
    return Outcome(job.inputs.source, JobResult("done", job.inputs.destination, record, Path("run.json")))


class Pretend:
    """An engine without processes: what comes of a job is said by a function."""

    name, queues = "pretend", False

    def __init__(self, act: Act, slots: int = 2, last_first: bool = False) -> None:
        self.act, self.slots, self.last_first = act, slots, last_first
        self.notes: list[str] = []
        self.jobs: list[tuple[int, Job]] = []
        self.began: list[str] = []
        self.starts: dict[str, tuple[str, ...]] = {}
        self.asked: list[tuple[int, bool]] = []
        self.stopped = self.closed = False

    def room(self) -> bool:
        return len(self.jobs) < self.slots

    def submit(self, ticket: int, job: Job) -> None:
        self.jobs.append((ticket, job))
        self.began.append(job.inputs.source.stem)
        self.starts[job.inputs.source.stem] = tuple(s for s in job.sets if s.startswith("inpaint.starts"))

    def events(self, seconds: float) -> list[Event]:
        if not self.jobs:
            return []
        ticket, job = self.jobs[-1 if self.last_first else 0]
        how = self.act(job)
        if how == "hang":
            return []
        self.jobs.remove((ticket, job))
        if how in ("lost", "interrupted"):
            return [Event("progress", ticket), Event(how, ticket, text=how)]
        if how == "done":
            return [Event("note", ticket, text="a note"), Event("ended", ticket, outcome=done(job))]
        code = 2 if how == "usage" else 1
        return [
            Event(
                "ended", ticket, outcome=Outcome(job.inputs.source, None, f"x\n  got: {how}", code, "", how == "held")
            )
        ]

    def end(self, ticket: int, *, at_once: bool) -> None:
        self.asked.append((ticket, at_once))
        if at_once:
            self.act = lambda _: "lost"

    def stop(self) -> None:
        self.stopped = True
        self.act = lambda _: "interrupted"

    def close(self) -> None:
        self.closed = True


def batch(
    folder: Path, act: Act, count: int = 4, before: Sequence[Sequence[int]] = (), **more
) -> tuple[Batch, Pretend]:
    entries = []
    for k in range(count):
        source = folder / "in" / f"{k}.mp4"
        source.parent.mkdir(exist_ok=True)
        if not source.exists():
            source.write_bytes(b"clip")
        job = Job("inpaint", JobInputs(source, folder / "out" / source.name))
        row = Row(source.name, str(source), str(job.inputs.destination))
        entries.append(Entry(job, row, tuple(before[k]) if before else ()))
    engine = Pretend(act, more.pop("slots", 2), more.pop("last_first", False))
    account = Account(folder / "out" / "batch.json", [e.row for e in entries], {"notes": []})
    receipts = Receipts(folder / "out" / ".vidinternal" / "batch")
    warm = Warm(folder / "bank") if before else None
    return Batch(entries, engine, account, receipts, warm=warm, **more), engine


def statuses(made: Batch) -> list[str]:
    return [entry.row.status for entry in made.entries]


def failing(*names: str, how: str = "broken", times: int = 99) -> Act:
    left = dict.fromkeys(names, times)

    def act(job: Job) -> str:
        stem = job.inputs.source.stem
        if left.get(stem, 0) > 0:
            left[stem] -= 1
            return how
        return "done"

    return act


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)


CHAIN = [(), (0,), (0, 1), ()]


def test_one_that_fails_stops_no_other_and_the_account_has_its_reason(tmp_path: Path) -> None:
    made, engine = batch(tmp_path, failing("1"))
    made.run()
    assert statuses(made) == ["done", "failed", "done", "done"]
    assert engine.closed and exit_code(made.account.rows) == 1
    account = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert account["counts"] == {"done": 3, "failed": 1}
    assert account["clips"][1]["reason"] == "x: broken"
    assert account["clips"][0]["worst"] == [{"frames": [0, 8], "expected_psnr": 20.0}]


def test_retries_as_often_as_allowed_and_never_for_usage(tmp_path: Path) -> None:
    made, engine = batch(tmp_path, failing("0", times=2), policy=Policy(retries=2))
    made.run()
    assert statuses(made) == ["done"] * 4 and engine.began.count("0") == 3
    assert made.entries[0].row.notes == ["try 1 failed: x: broken", "try 2 failed: x: broken"]
    made, engine = (
        batch(tmp_path / "b", failing("0", how="usage"), policy=Policy(retries=5))
        if (tmp_path / "b").mkdir() is None
        else (made, engine)
    )
    made.run()
    assert statuses(made)[0] == "failed" and engine.began.count("0") == 1


def test_a_lost_worker_is_not_its_clips_fault_unless_it_is_lost_again_and_again(tmp_path: Path) -> None:
    made, engine = batch(tmp_path, failing("0", how="lost", times=2))
    made.run()
    assert statuses(made) == ["done"] * 4 and engine.began.count("0") == 3
    made.receipts.forget(made.entries[0].row)
    made, engine = batch(tmp_path, failing("0", how="lost"))
    made.run()
    assert statuses(made) == ["failed", *["already done"] * 3]
    assert "--memory" in made.entries[0].row.error and engine.began.count("0") == 1 + module.LOST_AGAIN


def test_a_chain_is_in_order_and_starts_from_those_before_whoever_is_first(tmp_path: Path) -> None:
    seen = []
    for slots, last_first in ((1, False), (4, False), (4, True)):
        folder = tmp_path / f"{slots}{last_first}"
        folder.mkdir()
        made, engine = batch(folder, failing(), before=CHAIN, slots=slots, last_first=last_first)
        made.run()
        assert [s for s in engine.began if s in "012"] == ["0", "1", "2"]
        seen.append(engine.starts)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["0"] == ("inpaint.starts=[]",) and seen[0]["2"][0].count(",") == 1


def test_who_began_without_the_weights_of_a_failed_one_is_made_again_when_they_are_there(tmp_path: Path) -> None:
    made, _ = batch(tmp_path, failing("1"), before=CHAIN)
    made.run()
    assert statuses(made) == ["done", "failed", "done", "done"]
    assert made.entries[2].row.started_from == ["0.mp4"]
    again, engine = batch(tmp_path, failing("1"), before=CHAIN)
    again.run()
    assert engine.began == ["1"], "what cannot be better is left as it is"
    mended, engine = batch(tmp_path, failing(), before=CHAIN)
    mended.run()
    assert engine.began == ["1", "2"]
    assert "without the weights of 1.mp4" in mended.entries[2].row.notes[0]
    assert statuses(mended) == ["already done", "done", "done", "already done"]


@pytest.mark.parametrize("change", ["content", "same length and times", "output", "output gone", "settings", "code"])
def test_receipts_know_what_is_done_and_notice_every_change(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    batch(tmp_path, failing())[0].run()
    made, engine = batch(tmp_path, failing())
    made.run()
    assert statuses(made) == ["already done"] * 4 and engine.began == []
    assert made.entries[0].row.expected_psnr == [20.0]
    made, engine = batch(tmp_path, failing())
    source, output = tmp_path / "in" / "2.mp4", tmp_path / "out" / "2.mp4"
    times = source.stat()
    if change == "content":
        source.write_bytes(b"another clip")
    elif change == "same length and times":
        source.write_bytes(b"pilc")
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "output":
        output.write_bytes(b"x")
    elif change == "output gone":
        output.unlink()
    elif change == "settings":
        made.entries[2].job = Job("inpaint", made.entries[2].job.inputs, sets=("masks.dilate=3",))
    else:
        monkeypatch.setattr("vidinternal.engines.receipts.code_digest", lambda: "other")
    made.run()
    assert engine.began == (["0", "1", "2", "3"] if change == "code" else ["2"])


def test_a_receipt_that_is_damaged_is_none(tmp_path: Path) -> None:
    batch(tmp_path, failing())[0].run()
    for path in (tmp_path / "out" / ".vidinternal" / "batch").glob("*.json"):
        path.write_text(path.read_text().replace("20.0", "99.0"))
    made, engine = batch(tmp_path, failing())
    made.run()
    assert len(engine.began) == 4


def test_fresh_makes_everything_again(tmp_path: Path) -> None:
    batch(tmp_path, failing())[0].run()
    made, engine = batch(tmp_path, failing())
    for entry in made.entries:
        entry.job = Job("inpaint", entry.job.inputs, fresh=True)
    made.run()
    assert len(engine.began) == 4


def test_who_takes_too_long_is_asked_to_stop_then_killed_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.0)
    monkeypatch.setattr(module, "LEAVE", 0.0)
    made, engine = batch(tmp_path, failing("0", how="hang", times=10**9), 1, policy=Policy(timeout=0.01, retries=3))
    made.run()
    assert statuses(made) == ["failed"]
    assert engine.asked[0] == (0, False) and engine.asked[-1] == (0, True)
    assert "--timeout 0.01s" in made.entries[0].row.error and "longer --timeout" in made.entries[0].row.error


def test_a_stop_lets_nothing_begin_and_leaves_the_account_as_it_stands(tmp_path: Path) -> None:
    stop = Stop()

    def act(job: Job) -> str:
        stop.ask()
        return "done"

    made, engine = batch(tmp_path, act, stop=stop)
    with pytest.raises(Interrupted, match="1 of 4 clips done"):
        made.run()
    assert engine.stopped and engine.closed and len(engine.began) == 2
    account = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert account["counts"] == {"waiting": 3, "done": 1}


def test_a_stop_while_the_last_clips_are_at_work_is_a_stop(tmp_path: Path) -> None:
    stop = Stop()

    def act(job: Job) -> str:
        stop.ask()
        return "interrupted"

    made, _ = batch(tmp_path, act, 2, stop=stop)
    with pytest.raises(Interrupted, match=r"0 of 2 clips done; 0\.mp4: interrupted"):
        made.run()
    assert statuses(made) == ["waiting", "waiting"]


def test_who_is_held_by_another_process_waits_and_fails_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = batch(tmp_path, failing("0", how="held", times=3))
    made.run()
    assert statuses(made) == ["done"] * 4 and made.entries[0].row.attempts == 1
    monkeypatch.setattr(module, "HELD_SECONDS", 0.0)
    other = tmp_path / "b"
    other.mkdir()
    made, _ = batch(other, failing("0", how="held"), 1)
    made.run()
    assert statuses(made) == ["failed"]


def test_two_batches_on_one_folder_the_second_is_told_who_is_there(tmp_path: Path) -> None:
    import os

    with locked_output(tmp_path, tmp_path / ".vidinternal"):
        with (
            pytest.raises(UsageError, match="no other batch at work") as told,
            locked_output(tmp_path, tmp_path / ".vidinternal"),
        ):
            raise AssertionError("it was let in")
        assert f"process {os.getpid()}" in str(told.value)
    with locked_output(tmp_path, tmp_path / ".vidinternal"):
        pass
    assert not list((tmp_path / ".vidinternal").iterdir())


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    (tmp_path / ".vidinternal").mkdir()
    (tmp_path / ".vidinternal" / "batch.lock").write_text("left by a killed batch")
    with locked_output(tmp_path, tmp_path / ".vidinternal"):
        assert (tmp_path / ".vidinternal" / "batch.lock").read_text().startswith("{")


def test_jobs_and_outcomes_survive_their_journey(tmp_path: Path) -> None:
    regions = (parse_region("1,2,3,4@00:00:01.5-00:00:02.25"), parse_region("1,2,3,4@5-"))
    inputs = JobInputs(tmp_path / "ä b.mp4", tmp_path / "o.mp4", tmp_path / "m.png", regions, mask_fit=True)
    job = Job("inpaint", inputs, sets=("a.b=1",), budget=1.5, memory=1 << 33, workspace=tmp_path)
    assert job_from(job_text(job)) == job
    for outcome in (done(Job("inpaint", inputs)), Outcome(inputs.source, None, "why", 1, "trace", held=True)):
        assert outcome_from(json.loads(json.dumps(outcome_value(outcome)))) == outcome


def test_the_gist_of_an_error_and_the_weakest_places() -> None:
    assert gist("clip.mp4: cannot be opened\n  expected: a video\n  got:      text\n  try: no") == (
        "clip.mp4: cannot be opened: text"
    )
    assert gist("one line") == "one line" and gist("") == "no reason was given"
    windows = [{"frames": [8 * k, 8 * k + 8], "expected_psnr": float(v)} for k, v in enumerate((30, 10, 20, 40))]
    found = worst_places([{"windows": windows}, {"windows": [{"frames": [0, 4], "expected_psnr": None}]}])
    assert [w["expected_psnr"] for w in found] == [10.0, 20.0, 30.0] and found[0]["frames"] == [8, 16]
