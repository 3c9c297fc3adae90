"""The contracts every method fulfils, whatever the paper.

Tensors follow one legend: frames ``T 3 H W`` float32 RGB in [0, 1]; masks ``T 1 H W`` bool, True = to fill; flow
``F[t -> t+s]`` ``T 2 H W`` float32 pixels, x then y, with ``I[t+s](p + F(p)) ~ I[t](p)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from vidinternal.core.budget import Budget
from vidinternal.core.config import StrictModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and a short text such as ``"iteration 300, held-out 24.1 dB"``."""


def no_progress(_share: float, _text: str) -> None:
    """The progress callback that tells nobody."""


Preview = Callable[["Tensor", "Tensor"], None]
"""Called with the frames with their hole and the same frames filled for now, both ``T 3 H W``."""


def no_preview(_before: Tensor, _after: Tensor) -> None:
    """The preview that shows nobody."""


@dataclass(frozen=True)
class MethodCard:
    """What is known of a method without importing its code.

    Attributes:
        name: Its name in the registry, in YAML, on the command line and in the tests.
        task: What it does: ``inpaint``, ``flow`` or ``masks``; the stage of that name runs it.
        summary: One line for ``vidinternal methods``.
        config: Its typed settings.
        paper: Key in ``core/papers.bib``, or None for a technique without a single source.
        trains: Whether it trains a network on the clip.
        work_side: Longest side, in pixels, that the caller shrinks a window to unless told otherwise; 0 = never.
        flow_strides: Frame distances whose reference flow it wants, e.g. ``(1, 3, 5)``; the negative ones come along.
        needs: Settings that must be given before it can run, such as a weights file; kept out of default runs.
        searches: Whether a method of task ``masks`` looks at the whole clip before it is cut into windows.
        bytes_per_pixel: Most memory it takes for a pixel of a picture at the size it works at, its inputs included;
            measured, and what ``--memory`` is divided by.
        bytes_at_once: What it takes beside that for a pixel of one picture, however many there are: the activations of
            a batch.
    """

    name: str
    task: str
    summary: str
    config: type[StrictModel]
    paper: str | None = None
    trains: bool = False
    work_side: int = 0
    flow_strides: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    searches: bool = False
    bytes_per_pixel: int = 200
    bytes_at_once: int = 0


@dataclass(frozen=True)
class FlowField:
    """Reference flow of one stride.

    Attributes:
        flow: ``T 2 H W`` float32 pixels; row t is ``F[t -> t+stride]``, zero where ``t+stride`` is outside the clip.
        valid: ``T 1 H W`` bool; False where the forward/backward check fails, where the flow was completed instead of
            observed (under and around the hole), and where ``t+stride`` is outside the clip.
        stride: The signed frame distance.
    """

    flow: Tensor
    valid: Tensor
    stride: int


FlowSet = Mapping[int, FlowField]
"""Reference flows by signed stride: 1, -1, 3, -3, ..."""


@dataclass(frozen=True)
class InpaintTask:
    """A window with holes to fill.

    Attributes:
        frames: ``T 3 H W`` RGB; what is under the mask has been destroyed already and carries no information.
        masks: ``T 1 H W`` bool, True = to fill.
        flow: Reference flows of the strides that the method's card asks for.
        side: Shorter side, pixels at the window's scale, of the picture that the window was cut from; 0 = the window
            is the whole picture.
    """

    frames: Tensor
    masks: Tensor
    flow: FlowSet = field(default_factory=dict)
    side: int = 0

    @property
    def picture_side(self) -> int:
        """Shorter side of the whole picture, pixels."""
        return self.side or min(self.frames.shape[-2:])


@dataclass(frozen=True)
class PartError:
    """How far a fill is from the truth on the copies of one part of the hole.

    Attributes:
        area: Pixels of the real part.
        copies: Hidden pixels and their mean squared error, for every copy of the part.
    """

    area: int
    copies: tuple[tuple[int, float], ...]

    def mean(self) -> float | None:
        """Mean squared error over all copies, pixel by pixel; None where there is no copy."""
        count = sum(n for n, _ in self.copies)
        return sum(n * e for n, e in self.copies) / count if count else None


