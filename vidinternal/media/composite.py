"""A fill put into the file's own samples: what the mask does not touch keeps every bit.

Conversion to RGB and back would round every sample of the picture, so known samples never take that way; only the
fill is converted, and only samples under the mask are written.
"""

from __future__ import annotations

import numpy as np

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import UsageError
from vidinternal.media.color import ColorModel, color_model, components, shrink
from vidinternal.media.picture import NativeFrame, PictureFormat, PlaneLayout, plane_shape


def touched(mask: np.ndarray, fmt: PictureFormat) -> tuple[np.ndarray, ...]:
    """Which samples of each plane a mask may change.

    Args:
        mask: ``H W`` bool, True = to fill.
        fmt: The picture's format.

    Returns:
        One bool array per plane: a subsampled sample is touched when any pixel of its block is masked; alpha never is.
    """
    height, width = mask.shape
    planes = []
    for layout in fmt.planes:
        if layout.role == "a":
            planes.append(np.zeros(plane_shape(layout, width, height), dtype=bool))
        else:
            planes.append(block_sum(mask.astype(np.float32), layout) > 0)
    return tuple(planes)


def composite(frame: NativeFrame, fill_rgb: np.ndarray, weights: np.ndarray, info: ClipInfo) -> NativeFrame:
    """Blend a fill into a picture, in the picture's own samples.

    A sample becomes ``(1 - a) known + a fill``, rounded; ``a`` is the weight of its pixel, for a subsampled sample the
    mean weight of its block, so that one that is half covered moves half way. Its fill is the mean of the fill under
    the weights alone: what ``fill_rgb`` holds elsewhere is never looked at.

    Args:
        frame: The picture, in the clip's format.
        fill_rgb: ``3 H W`` in [0, 1]; read only where ``weights`` is above 0, and clipped there.
        weights: ``H W`` in [0, 1]; 0 keeps the picture.
        info: The clip.

    Returns:
        A new picture with its own memory; samples outside :func:`touched` ``(weights > 0)`` and alpha are equal.

    Raises:
        UsageError: Sizes differ from the clip's, or a weight or a used fill value is not a finite number in its range.
        MediaError: The clip's matrix or format is not supported.
    """
    model = color_model(info)
    _check(fill_rgb, weights, info)
    planes = [plane.copy() for plane in frame.planes]
    box = _blocks_around(weights > 0, model.fmt)
    if box is None:
        return NativeFrame(tuple(planes), frame.pts, frame.duration, frame.index)
    y0, y1, x0, x1 = box
    weight = np.asarray(weights[y0:y1, x0:x1], dtype=np.float32)
    used = np.where(weight > 0, fill_rgb[:, y0:y1, x0:x1], np.float32(0))
    if not np.isfinite(used).all():
        raise UsageError(
            f"fill of frame {frame.index}", expected="finite numbers under the mask", got="NaN or infinity"
        )
    parts = components(np.clip(used, 0.0, 1.0), model)
    for plane, layout in zip(planes, model.fmt.planes, strict=True):
        if layout.role != "a":
            top, left = y0 >> layout.y_shift, x0 >> layout.x_shift
            rows, columns = plane_shape(layout, x1 - x0, y1 - y0)
            _blend(plane[top : top + rows, left : left + columns], parts[layout.role], weight, layout, model)
    return NativeFrame(tuple(planes), frame.pts, frame.duration, frame.index)


def _check(fill_rgb: np.ndarray, weights: np.ndarray, info: ClipInfo) -> None:
    size = (info.height, info.width)
    if weights.shape != size or fill_rgb.shape != (3, *size):
        raise UsageError(
            "composite",
            expected=f"weights {size} and a fill {(3, *size)}",
            got=f"weights {weights.shape} and a fill {fill_rgb.shape}",
        )
    low, high = float(weights.min()), float(weights.max())
    if not (low >= 0.0 and high <= 1.0):
        raise UsageError("composite", expected="weights in [0, 1]", got=f"weights from {low} to {high}")


def _blocks_around(mask: np.ndarray, fmt: PictureFormat) -> tuple[int, int, int, int] | None:
    """Smallest box of whole chroma blocks ``(y0, y1, x0, x1)`` around the mask, or None."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    spans: list[int] = []
    shifts = max(p.y_shift for p in fmt.planes), max(p.x_shift for p in fmt.planes)
    for hits, size, shift in zip((rows, columns), mask.shape, shifts, strict=True):
        start, last = int(hits[0]) >> shift, int(hits[-1]) >> shift
        spans += [start << shift, min(size, (last + 1) << shift)]
    return spans[0], spans[1], spans[2], spans[3]


def _blend(known: np.ndarray, part: np.ndarray, weight: np.ndarray, layout: PlaneLayout, model: ColorModel) -> None:
    """Write the blend into ``known``, a view of the plane, where the block has any weight."""
    zero, span = model.scale(layout.role)
    share = weight
    if layout.x_shift or layout.y_shift:
        ones = np.ones_like(weight)
        share = block_sum(weight, layout) / block_sum(ones, layout)
        nearby = shrink(weight, layout, model.siting)
        part = shrink(part * weight, layout, model.siting) / np.where(nearby > 0, nearby, np.float32(1))
    here = share > 0
    fill = part[here] * np.float32(span) + np.float32(zero)
    old = known[here].astype(np.float32)
    blended = old + share[here] * (fill - old)
    known[here] = np.clip(np.rint(blended), 0, model.peak).astype(known.dtype)


def block_sum(values: np.ndarray, layout: PlaneLayout) -> np.ndarray:
    """Sum over each chroma block; blocks at the right and lower border may be cut."""
    if layout.y_shift:
        values = np.add.reduceat(values, np.arange(0, values.shape[0], 1 << layout.y_shift), axis=0)
    if layout.x_shift:
        values = np.add.reduceat(values, np.arange(0, values.shape[1], 1 << layout.x_shift), axis=1)
    return values
