"""What methods of task ``masks`` get to see of a clip and of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Shot
from vidinternal.core.finding import Asked, GivenMasks
from vidinternal.media.color import to_rgb
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.orientation import shown_size
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import frame_pts
from vidinternal.media.sample import sample_frames
from vidinternal.media.skim import cropped, pieces, skim
from vidinternal.stages.artifacts import Box
from vidinternal.stages.base import JobInputs

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


class SourceView:
    """Shows the frames of a source, whole and upright; ``core.finding.ClipView``.

    Args:
        frames: The source.
        info: The clip.
        cut: Tells its uncut takes, as the pipeline's stage ``shots`` has them.
    """

    def __init__(self, frames: FrameSource, info: ClipInfo, cut: Callable[[], tuple[Shot, ...]]) -> None:
        self._frames, self._info, self._cut = frames, info, cut
        width, height = shown_size(info)
        self.size = (height, width)
        self._shots: tuple[Shot, ...] | None = None

    def shots(self) -> tuple[Shot, ...]:
        """Uncut takes, found when they are first asked for."""
        if self._shots is None:
            self._shots = self._cut()
        return self._shots

    def __len__(self) -> int:
        return len(self._frames)

    def seconds(self, index: int) -> Fraction:
        """Exact time from the first frame; one past the last is the last's time and the mean length of a frame."""
        pts = frame_pts(self._info)
        if index < len(pts):
            return (pts[index] - pts[0]) * self._info.time_base
        mean = Fraction(pts[-1] - pts[0], max(1, len(pts) - 1))
        return (pts[-1] - pts[0] + mean) * self._info.time_base

    def small(self, indices: Sequence[int], height: int | None = None) -> np.ndarray:
        """``N h w 3`` uint8 RGB."""
        return sample_frames(self._info, indices, height).frames

    def rgb(self, start: int, end: int, box: Box | None = None) -> Tensor:
        """``T 3 h w`` float32 RGB."""
        turn = self._frames.turn
        if box is not None and not (turn.turns or turn.mirrored):
            return torch.from_numpy(np.stack([self._part(n, box) for n in self._frames.native(start, end)]))
        y0, y1, x0, x1 = box or (None, None, None, None)
        crops = [
            turn.upright(to_rgb(native, self._info))[:, y0:y1, x0:x1].astype(np.float32)
            for native in self._frames.native(start, end)
        ]
        return torch.from_numpy(np.stack(crops))

    def _part(self, native: NativeFrame, box: Box) -> np.ndarray:
        """``3 h w`` of a box: only what is wanted is converted."""
        y0, y1, x0, x1 = box
        part, (top, left) = cropped(native, self._info, box)
        return to_rgb(part, self._info)[:, top : top + y1 - y0, left : left + x1 - x0]

    def looks(self, step: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
        """Index and ``h w 3`` uint8 RGB of frames about ``step`` apart."""
        return skim(self._info, step, height)

    def pieces(self, wanted: Mapping[int, Sequence[Box]]) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Pieces of frames, ``h w 3`` uint8 RGB."""
        return pieces(self._info, wanted)


def asked(job: JobInputs, info: ClipInfo) -> Asked:
    """What a person gave to go by."""
    return Asked(
        source=job.source,
        destination=job.destination,
        mask=job.mask is not None,
        regions=job.regions,
        objects=job.objects,
        hints=job.hints,
        events=job.events,
        subtitles=job.subtitles,
        known=info.policy.damage == "repair",
    )


def given_masks(job: JobInputs, info: ClipInfo, frames: int) -> GivenMasks | None:
    """Reads the job's mask by frames; None where there is none.

    Raises:
        MaskError: It cannot be read or does not fit.
    """
    if job.mask is None:
        return None
    source = open_masks(job.mask, info.policy.max_pixels)
    fit = check_fits(source, info, frames, job.mask_fit)

    def read(start: int, end: int) -> Tensor:
        return torch.from_numpy(source.read(start, end, fit)).unsqueeze(1)

    return read
