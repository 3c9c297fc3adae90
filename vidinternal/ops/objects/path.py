"""An object through frames: how surely each pixel is it, kept as parts of the picture; and the track made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from vidinternal.core.clip import Shot


@dataclass(frozen=True)
class Path:
    """What came of one direction; row k is the k-th frame away from the hint's.

    Attributes:
        boxes: ``N 4`` int32, rows and columns of the object's part, ends excluded; zeros where it is not seen.
        pixels: uint8, the beliefs of all parts, one after the other.
        confidence: ``N`` float32, 0 to 1.
        motion: ``N 2`` float32, x and y, the object's median way to the frame after, small pixels.
        left: Row from which on the object has left the picture; N if it has not.
    """

    boxes: torch.Tensor
    pixels: torch.Tensor
    confidence: torch.Tensor
    motion: torch.Tensor
    left: int

    def belief(self, row: int, size: tuple[int, int]) -> np.ndarray:
        """``h w`` float32 of one frame."""
        starts = self.starts()
        y0, y1, x0, x1 = (int(v) for v in self.boxes[row])
        found = np.zeros(size, np.float32)
        part = self.pixels[starts[row] : starts[row + 1]].numpy().reshape(y1 - y0, x1 - x0)
        found[y0:y1, x0:x1] = part.astype(np.float32) / 255
        return found

    def starts(self) -> np.ndarray:
        """Where each part begins in ``pixels``, and the end."""
        sides = self.boxes.numpy().astype(np.int64)
        return np.concatenate([[0], np.cumsum((sides[:, 1] - sides[:, 0]) * (sides[:, 3] - sides[:, 2]))])

    def cut(self, rows: int) -> Path:
        """The first rows."""
        end, left = int(self.starts()[rows]), min(self.left, rows)
        return Path(self.boxes[:rows], self.pixels[:end], self.confidence[:rows], self.motion[:rows], left)


class Writer:
    """Collects a path, frame by frame."""

    def __init__(self) -> None:
        self.boxes: list[tuple[int, int, int, int]] = []
        self.pixels: list[np.ndarray] = []
        self.confidence: list[float] = []
        self.motion: list[tuple[float, float]] = []

    @classmethod
    def of(cls, path: Path) -> Writer:
        """One that goes on with a path."""
        found, starts = cls(), path.starts()
        for row, (y0, y1, x0, x1) in enumerate(path.boxes.tolist()):
            found.boxes.append((y0, y1, x0, x1))
            found.pixels.append(path.pixels[starts[row] : starts[row + 1]].numpy())
            found.confidence.append(float(path.confidence[row]))
            found.motion.append((float(path.motion[row, 0]), float(path.motion[row, 1])))
        return found

    def add(self, belief: np.ndarray, confidence: float, motion: tuple[float, float]) -> None:
        """Take one frame's belief."""
        codes = np.round(belief * 255).clip(0, 255).astype(np.uint8)
        codes[codes < 8] = 0
        rows, columns = np.nonzero(codes.any(axis=1))[0], np.nonzero(codes.any(axis=0))[0]
        box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1) if len(rows) else (0, 0, 0, 0)
        self.boxes.append(box)
        self.pixels.append(codes[box[0] : box[1], box[2] : box[3]].ravel())
        self.confidence.append(confidence)
        self.motion.append(motion)

    def path(self, left: int) -> Path:
        """The path so far."""
        return Path(
            torch.tensor(self.boxes, dtype=torch.int32).reshape(-1, 4),
            torch.from_numpy(np.concatenate([np.zeros(0, np.uint8), *self.pixels])),
            torch.tensor(self.confidence, dtype=torch.float32),
            torch.tensor(self.motion, dtype=torch.float32).reshape(-1, 2),
            left,
        )


@dataclass(frozen=True)
class Track:
    """One object through the whole clip.

    Attributes:
        name: The object's.
        path: A row for every frame of the clip; confidence is 1 on hints' frames and 0 where it is not seen.
        size: Height and width of the small frames.
        anchors: Frames with a hint.
        exact: Those of them on which a mask showed all of it.
        opened: Where a box or polygon on a frame leaves room for the object, ``h w`` bool small pixels.
        notes: What a person should know.
        lost: ``(first, last, why)`` of stretches in which it is not seen.
        unhinted: Shots without a hint, by their index.
    """

    name: str
    path: Path
    size: tuple[int, int]
    anchors: tuple[int, ...]
    notes: tuple[str, ...] = ()
    lost: tuple[tuple[int, int, str], ...] = ()
    unhinted: tuple[int, ...] = ()
    exact: tuple[int, ...] = ()
    opened: Mapping[int, np.ndarray] = field(default_factory=dict)


WHY = {True: "it leaves the picture", False: "hidden, or its track was lost"}
"""Why an object is not seen, by whether it went out over the border."""


def stretches(seen: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last row of every stretch without the object."""
    starts = [k for k, s in enumerate(seen) if not s and (k == 0 or seen[k - 1])]
    ends = [k for k, s in enumerate(seen) if not s and (k + 1 == len(seen) or seen[k + 1])]
    return list(zip(starts, ends, strict=True))


def told(name: str, shots: Sequence[Shot], lost: Sequence[tuple[int, int, str]], unhinted: Sequence[int]) -> list[str]:
    """What a person should know of where an object is not masked."""
    notes = []
    if unhinted and len(shots) > 1:
        places = ", ".join(f"{shots[k].start}-{shots[k].end - 1}" for k in unhinted[:8])
        more = ", ..." if len(unhinted) > 8 else ""
        notes.append(f"{name}: no hint in the shots of frames {places}{more}: it is not masked there")
    return notes + [
        f"{name} is lost on frame {first} ({why}) and not masked on frames {first}-{last}" for first, last, why in lost
    ]


def leaves(belief: np.ndarray, way: np.ndarray) -> bool:
    """Whether the last that was seen of an object touches the border that it moves to, or lies at one."""
    rows, columns = np.nonzero(belief > 0.5)
    if not len(rows):
        return False
    height, width = belief.shape
    near = 2 + np.abs(way)
    top, left = rows.min() <= near[1], columns.min() <= near[0]
    return bool(top or left or rows.max() >= height - 1 - near[1] or columns.max() >= width - 1 - near[0])
