"""Hints put on frames: what is surely the object, surely not, and what is open; and what about them cannot be."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from vidinternal.core.errors import MaskError
from vidinternal.core.hints import Hint, Hints, frame_of

ReadsImage = Callable[[Path], np.ndarray]
"""A picture as ``H W 4`` uint8 RGBA."""

UNKNOWN, OBJECT, OTHER = 0, 1, 2
POINT_RADIUS = 0.012
"""Of a point, as a share of the picture's longer side."""
_SPOTS = 5
"""Points that strokes are told by, at most."""
_APART = 0.06
"""Least distance of two of them, as a share of the picture's longer side."""
FULL = 0.9
"""Share of the picture above which nothing around an object is left to tell it from."""


@dataclass(frozen=True)
class Seed:
    """What is known of one object on one frame.

    Attributes:
        index: The frame.
        known: ``H W`` uint8 on the clip's pixels: ``OBJECT``, ``OTHER`` or ``UNKNOWN``.
        exact: Whether ``known`` is the whole answer.
        corrects: Whether there are only points, which say little of the object's extent.
        bounds: First row, row after the last, and so of columns, of the box or polygon; None without one.
        spots: Points in the clip's pixels: x, y, and whether it is the object; strokes give a few.
    """

    index: int
    known: np.ndarray
    exact: bool
    corrects: bool
    bounds: tuple[int, int, int, int] | None = None
    spots: tuple[tuple[int, int, bool], ...] = ()

    def digest(self) -> str:
        """Tells two seeds apart."""
        found = hashlib.sha256(f"{self.index} {self.exact} {self.corrects} {self.known.shape}".encode())
        found.update(np.ascontiguousarray(self.known).data)
        return found.hexdigest()[:24]


@dataclass(frozen=True)
class Place:
    """What hints must fit into.

    Attributes:
        size: Height and width of the picture.
        times: Exact seconds of every frame, and the clip's end.
    """

    size: tuple[int, int]
    times: Sequence[Fraction]

    def frame(self, hint: Hint) -> int:
        """The frame of a hint.

        Raises:
            MaskError: It lies past the end.
        """
        index = frame_of(hint.at, self.times)
        if index is None:
            frames = len(self.times) - 1
            raise MaskError(
                hint.where,
                expected=f"a frame from 0 to {frames - 1}, or a time before {float(self.times[-1]):.3f} s",
                got=str(hint.at),
                hint=f"@{frames - 1}, the last one",
            )
        return index


def seeds(hints: Hints, place: Place, read: ReadsImage) -> dict[str, list[Seed]]:
    """The seeds of every object, by frame.

    Args:
        hints: As given.
        place: The clip.
        read: Opens a picture.

    Raises:
        MaskError: A hint lies outside the picture or the clip, contradicts another, or leaves nothing to see.
    """
    grouped: defaultdict[tuple[str, int], list[Hint]] = defaultdict(list)
    for hint in hints.hints:
        grouped[hint.name, place.frame(hint)].append(hint)
    found: dict[str, list[Seed]] = {name: [] for name in hints.names()}
    for (name, index), mine in sorted(grouped.items(), key=lambda item: item[0][1]):
        found[name].append(_seed(index, mine, place.size, read))
    for name, own in found.items():
        if all(seed.corrects and not (seed.known == OBJECT).any() for seed in own):
            first = next(h for h in hints.hints if h.name == name)
            raise MaskError(
                first.where,
                expected=f"a hint that shows where '{name}' is",
                got="only where it is not",
                hint="add box=X,Y,W,H or point=X,Y",
            )
    return found


def _seed(index: int, hints: Sequence[Hint], size: tuple[int, int], read: ReadsImage) -> Seed:
    known = np.full(size, UNKNOWN, np.uint8)
    outlines = [h for h in hints if h.kind in ("box", "polygon", "mask")]
    if len(outlines) > 1:
        raise MaskError(
            outlines[1].where,
            expected=f"one box, polygon or mask of '{outlines[0].name}' on frame {index}",
            got=f"another beside {outlines[0].where}",
            hint="give two objects two names: a:box=... b:box=...",
        )
    for hint in outlines:
        known = _outline(hint, size, read)
    exact = any(h.kind == "mask" for h in outlines)
    said: list[tuple[Hint, np.ndarray]] = []
    for hint in hints:
        if hint.kind in ("point", "not"):
            said.append((hint, _disc(hint, size, OBJECT if hint.kind == "point" else OTHER)))
        elif hint.kind == "scribble":
            said.append((hint, _scribble(hint, size, read)))
    for k, (hint, drawn) in enumerate(said):
        for other, before in [(o, d) for o, d in said[:k]] + ([(outlines[0], known)] if outlines else []):
            _agree(hint, drawn, other, before, exact=other.kind == "mask")
    for _, drawn in said:
        known = np.where((drawn != UNKNOWN), drawn, known)
    if (known != OTHER).mean() > FULL and outlines:
        raise MaskError(
            outlines[0].where,
            expected=f"an object that leaves more than {1 - FULL:.0%} of the picture free",
            got="one that fills the frame: nothing around it would be left to fill it from",
            hint="draw it closer around the object, or on a frame in which the object is smaller",
        )
    bounds = None if exact or not outlines else _bounds(outlines[0])
    spots = tuple(spot for hint, drawn in said for spot in _spots(hint, drawn))
    return Seed(index, known, exact, not outlines, bounds, spots)


def _bounds(hint: Hint) -> tuple[int, int, int, int]:
    """Rows and columns of a box or polygon, ends excluded."""
    if hint.kind == "box":
        x, y, width, height = hint.numbers
        return y, y + height, x, x + width
    columns, rows = hint.numbers[::2], hint.numbers[1::2]
    return min(rows), max(rows) + 1, min(columns), max(columns) + 1


