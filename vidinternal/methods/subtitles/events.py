"""What an overlay is: when it is on, where, of what kind and colour, and which pixels it touches.

An overlay is a picture of its own that was laid over the film: it has one cover (how much of a pixel it hides, 0 to
255) for all its frames, or one for each of its slices where it changes (words that pop in, karaoke). The cover of
overlay ``id`` is the array ``cover_name(id)`` of :class:`vidinternal.core.finding.Found`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

Kind = Literal["text", "box", "logo"]
Box = tuple[int, int, int, int]
"""``(y0, y1, x0, x1)`` in pixels of the full upright picture, ends excluded."""
Color = tuple[int, int, int]
"""RGB, 0 to 255."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Overlay:
    """One overlay.

    Attributes:
        id: Its name, unique in the clip: ``e0001`` ...
        kind: ``text``; ``box``, an even shape behind text; ``logo``, a mark that stays in a corner or for the clip.
        start: First frame that shows it.
        end: First frame that no longer does.
        box: Where its cover lies in frame ``start``.
        fade_in: Frames over which it appears: frame ``start + i`` has ``(i + 1) / (fade_in + 1)`` of it; 0 = at once.
        fade_out: Frames over which it goes; frame ``end - 1 - i`` has ``(i + 1) / (fade_out + 1)`` of it.
        motion: Rows and columns it moves down and right each frame; (0, 0) stands still.
        slices: First frame of each cover, where it has several; empty where it has one.
        fill: Colour of its inside, None where it has none of its own.
        outline: Colour of its edge or shadow, None without one.
        text: What it says, None where nobody read it.
        language: BCP 47 tag of the text, None where not known.
        score: How sure, 0 to 1.
        behind: Overlays that lie on top of this one (text on a box).
    """

    id: str
    kind: Kind
    start: int
    end: int
    box: Box
    fade_in: int = 0
    fade_out: int = 0
    motion: tuple[float, float] = (0.0, 0.0)
    slices: tuple[int, ...] = ()
    fill: Color | None = None
    outline: Color | None = None
    text: str | None = None
    language: str | None = None
    score: float = 1.0
    behind: tuple[str, ...] = ()

    @property
    def frames(self) -> range:
        """The frames that show it."""
        return range(self.start, self.end)

    @property
    def moves(self) -> bool:
        """Whether it travels over the picture."""
        return self.motion != (0.0, 0.0)

    def offset(self, frame: int) -> tuple[int, int]:
        """Rows and columns its cover is moved by in a frame, against ``box``; to the nearest pixel."""
        passed = frame - self.start
        return math.floor(self.motion[0] * passed + 0.5), math.floor(self.motion[1] * passed + 0.5)

    def box_at(self, frame: int) -> Box:
        """Where its cover lies in a frame; may reach out of the picture for one that moves."""
        (y0, y1, x0, x1), (dy, dx) = self.box, self.offset(frame)
        return y0 + dy, y1 + dy, x0 + dx, x1 + dx

    def strength(self, frame: int) -> float:
        """How much of it a frame shows: 0 outside its time, below 1 while it fades, else 1."""
        if not self.start <= frame < self.end:
            return 0.0
        rising = (frame - self.start + 1) / (self.fade_in + 1)
        falling = (self.end - frame) / (self.fade_out + 1)
        return min(1.0, rising, falling)

    def slice_at(self, frame: int) -> int:
        """Which of its covers a frame shows."""
        return max((i for i, first in enumerate(self.slices) if first <= frame), default=0)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Overlay:
        """The overlay that :meth:`to_json` wrote."""
        tuples = ("box", "motion", "slices", "fill", "outline", "behind")
        fields: dict[str, Any] = {k: tuple(v) if k in tuples and v is not None else v for k, v in value.items()}
        return cls(**fields)


def cover_name(overlay_id: str) -> str:
    """Name of the array with an overlay's cover: ``h w`` uint8, or ``S h w`` where it has slices.

    0 is a pixel it leaves alone; every other pixel is to be changed: 255 hides all of the picture, less lets some of it
    through, and 1 is a pixel that it only disturbed (the halo that compression leaves around an edge).
    """
    return f"glyph-{overlay_id}"


def cover_at(overlay: Overlay, cover: np.ndarray, frame: int) -> np.ndarray:
    """The cover of one frame, ``h w`` uint8, not weakened by a fade."""
    return cover if cover.ndim == 2 else cover[overlay.slice_at(frame)]


def draw(
    overlays: Iterable[Overlay], covers: Mapping[str, np.ndarray], span: range, size: tuple[int, int]
) -> np.ndarray:
    """Which pixels overlays touch.

    Args:
        overlays: Which.
        covers: Their covers by :func:`cover_name`.
        span: The frames.
        size: Height and width of the picture.

    Returns:
        ``T H W`` bool.
    """
    masks = np.zeros((len(span), *size), bool)
    for overlay in overlays:
        cover = covers[cover_name(overlay.id)]
        for frame in range(max(span.start, overlay.start), min(span.stop, overlay.end)):
            place = placed(overlay.box_at(frame), size)
            if place is not None:
                (rows, cols), own = place
                masks[frame - span.start, rows, cols] |= cover_at(overlay, cover, frame)[own] > 0
    return masks


def placed(box: Box, size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Where in the picture a box lies, and which part of the box that is; None where it lies outside."""
    y0, y1, x0, x1 = box
    top, bottom, left, right = max(0, y0), min(size[0], y1), max(0, x0), min(size[1], x1)
    if top >= bottom or left >= right:
        return None
    return (slice(top, bottom), slice(left, right)), (slice(top - y0, bottom - y0), slice(left - x0, right - x0))


def within(overlays: Iterable[Overlay], span: range, size: tuple[int, int]) -> Box | None:
    """The piece of the picture that holds the boxes of the overlays of a span that stand still; None without any."""
    here = [o for o in overlays if o.start < span.stop and o.end > span.start]
    places = [found[0] for o in here if (found := placed(o.box, size)) is not None]
    if not places:
        return None
    rows, columns = zip(*places, strict=True)
    return (
        min(r.start for r in rows),
        max(r.stop for r in rows),
        min(c.start for c in columns),
        max(c.stop for c in columns),
    )


def extents(overlays: Iterable[Overlay], frames: int, size: tuple[int, int]) -> np.ndarray:
    """Bounds of all overlays in every frame, ``T 4`` int32 as ``core.finding.EXTENTS`` has it."""
    bounds = np.tile(np.array([size[0], 0, size[1], 0], np.int32), (frames, 1))
    for overlay in overlays:
        for frame in range(max(0, overlay.start), min(frames, overlay.end)):
            place = placed(overlay.box_at(frame), size)
            if place is not None:
                rows, cols = place[0]
                low, high = (rows.start, cols.start), (rows.stop, cols.stop)
                bounds[frame, [0, 2]] = np.minimum(bounds[frame, [0, 2]], low)
                bounds[frame, [1, 3]] = np.maximum(bounds[frame, [1, 3]], high)
    return bounds


def numbered(overlays: Iterable[Overlay]) -> list[tuple[Overlay, Overlay]]:
    """Overlays in order of time and place, each as it was and as it is with its final name."""
    ordered = sorted(overlays, key=lambda o: (o.start, o.box[0], o.box[2], o.end))
    names = {o.id: f"e{i:04d}" for i, o in enumerate(ordered, start=1)}
    return [(o, replace(o, id=names[o.id], behind=tuple(names[b] for b in o.behind if b in names))) for o in ordered]