@dataclass(frozen=True)
class Holdout:
    """Mask-shaped holes hidden on known places of the same window, to score a fill without ground truth.

    Attributes:
        masks: ``T 1 H W`` bool, the hidden known pixels; never overlaps the real hole.
        truth: ``T 3 H W`` the frames as decoded; only read under ``masks``.
        parts: ``T 1 H W`` int8, which part of the hole a pixel of the hole or of a copy belongs to, -1 elsewhere; None
            where the hole is one.
        copies: ``T 1 H W`` int8, which copy a hidden pixel belongs to, -1 elsewhere; None where they are one.
    """

    masks: Tensor
    truth: Tensor
    parts: Tensor | None = None
    copies: Tensor | None = None

    def errors(self, frames: Tensor) -> tuple[PartError, ...]:
        """What the copies say of a fill, part by part."""
        where = self.masks.expand_as(self.truth)
        error = (frames.to(self.truth) - self.truth)[where].double().square()
        if self.parts is None or self.copies is None:
            return (PartError(int(self.masks.sum()), ((error.numel(), float(error.mean())),)),)
        own = self.parts[(self.parts >= 0) & ~self.masks].long()
        areas = own.bincount(minlength=int(self.parts.max()) + 1).tolist()
        part, copy = (x.expand_as(self.truth)[where].long() for x in (self.parts, self.copies))
        found = []
        for number, area in enumerate(areas):
            mine = part == number
            count = copy[mine].bincount().tolist()
            total = copy[mine].bincount(weights=error[mine]).tolist()
            copies = tuple((n, e / n) for n, e in zip(count, total, strict=True) if n)
            found.append(PartError(area, copies))
        return tuple(found)

    def score(self, frames: Tensor) -> float:
        """PSNR in dB, peak 1, over the hidden pixels; where the hole has parts, each counts as much as its own area."""
        known = [(p.area, e) for p in self.errors(frames) if (e := p.mean()) is not None]
        return decibels(sum(a * e for a, e in known) / sum(a for a, _ in known))


def decibels(error: float) -> float:
    """PSNR, peak 1, of a mean squared error; 99 where there is none."""
    return 99.0 if error <= 1e-10 else -10.0 * math.log10(error)


class Checkpoints(Protocol):
    """Where a fit keeps its state, so that a run that was killed goes on where it was.

    A state is a tree: dicts with text keys, lists, numbers, text, None and tensors. It is kept in named pieces; each is
    replaced whole or stays as it was.
    """

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        """The piece as it was last saved; None where there is none, or none that belongs to ``fits``."""
        ...

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        """Save a piece now; ``fits`` names what it belongs to, such as a network and the size of the window."""
        ...

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save a piece if the last time is long enough ago; to be called after every iteration.

        Raises:
            Interrupted: Somebody asked to stop; the state has been saved.
        """
        ...


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Attributes:
        weights: Named tensors.
        origin: Where they come from, for a person.
    """

    weights: Mapping[str, Tensor]
    origin: str


class Starts(Protocol):
    """What finished windows have to offer, asked once a method knows its network."""

    def of(self, signature: str) -> Start | None:
        """The start for a network of that ``FitResult.signature``; None = cold."""
        ...


