"""What happens around a run: taking up where the last one was, saying why something is made again, and the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidinternal.core.errors import MediaError
from vidinternal.media.part_file import remove_part
from vidinternal.media.stills.image_sequence import names_many
from vidinternal.runner.beside import write_beside
from vidinternal.runner.keys import reasons, stage_keys
from vidinternal.runner.layers import write_layers
from vidinternal.runner.ledger import Ledger
from vidinternal.runner.starts import take, taken
from vidinternal.runner.workspace import Workspace, file_digest, part_name
from vidinternal.stages.base import Stage

if TYPE_CHECKING:
    from vidinternal.runner.run import Run


def begin(run: Run) -> None:
    """Take up the job's memory as it is now that nobody else can write it, and clear away what a killed run left."""
    run.ledger = Ledger.of(run.job)
    if run.ledger.damaged:
        run.say(f"damaged in the workspace and begun anew: jobs/{run.ledger.path.name}")
    if run.job.fresh and run.ledger.pending is None:
        run.ledger.pending = run.ledger.again + 1
        run.ledger.save()
    take(run, taken(run.job, run.spec, run.ledger))
    run.budget.charge(run.ledger.spent.get(run.name, 0.0))
    remove_part(run.job.inputs.destination, run.token)


def say_why(run: Run) -> None:
    """Tell why stages are made again, and remember what they are made of now."""
    redone = [s.name for s in run.spec.stages if s.kept and not run.workspace.any(s.name, run.keys[s.name])]
    for line in reasons(run.ledger.parts, run.parts, redone):
        run.say(line)
    run.ledger.parts, run.ledger.workspace = run.parts, str(run.workspace.folder)
    run.ledger.save()


def end(run: Run) -> None:
    """Make the results of ``--fresh`` the ones that count, and drop those they replace."""
    old = run.parts_of(run.ledger.again, tuple((n, d) for n, d in run.ledger.starts.get("before", [])))
    replaced = run.ledger.pending is not None and run.job.fresh
    run.ledger.spent = {}
    if replaced and run.ledger.pending is not None:
        run.ledger.again, run.ledger.pending = run.ledger.pending, None
    run.ledger.save()
    for line in (*write_beside(run), *write_layers(run)):
        run.say(line)
    freed = run.workspace.forget(stage_keys(old)) if replaced else 0
    if freed:
        run.say(f"--fresh: the earlier intermediate results were replaced ({freed / 2**20:.1f} MiB)")


def writes_output(stage: Stage) -> bool:
    """Whether a stage writes the output: until the record vouches for that, the output may have to be made again."""
    return "destination" in stage.from_job


def forget_state_of_output(run: Run) -> None:
    """The output is recorded: it need not be made again from what was kept of it."""
    for stage in run.spec.stages:
        if writes_output(stage):
            run.workspace.forget_state(stage.name, run.keys[stage.name], part_name(None))


def forget_lost_result(run: Run) -> None:
    """A stored account of a file that is gone or changed must not stand for it."""
    for stage in run.spec.stages:
        if writes_output(stage):
            run.workspace.forget_result(stage.name, run.keys[stage.name], part_name(None))


def finished_before(workspace: Workspace, name: str, destination: Path) -> Mapping[str, Any] | None:
    """The record of this very job, if the file it wrote is still there unchanged, and its layers are there."""
    record = workspace.read_json(name)
    if record is None or not (destination.exists() or names_many(destination)):
        return None
    if not all(Path(place).exists() for place in record.get("layers", {}).values()):
        return None
    try:
        return record if record["output"]["digest"] == file_digest(destination) else None
    except MediaError:
        return None  # a sequence of which images are gone
