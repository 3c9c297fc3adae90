"""Pictures whose subsampled chroma tells nothing of what is under a mask, while all luma beside the mask stays known.

A chroma sample that is partly under the mask has the colour of what is there in it, and its neighbours' RGB would show
it. Its share of the known picture is not lost with it: luma tells where the edges are, and within a small window chroma
is nearly a line of luma (the local linear model of ``he2010guided``), which is fitted to the samples around.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from vidinternal.core.clip import ClipInfo
from vidinternal.media.color import color_model
from vidinternal.media.composite import block_sum, touched
from vidinternal.media.picture import NativeFrame, PlaneLayout

_WINDOWS = 1.5, 6.0, 24.0
"""Standard deviations of the windows, chroma samples; the first in which enough is known is taken."""
_ENOUGH = 0.05
"""Share of a window that must be known."""
_EVEN = (6 / 255) ** 2
"""Variance of luma, full scale 1, below which chroma is taken to be even."""
_REACH = 64  # samples around the mask that are looked at


def chroma_beside(frame: NativeFrame, mask: np.ndarray, info: ClipInfo) -> NativeFrame:
    """Replace every chroma sample that is partly under a mask by what is around says of it.

    Args:
        frame: The picture, in the clip's format.
        mask: ``H W`` bool on the stored picture; no sample under it is read.
        info: The clip.

    Returns:
        The picture; itself where its chroma is not subsampled.
    """
    model = color_model(info)
    subsampled = [
        k for k, layout in enumerate(model.fmt.planes) if layout.role in "uv" and (layout.x_shift or layout.y_shift)
    ]
    if model.weights is None or not subsampled or not mask.any():
        return frame
    y = next(k for k, layout in enumerate(model.fmt.planes) if layout.role == "y")
    zero, span = model.scale("y")
    luma = (frame.planes[y].astype(np.float32) - np.float32(zero)) / np.float32(span)
    hidden, planes = touched(mask, model.fmt), list(frame.planes)
    # both planes of chroma have one layout
    level, lit = _shrunk(luma, mask, model.fmt.planes[subsampled[0]])
    for k in subsampled:
        neutral = float(model.scale(model.fmt.planes[k].role)[0])
        told = _told_by_luma((planes[k], hidden[k], neutral), level, lit)
        planes[k] = np.where(hidden[k], np.rint(told).clip(0, model.peak), planes[k]).astype(planes[k].dtype)
    return replace(frame, planes=tuple(planes))


def _shrunk(luma: np.ndarray, mask: np.ndarray, layout: PlaneLayout) -> tuple[np.ndarray, np.ndarray]:
    """Mean luma of every chroma block's known pixels, and where there are any."""
    known = (~mask).astype(np.float32)
    count = block_sum(known, layout)
    return block_sum(luma * known, layout) / np.maximum(count, 1), count > 0


def _told_by_luma(chroma: tuple[np.ndarray, np.ndarray, float], luma: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """One plane, float32, with its hidden samples replaced; ``chroma`` is it, what is hidden, and the value of grey."""
    plane, hidden, neutral = chroma
    rows, columns = (np.flatnonzero(hidden.any(axis=axis)) for axis in (1, 0))
    piece = (
        slice(max(0, int(rows[0]) - _REACH), int(rows[-1]) + 1 + _REACH),
        slice(max(0, int(columns[0]) - _REACH), int(columns[-1]) + 1 + _REACH),
    )
    off = plane[piece].astype(np.float32) - np.float32(neutral)
    whole = plane.astype(np.float32)
    whole[piece] = _line(luma[piece], off, ~hidden[piece], lit[piece]) + neutral
    return whole


def _line(luma: np.ndarray, chroma: np.ndarray, known: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """``h w``: chroma as the line of luma that the known samples around lie on; their mean where no luma is ``lit``."""
    made = np.full_like(chroma, float(chroma[known].mean()) if known.any() else 0.0)
    weight, left = known.astype(np.float32), ~known
    for sigma in _WINDOWS:

        def around(values: np.ndarray, sigma: float = sigma) -> np.ndarray:
            return cv2.GaussianBlur(values * weight, (0, 0), sigma)

        there = cv2.GaussianBlur(weight, (0, 0), sigma)
        enough = left & (there >= _ENOUGH)
        there = np.maximum(there, _ENOUGH)
        mean, level = around(luma) / there, around(chroma) / there
        spread = np.maximum(around(luma * luma) / there - mean**2, 0)
        slope = (around(luma * chroma) / there - mean * level) / (spread + _EVEN)
        value = level + np.where(lit, slope * (luma - mean), 0)
        made[enough] = value[enough]
        left &= ~enough
    return made
