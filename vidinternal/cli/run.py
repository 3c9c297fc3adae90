"""``vidinternal run``: clips through a pipeline."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidinternal.core.budget import parse_seconds
from vidinternal.core.errors import UsageError
from vidinternal.core.timecode import parse_region

if TYPE_CHECKING:
    from vidinternal.engines.local import Outcome
    from vidinternal.runner.job import Job

ENGINES = ("local",)
INTERRUPTED = 130


def run(
    pipeline: Annotated[str, typer.Argument(help="A name from `vidinternal pipelines`, or the path of a .yaml file.")],
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, globs, or images as folder/%05d.png.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A file for one input, else a folder; out/%05d.png.")],
    mask: Annotated[Path | None, typer.Option(help="Video, image or folder of images; white = remove.")] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="X,Y,W,H[@START-END] in pixels and frames or HH:MM:SS; repeatable.", metavar="REGION"),
    ] = None,
    mask_fit: Annotated[bool, typer.Option("--mask-fit", help="Fit a mask of another size, length or rate.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="stage.field=value; repeatable.", metavar="SETTING")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    budget: Annotated[
        str | None, typer.Option(help="Time per clip, e.g. 90s, 10m, 1.5h; the best so far is used.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be filled, and what it would cost.")
    ] = False,
    engine: Annotated[str, typer.Option(help="local.")] = "local",
    jobs: Annotated[int, typer.Option(help="Clips at the same time.", min=1)] = 1,
    workspace: Annotated[
        Path | None, typer.Option(help="Where intermediate results go; .vidinternal beside the output.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make everything again; what it replaces is kept until it is done.")
    ] = False,
    memory: Annotated[
        str | None, typer.Option(help="Memory to stay inside, e.g. 8G; 60 % of what is free. --jobs share it.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Remove weights and all intermediate results when a clip is done.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page of the run (one clip).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result on standard output.")] = False,
) -> None:
    """Run clips through a pipeline. Resuming is the default and never deletes progress."""
    from vidinternal.engines.inputs import destinations, expand, mirrors
    from vidinternal.runner.job import Job
    from vidinternal.runner.memory import parse_memory
    from vidinternal.runner.spec import load_pipeline
    from vidinternal.stages.base import JobInputs

    if engine not in ENGINES:
        raise UsageError("--engine", expected=" or ".join(ENGINES), got=repr(engine))
    load_pipeline(pipeline, settings or [])
    regions = tuple(parse_region(r) for r in region or [])
    found = expand(inputs)
    clips = destinations(found, output, folder=mirrors(inputs, found))
    if report is not None and len(clips) > 1:
        raise UsageError("--report", expected="one clip", got=f"{len(clips)}")
    work = [
        Job(
            pipeline=pipeline,
            inputs=JobInputs(source, destination, mask, regions, mask_fit),
            sets=tuple(settings or ()),
            device=device,
            seed=seed,
            budget=parse_seconds(budget) if budget else None,
            workspace=workspace,
            fresh=fresh,
            memory=parse_memory(memory) if memory else None,
            processes=min(jobs, len(clips)),
            # a report is made from the intermediate results, so they go after it
            private=private and report is None,
        )
        for source, destination in clips
    ]
    if dry_run:
        _dry_run(work, as_json)
        return
    try:
        outcomes = _run_all(work, jobs, quiet=as_json)
    except KeyboardInterrupt as stopped:
        typer.echo(interrupted(stopped), err=True)
        raise typer.Exit(INTERRUPTED) from None
    if report is not None and outcomes[0].result is not None:
        from vidinternal.report.run_page import write_run_page

        write_run_page(work[0], outcomes[0].result, report)
        if private:
            outcomes = [_forget(work[0], outcomes[0])]
    _tell(outcomes, report, as_json)
    failed = [o for o in outcomes if o.result is None]
    if failed:
        raise typer.Exit(failed[0].exit_code if len(outcomes) == 1 else 1)


def _run_all(work: list[Job], workers: int, *, quiet: bool) -> list[Outcome]:
    from contextlib import ExitStack

    from vidinternal.cli.progress import Bars
    from vidinternal.engines.local import run_batch
    from vidinternal.engines.signals import Signals
    from vidinternal.runner.spec import load_pipeline

    names = tuple(s.name for s in load_pipeline(work[0].pipeline, work[0].sets).stages)
    with ExitStack() as stack:

        def watch(job: Job) -> Bars:
            stack.close()
            return stack.enter_context(Bars(job.inputs.source.name, names, quiet=quiet))

        with Signals() as signals:
            return list(run_batch(work, workers, watch, signals))


def interrupted(stopped: KeyboardInterrupt) -> str:
    """The one line of a run that was stopped: where it stands, and the command that goes on from there."""
    from vidinternal.core.stop import Interrupted

    again = shlex.join(["vidinternal", *sys.argv[1:]])
    if isinstance(stopped, Interrupted):
        return f"interrupted ({stopped.message}); everything done is kept; to go on: {again}"
    return f"interrupted at once; at most 30 s of training are done again; to go on: {again}"


def _forget(job: Job, outcome: Outcome) -> Outcome:
    """Remove what a reported clip left behind."""
    from dataclasses import replace

    from vidinternal.runner.private import finished
    from vidinternal.runner.run import open_run

    run = open_run(replace(job, private=True))
    return outcome if outcome.result is None else replace(outcome, result=finished(run, outcome.result))


def _dry_run(work: list[Job], as_json: bool) -> None:
    from vidinternal.runner.dry_run import dry_run

    plans = [dry_run(job) for job in work]
    if as_json:
        typer.echo(json.dumps([p.as_dict() for p in plans], indent=2))
        return
    for plan in plans:
        typer.echo(plan.text())


def _summary(outcome: Outcome) -> dict[str, Any]:
    if outcome.result is None:
        return {"source": str(outcome.source), "status": "failed", "error": outcome.error}
    record = outcome.result.record
    return {
        "source": str(outcome.source),
        "status": outcome.result.status,
        "output": str(outcome.result.destination),
        "record": str(outcome.result.record_path) if outcome.result.record_path.is_file() else None,
        "seconds": record["seconds"],
        "verified": record.get("verified", ""),
        "bitrate": record.get("bitrate", ""),
        "expected_psnr": [s["expected_psnr"] for s in record["shots"]],
        "notes": record["notes"],
        "resumed": record.get("resumed", []) if outcome.result.status == "done" else [],
    }


def _tell(outcomes: list[Outcome], report: Path | None, as_json: bool) -> None:
    summaries = [_summary(o) for o in outcomes]
    if as_json:
        typer.echo(json.dumps(summaries, indent=2))
        return
    for summary in summaries:
        if summary["status"] == "failed":
            typer.echo(f"failed  {summary['source']}\n{summary['error']}", err=True)
            continue
        scores = [f"{s:.1f}" for s in summary["expected_psnr"] if s is not None]
        score = f", expected quality in the hole {'/'.join(scores)} dB" if scores else ""
        typer.echo(f"{summary['status']}  {summary['output']}  ({summary['seconds']:.1f} s{score})")
        for told in ("verified", "bitrate"):
            if summary[told]:
                typer.echo(f"      {told}: {summary[told]}")
        if summary["record"]:
            typer.echo(f"      record {summary['record']}")
        for note in (*summary["resumed"], *summary["notes"]):
            typer.echo(f"      note: {note}")
    if report is not None:
        typer.echo(f"      report {report}")
    failed = sum(s["status"] == "failed" for s in summaries)
    if failed:
        again = shlex.join(["vidinternal", *sys.argv[1:]])
        typer.echo(f"{failed} of {len(summaries)} clips failed; to go on where it stopped: {again}", err=True)
