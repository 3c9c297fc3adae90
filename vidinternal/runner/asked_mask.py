"""The mask that a person names when a result is judged: a file, rectangles, grown by some pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.core.timecode import Region
from vidinternal.media.fields import Scan, scan_of, touched_samples
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.orientation import orientation
from vidinternal.media.picture import picture_format
from vidinternal.media.probe import frame_pts, time_table
from vidinternal.ops.masks import dilate
from vidinternal.stages.masks import check_region, draw_regions

_AHEAD = 8


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        mask: Video, image or folder of images; white = hole.
        regions: Rectangles, optionally limited in time.
        grown: Pixels added around both, as ``masks.dilate`` does.
    """

    mask: Path | None = None
    regions: tuple[Region, ...] = ()
    grown: int = 0

    def __bool__(self) -> bool:
        return self.mask is not None or bool(self.regions)


class AskedMask:
    """Masks in order, read a few at a time; all False where none was asked for, all True where damage is filled whole.

    Args:
        asked: What was asked for.
        info: The clip it belongs to.

    Raises:
        MaskError: The mask or a region does not fit the clip.
    """

    def __init__(self, asked: Asked, info: ClipInfo) -> None:
        self._asked, self._info = asked, info
        self._pts = frame_pts(info)
        damage = time_table(info).damage
        self._whole = frozenset(damage.holes(info.policy) if damage else ())
        self._turn = orientation(info)
        self._empty = np.zeros((info.height, info.width), dtype=bool)
        self._source = open_masks(asked.mask) if asked.mask else None
        self._fit = check_fits(self._source, info, len(self._pts), fit=False) if self._source else None
        for region in asked.regions:
            check_region(region, info, len(self._pts), (self._pts[-1] - self._pts[0]) * info.time_base)
        self._start, self._held = 0, self._empty[:0][None][:0]
        self._scan: Scan | None = None

    def at(self, index: int) -> np.ndarray:
        """The mask of one frame as it is stored, ``H W`` bool."""
        if index in self._whole:
            return ~self._empty
        if not self._asked:
            return self._empty
        if not self._start <= index < self._start + len(self._held):
            self._start = index
            self._held = self._read(index, min(len(self._pts), index + _AHEAD))
        return self._held[index - self._start]

    def __bool__(self) -> bool:
        return bool(self._asked) or bool(self._whole)

    def may_change(self, index: int) -> tuple[np.ndarray, ...]:
        """Which samples of each plane of a frame the mask lets change, bool."""
        if self._scan is None:
            self._scan = _scan(self._info)
        return touched_samples(self.at(index), picture_format(self._info.pix_fmt), self._scan)

    def _read(self, start: int, end: int) -> np.ndarray:
        upright = draw_regions(self._asked.regions, self._info, self._pts, range(start, end))
        if self._source is not None and self._fit is not None:
            upright = upright | self._source.read(start, end, self._fit)
        if self._asked.grown:
            upright = dilate(torch.from_numpy(upright).unsqueeze(1), self._asked.grown)[:, 0].numpy()
        return np.ascontiguousarray(self._turn.stored(upright))


def _scan(info: ClipInfo) -> Scan:
    """How the frames were taken; where their marks are mixed, only as fields."""
    try:
        return scan_of(info)
    except MediaError:
        return "tff"  # the other order touches the same samples
