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
    from vidinternal.engines.base import Outcome
    from vidinternal.runner.job import Job

INTERRUPTED = 130


def run(
    pipeline: Annotated[str, typer.Argument(help="A name from `vidinternal pipelines`, or the path of a .yaml file.")],
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, globs, URLs, or images as folder/%05d.png.")],
    output: Annotated[
        str, typer.Option("-o", "--output", help="A file for one input, else a folder or its URL; out/%05d.png.")
    ],
    mask: Annotated[str | None, typer.Option(help="Video, image or folder of images; white = remove.")] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="X,Y,W,H[@START-END] in pixels and frames or HH:MM:SS; repeatable.", metavar="REGION"),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            help="[NAME:]box=X,Y,W,H@FRAME, point=X,Y, not=X,Y, polygon=X,Y;.., scribble=PNG, mask=PNG; repeatable.",
            metavar="HINT",
        ),
    ] = None,
    hints: Annotated[Path | None, typer.Option(help="A file of hints to objects, YAML or JSON.")] = None,
    events: Annotated[
        Path | None, typer.Option(help="What to remove, as an earlier run wrote it (.events.json) and you edited it.")
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="A .srt of the burnt-in text: text at other times is left alone.")
    ] = None,
    soft_subs: Annotated[
        bool, typer.Option("--soft-subs", help="Give recognised text back as a subtitle track and as .srt.")
    ] = False,
    language: Annotated[str | None, typer.Option(help="Of that track, e.g. en or eng.")] = None,
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
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="Of the cluster, e.g. 10.0.0.1:6379; auto = this machine's.")
    ] = None,
    gpu_share: Annotated[
        float, typer.Option(help="Share of an accelerator that a job on a Ray cluster gets, e.g. 0.5; 0 = none.", min=0)
    ] = 0.0,
    jobs: Annotated[
        int | None, typer.Option(help="Clips at the same time; as many as processors and memory allow.", min=1)
    ] = None,
    threads: Annotated[
        int, typer.Option(help="Threads of each of many clips; the bytes of a result depend on it.", min=1)
    ] = 1,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Of a folder only clips that match, e.g. '*.mkv' or 'season1/*'; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out clips or folders that match; repeatable.")
    ] = None,
    retries: Annotated[int, typer.Option(help="Times that a failed clip is tried again.", min=0)] = 0,
    timeout: Annotated[
        str | None, typer.Option(help="Time a clip may take before it counts as failed, e.g. 2h.")
    ] = None,
    chain: Annotated[
        int | None,
        typer.Option(help="Similar clips that follow one another, each from the weights before; 1 = none.", min=1),
    ] = None,
    split_shots: Annotated[
        bool, typer.Option("--split-shots", help="Share the shots of one long clip among --jobs workers.")
    ] = False,
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
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page of the run; of many clips a table and a page for each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result on standard output.")] = False,
) -> None:
    """Run clips through a pipeline. Resuming is the default and never deletes progress."""
    from vidinternal.cli.batch import found_jobs, rows_of, run_folder, run_parts
    from vidinternal.engines.batch import Policy
    from vidinternal.engines.folders import Choice
    from vidinternal.engines.many import Many, check_engine
    from vidinternal.engines.url_jobs import Named
    from vidinternal.media.soft_subs import language_code
    from vidinternal.runner.job import Job
    from vidinternal.runner.memory import parse_memory
    from vidinternal.runner.spec import load_pipeline
    from vidinternal.stages.base import JobInputs

    check_engine(engine)
    load_pipeline(pipeline, settings or [])
    named = Named(inputs, output, mask)
    choice = Choice(include or (), exclude or (), None if named.remote else Path(output))
    regions = tuple(parse_region(r) for r in region or [])
    template = Job(
        pipeline=pipeline,
        inputs=JobInputs(
            *(Path(), Path(), None if mask is None or named.remote else Path(mask)),
            regions=regions,
            mask_fit=mask_fit,
            objects=tuple(objects or ()),
            hints=hints,
            events=events,
            subtitles=subtitles,
            soft_subs=soft_subs,
            language=None if language is None else language_code(language),
        ),
        sets=tuple(settings or ()),
        device=device,
        seed=seed,
        budget=parse_seconds(budget) if budget else None,
        workspace=workspace,
        fresh=fresh,
        memory=parse_memory(memory) if memory else None,
        private=private,
    )
    found = found_jobs(named, choice, template)
    names, made, several = found.names, found.made, found.several
    work = [job for job, _ in made]
    if dry_run:
        _dry_run(work, as_json)
        return
    if report is not None:
        from vidinternal.engines.reporting import with_pages

        work = with_pages(work, names, report, batch=several)
        made = [(job, notes) for job, (_, notes) in zip(work, made, strict=True)]
    many = several or named.remote or engine != "local" or timeout is not None
    if split_shots and several:
        raise UsageError("--split-shots", expected="one clip", got=f"{len(work)} of a batch, which are shared already")
    if many or split_shots:
        policy = Policy(retries, parse_timeout(timeout))
        given = Many(
            *(found.place, engine, ray_address, jobs, threads, chain, gpu_share, policy),
            account=several,
            url=found.url,
        )
        if split_shots:
            run_parts(work[0], given, report, as_json=as_json)
            return
        page = report if several else None
        run_folder(names, made, given, rows_of(choice, output), choice.notes, as_json=as_json, report=page)
        return
    try:
        outcomes = _run_here(work, quiet=as_json)
    except KeyboardInterrupt as stopped:
        typer.echo(interrupted(stopped), err=True)
        raise typer.Exit(INTERRUPTED) from None
    tell(outcomes, report, as_json)
    failed = [o for o in outcomes if o.result is None]
    if failed:
        raise typer.Exit(failed[0].exit_code)


