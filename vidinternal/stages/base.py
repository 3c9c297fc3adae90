"""The contract of a stage: a name, what it reads and writes, typed settings, one ``run``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import create_model

from vidinternal.core.budget import Budget
from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import Checkpoints, MethodCard, Preview, Progress, no_preview, no_progress
from vidinternal.core.timecode import Region

if TYPE_CHECKING:
    import torch

    from vidinternal.learn.warm_start.pool import Finished
    from vidinternal.media.fields import Scan
    from vidinternal.stages.memory import MemoryPlan


class Scope(StrEnum):
    """Whether a stage runs once for the clip or once for every window."""

    CLIP = "clip"
    WINDOW = "window"


@dataclass(frozen=True)
class JobInputs:
    """What a person gave beside the pipeline.

    Attributes:
        source: The clip.
        destination: Where the result goes.
        mask: Video, image or folder of images, white = remove; or None.
        regions: Rectangles to fill, optionally limited in time.
        mask_fit: Whether a mask of another size, length or rate is fitted instead of refused.
        objects: Hints to objects, as typed: ``box=X,Y,W,H@FRAME`` ...
        hints: A file of hints to objects.
        events: A file of events that a person has edited.
        subtitles: A subtitle file that tells when text is shown.
        soft_subs: Whether text that was recognised is added as a subtitle track.
        language: Of that track, ISO 639-2; None where the search may know.
    """

    source: Path
    destination: Path
    mask: Path | None = None
    regions: tuple[Region, ...] = ()
    mask_fit: bool = False
    objects: tuple[str, ...] = ()
    hints: Path | None = None
    events: Path | None = None
    subtitles: Path | None = None
    soft_subs: bool = False
    language: str | None = None


@dataclass(frozen=True)
class StageContext:
    """Everything a stage gets beside the artifacts it reads.

    Attributes:
        job: The job's inputs.
        info: The clip.
        device: Where to compute.
        seed: Root seed of this stage and window.
        window: The window, for stages of that scope.
        budget: Its time.
        progress: Tells how far it is.
        memory: What the run may take; None = no limit.
        checkpoint: Where a training keeps its state; None = nowhere.
        preview: Shows what a fill looks like for now.
        scratch: A folder of this window's own for what is too large for memory, perhaps not made yet; what a killed run
            left is there again, and it goes once the result is kept. None = hold it in memory.
        finished: Finished windows whose weights may be started from, oldest first; for stages that carry them on.
        token: Names this run's unfinished files, so that the next run of the same job knows them as its own.
    """

    job: JobInputs
    info: ClipInfo
    device: torch.device
    seed: int = 0
    window: Window | None = None
    budget: Budget = field(default_factory=Budget)
    progress: Progress = no_progress
    memory: MemoryPlan | None = None
    checkpoint: Checkpoints | None = None
    token: str = ""
    preview: Preview = no_preview
    finished: tuple[Finished, ...] = ()
    scratch: Path | None = None

    def this_window(self) -> Window:
        """The window of a window-scoped stage."""
        if self.window is None:
            raise RuntimeError("a window-scoped stage was run without a window")
        return self.window


class Stage(ABC):
    """One step of a pipeline.

    Class attributes:
        name: Its name in YAML and in ``--set``.
        scope: Once for the clip, or once for every window.
        summary: One line for ``vidinternal stages``.
        reads: Names of artifacts it needs; each must be written by an earlier stage.
        writes: Names of the artifacts it makes.
        uses: Names of artifacts it also gets where an earlier stage of the pipeline makes them, else None.
        recalls: Names of artifacts of the window before that it also gets, as ``previous:<name>``; None for the first.
        kept: Whether its artifacts are stored in the workspace; False for handles that are cheap to make again.
        task: The task of the methods it can run (``methods.cards(task)``), or None for a stage without methods.
        from_job: Fields of :class:`JobInputs` that its result depends on.
        timed: Whether the time allowed changes its result.
        sized: Whether the memory allowed changes its result.
        carries: Whether its windows may start from weights of finished ones; its settings then have ``init``, ``bank``,
            ``bank_limit`` and ``starts``.
        state_outlives: Whether its kept state also serves a job that asks for something else of the same clip; the
            stage then names in every piece what that depends on, the clip, the code and the settings aside.
        remakes: Whether it makes every picture of the clip anew, perhaps of another size: its ``output`` tells.
        places: Settings that name places and not what comes of it; a result does not depend on them.
        Config: Its typed settings; a stage with a ``task`` has a field ``method``.
    """

    name: ClassVar[str]
    scope: ClassVar[Scope]
    summary: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    writes: ClassVar[tuple[str, ...]]
    uses: ClassVar[tuple[str, ...]] = ()
    recalls: ClassVar[tuple[str, ...]] = ()
    kept: ClassVar[bool] = True
    task: ClassVar[str | None] = None
    from_job: ClassVar[tuple[str, ...]] = ()
    timed: ClassVar[bool] = False
    sized: ClassVar[bool] = False
    carries: ClassVar[bool] = False
    state_outlives: ClassVar[bool] = False
    remakes: ClassVar[bool] = False
    places: ClassVar[tuple[str, ...]] = ()
    chain: tuple[Stage, ...] = ()
    """All stages of the pipeline, or those that one of them runs again; given by whoever reads the pipeline."""
    Config: ClassVar[type[StrictModel]]

    def __init__(self, config: Any, options: StrictModel | None = None) -> None:
        """Keep the settings.

        Args:
            config: An instance of ``Config``.
            options: Settings of the chosen method, an instance of its card's ``config``; None without a method.
        """
        self.config = config
        self.options = options

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse, before any work, what cannot work; return notes a person should read.

        Raises:
            UserError: The job cannot be done as asked.
        """
        del context
        return ()

    def also_runs(self) -> tuple[str, ...]:
        """Names of modules that settings make it run beside its own and its method's: its results depend on them."""
        return ()

    def output(self, info: ClipInfo, scan: Scan) -> ClipInfo:
        """The clip that is written; another than the source where the stage remakes its pictures at another size.

        Args:
            info: The source.
            scan: How its frames are taken.

        Raises:
            UserError: The settings ask for a size that cannot be.
        """
        del scan
        return info

    @abstractmethod
    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Make the artifacts named in ``writes`` from those named in ``reads``."""


def settings_model(stage: type[Stage], card: MethodCard | None) -> type[StrictModel]:
    """The fields a stage accepts in YAML: its own and, flat beside them, those of the method chosen.

    Raises:
        RuntimeError: A method's field has the name of one of the stage's.
    """
    own = stage.Config.model_fields
    if card is None:
        return stage.Config
    clash = own.keys() & card.config.model_fields.keys()
    if clash:
        raise RuntimeError(f"method '{card.name}' and stage '{stage.name}' both have a field {sorted(clash)}")
    fields: dict[str, Any] = {n: (f.annotation, f) for n, f in {**own, **card.config.model_fields}.items()}
    fields["stage"] = (Literal[stage.name], stage.name)
    fields["method"] = (Literal[card.name], card.name)
    return create_model(f"{stage.name}_{card.name}", __base__=StrictModel, **fields)
