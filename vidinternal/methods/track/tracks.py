"""An object's track through the clip: carried outward from every hint, blended between two of them.

What one hint gives in one direction depends on that hint alone, so a further hint changes only the frames up to its
neighbours, and what was followed before is taken from where it was kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import Shot
from vidinternal.core.contracts import Checkpoints
from vidinternal.core.seeds import branch
from vidinternal.methods.track.carry import Kept, Pace, Start, carry
from vidinternal.methods.track.first_mask import first_mask, hints_of
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import WHY, Path, Track, Writer, stretches, told
from vidinternal.ops.objects.seeds import Seed

HEIGHTS = (240, 360, 480)
"""Rows at which objects are followed, the least at which the first hint's object is about as large as wanted."""
_WANTED = 56.0
"""Square root of an object's area, in small pixels."""


@dataclass
class Follower:
    """Follows objects through a clip.

    Attributes:
        frames: The clip, small.
        shots: Its takes.
        pace: How much is trained.
        kept: Where paths are kept; None = nowhere.
        tell: Told the share done and a text.
        segment: Cuts an object out of a hint's frame, given ``1 3 h w`` RGB, ``1 1 h w`` hints and the frame's index;
            None for GrabCut.
    """

    frames: SmallFrames
    shots: Sequence[Shot]
    pace: Pace
    kept: Checkpoints | None
    tell: Callable[[float, str], None]
    notes: list[str] = field(default_factory=list)
    segment: Callable[[Tensor, Tensor, int], Tensor] | None = None

    def track(self, name: str, seeds: Sequence[Seed]) -> Track:
        """Follow one object.

        Args:
            name: Its name.
            seeds: Its hints by frame, at least one of which shows where it is.
        """
        self.notes = []
        whole = [s for s in seeds if not s.corrects]
        start = whole or [s for s in seeds if (s.known == 1).any()][:1]
        anchors = {s.index: self._first(name, s, None) for s in start}
        rest = [s for s in seeds if s.index not in anchors]
        for seed in rest:
            shot = self._shot(seed.index)
            near = {a: m for a, m in anchors.items() if shot.start <= a < shot.end}
            before = self._blend(name, shot, near).belief(seed.index - shot.start) if near else None
            if before is None and not (seed.known == 1).any():
                self.notes.append(
                    f"{name}: the hint on frame {seed.index} only says where it is not, in a shot without another"
                )
                continue
            anchors[seed.index] = self._first(name, seed, before)
        exact = tuple(sorted(s.index for s in seeds if s.exact))
        opened = {s.index: hints_of(s, self.frames.size)[0, 0].numpy() != 0 for s in seeds if s.bounds is not None}
        return replace(self._whole(name, anchors), exact=exact, opened=opened)

    def _first(self, name: str, seed: Seed, before: np.ndarray | None) -> np.ndarray:
        shot = self._shot(seed.index)
        if self.segment is not None and not seed.exact and before is None:
            picture = self.frames[seed.index]
            shown = torch.from_numpy(picture).permute(2, 0, 1).float().div(255).unsqueeze(0)
            mask = self.segment(shown, hints_of(seed, self.frames.size), seed.index)[0, 0].numpy()
            if mask.any():
                return mask.astype(np.float32)
            self.notes.append(f"{name}, frame {seed.index}: nothing was cut out by its layers; GrabCut was asked")
        near = seed.index + 1 if seed.index + 1 < shot.end else seed.index - 1
        beside = self.frames[near] if shot.start <= near else None
        belief, told = first_mask(self.frames[seed.index], seed, before, beside)
        if told:
            self.notes.append(f"{name}, frame {seed.index}: {told}")
        return belief

    def _shot(self, index: int) -> Shot:
        return next(s for s in self.shots if s.start <= index < s.end)

    def _whole(self, name: str, anchors: dict[int, np.ndarray]) -> Track:
        written, lost, unhinted = Writer(), [], []
        for shot in self.shots:
            mine = {a: m for a, m in anchors.items() if shot.start <= a < shot.end}
            if not mine:
                unhinted.append(shot.index)
                for _ in range(len(shot)):
                    written.add(np.zeros(self.frames.size, np.float32), 0.0, (0.0, 0.0))
                continue
            if shot.start in mine and shot.start > 0:
                self.notes.append(f"{name}: the hint on frame {shot.start} stands at a cut; it counts after the cut")
            blend = self._blend(name, shot, mine)
            seen: list[bool] = []
            for row in range(len(shot)):
                belief = blend.belief(row)
                written.add(belief, blend.confidence(row), blend.motion(row))
                seen.append(bool((belief > 0.5).any()))
            lost += [
                (shot.start + first, shot.start + last, WHY[any(blend.gone(r) for r in range(first, last + 1))])
                for first, last in stretches(seen)
            ]
        self.notes += told(name, self.shots, lost, unhinted)
        found = tuple(sorted(anchors))
        return Track(name, written.path(0), self.frames.size, found, tuple(self.notes), tuple(lost), tuple(unhinted))

    def _blend(self, name: str, shot: Shot, anchors: dict[int, np.ndarray]) -> _Blend:
        """Everything that the hints of a shot say of its frames."""
        known = {place - shot.start: belief for place, belief in anchors.items()}
        blend = _Blend(len(shot), self.frames.size, known)
        places = sorted(anchors)
        for number, place in enumerate(places):
            ahead = range(place + 1, places[number + 1] if number + 1 < len(places) else shot.end)
            behind = range(place - 1, places[number - 1] if number else shot.start - 1, -1)
            for outward in (ahead, behind):
                path = self._path(name, place, anchors[place], outward)
                shared = outward.stop not in (shot.end, shot.start - 1)
                for row, index in enumerate(outward):
                    share = 1.0 - (row + 1) / (len(outward) + 1) if shared else 1.0
                    blend.add(index - shot.start, path, row, share)
        return blend

    def _path(self, name: str, place: int, belief: np.ndarray, outward: range) -> Path:
        """The path of one hint in one direction, as far as it was kept, and on for as long as it is needed."""
        if not len(outward):
            return Writer().path(0)
        what = hashlib.sha256(belief.tobytes()).hexdigest()[:16]
        way = "ahead" if outward.step > 0 else "behind"
        piece = f"path-{place}-{way}-{what}"
        fits = f"2 {self.frames.size} {self.pace.first} {self.pace.each} {self.pace.seed}"
        seed = branch(self.pace.seed, place, way)

        def tell(row: int) -> None:
            self.tell(row / len(outward), f"{name}, frame {outward[row]}")

        kept = None if self.kept is None else Kept(self.kept, piece, fits)
        return carry(self.frames, Start(place, belief), outward, replace(self.pace, seed=seed), tell, kept)


