"""One long clip on several workers: runs of its shots side by side, then the whole of it joined in order."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from vidinternal.core.errors import UsageError
from vidinternal.engines.account import Account, Row
from vidinternal.engines.attempt import attempt
from vidinternal.engines.base import Outcome
from vidinternal.engines.batch import Batch, Entry
from vidinternal.engines.many import Many, engine_for
from vidinternal.engines.receipts import Receipts
from vidinternal.engines.signals import Signals
from vidinternal.engines.staging import StagedJob
from vidinternal.engines.warm import can_warm, carrying, spec_of
from vidinternal.runner.job import Job, Observer
from vidinternal.runner.split import PartJob, cut_into_windows, parts_of


def independent(job: Job) -> tuple[Job, tuple[str, ...]]:
    """The job with windows that need nothing of other shots, and a note where that changes something."""
    spec = spec_of(job.pipeline, job.sets)
    if not can_warm(spec):
        return job, ()
    cold = f"{carrying(spec)}.init=cold"
    note = f"split by shots: every shot is trained from nothing, as with --set {cold}"
    return replace(job, sets=(*job.sets, cold)), (note,)


def run_split(
    job: Job, given: Many, signals: Signals | None = None, observer: Observer | None = None
) -> tuple[Outcome, tuple[str, ...]]:
    """Run one clip with its shots on several workers.

    The result is what one worker makes of the same job: parts leave their windows in the clip's workspace under the
    keys that the whole run looks for.

    Args:
        job: The clip's.
        given: The engine and how many parts are made at the same time.
        signals: Entered by the caller; asks to stop.
        observer: Gets told how the joining goes on.

    Returns:
        How it ended, and notes: how it was split, and how well the parts meet.

    Raises:
        UsageError: The clip is at a URL.
        Interrupted: It was asked to stop; everything done is kept.
    """
    if isinstance(job, StagedJob):
        raise UsageError("--split-shots", expected="a clip and a result on a disk that all workers share", got="a URL")
    job, notes = independent(job)
    parts: list[range] = []
    windows = cut_into_windows(job)
    engine = engine_for([job], given, len(windows.shots))
    parts = parts_of(windows, engine.slots)
    if len(parts) > 1:
        plain: dict[str, Any] = {f.name: getattr(job, f.name) for f in fields(Job)} | {"report": None}
        entries = []
        for number, part in enumerate(parts):
            own = PartJob(**plain, first=part.start, end=part.stop)
            name = f"{job.inputs.source.name} part {number + 1} of {len(parts)}"
            entries.append(Entry(own, Row(name, str(job.inputs.source), str(job.inputs.destination))))
        account = Account(None, [entry.row for entry in entries], {"notes": []})
        batch = Batch(entries, engine, account, Receipts(None), given.policy)
        if signals is not None:
            batch.stop = signals.stop
        batch.run()
        failed = next((row for row in account.rows if row.status == "failed"), None)
        if failed is not None:
            return Outcome(job.inputs.source, None, failed.error, failed.exit_code, failed.trace), notes
    else:
        engine.close()
    outcome = attempt(job, observer, signals.stop if signals else None)
    return outcome, (*notes, told(outcome, windows.shots, parts))


def told(outcome: Outcome, shots: tuple[object, ...], parts: list[range]) -> str:
    """How a clip was split, and the mean step at the seams of its windows."""
    line = f"split: {len(shots)} shots in {len(parts)} parts"
    if outcome.result is None:
        return line
    seams = [s["seam_codes"] for s in outcome.result.record["shots"] if s.get("seam_codes") is not None]
    return f"{line}; seams between windows {sum(seams) / len(seams):.2f} codes" if seams else f"{line}; no seams"
