"""Which finished windows a run may start from: fixed when the job is first opened, and part of the key.

A stage that says so (``Stage.carries``) gets, for each window, the entries of the bank that the job took into its list,
and the earlier windows of the clip. The list is remembered in the job's ledger: a run that was killed goes on with the
same one whatever others have put into the bank since, and its entries are pinned until the run ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidinternal.core.errors import UserError
from vidinternal.learn.warm_start.bank import Bank, Entry
from vidinternal.learn.warm_start.pool import Finished
from vidinternal.runner.job import Job
from vidinternal.runner.ledger import Ledger
from vidinternal.runner.spec import PipelineSpec
from vidinternal.runner.workspace import part_name
from vidinternal.stages.artifacts import Fill
from vidinternal.stages.base import Stage
from vidinternal.stages.made import Made

if TYPE_CHECKING:
    from vidinternal.core.clip import Window
    from vidinternal.runner.run import Run

RECENT = 64
"""Windows of the clip itself that are looked at; a long clip has thousands, and those far back look like others too."""
PLAN = "plan"
"""Whose pins a batch's are. They do not lapse: a batch may take weeks. The bank is that of one output folder, which one
batch at a time has locked, and a batch that comes to its end gives all of them up."""
Listed = tuple[tuple[str, str], ...]
"""Names of entries and digests of their weights."""


@dataclass(frozen=True)
class Taken:
    """What a job may start from.

    Attributes:
        wanted: Groups that were asked for, or None for the bank as it was.
        listed: The entries.
        notes: For a person: what was asked for and is not there, what is damaged.
    """

    wanted: tuple[str, ...] | None = None
    listed: Listed = ()
    notes: tuple[str, ...] = ()

    def remembered(self, generation: int, last: Mapping[str, Any]) -> dict[str, Any]:
        """JSON-ready, for the ledger.

        Args:
            generation: Which making anew the list belongs to.
            last: What was remembered; the list of the making before is kept, so that its results can be dropped.
        """
        same = last.get("generation") == generation
        before = last.get("before", []) if same else last.get("listed", [])
        return {"wanted": self.wanted, "listed": self.listed, "generation": generation, "before": before}


def carrying(spec: PipelineSpec) -> Stage | None:
    """The stage of a pipeline whose windows start from finished ones."""
    return next((s for s in spec.stages if s.carries and s.config.init not in ("cold", "meta")), None)


def bank_of(stage: Stage | None) -> Bank | None:
    """The bank that a stage was given, if any.

    Raises:
        UsageError: The folder cannot be used.
    """
    if stage is None or stage.config.bank is None:
        return None
    return Bank(stage.config.bank, stage.config.bank_limit)


def taken(job: Job, spec: PipelineSpec, ledger: Ledger, *, anew: bool = False) -> Taken:
    """What a job may start from: as remembered, or as the bank is now.

    Args:
        job: The job.
        spec: Its pipeline.
        ledger: Its memory.
        anew: Whether to look again whatever is remembered.

    Raises:
        UserError: The bank cannot be used, or a group has an impossible name.
    """
    stage = carrying(spec)
    bank = bank_of(stage)
    if stage is None or bank is None:
        return Taken()
    wanted = stage.config.starts
    told = ledger.starts
    asked = None if wanted is None else list(wanted)
    same = told and told["wanted"] == asked and told["generation"] == ledger.generation(job.fresh)
    if same and not anew:
        return Taken(wanted, tuple((name, digest) for name, digest in told["listed"]))
    entries = _entries(bank, wanted, stage.config.method)
    whole = [e for e in entries if bank.whole(e)]
    notes = [f"weight bank: no weights of group {g}" for g in wanted or () if not bank.group(g)]
    notes += [f"weight bank: damaged and passed over: {name}" for name in bank.damaged]
    return Taken(wanted, tuple((e.name, e.digest) for e in whole), tuple(notes))


def _entries(bank: Bank, wanted: Sequence[str] | None, method: str) -> list[Entry]:
    found = bank.entries() if wanted is None else [e for g in wanted for e in bank.group(g)]
    return [e for e in found if e.method == method]


def lost(bank: Bank | None, listed: Listed) -> list[str]:
    """Entries of a list that are no longer what they were."""
    if bank is None:
        return []
    found = {name: bank.get(name) for name, _ in listed}
    return [name for name, digest in listed if (e := found[name]) is None or e.digest != digest or not bank.whole(e)]


def take(run: Run, found: Taken) -> None:
    """Take what a run's windows may start from; its keys follow."""
    run.starts = found
    run.take(run.parts_of(run.ledger.generation(run.job.fresh)))