class _Blend:
    """Paths laid over each other: the nearer and the surer hint counts more.

    Args:
        rows: Frames of the shot.
        size: Of a frame.
        anchors: What is known on hints' own frames, by row.
    """

    def __init__(self, rows: int, size: tuple[int, int], anchors: dict[int, np.ndarray]) -> None:
        self._size, self._anchors = size, anchors
        self._parts: list[list[tuple[Path, int, float]]] = [[] for _ in range(rows)]

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, at: int, path: Path, row: int, share: float) -> None:
        """Lay one frame of a path down with a weight of ``share`` and its own confidence."""
        self._parts[at].append((path, row, share * (float(path.confidence[row]) + 1e-3)))

    def belief(self, at: int) -> np.ndarray:
        """``h w`` float32 of one row; a hint's own frame as it is."""
        if at in self._anchors:
            return self._anchors[at]
        found, total = np.zeros(self._size, np.float32), 0.0
        for path, row, weight in self._parts[at]:
            found += np.float32(weight) * path.belief(row, self._size)
            total += weight
        return found / np.float32(max(total, 1e-12))

    def confidence(self, at: int) -> float:
        """Of one row; 1 on a hint's own frame."""
        return 1.0 if at in self._anchors else self._mean(at, lambda path, row: float(path.confidence[row]))

    def motion(self, at: int) -> tuple[float, float]:
        """The object's way at one row; on a hint's own frame that of its neighbour."""
        if at in self._anchors:
            at = min(at + 1, len(self) - 1) if at + 1 < len(self) else max(0, at - 1)
        return (
            self._mean(at, lambda path, row: float(path.motion[row, 0])),
            self._mean(at, lambda path, row: float(path.motion[row, 1])),
        )

    def gone(self, at: int) -> bool:
        """Whether a path says that the object has left the picture."""
        return any(row >= path.left for path, row, _ in self._parts[at])

    def _mean(self, at: int, what: Callable[[Path, int], float]) -> float:
        total = sum(weight for _, _, weight in self._parts[at])
        return sum(weight * what(path, row) for path, row, weight in self._parts[at]) / total if total else 0.0


def working_height(clip_height: int, wanted: int, area_share: float) -> int:
    """Rows at which an object is followed.

    Args:
        clip_height: Rows of the clip.
        wanted: As set; 0 = by the object.
        area_share: The object's share of the picture on its first hint.
    """
    if wanted:
        return min(wanted, clip_height)
    for height in HEIGHTS:
        if np.sqrt(area_share * height * height * 16 / 9) >= _WANTED:
            return min(height, clip_height)
    return min(HEIGHTS[-1], clip_height)
