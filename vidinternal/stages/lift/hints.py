"""What a person pointed at, as hints for image methods: where it is inside, where outside, where nobody said.

To ``segment``, a box, points, strokes or a mask of ``--object`` speak of their frame, and ``--mask`` of every frame; an
image of the first alone, and a region of the first that it is on: things move. Everywhere else ``--mask`` and
``--region`` say what is to be made anew: 1 there, 0 elsewhere, and nothing is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MaskError, UsageError
from vidinternal.core.hints import gather
from vidinternal.core.imaging import ImageCard
from vidinternal.core.timecode import Region
from vidinternal.media.mask_source import check_fits, open_masks, read_rgba
from vidinternal.media.orientation import shown_size
from vidinternal.media.probe import frame_pts
from vidinternal.ops.objects.seeds import OBJECT, OTHER, Place, Seed, seeds
from vidinternal.stages.base import JobInputs
from vidinternal.stages.clip_view import given_masks
from vidinternal.stages.masks import check_region, covers, draw_regions

_LOOKED_AT = 64  # frames of a mask that are looked at together
_OF_TEXT = {"events": "--events", "subtitles": "--subtitles", "soft_subs": "--soft-subs", "language": "--language"}


def check_wanted(job: JobInputs, card: ImageCard) -> None:
    """Refuse what a person gave and the method has no use for.

    Raises:
        UsageError: Hints for a method that takes none, objects for one that does not segment, or something of text.
    """
    told = {"--mask": job.mask, "--region": job.regions, "--object": job.objects, "--hints": job.hints}
    for option, given in told.items():
        pointless = card.hints == "no" or (option in ("--object", "--hints") and card.task != "segment")
        if given and pointless:
            raise UsageError(
                option,
                expected="a method that can be told where to look" if card.hints == "no" else "--mask or --region",
                got=f"{card.task}.method={card.name}, which takes none",
                hint="leave it out, or choose another method: vidinternal methods",
            )
    for field, option in _OF_TEXT.items():
        if getattr(job, field):
            raise UsageError(option, expected="a search for burnt-in text: pipeline remove_subtitles", got=card.task)


class JobHints:
    """The hints of a job, by frame.

    Args:
        job: What a person gave.
        info: The clip.
        task: What is done: ``segment`` or another.
    """

    def __init__(self, job: JobInputs, info: ClipInfo, task: str) -> None:
        self.job, self.info, self.task = job, info, task
        width, height = shown_size(info)
        self.size = (height, width)

    @property
    def given(self) -> bool:
        """Whether a person pointed at anything."""
        return bool(self.job.mask or self.job.regions or self.job.objects or self.job.hints)

    @cached_property
    def pts(self) -> tuple[int, ...]:
        """Times of the frames, in ticks."""
        return tuple(frame_pts(self.info))

    def check(self) -> None:
        """Refuse, before any work, what does not fit the clip.

        Raises:
            MaskError: A hint lies outside the picture or the clip, contradicts another, or selects nothing.
        """
        frames = len(self.pts)
        for region in self.job.regions:
            check_region(region, self.info, frames, (self.pts[-1] - self.pts[0]) * self.info.time_base)
        if self.job.mask is not None:
            check_fits(open_masks(self.job.mask, self.info.policy.max_pixels), self.info, frames, self.job.mask_fit)
            self._check_selects(frames)
        _ = self._seeds

    def _check_selects(self, frames: int) -> None:
        read = given_masks(self.job, self.info, frames)
        starts = range(0, frames, _LOOKED_AT)
        if read is not None and not any(bool(read(k, min(frames, k + _LOOKED_AT)).any()) for k in starts):
            raise MaskError(
                f"mask {self.job.mask}",
                expected="white somewhere: it says what the work is about",
                got=f"nothing white in any of {frames} frames",
            )

    def frames(self, start: int, end: int) -> Tensor | None:
        """Hints of frames ``start`` to ``end`` (excluded), ``T 1 H W`` float32; None where none of them has any."""
        if not self.given:
            return None
        return self._of_objects(start, end) if self.task == "segment" else self._of_holes(start, end)

    def _of_holes(self, start: int, end: int) -> Tensor:
        drawn = torch.from_numpy(draw_regions(self.job.regions, self.info, self.pts, range(start, end))).unsqueeze(1)
        read = given_masks(self.job, self.info, len(self.pts))
        return (drawn if read is None else drawn | read(start, end)).float()

    def _of_objects(self, start: int, end: int) -> Tensor | None:
        known = torch.full((end - start, 1, *self.size), torch.nan)
        moving = self.job.mask is not None and open_masks(self.job.mask).count is not None
        read = given_masks(self.job, self.info, len(self.pts))
        if read is not None:
            for index in range(start, end):
                mask = read(index, index + 1)[0] if moving or index == 0 else torch.zeros(0)
                if mask.any():
                    known[index - start] = mask.float()
        for region in self.job.regions:
            first = self._first_frame(region)
            if start <= first < end:
                self._box(known[first - start, 0], region.y, region.x, (region.height, region.width))
        for index in range(start, end):
            for seed in self._seeds.get(index, ()):
                _lay(known[index - start, 0], seed)
        return known if bool((~known.isnan()).any()) else None

    def _first_frame(self, region: Region) -> int:
        """The first frame that a region is on; -1 where it never is."""
        times = ((p - self.pts[0]) * self.info.time_base for p in self.pts)
        return next((k for k, seconds in enumerate(times) if covers(region, k, seconds)), -1)

    @staticmethod
    def _box(known: Tensor, y: int, x: int, size: tuple[int, int]) -> None:
        """Everything outside a rectangle is outside; inside nothing is said."""
        inside = torch.zeros_like(known, dtype=torch.bool)
        inside[y : y + size[0], x : x + size[1]] = True
        known[~inside & known.isnan()] = 0.0

    @cached_property
    def _seeds(self) -> dict[int, tuple[Seed, ...]]:
        """What ``--object`` and ``--hints`` say, by frame."""
        hints = gather(self.job.objects, self.job.hints)
        if not hints.hints:
            return {}
        found: dict[int, tuple[Seed, ...]] = {}
        place = Place(self.size, _times(self.pts, self.info))
        for own in seeds(hints, place, self._image).values():
            for seed in own:
                found[seed.index] = (*found.get(seed.index, ()), seed)
        return found

    def _image(self, path: Path) -> np.ndarray:
        return read_rgba(path, self.info.policy.max_pixels)


def _lay(known: Tensor, seed: Seed) -> None:
    """Add a seed to the hints of its frame; what any object claims is inside."""
    told = torch.from_numpy(seed.known)
    known[(told == OTHER) & known.isnan()] = 0.0
    known[told == OBJECT] = 1.0


def _times(pts: Sequence[int], info: ClipInfo) -> list[Fraction]:
    """Exact seconds of every frame from the first, and the clip's end."""
    mean = Fraction(pts[-1] - pts[0], max(1, len(pts) - 1))
    return [(p - pts[0]) * info.time_base for p in pts] + [(pts[-1] - pts[0] + mean) * info.time_base]
