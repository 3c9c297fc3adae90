"""How weights pass from clip to clip: through the bank of the output folder, under names that the plan fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from vidinternal.engines.staging import StagedJob
from vidinternal.methods import card
from vidinternal.runner.job import Job
from vidinternal.runner.spec import PipelineSpec, load_pipeline


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
        url: Where weights pass between machines that share no disk; empty where the folder is on one they share.
    """

    bank: Path
    url: str = ""

    def job(self, job: Job, groups: Sequence[str]) -> Job:
        """The job, to start from these groups of weights and to leave its own.

        Args:
            job: A clip's.
            groups: Of the clips before it in its chain, in order; none starts cold whatever lies in the bank.
        """
        stage = carrying(spec_of(job.pipeline, job.sets))
        starts = f"{stage}.starts=[{', '.join(groups)}]"
        made = replace(job, sets=(*job.sets, f"{stage}.bank={self.bank}", starts))
        return replace(made, bank_url=self.url) if isinstance(made, StagedJob) else made
