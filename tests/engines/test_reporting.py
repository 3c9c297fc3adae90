"""Pages of runs and batches from the command line."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import media_made
from tests.faults.runs import LOSSLESS, command, job
from tests.report.pages import Page
from vidinternal.cli.main import app
from vidinternal.core.errors import ResourceError, UsageError
from vidinternal.engines.notebook import run as run_in_python
from vidinternal.engines.reporting import run_and_report, with_pages


def run(*words: str) -> tuple[int, str]:
    """Exit code and everything told."""
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit | UsageError | ResourceError), done.exception
    error = done.exception
    code = error.exit_code if isinstance(error, UsageError | ResourceError) else done.exit_code
    return code, done.output + str(error or "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips, one of them in a folder, and a file that is none."""
    clips = tmp_path / "in"
    (clips / "sub").mkdir(parents=True)
    for name in ("one.mkv", "sub/two & <b>.mkv"):
        media_made.clip(clips / name, size=(64, 48), frames=4)
    (clips / "broken.mkv").write_bytes(b"no film")
    return clips


def batch(folder: Path, *more: str) -> tuple[int, str]:
    sets = [word for setting in LOSSLESS for word in ("--set", setting)]
    out = folder.parent / "out"
    line = ["run", "inpaint", str(folder), "-o", str(out), "--region", "20,12,16,10", *sets, "--device", "cpu"]
    return run(*line, "--jobs", "1", *more)


def test_a_batch_has_a_table_and_a_page_for_each_clip_that_is_done(folder: Path) -> None:
    report = folder.parent / "pages" / "all.html"
    code, told = batch(folder, "--report", str(report))
    assert code == 1 and f"report {report}" in told
    table = Page(report)
    table.needs_nothing()
    assert "2 of 3" in table.text and "broken.mkv" in table.text and "sub/two & <b>.mkv" in table.text
    pages = sorted(report.with_name("all.clips").rglob("*.html"))
    assert [p.name for p in pages] == ["one.mkv.html", "two & <b>.mkv.html"]
    for page in map(Page, pages):
        page.needs_nothing()
        assert any(link.endswith("all.html") for link in page.links)
    pages[0].unlink()
    code, _ = batch(folder, "--report", str(report))
    assert pages[0].is_file() and code == 1


def test_a_private_batch_leaves_results_and_pages_alone(folder: Path) -> None:
    (folder / "broken.mkv").unlink()
    code, told = batch(folder, "--private", "--report", str(folder.parent / "out" / "all.html"))
    assert code == 0, told
    left = {str(p.relative_to(folder.parent / "out")) for p in (folder.parent / "out").rglob("*") if p.is_file()}
    pages = {"all.html", "all.clips/one.mkv.html", "all.clips/sub/two & <b>.mkv.html"}
    assert left == {"one.mkv", "sub/two & <b>.mkv", *pages}


@pytest.mark.parametrize(("page", "code"), [("file/page.html", 1), ("page.txt", 2), (".", 2), ("out/clean.mkv", 2)])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(page: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    work = job(tmp_path)
    found, told = run(*command(work, "--report", str(tmp_path / page)))
    assert found == code
    assert "--report" in told and "expected:" in told and "try:" in told and "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_a_page_that_fails_leaves_the_result_and_the_next_run_makes_only_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work,) = with_pages([job(tmp_path)], ["clip.mkv"], tmp_path / "pages" / "page.html", batch=False)
    with monkeypatch.context() as patched:

        def full(*_: object) -> int:
            raise ResourceError("--report", got="No space left on device")

        patched.setattr("vidinternal.report.run_page.write_whole", full)
        with pytest.raises(ResourceError, match="No space left"):
            run_and_report(replace(work, private=True))
    assert work.inputs.destination.is_file() and not (tmp_path / "pages" / "page.html").exists()
    assert run_and_report(replace(work, private=True)).status == "already done"
    assert (tmp_path / "pages" / "page.html").is_file()
    assert not (tmp_path / "out" / ".vidinternal").exists()


def test_from_python_a_run_has_a_page_too(tmp_path: Path) -> None:
    work = job(tmp_path)
    sets = {name: value for name, _, value in (s.partition("=") for s in LOSSLESS)}
    inputs = work.inputs
    page = tmp_path / "page.html"
    run_in_python(
        "inpaint", inputs.source, inputs.destination, regions=["20,12,16,10"], settings=sets, device="cpu", report=page
    )
    Page(page).needs_nothing()