@dataclass(frozen=True)
class FitContext:
    """Everything a method gets beside its task and its settings.

    Attributes:
        seed: Root of all its randomness, through :func:`vidinternal.core.seeds.generator`.
        device: Where to compute.
        budget: Its time; a method that trains stops in time and returns its best so far.
        progress: Tells how far it is.
        holdout: Hidden known pixels to score itself by; already part of the task's masks. None where nothing could be
            hidden. It is the only quality signal a method may stop on.
        start: Weights to start from, or None for a cold start.
        start_signature: The ``FitResult.signature`` these weights came with, where it is known. Weights whose signature
            is known and differs from the method's own are left aside, and a note says so.
        starts: What finished windows offer, where no ``start`` was chosen; to be taken by
            ``learn.warm_start.door.begin``, which falls back to a cold start that scores better. None = nothing.
        checkpoint: Where a method that trains keeps its state from iteration to iteration; None = nowhere.
        preview: Shows what the fill looks like for now.
    """

    seed: int
    device: torch.device
    budget: Budget = field(default_factory=Budget)
    progress: Progress = no_progress
    holdout: Holdout | None = None
    start: Mapping[str, Tensor] | None = None
    start_signature: str | None = None
    starts: Starts | None = None
    checkpoint: Checkpoints | None = None
    preview: Preview = no_preview


@dataclass(frozen=True)
class HistoryPoint:
    """One look at a running fit.

    Attributes:
        iteration: Optimiser steps so far.
        seconds: Seconds so far.
        terms: Value of each objective term by its name in the paper, unweighted.
        holdout_psnr: Score on the held-out holes in dB, or None.
    """

    iteration: int
    seconds: float
    terms: Mapping[str, float]
    holdout_psnr: float | None = None


ORIGINS = ("known", "copied", "unblended", "learned", "spatial")
"""What a pixel of a result can be made of: left as it was, copied from other frames, recovered from under a
half-transparent overlay, drawn by a network that learned the clip, continued from its neighbours in the same frame."""


@dataclass(frozen=True)
class FitResult:
    """What every method returns, trained or not.

    Attributes:
        frames: ``T 3 H W`` RGB, the full output of the method, known region included. The composite is made by the
            caller: known pixels are always pasted back from the source.
        stopped: Why it ended: ``iterations``, ``budget``, ``held-out score``, ``diverged``, or ``done`` where nothing
            was to be trained.
        iterations: Optimiser steps, 0 for methods that do not train.
        seconds: Wall seconds.
        history: Looks at the running fit, oldest first.
        weights: Named tensors for a later warm start, or None.
        signature: Tells which weights fit which network; equal signatures are interchangeable.
        provenance: ``T 1 H W`` int16, for each hole pixel the frame of the window it was copied from, -1 where it was
            not copied; None for methods that do not copy.
        notes: What a person should know, e.g. that a term was off because no weights were given.
        warm: Whether training began from weights of finished windows.
        origin: ``T 1 H W`` uint8, what each hole pixel is mostly made of: an index into :data:`ORIGINS`, 0 where it was
            known; None where ``provenance`` says it all, or the method makes every pixel in one way.
        spread: ``T 1 H W`` float32, how much in doubt the method was at each hole pixel, in any unit: the caller
            calibrates it on the held-out holes, for which it must be as blind as the frames are. None where it cannot
            tell.
        learned_flow: ``T 2 H W`` float32 pixels, ``F[t -> t+1]`` as the method's own network sees it; or None.
    """

    frames: Tensor
    stopped: str = "done"
    iterations: int = 0
    seconds: float = 0.0
    history: tuple[HistoryPoint, ...] = ()
    weights: Mapping[str, Tensor] | None = None
    signature: str | None = None
    provenance: Tensor | None = None
    notes: tuple[str, ...] = ()
    warm: bool = False
    origin: Tensor | None = None
    spread: Tensor | None = None
    learned_flow: Tensor | None = None


class InpaintMethod(ABC):
    """Fills the hole of a window."""

    card: ClassVar[MethodCard] | MethodCard

    @abstractmethod
    def fill(self, task: InpaintTask, config: Any, context: FitContext) -> FitResult:
        """Fill ``task.masks``; ``config`` is an instance of ``card.config``."""


class FlowMethod(ABC):
    """Estimates optical flow between pairs of pictures."""

    card: ClassVar[MethodCard] | MethodCard

    @abstractmethod
    def flow(self, source: Tensor, target: Tensor, config: Any, device: torch.device) -> Tensor:
        """Return ``N 2 H W`` pixels with ``target(p + F(p)) ~ source(p)`` for ``N 3 H W`` RGB pairs."""
