"""What became of the samples that nothing was to change, plane by plane, a frame at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from vidinternal.media.picture import PictureFormat, plane_shape

Allowed = Callable[[int], tuple[np.ndarray, ...] | None]
"""Frame index -> for each plane of the source's format which samples may change, bool; None where none may."""

PERFECT = 99.0
"""PSNR in dB of equal samples, and the most that is told."""


def psnr(squared: float, samples: int, depth: int) -> float:
    """PSNR in dB of a summed squared error in codes of ``depth`` bits; :data:`PERFECT` at most."""
    if squared <= 0 or samples == 0:
        return PERFECT
    return min(PERFECT, 10 * math.log10(((1 << depth) - 1) ** 2 * samples / squared))


@dataclass(frozen=True)
class PlaneOutside:
    """One plane of all frames.

    Attributes:
        role: ``y``, ``u``, ``v``, ``g``, ``b``, ``r`` or ``a``.
        samples: Samples outside the mask.
        changed: Those that differ.
        largest: Largest difference in codes.
        psnr: dB over all of them.
    """

    role: str
    samples: int
    changed: int
    largest: int
    psnr: float


@dataclass(frozen=True)
class Outside:
    """All samples outside the mask.

    Attributes:
        planes: Plane by plane.
        worst_frame: Index of the frame with the lowest PSNR outside, in its worst plane.
        worst_psnr: That PSNR in dB.
    """

    planes: tuple[PlaneOutside, ...]
    worst_frame: int
    worst_psnr: float

    @property
    def samples(self) -> int:
        """Samples outside the mask, over all planes and frames."""
        return sum(p.samples for p in self.planes)

    @property
    def changed(self) -> int:
        """Those that differ."""
        return sum(p.changed for p in self.planes)

    @property
    def largest(self) -> int:
        """Largest difference in codes."""
        return max(p.largest for p in self.planes)

    @property
    def psnr(self) -> float:
        """The worst plane in dB over the whole clip, so that no plane hides behind another."""
        return min(p.psnr for p in self.planes)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        whole = {name: getattr(self, name) for name in ("samples", "changed", "largest", "psnr")}
        return whole | asdict(self)


class OutsideSums:
    """Gathers differences frame by frame.

    Args:
        fmt: Format of the planes.
    """

    def __init__(self, fmt: PictureFormat) -> None:
        self._fmt = fmt
        self._samples = [0] * len(fmt.planes)
        self._changed = [0] * len(fmt.planes)
        self._largest = [0] * len(fmt.planes)
        self._squared = [0.0] * len(fmt.planes)
        self._worst = (0, PERFECT)

    def add(
        self,
        index: int,
        mine: tuple[np.ndarray, ...],
        theirs: tuple[np.ndarray, ...],
        masks: tuple[np.ndarray, ...] | None,
    ) -> None:
        """Take a frame of the result, the source's in the same format, and what may have changed."""
        lowest = PERFECT
        for k, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            kept = None if masks is None else np.ascontiguousarray(~masks[k]).view(np.uint8)
            samples = one.size if kept is None else int(np.count_nonzero(kept))
            self._samples[k] += samples
            if samples == 0 or np.array_equal(one, other):
                continue
            differs = one != other
            if kept is not None:
                differs &= kept.view(bool)
            changed = int(np.count_nonzero(differs))
            if changed == 0:
                continue
            squared = float(cv2.norm(one, other, cv2.NORM_L2SQR, kept))
            self._changed[k] += changed
            self._largest[k] = max(self._largest[k], round(cv2.norm(one, other, cv2.NORM_INF, kept)))
            self._squared[k] += squared
            lowest = min(lowest, psnr(squared, samples, self._fmt.depth))
        if lowest < self._worst[1]:
            self._worst = (index, lowest)

    def state(self) -> dict[str, Any]:
        """What was gathered so far, as a tree of plain values."""
        sums = {"samples": self._samples, "changed": self._changed, "largest": self._largest, "squared": self._squared}
        return {**{name: list(values) for name, values in sums.items()}, "worst": list(self._worst)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self._samples, self._changed = list(state["samples"]), list(state["changed"])
        self._largest, self._squared = list(state["largest"]), list(state["squared"])
        self._worst = int(state["worst"][0]), float(state["worst"][1])

    def found(self) -> Outside:
        """What was gathered."""
        planes = tuple(
            PlaneOutside(
                layout.role,
                self._samples[k],
                self._changed[k],
                self._largest[k],
                psnr(self._squared[k], self._samples[k], self._fmt.depth),
            )
            for k, layout in enumerate(self._fmt.planes)
        )
        return Outside(planes, *self._worst)


def fit_masks(
    masks: tuple[np.ndarray, ...], source: PictureFormat, target: PictureFormat, size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Lay masks of a format's planes out as another that holds it: finer chroma repeats them.

    Args:
        masks: One bool array for each plane of ``source``.
        source: Their format.
        target: The other format; a plane that ``source`` lacks, such as the chroma of grey, may not change.
        size: Width and height of the picture.
    """
    given = {p.role: (p, mask) for p, mask in zip(source.planes, masks, strict=True)}
    fitted = []
    for layout in target.planes:
        rows, columns = plane_shape(layout, *size)
        if layout.role not in given:
            fitted.append(np.zeros((rows, columns), dtype=bool))
            continue
        own, mask = given[layout.role]
        fine = mask.repeat(1 << (own.y_shift - layout.y_shift), 0).repeat(1 << (own.x_shift - layout.x_shift), 1)
        fitted.append(fine[:rows, :columns])
    return tuple(fitted)
