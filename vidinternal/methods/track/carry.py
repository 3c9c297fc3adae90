"""One object carried from one frame outward, one frame after the other, in one direction.

Every step brings the belief along by the flow, both ways checked, lets the network say what it sees there, fits the
outline to the picture's edges, and teaches the network what both agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from vidinternal.core.contracts import Checkpoints
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.methods.track.features import Colours, flow, landed, own_motion, sampled, stack, static
from vidinternal.methods.track.jump import both_ways
from vidinternal.methods.track.refiner import Lesson, Refiner
from vidinternal.ops.objects.cover import guided
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import Path, Writer, leaves

_NET_SIDE = 112
"""Longest side, in pixels, of what the network gets."""
_MARGIN = 0.5
_TRUST = 0.3
"""Weight of the flow against the network where the flow is consistent."""
_GONE = 0.04
"""Share of an object's usual area below which it is out of sight."""
_STILL = 0.25
"""Motion against the camera, in the object's own, below which a pixel stands still."""
_MOVES = 0.6
"""The same of the object's middle pixel, above which it moves."""
_GROWTH = 1.15
"""Most that an object grows from one frame to the next, against its usual area."""
_FOUND = 0.45
"""How sure a sighting after an occlusion must be."""
_RING = 20
"""Pixels around an object whose edges its outline's are measured by."""

_NUMBERS = ("at", "usual", "confidence", "sure", "agreed", "hidden", "apart")
"""What a checkpoint holds of the state beside arrays; what is shown is made anew in every step."""

Area = tuple[slice, slice]
Tell = Callable[[int], None]


@dataclass(frozen=True)
class Pace:
    """How much is trained.

    Attributes:
        first: Steps on the hint's frame.
        each: Steps after every frame.
        seed: Root of all chance.
        device: Where to compute.
    """

    first: int
    each: int
    seed: int
    device: torch.device


@dataclass(frozen=True)
class Start:
    """Where an object is known.

    Attributes:
        frame: On this frame.
        belief: ``h w`` float32, the object there.
    """

    frame: int
    belief: np.ndarray


@dataclass(frozen=True)
class Kept:
    """Where a path is kept while it is followed.

    Attributes:
        where: Keeps it.
        piece: Its name there.
        fits: What it belongs to.
    """

    where: Checkpoints
    piece: str
    fits: str


def carry(
    frames: SmallFrames,
    start: Start,
    outward: Sequence[int],
    pace: Pace,
    tell: Tell,
    kept: Kept | None = None,
) -> Path:
    """Follow an object.

    Args:
        frames: The clip, small.
        start: Where the object is known.
        outward: The frames to follow it through, next one first; all in one shot.
        pace: How much is trained.
        tell: Told the number of frames done.
        kept: Keeps what was followed and learned, so that a run that was killed goes on; None = nothing does.

    Returns:
        A row for every frame of ``outward``.

    Raises:
        Interrupted: Somebody asked to stop; the state has been kept.
    """
    if not len(outward):
        return Writer().path(0)
    saved = None if kept is None else kept.where.load(kept.piece, kept.fits)
    if saved is not None and len(from_tree(Path, saved["path"]).boxes) >= len(outward):
        return from_tree(Path, saved["path"]).cut(len(outward))
    state = _State(frames, start, outward[0], pace, None if saved is None else saved["state"])
    written, left = Writer(), len(outward)
    if saved is not None and saved["state"] is not None:
        written = Writer.of(from_tree(Path, saved["path"]))

    def so_far() -> Mapping[str, Any]:
        return {"path": to_tree(written.path(len(outward))), "state": state.tree()}

    for row in range(len(written.boxes), len(outward)):
        tell(row)
        state.step(outward[row])
        if state.outside:
            left = row
            break
        written.add(state.shown, state.confidence, state.motion)
        if kept is not None:
            kept.where.offer(kept.piece, kept.fits, so_far)
    for _ in range(left, len(outward)):
        written.add(np.zeros(frames.size, np.float32), 0.0, (0.0, 0.0))
    path = written.path(left)
    if kept is not None:
        kept.where.save(kept.piece, kept.fits, {"path": to_tree(path), "state": None})
    return path


