"""A batch from its jobs to its account: chains planned, the output folder locked, an engine set up, all of it run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from vidinternal.core.errors import UsageError, nearest
from vidinternal.engines.account import Account, Row
from vidinternal.engines.base import Engine
from vidinternal.engines.batch import Batch, Entry, Policy, Watch
from vidinternal.engines.chains import PLAN, planned_chains, usual_length
from vidinternal.engines.local import LocalEngine, accelerators, workers_that_fit
from vidinternal.engines.output_lock import locked_output
from vidinternal.engines.receipts import Receipts
from vidinternal.engines.remote import Place, is_url
from vidinternal.engines.remote_output import fetch_state, locked_url
from vidinternal.engines.signals import Signals
from vidinternal.engines.staging import StagedJob
from vidinternal.engines.warm import Warm, can_warm, carrying, release_all, spec_of, sweep
from vidinternal.runner.beside import place_of
from vidinternal.runner.job import Job
from vidinternal.runner.remade import maker_of

ENGINES = ("local", "ray")
OWN = ".vidinternal"
ACCOUNT = "batch.json"


@dataclass(frozen=True)
class Many:
    """How a batch is run.

    Attributes:
        output: The folder of the results; where they go to a URL, one on this machine for what is known of them.
        url: The folder of the results where that is a URL, else empty.
        engine: ``local`` or ``ray``.
        address: Of a Ray cluster; None = the one this machine is part of, or one of its own.
        jobs: Clips at the same time; None = as many as processors and memory have room for.
        threads: Threads of each; results depend on it, so it is not made from the number of processors.
        chain: Clips that follow one another at most, each starting from the weights of those before; 1 = none;
            None = by the number of clips.
        gpus: Share of an accelerator that a job on a cluster gets; 0 computes on processors.
        policy: Retries and time limit.
        account: Whether ``batch.json`` is written.
    """

    output: Path
    engine: str = "local"
    address: str | None = None
    jobs: int | None = None
    threads: int = 1
    chain: int | None = None
    gpus: float = 0.0
    policy: Policy = field(default_factory=Policy)
    account: bool = True
    url: str = ""


@dataclass(frozen=True)
class Piece:
    """One clip of a batch.

    Attributes:
        name: Its path below the folder given.
        job: What is to be done.
        notes: What was found of its own.
    """

    name: str
    job: Job
    notes: tuple[str, ...] = ()


def check_engine(name: str) -> None:
    """Refuse an engine that there is not.

    Raises:
        UsageError: With the nearest name.
    """
    if name not in ENGINES:
        raise UsageError("--engine", expected=" or ".join(ENGINES), got=repr(name), hint=nearest(name, ENGINES))


def run_many(
    pieces: Sequence[Piece],
    given: Many,
    also: Sequence[Row] = (),
    watch: Callable[[Account], Watch | None] | None = None,
    signals: Signals | None = None,
) -> Account:
    """Run a batch.

    Args:
        pieces: The clips.
        given: How.
        also: Rows of clips that cannot be run, for the account.
        watch: Makes who gets told, from the account.
        signals: Entered by the caller; asks to stop.

    Returns:
        The account; a failed clip is a row in it.

    Raises:
        UsageError: Another batch is at work on the output folder, the engine cannot be used, or files beside two
            results would have one name.
        Interrupted: It was asked to stop; everything done is kept.
    """
    check_beside(pieces)
    private = any(piece.job.private for piece in pieces)
    url = Place(given.url) if given.url else None
    inner = given.output / OWN
    with ExitStack() as held:
        held.enter_context(locked_output(given.output, inner))
        if url is not None:
            held.enter_context(locked_url(url))
            fetch_state(url, inner / "batch")
        account = _account(pieces, given, also, given.output / ACCOUNT if given.account and not private else None)
        receipts = Receipts(None if private else inner / "batch", f"{given.engine}, {given.threads} threads")
        if url is not None:
            account.publish = lambda path: url.below(path.name).put(path)
            receipts.publish = lambda path: url.below(f"{OWN}/batch/{path.name}").put(path)
        account.sweep()
        receipts.sweep()
        sweep(inner / "bank")
        entries, warm = _entries(pieces, account, given, None if private else inner / "batch")
        if url is not None and (inner / "batch" / PLAN).is_file():
            receipts.publish(inner / "batch" / PLAN) if receipts.publish else None
        engine = engine_for([piece.job for piece in pieces], given, len(pieces))
        account.facts["engine"] = {"name": engine.name, "jobs": engine.slots, "threads": given.threads}
        account.facts["notes"] += [note for note in engine.notes if note]
        at_once = max(1, min(engine.slots, len(pieces)))
        for entry in entries:
            entry.job = replace(entry.job, processes=at_once)
        batch = Batch(entries, engine, account, receipts, given.policy, warm, watch(account) if watch else None)
        if signals is not None:
            batch.stop = signals.stop
        batch.run()
        release_all(inner / "bank")  # not where it was interrupted: the next one goes on with its plan
    if private:
        with suppress(OSError):  # clips' workspaces that are not done yet are in it
            inner.rmdir()
    return account


def check_beside(pieces: Sequence[Piece]) -> None:
    """Refuse clips whose results differ in their suffix alone where files called like them are written beside.

    Raises:
        UsageError: Two clips would write the same files, and which came last would be chance.
    """
    taken: dict[str, Piece] = {}
    for piece in pieces:
        spec, to = spec_of(piece.job.pipeline, piece.job.sets), places_of(piece.job)[1]
        layers = getattr(getattr(maker_of(spec), "card", None), "layers", ())
        if piece.job.private or (spec.stage("find") is None and not layers):
            continue
        called = to.rpartition(".")[0] if is_url(to) else str(place_of(Path(to), ""))
        other = taken.setdefault(called, piece)
        if other is not piece:
            raise UsageError(
                f"-o {to.rpartition('/')[0]}",
                expected="results that differ in more than their suffix: what is found is written beside them",
                got=f"{other.name} and {piece.name}",
                hint=f"--exclude '{piece.name}', and that one by itself to another folder",
            )


def places_of(job: Job) -> tuple[str, str]:
    """Where a job's clip is and where its result goes, for people."""
    source, output = str(job.inputs.source), str(job.inputs.destination)
    if isinstance(job, StagedJob):
        return job.source_url or source, job.output_url or output
    return source, output


