"""How weights pass from clip to clip: through the bank of the output folder, under names that the plan fixes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from vidinternal.engines.account import Row
from vidinternal.engines.staging import StagedJob
from vidinternal.learn.warm_start.bank import DEFAULT_LIMIT, Bank
from vidinternal.methods import card
from vidinternal.runner.job import Job
from vidinternal.runner.spec import PipelineSpec, load_pipeline
from vidinternal.runner.starts import PLAN, pin_of


@cache
def spec_of(pipeline: str, sets: tuple[str, ...]) -> PipelineSpec:
    """A pipeline, read once for all the clips of a batch that go through it."""
    return load_pipeline(pipeline, sets)


def carrying(spec: PipelineSpec) -> str:
    """Name of the stage whose windows may start from weights of others; empty where there is none."""
    return next((s.name for s in spec.stages if s.carries), "")


def can_warm(spec: PipelineSpec) -> bool:
    """Whether a pipeline trains something that can start from weights of another clip."""
    stage = spec.stage(carrying(spec))
    if stage is None or stage.task is None:
        return False
    config = stage.config
    own = config.bank is not None or config.starts is not None  # somebody has chosen for themselves
    return card(config.method, stage.task).trains and config.init not in ("cold", "meta") and not own


@dataclass(frozen=True)
class Warm:
    """Where the weights of a batch are kept.

    Attributes:
        bank: The folder.
        url: Where weights pass between machines that share no disk, and are never removed; empty where the folder is on
            a disk they share.
        limit: Bytes the bank may hold beside what the plan still needs.
    """

    bank: Path
    url: str = ""
    limit: int = DEFAULT_LIMIT

    def job(self, job: Job, groups: Sequence[str], *, followed: bool = False) -> Job:
        """The job, to start from these groups of weights and to leave its own.

        Args:
            job: A clip's.
            groups: Of the clips before it in its chain, in order; none starts cold whatever lies in the bank.
            followed: Whether its own are needed by clips behind it, and so must stay in the bank.
        """
        stage = carrying(spec_of(job.pipeline, job.sets))
        starts = f"{stage}.starts=[{', '.join(groups)}]"
        sets = (*job.sets, f"{stage}.bank={self.bank}", starts)
        made = replace(job, sets=sets, hold=PLAN if followed and not self.url else "")
        return replace(made, bank_url=self.url) if isinstance(made, StagedJob) else made

    def lacks(self, row: Row) -> bool:
        """Whether weights of a clip that is done are no longer there, or damaged; what is there is kept from now on."""
        if self.url:
            return False
        bank = Bank(self.bank, self.limit)
        with suppress(OSError):  # a disk without room for a pin may still have the weights
            bank.pin(pin_of(PLAN, row.group), [e.name for e in bank.group(row.group)], lapses=False)
        return not bank.holds(row.group, row.weights)

    def release(self, rows: Sequence[Row]) -> None:
        """Nobody needs the weights of these clips any more."""
        bank = Bank(self.bank, self.limit)
        for row in rows:
            if row.group:
                bank.unpin(pin_of(PLAN, row.group))

    def crowded(self) -> bool:
        """Whether chains that have begun should come to their end before others begin: the bank is over its bound."""
        return not self.url and Bank(self.bank, self.limit).over_full()


def sweep(bank: Path) -> None:
    """Remove what killed jobs left in the bank of an output folder that has just been locked, their pins too.

    Those of the plan stay: the batch goes on with it.
    """
    kept = Bank(bank)
    kept.sweep(older=0.0)
    kept.unpin_all(f"{PLAN}-", but=True)


def release_all(bank: Path) -> None:
    """A plan has come to its end: nothing in the bank of its output folder is kept for it."""
    Bank(bank).unpin_all(f"{PLAN}-")