def prepare(run: Run) -> None:
    """Pin what a run that has work to do starts from; look again at the bank where something has gone since."""
    bank = bank_of(carrying(run.spec))
    if bank is None:
        return
    gone = lost(bank, run.starts.listed)
    if gone:
        run.say(f"weight bank: {len(gone)} of {len(run.starts.listed)} entries are gone; starting from what there is")
        take(run, taken(run.job, run.spec, run.ledger, anew=True))
    for note in run.starts.notes:
        run.say(note)
    run.ledger.starts = run.starts.remembered(run.ledger.generation(run.job.fresh), run.ledger.starts)
    run.ledger.save()
    _quietly(run, lambda: bank.pin(run.token, [name for name, _ in run.starts.listed]))


def finished(run: Run, stage: Stage, window: Window | None) -> tuple[Finished, ...]:
    """What a window may start from, oldest first: the job's list, then the clip's own windows before it."""
    if window is None or carrying(run.spec) is not stage:
        return ()
    found = list(_listed(stage.config.bank, run.starts.listed))
    for index in range(max(0, window.index - RECENT), window.index):
        own = _own(run, stage, index)
        found += [] if own is None else [own]
    return tuple(found)


@lru_cache(maxsize=4)
def _listed(folder: Path | None, listed: Listed) -> tuple[Finished, ...]:
    """The entries of a list; read once for all windows of a clip."""
    if folder is None:
        return ()
    bank = Bank(folder)
    return tuple(Finished.of(bank, e) for name, _ in listed if (e := bank.get(name)) is not None)


def _own(run: Run, stage: Stage, index: int) -> Finished | None:
    place = run.workspace.folder_of(stage.name, run.keys[stage.name], part_name(index), stage.writes[0])
    if not place.is_dir():
        return None  # of another part of the clip, made elsewhere
    kind = _kind(stage)
    facts = kind.facts_in(place)
    if not _carries_on(facts):
        return None
    height, width = facts["size"]
    return Finished(
        f"window {index + 1}",
        facts["method"],
        facts["signature"],
        (height, width),
        tuple(facts["description"]),
        lambda: kind.weights_in(place),
    )


def _kind(stage: Stage) -> type[Fill | Made]:
    """What a stage's windows leave: the first artifact it writes, with account and weights."""
    return Made if stage.writes[0] == "made" else Fill


def _carries_on(facts: Mapping[str, Any]) -> bool:
    return bool(facts.get("signature") and facts.get("description") and facts.get("trained"))


def publish(run: Run) -> None:
    """Put the weights of all windows into the bank; what is there already is left as it is."""
    stage = carrying(run.spec)
    bank = bank_of(stage)
    if stage is None or bank is None or run.job.private:
        return
    _quietly(run, lambda: _put_all(run, stage, bank))
    _quietly(run, lambda: bank.unpin(run.token))


def group_of(run: Run, stage: Stage) -> str:
    """The name under which a run's windows stand in a bank."""
    return f"w{run.keys[stage.name]}"


def pin_of(hold: str, group: str) -> str:
    """The name of the pin on a clip's weights that a plan needs."""
    return f"{hold}-{group}"


def _worth_keeping(run: Run, stage: Stage) -> list[tuple[Entry, Path]]:
    """What is known of the weights of each window that was trained, and where they lie."""
    key, group = run.keys[stage.name], group_of(run, stage)
    found: list[tuple[Entry, Path]] = []
    for part in run.workspace.parts(stage.name, key):
        place = run.workspace.folder_of(stage.name, key, part, stage.writes[0])
        facts, index = _kind(stage).facts_in(place), int(part.rpartition("-")[2])
        if not _carries_on(facts):
            continue
        height, width = facts["size"]
        about = Entry(group, index, facts["method"], facts["signature"], (height, width), tuple(facts["description"]))
        found.append((about, place))
    return found


def _put_all(run: Run, stage: Stage, bank: Bank) -> None:
    found = _worth_keeping(run, stage)
    if run.job.hold and found:
        # before they are put: between that and a pin, another writer may have removed them
        names = [about.name for about, _ in found]
        bank.pin(pin_of(run.job.hold, group_of(run, stage)), names, lapses=run.job.hold != PLAN)
    for about, place in found:
        there = bank.get(about.name)
        if there is not None and bank.whole(there):
            continue
        if bank.put(about, _kind(stage).weights_in(place)) is None:
            where = f"{stage.name}.bank_limit ({bank.limit} bytes)"
            run.say(f"weight bank: the weights of a window are larger than {where}")
            return


def _quietly(run: Run, work: Any) -> None:
    """A bank is a help: that it cannot be written to costs a note, not the clip."""
    try:
        work()
    except (OSError, UserError) as error:
        run.say(f"weight bank: {getattr(error, 'strerror', None) or error}: it was not written to")


def account(run: Run) -> dict[str, Any] | None:
    """What ``run.json`` tells: the group others can start from, of how many windows, and what this run started from."""
    stage = next((s for s in run.spec.stages if s.carries), None)
    if stage is None:
        return None
    bank = stage.config.bank
    return {
        "init": stage.config.init,
        "bank": None if bank is None else str(bank),
        "group": group_of(run, stage),
        "windows": len(_worth_keeping(run, stage)),
        "entries": [list(entry) for entry in run.starts.listed],
    }