def _spots(hint: Hint, drawn: np.ndarray) -> list[tuple[int, int, bool]]:
    """The point of a hint; of strokes a few far from each other, the deepest first."""
    if hint.kind != "scribble":
        return [(hint.numbers[0], hint.numbers[1], hint.kind == "point")]
    found = []
    for value in (OBJECT, OTHER):
        free = cv2.distanceTransform((drawn == value).astype(np.uint8), cv2.DIST_L2, 3)
        for _ in range(_SPOTS):
            _, depth, _, (x, y) = cv2.minMaxLoc(free)
            if depth <= 0:
                break
            found.append((int(x), int(y), value == OBJECT))
            cv2.circle(free, (x, y), max(4, round(_APART * max(drawn.shape))), 0.0, -1)
    return found


def _outline(hint: Hint, size: tuple[int, int], read: ReadsImage) -> np.ndarray:
    height, width = size
    known = np.full(size, OTHER, np.uint8)
    if hint.kind == "box":
        x, y, w, h = hint.numbers
        if x + w > width or y + h > height:
            raise MaskError(
                hint.where,
                expected=f"a box inside the {width}x{height} picture",
                got=f"one that reaches x={x + w}, y={y + h}",
                hint=_part_inside(hint, size),
            )
        known[y : y + h, x : x + w] = UNKNOWN
    elif hint.kind == "polygon":
        corners = np.array(hint.numbers, np.int32).reshape(-1, 2)
        for x, y in corners:
            _inside(hint, int(x), int(y), size)
        drawn = np.zeros(size, np.uint8)
        cv2.fillPoly(drawn, [corners], 1)
        if drawn.sum() < 4:
            raise MaskError(hint.where, expected="a polygon with an area", got="one without")
        # drawn by hand: the line itself may be off by a little
        slack = max(1, round(0.06 * float(np.sqrt(drawn.sum()))))
        known[_grown(drawn, slack)] = UNKNOWN
        known[~_grown(1 - drawn, 2 * slack)] = OBJECT
    else:
        mask = _picture(hint, size, read)[..., :3].max(axis=-1) >= 128
        if not mask.any():
            raise MaskError(hint.where, expected="a mask that is white on the object", got="one that is black")
        known[mask] = OBJECT
    return known


def _part_inside(hint: Hint, size: tuple[int, int]) -> str:
    """What of a box lies in a picture of ``height, width``, as a hint; where nothing does, how boxes are told."""
    x, y, width, height = hint.numbers
    width, height = min(width, size[1] - x), min(height, size[0] - y)
    if width > 0 and height > 0:
        return f"the part inside it: box={x},{y},{width},{height}"
    return "box=X,Y,W,H: x to the right and y down from the upper left corner, in pixels of the upright picture"


def _disc(hint: Hint, size: tuple[int, int], value: int) -> np.ndarray:
    x, y = hint.numbers
    _inside(hint, x, y, size)
    drawn = np.full(size, UNKNOWN, np.uint8)
    cv2.circle(drawn, (x, y), max(1, round(POINT_RADIUS * max(size))), value, -1)
    return drawn


def _scribble(hint: Hint, size: tuple[int, int], read: ReadsImage) -> np.ndarray:
    picture = _picture(hint, size, read).astype(np.int16)
    red, green, blue, alpha = np.moveaxis(picture, -1, 0)
    drawn = np.full(size, UNKNOWN, np.uint8)
    seen = alpha >= 128
    drawn[seen & (green >= 128) & ((red < 96) | (blue >= 128))] = OBJECT
    drawn[seen & (red >= 128) & (green < 96) & (blue < 96)] = OTHER
    if not drawn.any():
        raise MaskError(hint.where, expected="white or green strokes on the object, red ones off it", got="neither")
    return drawn


def _picture(hint: Hint, size: tuple[int, int], read: ReadsImage) -> np.ndarray:
    if hint.path is None:
        raise RuntimeError("a hint of this kind has a path")
    picture = read(hint.path)
    if picture.shape[:2] != size:
        raise MaskError(
            hint.where,
            expected=f"a picture of {size[1]}x{size[0]}, as the clip's",
            got=f"{picture.shape[1]}x{picture.shape[0]}",
            hint="draw it over a frame of the clip, upright and in full size",
        )
    return picture


def _inside(hint: Hint, x: int, y: int, size: tuple[int, int]) -> None:
    if x >= size[1] or y >= size[0]:
        raise MaskError(hint.where, expected=f"a place inside the {size[1]}x{size[0]} picture", got=f"x={x}, y={y}")


def _agree(hint: Hint, drawn: np.ndarray, other: Hint, before: np.ndarray, *, exact: bool) -> None:
    """Refuse two hints of which one says what the other denies; outside a box a stroke may not claim the object.

    Raises:
        MaskError: Names both.
    """
    clash = (drawn == OBJECT) & (before == OTHER)
    clash |= (drawn == OTHER) & (before == OBJECT) if exact or other.kind in ("point", "not", "scribble") else False
    mine = (drawn != UNKNOWN).sum()
    # the edge of a disc may cross a border; its middle may not
    if clash.sum() * 2 > mine or (hint.kind == "scribble" and clash.any() and other.kind != "box"):
        raise MaskError(
            hint.where,
            expected=f"what agrees with {other.where}",
            got="the opposite of it at the same place",
            hint="take one of the two away",
        )


def _grown(mask: np.ndarray, radius: int) -> np.ndarray:
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), element) > 0
