"""Worker processes: one that is killed loses nothing but its own try; threads, accelerators and room."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tests import media_made
from tests.engines.ray_cluster import SETS
from vidinternal.core.timecode import parse_region
from vidinternal.engines import attempt as attempts
from vidinternal.engines import local, worker
from vidinternal.engines.account import Row
from vidinternal.engines.attempt import DEFECT, safe_attempt
from vidinternal.engines.many import Many, Piece, run_many
from vidinternal.engines.worker import WorkerSetup, prepare
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs


def piece(folder: Path, name: str) -> Piece:
    source = folder / name
    if not source.exists():
        media_made.clip(source, size=(48, 32), frames=9, seed=len(name))
    inputs = JobInputs(source, folder / "out" / name, regions=(parse_region("12,8,16,10"),))
    return Piece(name, Job("inpaint", inputs, sets=SETS, device="cpu"))


class Killer:
    """Kills the worker of the first clip that trains."""

    def __init__(self) -> None:
        self.killed = ""

    def progress(self, row: Row, stage: str, share: float, text: str) -> None:
        if stage == "inpaint" and not self.killed:
            self.killed = row.name
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    def note(self, row: Row, line: str) -> None:
        pass

    def changed(self, row: Row) -> None:
        pass


def test_a_killed_worker_is_replaced_and_its_clip_done(tmp_path: Path) -> None:
    killer = Killer()
    pieces = [piece(tmp_path, "a.mkv"), piece(tmp_path, "bb.mkv")]
    account = run_many(pieces, Many(tmp_path / "out", jobs=1), watch=lambda _: killer)
    assert {row.status for row in account.rows} == {"done"}, [row.error for row in account.rows]
    (row,) = [row for row in account.rows if row.name == killer.killed]
    assert row.attempts == 2 and "was ended by SIGKILL" in row.notes[0]
    assert not list(tmp_path.rglob("*.part"))
    assert (tmp_path / "out" / "batch.json").is_file()
    assert not (tmp_path / "out" / ".vidinternal" / "batch.lock").exists()


def test_what_the_system_refuses_and_defects_of_ours_become_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = piece(tmp_path, "a.mkv").job

    def raising(error: BaseException):
        def run(*_: object) -> None:
            raise error

        return run

    for error, code, part in (
        (ZeroDivisionError("a defect"), DEFECT, "an error in vidinternal itself: ZeroDivisionError: a defect"),
        (PermissionError(13, "Permission denied", "/x"), 1, "Permission denied"),
        (MemoryError(), 1, "no memory left"),
    ):
        monkeypatch.setattr("vidinternal.runner.run.run_job", raising(error))
        outcome = safe_attempt(job)
        assert outcome.exit_code == code and part in outcome.error
        assert ("ZeroDivisionError" in outcome.trace) == (code == DEFECT)
    with pytest.raises(ZeroDivisionError):
        monkeypatch.setattr("vidinternal.runner.run.run_job", raising(ZeroDivisionError()))
        attempts.attempt(job)


def test_workers_are_as_many_as_cores_and_memory_have_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "cores", lambda: 8)
    monkeypatch.setattr(local, "available_memory", lambda: 40 << 30)
    assert local.workers_that_fit(None, 1, None) == (6, "")
    assert local.workers_that_fit(None, 4, None) == (2, "")
    assert local.workers_that_fit(None, 1, 2 << 30) == (1, "")
    assert local.workers_that_fit(12, 1, None) == (12, "")
    count, note = local.workers_that_fit(12, 1, 3 << 30)
    assert count == 2 and "--memory has room for no more" in note


def test_an_accelerator_is_one_workers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    engine = local.LocalEngine(4, gpus=("0", "1"))
    assert engine.slots == 2 and "one for each accelerator" in engine.notes[0]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert local.accelerators("auto") == ("0", "1") and local.accelerators("cpu") == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert local.accelerators("cuda") == ("3", "5")


def test_threads_are_set_for_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "77")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    prepare(WorkerSetup(3, "1"))
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_worker_that_is_told_so_ends_though_its_pipe_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "prepare", lambda setup: None)
    monkeypatch.setattr(worker, "listen_in_worker", lambda: None)
    ours, its = multiprocessing.Pipe()
    ours.send_bytes(worker.NO_MORE)
    worker.serve(its, WorkerSetup(1))  # returns, with nobody having closed anything
    assert not ours.closed and not its.poll()
    ours.close()
    its.close()
