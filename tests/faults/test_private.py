"""``--private``: nothing of the clip is left but its output."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.runs import command, job
from vidinternal.cli.main import app
from vidinternal.core.errors import ResourceError
from vidinternal.runner import private
from vidinternal.runner.job import Silent
from vidinternal.runner.run import run_job
from vidinternal.stages.encode import Encode


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def test_a_finished_private_run_leaves_its_output_alone(tmp_path: Path) -> None:
    work = replace(job(tmp_path, "inpaint.method=dip_vid", "inpaint.depth=2", "inpaint.iterations=2"), private=True)
    result = run_job(work)
    assert files(tmp_path) == {"clip.mkv", "out", "out/clean.mkv"}
    (note,) = [n for n in result.record["notes"] if n.startswith("private")]
    assert "intermediate files" in note and "not overwritten" in note
    assert result.record["shots"][0]["masked_pixels"] > 0


def test_other_clips_results_stay(tmp_path: Path) -> None:
    other = job(tmp_path / "other")
    shared = tmp_path / "work"
    kept = run_job(replace(other, workspace=shared))
    run_job(replace(job(tmp_path, seed=3), workspace=shared, private=True))
    assert kept.record_path.is_file()
    assert run_job(replace(other, workspace=shared)).status == "already done"


def test_a_failed_private_run_keeps_what_it_has_says_so_and_removes_it_when_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = replace(job(tmp_path), private=True, workspace=tmp_path / "work")
    told: list[str] = []

    class Told(Silent):
        def note(self, line: str) -> None:
            told.append(line)

    def refuse(*_: Any) -> Any:
        raise ResourceError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(Encode, "run", refuse)
        with pytest.raises(ResourceError):
            run_job(work, Told())
    assert any("kept in" in line and "same command" in line for line in told)
    assert files(tmp_path / "work")
    assert run_job(work).status == "done"
    assert not (tmp_path / "work").exists()


def test_a_run_that_was_finished_before_is_cleared_away_too(tmp_path: Path) -> None:
    work = job(tmp_path)
    run_job(work)
    assert run_job(replace(work, private=True)).status == "already done"
    assert files(tmp_path) == {"clip.mkv", "out", "out/clean.mkv"}


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(private.shutil, "rmtree", refuse)
    with pytest.raises(ResourceError, match="it holds the clip"):
        private.remove_traces(tmp_path, tmp_path / "memory.json")


def test_a_report_is_made_before_everything_is_removed(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    work = job(tmp_path)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, command(work, "--private", "--report", str(page)))
    assert done.exit_code == 0, done.output
    assert "private:" in done.stdout and "record" not in done.stdout.replace("recorded", "")
    assert page.is_file()
    assert files(tmp_path) == {"clip.mkv", "page.html", "out", "out/clean.mkv"}
