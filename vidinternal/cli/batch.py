"""``vidinternal run`` on many clips: tables while it runs and after, exit codes."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vidinternal.engines.account import Account, Row
    from vidinternal.engines.folders import Choice
    from vidinternal.engines.many import Many
    from vidinternal.engines.url_jobs import Named
    from vidinternal.runner.job import Job

INTERRUPTED = 130


@dataclass(frozen=True)
class Jobs:
    """What was found to be done.

    Attributes:
        names: Of the clips, below the folder they were found in.
        made: Their jobs, with notes.
        several: Whether it is a batch, even of one clip: a folder was given, or more than one.
        place: The folder of the results on this machine, or of what is known of them.
        url: The folder of the results where that is a URL, else empty.
    """

    names: list[str]
    made: list[tuple[Job, tuple[str, ...]]]
    several: bool
    place: Path
    url: str = ""


def found_jobs(named: Named, choice: Choice, template: Job) -> Jobs:
    """Find the clips that are meant, with what belongs to each.

    Args:
        named: What the person named.
        choice: Which clips of folders are meant.
        template: What all jobs have in common.

    Raises:
        UserError: Nothing is found, or something that belongs to a clip cannot be used.
    """
    from vidinternal.engines.inputs import destinations, expand, mirrors
    from vidinternal.engines.remote import is_url
    from vidinternal.engines.sidecar import with_sidecars
    from vidinternal.engines.staging import stage_folder, stage_root
    from vidinternal.engines.url_jobs import url_jobs

    if named.remote:
        rows = url_jobs(named, choice, template)
        url = named.output if is_url(named.output) else ""
        several = not (len(rows) == 1 and bool(PurePosixPath(named.output).suffix))
        folder = url if several else url.rpartition("/")[0]
        local = Path(named.output) if several else Path(named.output).parent
        place = stage_folder(stage_root(template.workspace), "results", folder) if url else local
        return Jobs([name for name, _, _ in rows], [(job, notes) for _, job, notes in rows], several, place, folder)
    output = Path(named.output)
    found = expand(named.inputs, choice)
    as_folder = mirrors(named.inputs, found) or bool(choice.problems)
    clips = destinations(found, output, folder=as_folder)
    jobs = [replace(template, inputs=replace(template.inputs, source=s, destination=d)) for s, d in clips]
    made = with_sidecars(jobs)
    several = as_folder or len(made) > 1
    place = output if several else made[0][0].inputs.destination.parent
    return Jobs([str(relative) for _, relative in found], made, several, place)


def rows_of(choice: Choice, output: str) -> list[Row]:
    """Rows for what cannot be run: what cannot be read failed, masks without their clip are skipped."""
    from vidinternal.engines.account import Row

    rows = []
    for path, relative, reason in choice.problems:
        row = Row(str(relative), str(path), f"{output.rstrip('/')}/{relative}")
        row.fail(f"{path}: {reason}")
        row.reason = reason
        rows.append(row)
    for path, relative, reason in choice.skipped:
        rows.append(Row(str(relative), str(path), f"{output.rstrip('/')}/{relative}", status="skipped", reason=reason))
    return rows


def run_folder(
    names: Sequence[str],
    made: Sequence[tuple[Job, tuple[str, ...]]],
    given: Many,
    also: Sequence[Row],
    notes: Sequence[str],
    *,
    as_json: bool,
    report: Path | None = None,
) -> None:
    """Run many clips and tell what came of them.

    Args:
        names: Of the clips, below the folder they were found in.
        made: Their jobs, with notes.
        given: How the batch is run.
        also: Rows of clips that cannot be run.
        notes: What was found on the way.
        as_json: Tell it as JSON.
        report: The page with a row for each clip; None = none.

    Raises:
        Exit: With 1 where a clip failed, 130 where the batch was interrupted.
    """
    from vidinternal.cli.batch_table import LiveTable, final_table
    from vidinternal.cli.run import interrupted
    from vidinternal.engines.batch import exit_code
    from vidinternal.engines.many import Piece, run_many
    from vidinternal.engines.signals import Signals
    from vidinternal.engines.warm import spec_of

    pieces = [Piece(name, job, found) for name, (job, found) in zip(names, made, strict=True)]
    stages = tuple(s.name for s in spec_of(made[0][0].pipeline, made[0][0].sets).stages) if made else ()
    begun: list[Account] = []
    with ExitStack() as stack:

        def watch(account: Account) -> LiveTable:
            begun.append(account)
            account.facts["notes"] += notes
            return stack.enter_context(LiveTable(account, stages, quiet=as_json))

        try:
            with Signals() as signals:
                account = run_many(pieces, given, also, watch, signals)
        except KeyboardInterrupt as stopped:
            stack.close()
            _write_page(begun, report)
            typer.echo(interrupted(stopped), err=True)
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps([summary(row) for row in account.rows], indent=2))
    else:
        final_table(account)
        _tell_more(account)
    _write_page([account], report)
    if report is not None and not as_json:
        typer.echo(f"report {report}")
    failed = exit_code(account.rows)
    if failed:
        raise typer.Exit(failed if given.account else account.rows[0].exit_code)


def _write_page(accounts: Sequence[Account], report: Path | None) -> None:
    """Write the page of a batch as far as it came; none where none was asked for or nothing was begun."""
    from vidinternal.engines.reporting import write_account_page

    if report is not None:
        for account in accounts:
            write_account_page(account, report)


def run_parts(job: Job, given: Many, report: Path | None, *, as_json: bool) -> None:
    """Run one clip with its shots on several workers and tell what came of it.

    Raises:
        Exit: With the code of its failure, 130 where it was interrupted.
    """
    from vidinternal.cli.run import interrupted, tell
    from vidinternal.engines.signals import Signals
    from vidinternal.engines.split import run_split

    try:
        with Signals() as signals:
            outcome, notes = run_split(job, given, signals)
    except KeyboardInterrupt as stopped:
        typer.echo(interrupted(stopped), err=True)
        raise typer.Exit(INTERRUPTED) from None
    if outcome.result is not None:
        record = {**outcome.result.record, "notes": [*outcome.result.record["notes"], *notes]}
        outcome = replace(outcome, result=replace(outcome.result, record=record))
    tell([outcome], report, as_json)
    if outcome.result is None:
        raise typer.Exit(outcome.exit_code)


def summary(row: Row) -> dict[str, Any]:
    """What ``--json`` tells of a clip."""
    if row.status in ("failed", "skipped"):
        told = {"source": row.source, "status": row.status, "error": row.error or row.reason, "reason": row.reason}
        return told | {"attempts": row.attempts, "notes": row.notes} | ({"traceback": row.trace} if row.trace else {})
    return {
        "source": row.source,
        "status": row.status,
        "output": row.output,
        "record": row.record,
        "seconds": row.seconds,
        "verified": row.verified,
        "bitrate": row.bitrate,
        "expected_psnr": row.expected_psnr,
        "worst": row.worst,
        "started_from": row.started_from,
        "attempts": row.attempts,
        "notes": row.notes,
        "resumed": row.resumed,
    }


def _tell_more(account: Account) -> None:
    """Notes below the table, and failures on standard error."""
    for row in account.rows:
        for note in (*row.resumed, *row.notes):
            typer.echo(f"note: {row.name}: {note}")
    for note in account.facts["notes"]:
        typer.echo(f"note: {note}")
    if account.trouble:
        typer.echo(account.trouble, err=True)
    elif account.path is not None:
        typer.echo(f"account {account.path}")
    failed = [row for row in account.rows if row.status == "failed"]
    for row in failed:
        typer.echo(f"failed  {row.source}\n{row.error}", err=True)
        if row.trace:
            typer.echo(row.trace, err=True)
    if failed:
        again = shlex.join(["vidinternal", *sys.argv[1:]])
        told = f"{len(failed)} of {len(account.rows)} clips failed; to go on where it stopped: {again}"
        typer.echo(told, err=True)