class _State:
    """What is known of an object while it is carried.

    Args:
        frames: The clip, small.
        start: Where the object is known.
        ahead: The first frame to go to.
        pace: How much is trained.
        saved: What :meth:`tree` gave, to go on from there.
    """

    def __init__(
        self, frames: SmallFrames, start: Start, ahead: int, pace: Pace, saved: Mapping[str, Any] | None = None
    ) -> None:
        begin, belief = start.frame, start.belief
        self.frames, self.pace = frames, pace
        self.at, self.belief, self.shown = begin, belief, belief
        self.usual = float((belief > 0.5).sum())
        self.confidence, self.hidden, self.outside = 1.0, 0, False
        self.motion, self.apart = (0.0, 0.0), 0.0
        self.sure, self.agreed = 1.0, 1.0
        self.colours = Colours()
        self.refiner = Refiner(pace.seed, pace.device)
        if saved is not None:
            self._go_on_from(saved)
            return
        picture = frames[begin]
        self.colours.learn(picture, belief, 1.0)
        moved = np.zeros_like(belief)
        near = _around(belief, belief.shape, 1.0, 48)
        moved[near] = own_motion(flow(picture[near], frames[ahead][near]), belief[near])
        self.refiner.begin(self._lesson(picture, belief, np.ones_like(belief), moved), pace.first)

    def step(self, index: int) -> None:
        """Go on to the next frame."""
        before, now = self.frames[self.at], self.frames[index]
        forward = index > self.at
        self.at = index
        if self.hidden:
            self._look_again(now)
            return
        near = _around(self.belief, self.belief.shape, 1.0, 48)
        there, back = both_ways(before[near], now[near], self.belief[near])
        inside = self.belief[near] > 0.5
        way = np.median(there[inside], axis=0) if inside.any() else np.zeros(2)
        self.motion = (float(way[0]), float(way[1])) if forward else (-float(way[0]), -float(way[1]))
        prior = np.zeros_like(self.belief)
        prior[near] = sampled(self.belief[near], back, 0.0) * landed(self.belief[near], there)
        missed = np.linalg.norm(back + sampled(there, back), axis=-1)
        steady, moved = np.zeros_like(prior), np.zeros_like(prior)
        steady[near] = np.exp(-np.square(missed / 2))
        moved[near] = own_motion(-back, prior[near])
        mine = moved[near][prior[near] > 0.5]
        self.apart = 0.5 if len(mine) and float(np.median(mine)) > _MOVES else 0.0
        # ground that stands still beside a moving object was taken along by mistake, or is a limb: the network decides
        prior = np.where(moved < _STILL, (1 - self.apart) * prior, prior)
        refined = self._refined(now, prior, moved, steady)
        if (refined > 0.5).sum() < max(3.0, _GONE * self.usual):
            self.outside = leaves(self.belief, way)
            self.hidden, self.sure, self.confidence = 1, 0.0, 0.0
            self.shown = np.zeros_like(self.belief)
            return
        self.agreed *= overlap(prior, refined)
        self.sure = _sure(prior, refined)
        self.confidence = estimate(now, refined, self.agreed, self.sure)
        self._take(now, refined, prior, moved)

    def _refined(self, picture: np.ndarray, prior: np.ndarray, moved: np.ndarray, steady: np.ndarray) -> np.ndarray:
        if not (prior > 0.3).any():
            return np.zeros_like(prior)
        part = _around(prior, prior.shape, _MARGIN, 12)
        size = _net_size(prior[part].shape)
        small = _resized(picture[part], size)
        maps = stack(
            static(small), _resized(prior[part], size), self.colours.likeness(small), _resized(moved[part], size)
        )
        seen = _resized(self.refiner(maps), prior[part].shape)
        weight = _TRUST * steady[part]
        mixed = weight * prior[part] + (1 - weight) * seen
        grey = cv2.cvtColor(np.ascontiguousarray(picture[part]), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        found = np.zeros_like(prior)
        found[part] = np.clip(guided(grey, mixed, 2, 1e-3), 0, 1)
        return _no_larger(found, _GROWTH * max(self.usual, float((prior > 0.5).sum())))

    def _take(self, picture: np.ndarray, refined: np.ndarray, prior: np.ndarray, moved: np.ndarray) -> None:
        """Believe it, and learn from what the flow and the network agree on."""
        self.belief = self.shown = refined
        self.usual += 0.1 * (float((refined > 0.5).sum()) - self.usual)
        agreed = ((refined > 0.8) | (refined < 0.2)) & (np.abs(refined - prior) < 0.4)
        if self.pace.each and self.sure > 0.3:
            self.colours.learn(picture, refined * agreed, 0.05)
            sure = agreed.astype(np.float32)
            self.refiner.go_on(self._lesson(picture, (refined > 0.5).astype(np.float32), sure, moved), self.pace.each)

    def _look_again(self, picture: np.ndarray) -> None:
        """Look for an object that was hidden, in the whole frame and without any idea of where it is."""
        self.hidden += 1
        self.sure = self.confidence = 0.0
        self.shown, self.motion = np.zeros_like(self.belief), (0.0, 0.0)
        height, width = self.belief.shape
        size = max(16, height // 2), max(16, width // 2)
        small = _resized(picture, size)
        likeness = self.colours.likeness(small)
        seen = _resized(self.refiner(stack(static(small), None, likeness, np.ones_like(likeness))), (height, width))
        side = max(3, round(float(np.sqrt(self.usual)))) | 1
        contrast = cv2.blur(seen, (side, side)) - cv2.blur(seen, (3 * side, 3 * side))
        rows, columns = np.nonzero(self.belief > 0.5)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        reach = side * (1.5 + 0.35 * self.hidden)
        contrast[np.hypot(y - rows.mean(), x - columns.mean()) > reach] = -1
        _, best, _, (cx, cy) = cv2.minMaxLoc(contrast)
        if best < 0.2:
            return
        prior = (seen * np.exp(-(np.square(x - cx) + np.square(y - cy)) / (2 * side**2))).astype(np.float32)
        still = np.zeros_like(prior)
        refined = self._refined(picture, prior, np.ones_like(prior), still)
        area = float((refined > 0.5).sum())
        sure = _sure(refined, refined)
        if 0.25 * self.usual <= area <= 2.5 * self.usual and sure > _FOUND:
            self.hidden, self.sure, self.belief, self.shown = 0, min(sure, 0.6), refined, refined
            self.agreed *= self.sure
            self.confidence = estimate(picture, refined, self.agreed, self.sure)

    def tree(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {
            "numbers": {name: getattr(self, name) for name in _NUMBERS},
            "motion": list(self.motion),
            "belief": torch.from_numpy(self.belief),
            "colours": [torch.from_numpy(self.colours.object), torch.from_numpy(self.colours.other)],
            "refiner": self.refiner.tree(),
        }

    def _go_on_from(self, saved: Mapping[str, Any]) -> None:
        for name in _NUMBERS:
            setattr(self, name, saved["numbers"][name])
        self.motion = (saved["motion"][0], saved["motion"][1])
        self.belief = saved["belief"].numpy()
        self.colours.object, self.colours.other = (tensor.numpy() for tensor in saved["colours"])
        self.refiner.go_on_from(saved["refiner"])

    def _lesson(self, picture: np.ndarray, mask: np.ndarray, sure: np.ndarray, moved: np.ndarray) -> Lesson:
        part = _around(mask, mask.shape, _MARGIN, 12)
        size = _net_size(mask[part].shape)
        small = _resized(picture[part], size)
        cut = tuple(_resized(m[part], size) for m in (moved, mask, sure))
        return static(small), self.colours.likeness(small), cut[0], (cut[1] > 0.5).astype(np.float32), cut[2]


def _no_larger(belief: np.ndarray, most: float) -> np.ndarray:
    """The belief lowered so that no more than ``most`` pixels are above one half."""
    if (belief > 0.5).sum() <= most:
        return belief
    level = float(np.partition(belief.ravel(), -int(most))[-int(most)])
    return np.clip(belief - (level - 0.5), 0, 1)


def overlap(expected: np.ndarray, found: np.ndarray) -> float:
    """Intersection over union of two beliefs."""
    one, other = expected > 0.5, found > 0.5
    return float((one & other).sum()) / max(1.0, float((one | other).sum()))


def _sure(prior: np.ndarray, refined: np.ndarray) -> float:
    """How far flow and network agree, and how decided the network is, 0 to 1."""
    open_part = refined > 0.1
    decided = float(np.abs(2 * refined[open_part] - 1).mean()) if open_part.any() else 0.0
    return float(np.sqrt(overlap(prior, refined) * decided))


def estimate(picture: np.ndarray, belief: np.ndarray, agreed: float, sure: float) -> float:
    """About how large the overlap with the true mask is, 0 to 1.

    What flow and network disagree on adds up from frame to frame, and a right outline runs along edges. The three
    weights were fitted to the overlaps on five clips with masks.

    Args:
        picture: ``h w 3`` uint8 RGB.
        belief: ``h w`` float32, the object in it.
        agreed: Product of the overlaps of flow and network from the hint to here.
        sure: How far they agree here; below one half it counts by itself.
    """
    mask = belief > 0.5
    if not mask.any():
        return 0.0
    part = _around(belief, belief.shape, 0.0, _RING)
    inside = mask[part].astype(np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(picture[part]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    outline = (inside - cv2.erode(inside, np.ones((3, 3), np.uint8))) > 0
    near = cv2.dilate(inside, np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)) > 0
    # an object that fills its crop has no outline inside it
    along = float(np.log((steep[outline].mean() + 5) / (steep[near].mean() + 5))) if outline.any() else 0.0
    found = 0.55 + 0.28 * along + 0.04 * float(np.log(max(agreed, 1e-3)))
    return float(np.clip(found, 0.02, 1.0)) * min(1.0, 2 * sure)


def _around(belief: np.ndarray, shape: tuple[int, ...], margin: float, least: int) -> Area:
    """The part of the picture around an object; all of it where there is none."""
    rows, columns = np.nonzero(belief > 0.3)
    if not len(rows):
        return slice(0, shape[0]), slice(0, shape[1])
    grown = max(least, round(margin * max(float(np.ptp(rows)), float(np.ptp(columns)))))
    return (
        slice(max(0, int(rows.min()) - grown), min(shape[0], int(rows.max()) + 1 + grown)),
        slice(max(0, int(columns.min()) - grown), min(shape[1], int(columns.max()) + 1 + grown)),
    )


def _net_size(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, _NET_SIDE / max(shape[:2]))
    return max(8, round(shape[0] * scale)), max(8, round(shape[1] * scale))


def _resized(picture: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if picture.shape[:2] == tuple(size[:2]):
        return np.ascontiguousarray(picture)
    smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(picture), (size[1], size[0]), interpolation=way)
