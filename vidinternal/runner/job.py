"""What one clip's run was asked to do, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vidinternal.core.errors import UsageError
from vidinternal.media.stills.image_sequence import is_pattern
from vidinternal.stages.base import JobInputs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Job:
    """One clip through one pipeline.

    Attributes:
        pipeline: Name or path of the pipeline.
        inputs: Source, destination, masks.
        sets: ``stage.field=value`` settings.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: Root of all randomness.
        budget: Seconds the run may take, or None.
        workspace: Folder for artifacts; None = ``.vidinternal`` beside the destination.
        fresh: Make everything again instead of resuming; the earlier results are kept until the new ones are done.
        memory: Bytes that all processes of the command may take together; None = a share of what is free.
        processes: How many run at the same time.
        private: Remove intermediate results and weights when the run is done; an unfinished run keeps them.
        report: The HTML page that is made of the run, by :func:`vidinternal.engines.reporting.run_and_report`.
        report_of: The page of the batch that this page belongs to.
        hold: Whose pins keep the weights it puts into a bank there until they are given up; empty = nobody's.
    """

    pipeline: str
    inputs: JobInputs
    sets: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0
    budget: float | None = None
    workspace: Path | None = None
    fresh: bool = False
    memory: int | None = None
    processes: int = 1
    private: bool = False
    report: Path | None = None
    report_of: Path | None = None
    hold: str = ""

    def workspace_root(self) -> Path:
        """The folder that holds the workspaces of clips."""
        place = self.inputs.destination
        return self.workspace or (place.parent if is_pattern(place) else place).parent / ".vidinternal"


@dataclass(frozen=True)
class JobResult:
    """What came of a job.

    Attributes:
        status: ``done``, or ``already done`` when nothing had to be made.
        destination: The file.
        record: The run's record as in ``run.json``.
        record_path: Where that file is; a private run has removed it.
    """

    status: str
    destination: Path
    record: Mapping[str, Any]
    record_path: Path


class Observer(Protocol):
    """Gets told how a run goes on."""

    def progress(self, stage: str, share: float, text: str) -> None:
        """``share`` (0 to 1) of ``stage`` is done."""
        ...

    def note(self, line: str) -> None:
        """Something to know at once, such as why a stage is made again."""
        ...


class Silent:
    """An observer that tells nobody."""

    def progress(self, stage: str, share: float, text: str) -> None:
        """Do nothing."""

    def note(self, line: str) -> None:
        """Do nothing."""


def pick_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device.

    Raises:
        UsageError: CUDA was asked for and is not there, or the name is none of the three.
    """
    import torch  # noqa: PLC0415 - keeps `--help` free of torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError("--device", expected="auto, cpu or cuda", got=repr(name))
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError("--device cuda", expected="a CUDA device that torch can use", got="none", hint="--device auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
