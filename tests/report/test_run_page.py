from pathlib import Path

import pytest

from vidinternal.core.timecode import parse_region
from vidinternal.report.run_page import run_pictures, write_run_page
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.run import open_run, run_job
from vidinternal.stages.base import JobInputs

CLIPS = Path(__file__).resolve().parents[2] / "clips"


def job(folder: Path, *sets: str) -> Job:
    source = CLIPS / "bottles.mp4"
    inputs = JobInputs(source, folder / "clean.mkv", None, (parse_region("40,60,24,20@10-30"),))
    return Job("inpaint", inputs, sets=("inpaint.method=telea", "inpaint.copies=0", "encode.codec=ffv1", *sets))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, JobResult]:
    work = job(tmp_path_factory.mktemp("run"))
    return work, run_job(work)


def test_the_page_shows_the_run(done: tuple[Job, JobResult], tmp_path: Path) -> None:
    work, result = done
    write_run_page(work, result, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 2
    assert "before, hole and after" in text
    assert "the result at a glance" in text
    assert "telea" in text


def test_flow_is_shown_where_the_run_made_some(done: tuple[Job, JobResult]) -> None:
    work, result = done
    assert len(run_pictures(open_run(work), result.destination)) == 2
    strided = job(result.destination.parent, "flow.strides=[1]")
    pictures = run_pictures(open_run(strided), run_job(strided).destination)
    assert len(pictures) == 3
    assert all(data.startswith(b"\x89PNG") for data in pictures.values())