def parse_timeout(text: str | None) -> float | None:
    """Read ``--timeout``.

    Raises:
        UsageError: It is no duration.
    """
    if text is None:
        return None
    try:
        return parse_seconds(text)
    except UsageError as error:
        raise UsageError("--timeout", expected=error.expected, got=error.got) from error


def _run_here(work: list[Job], *, quiet: bool) -> list[Outcome]:
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
            return list(run_batch(work, watch, signals))


def interrupted(stopped: KeyboardInterrupt) -> str:
    """The one line of a run that was stopped: where it stands, and the command that goes on from there."""
    from vidinternal.core.stop import Interrupted

    again = shlex.join(["vidinternal", *sys.argv[1:]])
    if isinstance(stopped, Interrupted):
        return f"interrupted ({stopped.message}); everything done is kept; to go on: {again}"
    return f"interrupted at once; at most 30 s of training are done again; to go on: {again}"


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
        "expected_range": [s.get("expected_range") for s in record["shots"]],
        "notes": record["notes"],
        "resumed": record.get("resumed", []) if outcome.result.status == "done" else [],
    }


def tell(outcomes: list[Outcome], report: Path | None, as_json: bool) -> None:
    """Print what came of clips that were run here, as lines or as JSON."""
    summaries = [_summary(o) for o in outcomes]
    if as_json:
        typer.echo(json.dumps(summaries, indent=2))
        return
    for summary in summaries:
        if summary["status"] == "failed":
            typer.echo(f"failed  {summary['source']}\n{summary['error']}", err=True)
            continue
        between = zip(summary["expected_psnr"], summary["expected_range"], strict=True)
        scores = [f"{s:.1f}" + (f" ({e[0]:.0f} to {e[1]:.0f})" if e else "") for s, e in between if s is not None]
        score = f", expected quality in the hole {'/'.join(scores)} dB" if scores else ""
        typer.echo(f"{summary['status']}  {summary['output']}  ({summary['seconds']:.1f} s{score})")
        for told in ("verified", "bitrate"):
            if summary[told]:
                typer.echo(f"      {told}: {summary[told]}")
        if summary["record"]:
            typer.echo(f"      record {summary['record']}")
        for note in (*summary["resumed"], *summary["notes"]):
            typer.echo(f"      note: {note}")
    if report is not None and report.is_file():
        typer.echo(f"      report {report}")
    if any(s["status"] == "failed" for s in summaries):
        again = shlex.join(["vidinternal", *sys.argv[1:]])
        typer.echo(f"1 of 1 clips failed; to go on where it stopped: {again}", err=True)
