"""A run with its page: made where the clip was run, and before a private run removes what it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vidinternal.core.stop import Stop
from vidinternal.engines.account import Account
from vidinternal.report.batch_page import Line, clip_page, link, write_batch_page
from vidinternal.report.page import require_libraries
from vidinternal.report.writing import check_report
from vidinternal.runner.job import Job, JobResult, Observer


def with_pages(jobs: Sequence[Job], names: Sequence[str], report: Path, *, batch: bool) -> list[Job]:
    """The jobs, each with the page it shall write; refuses pages that cannot be written.

    Args:
        jobs: What is going to be run.
        names: Of the clips, below the folder they were found in.
        report: The page: of the clip, or of the batch, whose clips have theirs in a folder beside it.
        batch: Whether it is the page of a batch.

    Raises:
        UsageError: It is no path for a page, or a library for pages is not installed.
        ResourceError: It cannot be written.
    """
    require_libraries()
    check_report(report, jobs)
    if not batch:
        return [replace(job, report=report) for job in jobs]
    report = report.absolute()  # clips may be run elsewhere than here
    pages = [clip_page(report, name) for name in names]
    for page in pages[:1]:
        check_report(page, jobs)  # their folder can be made
    return [replace(job, report=page, report_of=report) for job, page in zip(jobs, pages, strict=True)]


def run_and_report(job: Job, observer: Observer | None = None, stop: Stop | None = None) -> JobResult:
    """Run a job and write its page, if it has one.

    Raises:
        UserError: Something about the job cannot work, or the page cannot be written; the result is then there.
        Interrupted: ``stop`` was asked.
    """
    from vidinternal.runner.run import run_job  # noqa: PLC0415 - worker processes import torch here, after their setup

    result = run_job(job, observer, stop)
    if job.report is None:
        return result
    from vidinternal.report.run_page import write_run_page  # noqa: PLC0415 - torch again
    from vidinternal.runner import private  # noqa: PLC0415
    from vidinternal.runner.run import open_run  # noqa: PLC0415

    up = link(job.report_of, job.report) if job.report_of else ""
    write_run_page(job, result, job.report, up)
    if not job.private:
        return result
    return private.finished(open_run(replace(job, report=None)), result)


def write_account_page(account: Account, report: Path) -> None:
    """Write the page of a batch as it stands.

    Args:
        account: Its rows.
        report: The page.

    Raises:
        ResourceError: It cannot be written.
    """
    lines = [
        Line(
            name=row.name,
            status=row.status,
            error=(row.error or row.reason) if row.status in ("failed", "skipped") else "",
            expected=min((e for e in row.expected_psnr if e is not None), default=None),
            seconds=row.seconds,
            notes=len(row.notes),
        )
        for row in account.rows
    ]
    told = f"{account.facts.get('pipeline', '')} → {account.facts.get('output', '')}"
    write_batch_page(lines, report, told, account.facts.get("notes", ()))
