"""The contract of methods that tell what is to be removed: given masks, burnt-in text, tracked objects.

A method of task ``masks`` looks at the whole clip once (:meth:`MaskMethod.find`, kept in the workspace), and turns what
it found into the masks of any span of frames (:meth:`MaskMethod.masks`). Everything counts whole, upright frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from vidinternal.core.contracts import Checkpoints, MethodCard, Progress, no_progress
from vidinternal.core.timecode import Region

EXTENTS = "extents"
"""Name of the array in :class:`Found` that bounds the masks of every frame before they are drawn: ``T 4`` int32, first
and last row, first and last column, ends excluded; ``H 0 W 0`` where a frame has none. Generous is safe."""

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from vidinternal.core.clip import Shot


class ClipView(Protocol):
    """What a method may see of a clip, a piece at a time; frames are whole and upright, their fields not parted."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright picture, pixels."""
        ...

    def shots(self) -> Sequence[Shot]:
        """Uncut takes that tile the clip."""
        ...

    def __len__(self) -> int:
        """How many frames there are."""
        ...

    def seconds(self, index: int) -> Fraction:
        """Exact time at which a frame is shown, counted from the first; ``index == len(self)`` is the clip's end."""
        ...

    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        """``N h w 3`` uint8 RGB of single frames, scaled to ``height`` rows, quickly."""
        ...

    def rgb(self, start: int, end: int, box: tuple[int, int, int, int] | None = None) -> Tensor:
        """``T 3 h w`` float32 RGB of frames ``start`` to ``end`` (excluded), cropped to ``(y0, y1, x0, x1)``."""
        ...

    def looks(self, step: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
        """Index and ``h w 3`` uint8 RGB of frames all through the clip, about ``step`` apart, as cheaply as can be."""
        ...

    def pieces(
        self, wanted: Mapping[int, Sequence[tuple[int, int, int, int]]]
    ) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Pieces ``(y0, y1, x0, x1)`` of frames in full size, ``h w 3`` uint8 RGB; frames in order, each read once."""
        ...


class BySmall(ABC):
    """Looks and pieces for views of a clip that have their pictures at hand."""

    @abstractmethod
    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        """As :meth:`ClipView.small`."""

    @abstractmethod
    def __len__(self) -> int:
        """How many frames there are."""

    def looks(self, step: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
        """As :meth:`ClipView.looks`."""
        return ((index, self.small([index], height)[0]) for index in range(0, len(self), step))

    def pieces(
        self, wanted: Mapping[int, Sequence[tuple[int, int, int, int]]]
    ) -> Iterator[tuple[int, list[np.ndarray]]]:
        """As :meth:`ClipView.pieces`."""
        for index in sorted(wanted):
            whole = self.small([index])[0]
            yield index, [whole[y0:y1, x0:x1] for y0, y1, x0, x1 in wanted[index]]


@dataclass(frozen=True)
class Asked:
    """What a person gave to go by.

    Attributes:
        source: The clip, for messages.
        destination: Where the result goes, for messages.
        mask: Whether a mask file was given.
        regions: Rectangles, optionally limited in time.
        objects: Hints to objects, as typed: ``box=X,Y,W,H@FRAME`` ...
        hints: A file of hints to objects.
        events: A file of events that a person has edited.
        subtitles: A subtitle file that tells when text is shown.
        known: Whether the clip has frames that are filled anyway, such as damaged ones.
    """

    source: Path
    destination: Path
    mask: bool = False
    regions: tuple[Region, ...] = ()
    objects: tuple[str, ...] = ()
    hints: Path | None = None
    events: Path | None = None
    subtitles: Path | None = None
    known: bool = False


@dataclass(frozen=True)
class FindContext:
    """Everything a search gets beside the clip and its settings.

    Attributes:
        asked: What a person gave.
        device: Where to compute.
        seed: Root of its randomness.
        given: ``T 1 H W`` bool masks from ``--mask`` of frames ``start`` to ``end``, by a call; None without a mask.
        progress: Tells how far it is.
        checkpoint: Where a search that trains keeps its state.
        image: Reads a picture that a hint names, ``H W 4`` uint8 RGBA; None where no job can name one.
        segment: Asks a method of task ``segment`` for an object's mask; None where none can be asked.
    """

    asked: Asked
    device: torch.device
    seed: int = 0
    given: GivenMasks | None = None
    progress: Progress = no_progress
    checkpoint: Checkpoints | None = None
    image: Callable[[Path], np.ndarray] | None = None
    segment: Segmenter | None = None


class Segmenter(Protocol):
    """Cuts one object out of one picture, by the method of task ``segment`` of a name."""

    def __call__(self, name: str, picture: Tensor, hints: Tensor, index: int) -> Tensor:
        """``1 1 h w`` float32, 1 = the object.

        Args:
            name: The method's.
            picture: ``1 3 h w`` float32 RGB in [0, 1].
            hints: ``1 1 h w`` float32, 1 inside, 0 outside, NaN unknown.
            index: Of the frame, for its seed.

        Raises:
            UserError: The picture or the hints do not suit the method.
        """
        ...


class GivenMasks(Protocol):
    """Masks from the file that a person gave."""

    def __call__(self, start: int, end: int) -> Tensor:
        """``T 1 H W`` bool of frames ``start`` to ``end`` (excluded)."""
        ...


@dataclass(frozen=True)
class Found:
    """What a search found in a clip; kept as JSON, safetensors and plain files.

    Attributes:
        facts: JSON-ready: events, tracks, scores, notes. ``facts["notes"]`` are lines a person should read.
        arrays: Tensors by name.
        files: Contents of files for people by name, such as ``sheet.png`` or ``events.json``.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class MaskedSpan:
    """What is to be removed in a span of frames.

    Attributes:
        masks: ``T 1 H W`` bool, True = to be changed.
        recovered: ``T 3 H W`` float32 RGB, the picture under an overlay, un-blended or seen there in other frames; None
            where nothing was recovered.
        where: ``T 1 H W`` bool, a subset of ``masks``: pixels for which ``recovered`` is the answer; the others are
            filled.
        seen: ``T 1 H W`` bool, a subset of ``where``: what other frames show at the same place; None where nothing is
            known of the place but what shows through.
        box: The piece of the picture, ``(y0, y1, x0, x1)``, that ``recovered``, ``where`` and ``seen`` are of; None =
            all of it.
    """

    masks: Tensor
    recovered: Tensor | None = None
    where: Tensor | None = None
    seen: Tensor | None = None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class SpanRequest:
    """Which frames masks are wanted for.

    Attributes:
        span: Indices of the frames.
        clip: To look at them.
        given: ``T 1 H W`` bool, the masks from ``--mask``; all False without one.
        drawn: ``T 1 H W`` bool, the rectangles of ``--region``.
        recover: Whether recovered pixels can be used; False for interlaced clips.
    """

    span: range
    clip: ClipView
    given: Tensor
    drawn: Tensor
    recover: bool = True


class MaskMethod(ABC):
    """Tells what is to be removed.

    Class attributes:
        hinted: Whether it goes by hints to objects; a job that gives some to another method is refused.
    """

    card: ClassVar[MethodCard] | MethodCard
    hinted: ClassVar[bool] = False

    @abstractmethod
    def check(self, asked: Asked, config: Any) -> None:
        """Refuse, before any work, what cannot be done.

        Raises:
            MaskError: Something is missing, or does not make sense.
        """

    @abstractmethod
    def find(self, clip: ClipView, config: Any, context: FindContext) -> Found:
        """Look at the whole clip; ``config`` is an instance of ``card.config``."""

    @abstractmethod
    def masks(self, found: Found, request: SpanRequest, config: Any) -> MaskedSpan:
        """The masks of a span of frames."""
