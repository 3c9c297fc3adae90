"""What a second run takes up, what it makes again and why, and who may work in a workspace."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import media_made
from vidinternal.core.errors import UsageError
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.core.timecode import parse_region
from vidinternal.learn.resume import FileCheckpoints
from vidinternal.runner import keys
from vidinternal.runner.job import Job, JobResult, Silent
from vidinternal.runner.ledger import Ledger
from vidinternal.runner.run import open_run, run_job
from vidinternal.runner.workspace import Workspace
from vidinternal.stages import fill_window, flow, stage_class
from vidinternal.stages.base import JobInputs, Stage, StageContext

SETS = ("encode.codec=ffv1", "shots.detector=none", "shots.window=6", "shots.overlap=1", "inpaint.method=telea")
STAGES = ("shots", "masks", "flow", "inpaint", "composite", "encode")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that did any work, each as often as it was called."""
    calls: list[str] = []
    for name in STAGES:
        kind = stage_class(name)

        def run(own: Stage, inputs: Mapping[str, Any], context: StageContext, real: Any = kind.run) -> Any:
            calls.append(own.name)
            return real(own, inputs, context)

        monkeypatch.setattr(kind, "run", run)
    return calls


def job(tmp_path: Path, **changes: Any) -> Job:
    clip = tmp_path / "clip.mkv"
    if not clip.exists():
        media_made.clip(clip, size=(48, 32), frames=9)
    inputs = JobInputs(clip, tmp_path / "out" / "clean.mkv", None, (parse_region("12,8,16,10"),))
    return replace(Job("inpaint", inputs, sets=SETS, device="cpu"), **changes)


def said(result: JobResult) -> list[str]:
    return result.record["resumed"]


def test_a_first_run_and_its_repetition_have_nothing_to_explain(tmp_path: Path, ran: list[str]) -> None:
    assert said(run_job(job(tmp_path))) == []
    ran.clear()
    assert run_job(job(tmp_path)).status == "already done"
    assert ran == []


@pytest.mark.parametrize(
    ("changes", "redone", "reason"),
    [
        (
            {"sets": (*SETS, "inpaint.method=harmonic")},
            {"inpaint", "composite", "encode"},
            "was telea, is now harmonic",
        ),
        (
            {"sets": (*SETS, "masks.dilate=1")},
            {"masks", "flow", "inpaint", "composite", "encode"},
            "masks.dilate was 0",
        ),
        ({"sets": (*SETS, "encode.crf=20", "encode.codec=h264")}, {"encode"}, "encode.codec was ffv1, is now h264"),
        ({"seed": 3}, set(STAGES), "the seed was 0, is now 3"),
    ],
)
def test_only_what_depends_on_a_change_is_made_again_and_why_is_said(
    tmp_path: Path, ran: list[str], changes: dict[str, Any], redone: set[str], reason: str
) -> None:
    run_job(job(tmp_path))
    ran.clear()
    lines = said(run_job(job(tmp_path, **changes)))
    assert set(ran) == redone
    assert any(reason in line for line in lines), lines


def test_a_changed_source_and_a_changed_region_are_named(tmp_path: Path) -> None:
    run_job(job(tmp_path))
    moved = job(tmp_path)
    moved = replace(moved, inputs=replace(moved.inputs, regions=(parse_region("2,2,16,10"),)))
    assert any("the regions changed" in line for line in said(run_job(moved)))
    media_made.clip(tmp_path / "clip.mkv", size=(48, 32), frames=9, seed=5)
    assert any("the source changed" in line for line in said(run_job(moved)))


def test_a_changed_mask_is_named_and_only_what_depends_on_it_is_made_again(tmp_path: Path, ran: list[str]) -> None:
    picture = np.zeros((32, 48), np.uint8)
    mask = tmp_path / "mask.png"

    def masked(rows: slice) -> Job:
        picture[rows, 12:28] = 255
        cv2.imwrite(str(mask), picture)
        plain = job(tmp_path)
        return replace(plain, inputs=replace(plain.inputs, regions=(), mask=mask))

    run_job(masked(slice(8, 12)))
    ran.clear()
    lines = said(run_job(masked(slice(12, 18))))
    assert set(ran) == {"masks", "flow", "inpaint", "composite", "encode"}
    assert any("masks" in line and "the mask changed" in line for line in lines), lines
    assert any("inpaint" in line and "made from what changed" in line for line in lines), lines
    ran.clear()
    assert run_job(masked(slice(12, 18))).status == "already done"
    assert ran == []