def _account(pieces: Sequence[Piece], given: Many, also: Sequence[Row], path: Path | None) -> Account:
    rows = [Row(p.name, *places_of(p.job), notes=list(p.notes)) for p in pieces]
    first = pieces[0].job if pieces else None
    facts = {
        "pipeline": first.pipeline if first else "",
        "settings": list(first.sets) if first else [],
        "output": given.url or str(given.output),
        "process": os.getpid(),
        "notes": [],
    }
    return Account(path, [*rows, *also], facts)


def _entries(
    pieces: Sequence[Piece], account: Account, given: Many, folder: Path | None
) -> tuple[list[Entry], Warm | None]:
    """The clips with their places in chains; where nothing can be passed on, each stands alone."""
    rows = account.rows[: len(pieces)]
    warming = [folder is not None and can_warm(spec_of(p.job.pipeline, p.job.sets)) for p in pieces]
    most = given.chain or usual_length(len(pieces))
    if not any(warming) or most <= 1:
        return [Entry(p.job, row) for p, row in zip(pieces, rows, strict=True)], None
    able = [k for k, warm in enumerate(warming) if warm]
    chains, notes = planned_chains(
        [pieces[k].name for k in able], [pieces[k].job.inputs.source for k in able], most, folder
    )
    account.facts["notes"] += notes
    before = {able[c[place]]: tuple(able[k] for k in c[:place]) for c in chains for place in range(len(c))}
    entries = []
    for k, (piece, row) in enumerate(zip(pieces, rows, strict=True)):
        row.follows = [rows[i].name for i in before.get(k, ())]
        entries.append(Entry(piece.job, row, before.get(k, ())))
    url = Place(given.url).below(f"{OWN}/bank").url if given.url else ""
    first = spec_of(pieces[able[0]].job.pipeline, pieces[able[0]].job.sets)
    limit = next(s.config.bank_limit for s in first.stages if s.name == carrying(first))
    return entries, Warm(given.output.resolve() / OWN / "bank", url, limit)


def engine_for(jobs: Sequence[Job], given: Many, most: int) -> Engine:
    """The engine of a batch.

    Args:
        jobs: The clips; device and memory are the first one's.
        given: Which engine, and how.
        most: Jobs that there can be at the same time.

    Raises:
        UsageError: It cannot be used.
    """
    memory, device = (jobs[0].memory, jobs[0].device) if jobs else (None, "cpu")
    if given.engine == "ray":
        from vidinternal.engines.ray_engine import RayEngine, RaySetup  # noqa: PLC0415 - an extra

        gpus = 0.0 if device == "cpu" else given.gpus
        return RayEngine(RaySetup(given.address, given.threads, memory, gpus, given.jobs))
    workers, note = workers_that_fit(given.jobs, given.threads, memory)
    gpus = accelerators(device) if jobs else ()
    engine = LocalEngine(max(1, min(workers, most or 1)), given.threads, gpus)
    engine.notes += [note] if note else []
    return engine