def test_the_time_that_a_stopped_run_has_spent_counts_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the training of a million steps would get its whole hour again."""
    sets = (*SETS, "shots.window=20", "inpaint.method=dip_vid", "inpaint.iterations=1000000", "inpaint.depth=2")
    work = job(tmp_path, sets=(*sets, "inpaint.channels=[8,8]", "inpaint.patience=1000000"), budget=3600.0)
    stop = Stop(grace=0.0)
    with pytest.raises(Interrupted, match="of stage inpaint"):
        run_job(work, Asks(stop, "inpaint"), stop)
    (folder,) = tmp_path.rglob("window-0000.checkpoint")
    assert 0 < (FileCheckpoints(folder).spent() or 0.0) < 3600.0
    monkeypatch.setattr(FileCheckpoints, "spent", lambda _: 3600.0)
    result = run_job(work)
    assert result.status == "done"
    (shot,) = result.record["shots"]
    assert [window["stopped"] for window in shot["windows"]] == ["budget"]


def test_a_run_is_told_who_is_at_work_on_its_clip(tmp_path: Path) -> None:
    run = open_run(job(tmp_path))
    with run.workspace.locked():
        with pytest.raises(UsageError, match="no other job at work on this clip") as error:
            run_job(job(tmp_path))
        assert f"it is held by process {os.getpid()} on {socket.gethostname()}" in str(error.value)
        assert error.value.exit_code == 2
        assert not (tmp_path / "out" / "clean.mkv").exists()
        # another clip's run, or one with a workspace of its own, is let in
        assert run_job(job(tmp_path, workspace=tmp_path / "own")).status == "done"


def test_changed_code_makes_again_what_can_run_it(
    tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(job(tmp_path))
    real = keys.stage_code
    monkeypatch.setattr(keys, "stage_code", lambda s: real(s) + ("x" if s.name == "composite" else ""))
    ran.clear()
    lines = said(run_job(job(tmp_path)))
    assert set(ran) == {"composite", "encode"}
    assert "made again: composite: the program changed" in lines


def test_going_back_to_old_settings_finds_the_old_results(tmp_path: Path, ran: list[str]) -> None:
    run_job(job(tmp_path))
    run_job(job(tmp_path, sets=(*SETS, "masks.dilate=2")))
    ran.clear()
    assert run_job(job(tmp_path)).status == "done"
    assert set(ran) == {"encode"}, "the destination holds the other result; nothing else is made again"


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "manifest"])
def test_a_damaged_result_is_made_again_and_said(tmp_path: Path, ran: list[str], harm: str) -> None:
    run_job(job(tmp_path))
    whole = (tmp_path / "out" / "clean.mkv").read_bytes()
    (place,) = tmp_path.rglob("inpaint-*/window-0001")
    victim = place / "manifest.json" if harm == "manifest" else place / "fill" / "fill.safetensors"
    content = bytearray(victim.read_bytes())
    if harm == "flip":
        content[-1] ^= 1
    if harm == "remove":
        victim.unlink()
    else:
        victim.write_bytes(content[:-7] if harm in ("truncate", "manifest") else content)
    (tmp_path / "out" / "clean.mkv").unlink()
    ran.clear()
    lines = said(run_job(job(tmp_path)))
    assert ran.count("inpaint") == 1
    assert any("damaged" in line and "inpaint" in line for line in lines), lines
    assert (tmp_path / "out" / "clean.mkv").read_bytes() == whole


def test_the_second_job_is_told_who_holds_the_workspace(tmp_path: Path) -> None:
    with Workspace(tmp_path).locked(), pytest.raises(UsageError) as error, Workspace(tmp_path).locked():
        raise AssertionError("the lock did not hold")
    assert f"process {os.getpid()} on {socket.gethostname()} since " in error.value.got
    assert error.value.exit_code == 2
    with Workspace(tmp_path).locked():
        pass


def test_a_sweep_takes_half_written_things_alone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    (workspace.folder / "inpaint-1" / ".window-0000.ab.part").mkdir(parents=True)
    (workspace.folder / ".run.json.ab.part").write_text("{")
    (workspace.folder / "kept.json").write_text("{}")
    with workspace.locked():
        left = {p.name for p in workspace.folder.rglob("*")}
    assert left == {".lock", "kept.json", "inpaint-1"}


class Asks(Silent):
    """Asks to stop when a stage tells its progress."""

    def __init__(self, stop: Stop, stage: str) -> None:
        self.stop, self.stage = stop, stage

    def progress(self, stage: str, share: float, text: str) -> None:
        if stage == self.stage:
            self.stop.ask()


@pytest.mark.parametrize("stage", ["masks", "inpaint", "composite"])
def test_asked_once_the_window_is_finished_and_the_next_run_goes_on(tmp_path: Path, ran: list[str], stage: str) -> None:
    stop = Stop(grace=1000.0)
    with pytest.raises(Interrupted) as stopped:
        run_job(job(tmp_path), Asks(stop, stage), stop)
    assert stopped.value.message
    assert not (tmp_path / "out" / "clean.mkv").exists()
    done = ran.count(stage)
    assert done >= 1
    ran.clear()
    assert run_job(job(tmp_path)).status == "done"
    assert ran.count(stage) == 2 - done


def test_a_file_that_is_being_written_is_given_up_after_the_grace(tmp_path: Path) -> None:
    stop = Stop(grace=0.0)
    with pytest.raises(Interrupted, match="encode"):
        run_job(job(tmp_path), Asks(stop, "encode"), stop)
    assert not list((tmp_path / "out").glob("*clean*"))
    assert not list((tmp_path / "out").glob(".*.part*"))


def test_a_training_saves_its_state_after_the_grace(tmp_path: Path) -> None:
    sets = (*SETS, "inpaint.method=dip_vid", "inpaint.iterations=30", "inpaint.depth=2", "inpaint.channels=[8,8]")
    stop = Stop(grace=0.0)
    with pytest.raises(Interrupted, match="window 1 of 2 of stage inpaint"):
        run_job(job(tmp_path, sets=sets), Asks(stop, "inpaint"), stop)
    assert list(tmp_path.rglob("window-0000.checkpoint/fit.safetensors"))
    run_job(job(tmp_path, sets=sets))
    (tmp_path / "b").mkdir()
    run_job(job(tmp_path / "b", sets=sets))
    assert (tmp_path / "out/clean.mkv").read_bytes() == (tmp_path / "b/out/clean.mkv").read_bytes()
    assert not list(tmp_path.rglob("*.checkpoint"))


def test_flow_and_score_that_are_done_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the pieces of a window, of the stages that have no training."""
    sets = (*SETS, "shots.window=20", "flow.strides=[1,3,5]")
    run_job(job(tmp_path, sets=sets))
    whole = (tmp_path / "out/clean.mkv").read_bytes()
    made: list[str] = []
    saved, estimated, filled = FileCheckpoints.save, flow.reference_flow, fill_window._hidden

    def dies(own: FileCheckpoints, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        saved(own, piece, fits, state)
        raise KeyboardInterrupt

    def flow_of(frames: Any, masks: Any, strides: Any, *rest: Any) -> Any:
        made.append(f"stride {strides[0]}")
        return estimated(frames, masks, strides, *rest)

    def hidden(*arguments: Any) -> Any:
        made.append("hidden")
        return filled(*arguments)

    monkeypatch.setattr(flow, "reference_flow", flow_of)
    monkeypatch.setattr(fill_window, "_hidden", hidden)
    work = job(tmp_path, sets=sets, workspace=tmp_path / "other")
    (tmp_path / "out/clean.mkv").unlink()
    for _ in range(3):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(FileCheckpoints, "save", dies)
            run_job(work)
    run_job(work)
    assert [m for m in made if m != "hidden"] == ["stride 1", "stride 3", "stride 5"]
    assert made.count("hidden") == 2  # its inputs are made again, the fill is not
    assert (tmp_path / "out/clean.mkv").read_bytes() == whole


def test_fresh_replaces_only_what_it_has_made_again(tmp_path: Path, ran: list[str]) -> None:
    run_job(job(tmp_path))
    old = set(tmp_path.rglob("manifest.json"))
    stop = Stop(grace=1000.0)
    with pytest.raises(Interrupted):
        run_job(job(tmp_path, fresh=True), Asks(stop, "inpaint"), stop)
    assert old <= set(tmp_path.rglob("manifest.json"))
    ran.clear()
    lines = said(run_job(job(tmp_path, fresh=True)))
    assert "masks" not in ran, "an unfinished making anew is gone on with"
    assert any("replaced" in line for line in lines)
    assert not old & set(tmp_path.rglob("manifest.json"))
    assert run_job(job(tmp_path)).status == "already done"


def test_a_damaged_memory_of_the_job_is_said(tmp_path: Path) -> None:
    run_job(job(tmp_path))
    Ledger.of(job(tmp_path)).path.write_text(json.dumps({"again": 7}))
    (tmp_path / "out" / "clean.mkv").unlink()
    assert any("damaged" in line for line in said(run_job(job(tmp_path))))
